package daemon

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/internal/config"
	"culvert/internal/mgmt"
	"culvert/internal/version"
	"culvert/snapshot"
)

// The old process' side of a takeover (upgradewire.go).

const (
	// takeoverSuffix makes the path of the socket out of that of the management socket.
	takeoverSuffix = ".takeover"
	// talkWait bounds each step in which nothing is stopped.
	talkWait = 10 * time.Second
	// haltWait bounds each step in which nothing is forwarded.
	haltWait = 5 * time.Second
	// startWait bounds the last step: the new process has only to resume.
	startWait = 10 * time.Second
)

// errHandedOver ends the control loop: another process goes on.
var errHandedOver = errors.New("handed over to another process")

// Why a takeover is refused.
var (
	errOtherConfig = errors.New("its configuration differs from the one that runs here: reload first (culvert reload), so that one thing changes at a time")
	errShared      = errors.New("shared devices ([shared.NAME]) cannot be handed over yet: stop and start instead")
	errAnnexes     = errors.New("more sessions have devices than the process may have open files, and those beyond cannot be handed over: stop and start instead")
	errRouters     = errors.New("sessions on which we are the IPv6 router cannot be handed over yet: stop and start instead")
)

// listeners are the sockets of the process that are nobody else's.
type listeners struct {
	api, takeover, scrapes net.Listener // nil: there is none
}

func (l *listeners) all() []net.Listener { return []net.Listener{l.api, l.takeover, l.scrapes} }

func (l *listeners) close() {
	for _, ln := range l.all() {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// leave has the files of sockets stay when these are closed.
func (l *listeners) leave() {
	mgmt.Leave(l.api)
	mgmt.Leave(l.takeover)
}

// listenTakeover opens the socket by which another process can take over. Without it everything else goes on.
func listenTakeover(path string, log *zap.Logger) net.Listener {
	ln, err := mgmt.Listen(path + takeoverSuffix)
	if err != nil {
		log.Warn("there can be no takeover", zap.Error(err))
		return nil
	}
	return ln
}

// offerTakeover serves those who want to take over, one at a time, until the listener is closed; what it returns waits for
// that.
func (d *daemon) offerTakeover(l *listeners) (wait func()) {
	if l.takeover == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.takeover.Accept()
			if err != nil {
				return
			}
			if uc, ok := c.(*net.UnixConn); ok {
				d.negotiate(wire{uc}, l)
			}
			_ = c.Close()
		}
	}()
	return func() { <-done }
}

// negotiate speaks with one process up to the point where the control loop has to stop.
func (d *daemon) negotiate(w wire, l *listeners) {
	pid, err := w.peerPID()
	if err == nil {
		err = d.giveOver(w, l, pid)
	}
	if err == nil {
		return
	}
	d.log.Warn("takeover failed, everything goes on here", zap.Int("pid", pid), zap.Error(err))
	_ = w.send(msgRefuse, []byte(err.Error()), talkWait)
}

func (d *daemon) giveOver(w wire, l *listeners, pid int) error {
	b, err := w.receive(msgHello, talkWait)
	if err != nil {
		return err
	}
	var h hello
	if err := h.read(b); err != nil {
		return err
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	d.log.Info("takeover begins", zap.Int("pid", pid), zap.String("version", h.version))
	if err := d.mayGo(&h); err != nil {
		return err
	}
	offer := snapshot.NewWriter(time.Time{})
	workers := d.fwd.Workers()
	snapshot.Int(offer, &workers)
	if err := w.send(msgOffer, offer.Bytes(), talkWait); err != nil {
		return err
	}
	if _, err := w.receive(msgReady, talkWait); err != nil {
		return err
	}
	failed := mgmt.ErrStopping
	if err := d.do(func(now time.Time) { failed = d.handOver(w, l, &h, pid, now) }); err != nil {
		return err
	}
	return failed
}

// hello is what the new process says about itself.
type hello struct {
	version string
	config  [sha256.Size]byte
}

func helloOf(c *config.Config) hello {
	return hello{version.Get().Version, sha256.Sum256([]byte(c.Text))}
}

// The version of snapshots comes first, so that all can read it.
func (h *hello) write() []byte {
	c := snapshot.NewWriter(time.Time{})
	v := snapshot.Version
	snapshot.Int(c, &v)
	c.String(&h.version)
	c.Fixed(h.config[:])
	return c.Bytes()
}

func (h *hello) read(b []byte) error {
	c := snapshot.NewReader(b, time.Time{})
	v := 0
	if snapshot.Int(c, &v); c.Err() == nil && v != snapshot.Version {
		return fmt.Errorf("%w: the other process has %d, this one %d", snapshot.ErrVersion, v, snapshot.Version)
	}
	c.String(&h.version)
	c.Fixed(h.config[:])
	return c.Close()
}

// mayGo tells why what runs here cannot be handed over.
func (d *daemon) mayGo(h *hello) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cannotGo(h)
}

func (d *daemon) cannotGo(h *hello) error {
	switch {
	case h.config != helloOf(d.cfg).config:
		return errOtherConfig
	case len(d.shared) > 0:
		return errShared
	case d.fwd.Annexes() > 0:
		return errAnnexes
	}
	for _, s := range d.sessions {
		if s.ppp != nil && s.ppp.router != nil {
			return errRouters
		}
	}
	return nil
}

// handOver stops forwarding, gives everything to the other process, and goes on where that fails. The control loop runs
// it, with daemon.mu held.
func (d *daemon) handOver(w wire, l *listeners, h *hello, pid int, now time.Time) error {
	if d.plane.closing {
		return mgmt.ErrStopping
	}
	began := time.Now()
	d.fwd.PauseInbound()
	d.finishWaiting(now)
	d.fwd.PauseOutbound()
	err := d.cannotGo(h) // sessions may have come meanwhile
	if err == nil {
		err = d.give(w, l, pid)
	}
	if err != nil {
		d.fwd.Resume()
		return err
	}
	d.handedOver = true
	d.log.Info("handed over", zap.Int("pid", pid), zap.String("version", h.version), zap.Int("sessions", len(d.sessions)),
		zap.Duration("took", time.Since(began)))
	return nil
}

// finishWaiting deals with all that has come already.
func (d *daemon) finishWaiting(now time.Time) {
	for m, ok := d.nextMessage(); ok; m, ok = d.nextMessage() {
		d.receive(m, now)
	}
	d.settlePlane(now)
	_ = d.handleWaiting(cap(d.fwd.Events()), now) // a failed data plane shows again
	for _, v := range d.verdicts.take() {
		d.judge(v, now)
	}
	d.settlePlane(now)
	d.net.Flush()
	d.publish()
}

// give is the part in which nothing is forwarded.
func (d *daemon) give(w wire, l *listeners, pid int) error {
	c := snapshot.NewWriter(time.Now())
	fds, closeThem, err := d.snapshot(c, l)
	defer closeThem()
	if err == nil {
		err = w.sendFiles(fds, haltWait)
	}
	if err == nil {
		err = w.send(msgState, snapshot.Seal(c.Bytes()), haltWait)
	}
	if err != nil {
		return err
	}
	if _, err := w.receive(msgRestored, haltWait); err != nil {
		return err
	}
	d.mainPID(pid)
	if err = w.send(msgCommit, nil, haltWait); err == nil {
		if _, err = w.receive(msgStarted, startWait); errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil // it is there, and slow
		}
	}
	if err != nil { // it is gone, and nobody forwards
		d.mainPID(os.Getpid())
	}
	return err
}

// carried are the sessions that go over: those that are usable, or were without anybody else's help. Others begin anew.
func (d *daemon) carried() []*session {
	all := make([]*session, 0, len(d.sessions))
	for _, s := range d.sessions {
		k := s.circuit
		if s.dev != nil && !s.lost && !s.gone && (k == nil || k.s == s && k.up && k.call.State() == control.Established) {
			all = append(all, s)
		}
	}
	return all
}

// snapshot writes everything, and returns the files that belong to it, with what closes those made for it.
func (d *daemon) snapshot(c *snapshot.Codec, l *listeners) (fds []int, closeThem func(), err error) {
	var files []*os.File
	closeThem = func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for _, ln := range l.all() {
		is := ln != nil
		if c.Bool(&is); !is {
			continue
		}
		f, err := mgmt.File(ln)
		if err != nil {
			return nil, closeThem, err
		}
		files = append(files, f)
		fds = append(fds, int(f.Fd()))
	}
	fds = append(fds, d.fwd.SnapshotSockets(c)...)
	d.snapshotPlane(c)
	sessions := d.carried()
	states := make([]sessionState, len(sessions))
	for i, s := range sessions {
		states[i] = s.snapshotState()
		fds = append(fds, s.dev.Queue().FD())
	}
	snapshot.Slice(c, &states, func(x *sessionState) { x.fields(c) })
	for _, s := range sessions {
		d.snapshotSession(s, c)
	}
	d.fwd.Snapshot(c)
	return fds, closeThem, c.Close()
}

// snapshotPlane writes what belongs to control connections.
func (d *daemon) snapshotPlane(c *snapshot.Codec) {
	p := d.plane
	p.ep.Snapshot(c)
	c.Bool(&p.draining)
	snapshot.Int(c, &p.responder.serial)
	snapshot.Int(c, &d.refused)
	dialers := make([]dialerState, 0, len(p.dialers))
	for _, l := range p.dialers {
		x := dialerState{name: l.cfg.Name, reason: l.reason, backoff: l.backoff}
		for _, n := range l.lines {
			if n.done || n.failures > 0 || n.backoff > 0 || n.reason != "" {
				x.lines = append(x.lines, lineState{n.cfg.Name, n.reason, n.backoff, n.failures, n.done})
			}
		}
		dialers = append(dialers, x)
	}
	snapshot.Slice(c, &dialers, func(x *dialerState) { x.fields(c) })
	var conns []*connection
	p.ep.Conns(func(cc *control.Conn) bool {
		if k, ok := cc.Data.(*connection); ok && k.t != nil && cc.State() == control.Established {
			conns = append(conns, k)
		}
		return true
	})
	snapshot.Slice(c, &conns, func(p **connection) {
		k := *p
		x := connState{name: k.cfg.Name, serial: k.serial, upAt: k.upAt}
		if k.dialer != nil {
			x.dialer = k.dialer.cfg.Name
		} else {
			x.peer = k.peer.Name
		}
		x.fields(c)
		k.conn.Snapshot(c)
	})
}

// leave ends the process without taking anything away: another one has it.
func (d *daemon) leave() {
	d.endScripts()
	d.lookups.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandon()
}

// abandon lets go of sockets and devices.
func (d *daemon) abandon() {
	d.fwd.Abandon()
	for _, s := range d.sessions {
		d.unwatch(s)
		if s.dev != nil {
			s.dev.Abandon()
		}
	}
}
