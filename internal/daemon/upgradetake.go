package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/forwarder"
	"culvert/forwarder/tuntap"
	"culvert/internal/config"
	"culvert/internal/mgmt"
	"culvert/snapshot"
)

// The new process' side of a takeover (upgradewire.go).

// taking is a takeover that is under way.
type taking struct {
	w       wire
	d       *daemon
	c       *snapshot.Codec
	fds     []int // that nobody owns yet
	conns   map[control.CCID]*connection
	static  map[string]*tunnel
	carried map[config.SessionName]bool // static sessions
}

var errFewFiles = errors.New("there are fewer files than belong to the state")

// next gives the next file, which its receiver owns.
func (t *taking) next() (int, error) {
	if len(t.fds) == 0 {
		return -1, errFewFiles
	}
	fd := t.fds[0]
	t.fds = t.fds[1:]
	return fd, nil
}

// takeAll makes a daemon of what another process has under path. When it returns an error, that one goes on as if nothing
// had been.
func takeAll(cfg *config.Config, o Options, path string) (d *daemon, l *listeners, err error) {
	c, err := net.DialTimeout("unix", path+takeoverSuffix, talkWait)
	if err != nil {
		return nil, nil, fmt.Errorf("take over: is a culvert running? %w", err)
	}
	defer func() { _ = c.Close() }()
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return nil, nil, fmt.Errorf("take over: %T", c)
	}
	t := &taking{
		w: wire{uc}, conns: make(map[control.CCID]*connection), static: make(map[string]*tunnel),
		carried: make(map[config.SessionName]bool),
	}
	l = &listeners{}
	defer func() { closeFiles(t.fds) }()
	if err = t.run(cfg, o, path, l); err == nil {
		return t.d, l, nil
	}
	l.leave()
	l.close()
	if t.d != nil {
		t.d.mu.Lock()
		t.d.abandon()
		t.d.mu.Unlock()
		t.d.lookups.close()
		t.d.endScripts()
	}
	return nil, nil, fmt.Errorf("take over: %w", err)
}

func (t *taking) run(cfg *config.Config, o Options, path string, l *listeners) error {
	if _, err := t.w.peerPID(); err != nil {
		return err
	}
	h := helloOf(cfg)
	if err := t.w.send(msgHello, h.write(), talkWait); err != nil {
		return err
	}
	b, err := t.w.receive(msgOffer, talkWait)
	if err != nil {
		return err
	}
	workers := 0
	offer := snapshot.NewReader(b, time.Time{})
	if snapshot.Limited(offer, &workers, 1024, "the number of workers"); offer.Close() != nil {
		return offer.Close()
	}
	if t.d, err = prepare(cfg, o, workers); err != nil {
		return err
	}
	t.d.fwd.PauseInbound()
	t.d.fwd.PauseOutbound()
	if err = t.w.send(msgReady, nil, talkWait); err != nil {
		return err
	}
	if t.fds, err = t.w.receiveFiles(talkWait); err != nil {
		return err
	}
	if b, err = t.w.receive(msgState, haltWait); err != nil {
		return err
	}
	if b, err = snapshot.Open(b); err != nil {
		return err
	}
	t.c = snapshot.NewReader(b, time.Now())
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if err = t.restore(path, l); err != nil {
		return err
	}
	if err = t.w.send(msgRestored, nil, haltWait); err != nil {
		return err
	}
	if _, err = t.w.receive(msgCommit, haltWait); err != nil {
		return err
	}
	t.d.fwd.Resume()
	if err = t.w.send(msgStarted, nil, haltWait); err != nil {
		t.d.log.Warn("the old process is gone", zap.Error(err))
	}
	t.begin(time.Now())
	return nil
}

// restore makes everything as it was, without sending or receiving anything.
func (t *taking) restore(path string, l *listeners) error {
	if err := t.inherit(path, l); err != nil {
		return err
	}
	if err := t.d.fwd.AdoptSockets(t.c, t.next); err != nil {
		return err
	}
	if err := t.plane(); err != nil {
		return err
	}
	sessions, err := t.sessions()
	if err != nil {
		return err
	}
	for _, s := range sessions {
		t.d.snapshotSession(s, t.c)
		if t.c.Err() != nil {
			return t.c.Err()
		}
		t.revive(s)
	}
	t.d.fwd.Snapshot(t.c)
	if len(t.fds) > 0 {
		t.c.Failf("%d files are left over", len(t.fds))
	}
	return t.c.Close()
}

// inherit takes the sockets of management interface, takeover and metrics.
func (t *taking) inherit(path string, l *listeners) error {
	for i, p := range []*net.Listener{&l.api, &l.takeover, &l.scrapes} {
		is := false
		if t.c.Bool(&is); !is {
			continue
		}
		fd, err := t.next()
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "listener")
		switch i {
		case 0:
			*p, err = mgmt.Inherit(f, path)
		case 1:
			*p, err = mgmt.Inherit(f, path+takeoverSuffix)
		default:
			*p, err = net.FileListener(f)
		}
		_ = f.Close()
		if err != nil {
			return err
		}
	}
	if t.c.Err() == nil && l.api == nil {
		t.c.Failf("there is no management socket")
	}
	return t.c.Err()
}

// plane restores control connections, with the tunnels that they have in the data plane, and static tunnels.
func (t *taking) plane() error {
	d, p := t.d, t.d.plane
	for i := range d.cfg.Tunnels {
		c := &d.cfg.Tunnels[i]
		if c.Control != nil {
			if err := d.addDialer(c); err != nil {
				return err
			}
			continue
		}
		s, err := d.openTunnel(c, nil)
		if err != nil {
			return err
		}
		s.told = true
		t.static[c.Name] = s
	}
	if err := d.listen(); err != nil {
		return err
	}
	p.ep.Snapshot(t.c)
	t.c.Bool(&p.draining)
	snapshot.Int(t.c, &p.responder.serial)
	snapshot.Int(t.c, &d.refused)
	var dialers []dialerState
	snapshot.Slice(t.c, &dialers, func(x *dialerState) { x.fields(t.c) })
	for i := range dialers {
		t.dialer(&dialers[i])
	}
	var err error
	var conns []connState
	snapshot.Slice(t.c, &conns, func(x *connState) {
		x.fields(t.c)
		if err == nil && t.c.Err() == nil {
			err = t.connection(x)
		}
	})
	return errors.Join(err, t.c.Err())
}

func (t *taking) findDialer(name string) *dialer {
	for _, l := range t.d.plane.dialers {
		if l.cfg.Name == name {
			return l
		}
	}
	return nil
}

// dialer restores what a dialer remembers. Whatever it was waiting for it does at once.
func (t *taking) dialer(x *dialerState) {
	l := t.findDialer(x.name)
	if l == nil {
		return
	}
	l.reason, l.backoff = x.reason, x.backoff
	for i := range x.lines {
		for _, n := range l.lines {
			if y := &x.lines[i]; n.cfg.Name == y.name {
				n.reason, n.backoff, n.failures, n.done = y.reason, y.backoff, y.failures, y.done
			}
		}
	}
}

// connection restores a control connection.
func (t *taking) connection(x *connState) error {
	d, r := t.d, &t.d.plane.responder
	k := &connection{dialer: t.findDialer(x.dialer), serial: x.serial, upAt: x.upAt}
	var profile control.Profile
	if k.dialer != nil {
		profile, k.cfg = *k.dialer.cfg.Control, k.dialer.cfg
	} else {
		for i := range r.peers {
			if r.peers[i].Name == x.peer {
				k.peer, profile = &r.peers[i], r.peers[i].Control
			}
		}
		if k.peer == nil {
			return fmt.Errorf("nobody here is the peer of tunnel %s", x.name)
		}
	}
	conn, err := d.plane.ep.Restore(t.c.Now(), t.c, profile)
	if err != nil {
		return err
	}
	k.conn, conn.Data = conn, k
	path := conn.Path()
	if k.dialer != nil {
		k.dialer.expect(d, path.Remote.Addr())
		k.dialer.conn = k
		k.dialer.ring.follow(conn)
	} else {
		listen := r.listens[ownAddress{path.Transport, path.Local}]
		if listen == nil {
			return fmt.Errorf("tunnel %s came by %v, where nobody listens", x.name, path.Local)
		}
		cfg := *listen
		cfg.Name, k.cfg = x.name, &cfg
		r.enter(k)
	}
	cfg := *k.cfg
	cfg.Peer, cfg.TID, cfg.PTID = path.Remote, uint32(conn.ID()), uint32(conn.Status().Remote)
	if k.t, err = d.openTunnel(&cfg, k); err != nil {
		return err
	}
	t.conns[conn.ID()] = k
	return nil
}

// sessions restores devices and places in the data plane, all together.
func (t *taking) sessions() ([]*session, error) {
	d := t.d
	var states []sessionState
	snapshot.Slice(t.c, &states, func(x *sessionState) { x.fields(t.c) })
	if t.c.Err() != nil {
		return nil, t.c.Err()
	}
	all := make([]*session, len(states))
	wanted := make([]forwarder.NewSession, len(states))
	for i := range states {
		s, err := t.session(&states[i])
		if s != nil {
			all[i] = s
		}
		if err != nil {
			abandonAll(all)
			return nil, err
		}
		wanted[i] = forwarder.NewSession{Tunnel: s.tunnel.fwd, Config: *s.fcfg}
	}
	added, errs := d.fwd.AddSessions(wanted)
	if err := errors.Join(errs...); err != nil {
		abandonAll(all)
		return nil, err
	}
	for i, s := range all {
		s.fwd = added[i]
		d.note(s)
	}
	return all, nil
}

// abandonAll lets go of devices of sessions that nobody knows yet.
func abandonAll(all []*session) {
	for _, s := range all {
		if s != nil && s.dev != nil {
			s.dev.Abandon()
		}
	}
}

// session makes one, with its device.
func (t *taking) session(x *sessionState) (*session, error) {
	d := t.d
	s, err := t.who(x)
	if err != nil {
		return nil, err
	}
	s.mtu, s.offloads, s.fcfg.Merge, s.up, s.told = x.mtu, x.offloads, x.merge, x.up, x.told
	if s.cfg.Pseudowire == config.PseudowirePPP {
		s.ppp = d.newPPP(s)
	}
	fd, err := t.next()
	if err != nil {
		return nil, err
	}
	c := d.deviceConfig(s)
	if s.dev, err = tuntap.Adopt(c, x.index, fd); err != nil {
		closeFiles([]int{fd})
		return s, err
	}
	s.fcfg.Device = s.dev.Queue()
	return s, nil
}

// who finds a session's configuration.
func (t *taking) who(x *sessionState) (*session, error) {
	if x.conn != 0 {
		return t.called(x)
	}
	tun := t.static[x.tunnel]
	if tun != nil {
		for i := range tun.cfg.Sessions {
			if c := &tun.cfg.Sessions[i]; c.Name == x.name {
				t.carried[config.SessionName{Tunnel: x.tunnel, Session: x.name}] = true
				return &session{cfg: c, tunnel: tun, fcfg: sessionConfig(c)}, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no session %s/%s here", x.tunnel, x.name)
}

// called makes the session of a call.
func (t *taking) called(x *sessionState) (*session, error) {
	k := t.conns[x.conn]
	if k == nil {
		return nil, fmt.Errorf("session %s has no connection", x.name)
	}
	call := t.d.plane.ep.Session(x.id)
	if call == nil || call.Conn() != k.conn || call.State() != control.Established || call.Data != nil {
		return nil, fmt.Errorf("session %s of tunnel %s is not established", x.name, k.cfg.Name)
	}
	c := &circuit{call: call, up: true, worked: x.worked, told: x.circuitTold}
	if x.profile == "" && k.dialer != nil {
		for _, n := range k.dialer.lines {
			if n.cfg.Name == x.name {
				c.line, c.cfg, n.call = n, *n.cfg, call
			}
		}
	} else if s, ok := t.d.plane.responder.find(call.RemoteEndID()); ok && s.profile.Name == x.profile && s.number == x.number {
		c.slot, c.cfg = s, s.profile.At(s.number)
		if c.cfg.InterfaceName == "" {
			c.cfg.InterfaceName = config.InterfaceName(k.cfg.Name, c.cfg.Name)
		}
		t.d.plane.responder.taken[s] = c
	}
	if c.line == nil && c.slot.profile == nil {
		return nil, fmt.Errorf("nothing here says what session %s of tunnel %s is for", x.name, k.cfg.Name)
	}
	call.Data = c
	s := c.session(k.t)
	c.s = s
	return s, nil
}

// revive lets a session go on after its state was read.
func (t *taking) revive(s *session) {
	d := t.d
	if p := s.ppp; p != nil {
		if p.us != (held{}) {
			d.count(p.us, s, 1, 0)
			d.count(p.peer, s, 0, 1)
		}
		d.settle(s, t.c.Now())
	}
	s.fwd.SetMTU(s.mtu)
	s.fwd.SetLink(s.linkState())
}

// begin makes up for what could not come along: sessions that were being set up, and those that had lost their devices.
func (t *taking) begin(now time.Time) {
	d := t.d
	d.fwd.CloseSpare()
	d.probeAt = now.Add(pathProbe)
	for _, s := range d.sessions {
		d.watch(s)
		d.adaptMTU(s) // the kernel may know another path MTU by now
	}
	for _, k := range t.conns {
		var gone []*control.Session
		k.conn.Sessions(func(s *control.Session) bool {
			if s.Data == nil {
				gone = append(gone, s)
			}
			return true
		})
		for _, s := range gone {
			s.Close(now, control.Result{Code: control.CallAdministrative, Text: "another process has taken over, ask again"})
		}
	}
	for _, tun := range t.static {
		t.restOf(tun, now)
	}
	for _, l := range d.plane.dialers {
		l.tick(d, now)
		for _, n := range l.lines {
			n.tick(d, now)
		}
	}
	d.due(now)
}

// restOf brings up those sessions of a static tunnel that did not come along.
func (t *taking) restOf(tun *tunnel, now time.Time) {
	d := t.d
	for i := range tun.cfg.Sessions {
		c := &tun.cfg.Sessions[i]
		name := config.SessionName{Tunnel: tun.cfg.Name, Session: c.Name}
		if t.carried[name] {
			continue
		}
		s := &session{cfg: c, tunnel: tun, fcfg: sessionConfig(c)}
		if err := d.addSession(s); err != nil {
			d.log.Error("session", zap.String("session", s.fullName()), zap.Error(err))
			d.absent[name] = true
			continue
		}
		if s.ppp == nil {
			d.openEthernet(s)
		} else {
			d.openPPP(s, now)
		}
	}
}
