package daemon

import (
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/encap"
	"culvert/forwarder"
	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// plane is the control plane: all control connections, what they run on, and whom they are for. It is guarded by
// daemon.mu and used by the control loop.
type plane struct {
	ep        *control.Endpoint
	sockets   map[ownAddress]*forwarder.Control
	dialers   []*dialer
	responder responder
	dialed    map[netip.Addr]int // peers of dialers, by how many have them
	// static are the session ids that control messages cannot assign.
	static   map[encap.SessionID]struct{}
	draining bool           // the same for now, while what is there goes on
	closing  bool           // no connection or session begins any more
	left     []control.CCID // connections we have ended at last
}

// ownAddress is an address of ours on one transport.
type ownAddress struct {
	transport encap.Transport
	addr      netip.AddrPort
}

// connection is what a control connection stands for; it is control.Conn.Data.
type connection struct {
	conn   *control.Conn
	cfg    *config.Tunnel // how packets look; of a dialer, or what a listener gives
	dialer *dialer        // nil: the peer has dialed
	peer   *config.Peer   // nil: we have
	serial int            // of those that peers have dialed: a later one has a larger
	t      *tunnel        // in the data plane; nil: the connection is not up
	upAt   time.Time
}

func newPlane(d *daemon) *plane {
	p := &plane{
		sockets: make(map[ownAddress]*forwarder.Control),
		static:  make(map[encap.SessionID]struct{}),
		dialed:  make(map[netip.Addr]int),
	}
	for i := range d.cfg.Tunnels {
		for j := range d.cfg.Tunnels[i].Sessions {
			p.static[d.cfg.Tunnels[i].Sessions[j].SID] = struct{}{}
		}
	}
	inUse := func(id encap.SessionID) bool { _, ok := p.static[id]; return ok }
	p.responder = newResponder(d.cfg)
	p.ep = control.NewEndpoint(control.Config{SessionIDInUse: inUse, Trace: d.trace}, policy{d}, rand.Reader)
	return p
}

// socket opens the local address of a tunnel for control messages, once.
func (d *daemon) socket(c *config.Tunnel, strangers bool) (*forwarder.Control, error) {
	key := ownAddress{c.Transport, c.Local}
	if s := d.plane.sockets[key]; s != nil {
		return s, nil
	}
	s, err := d.fwd.OpenControl(forwarder.ControlConfig{
		Transport: c.Transport, Local: c.Local, NoChecksum: !c.UDPChecksum, DF: c.DF, Strangers: strangers,
	})
	if err == nil {
		d.plane.sockets[key] = s
	}
	return s, err
}

func (p *plane) closeSockets() {
	for _, s := range p.sockets {
		s.Close()
	}
	clear(p.sockets)
}

// hangUp ends all control connections, and with them what they carry.
func (d *daemon) hangUp(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*control.Conn
	d.plane.ep.Conns(func(c *control.Conn) bool { all = append(all, c); return true })
	for _, c := range all {
		c.Close(now, control.Result{Code: control.StopShutdown})
	}
	for _, c := range all {
		d.plane.left = append(d.plane.left, c.ID())
	}
	d.settlePlane(now)
}

// parting tells whether a peer has not yet acknowledged that we go.
func (d *daemon) parting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.plane.left, func(id control.CCID) bool { return d.plane.ep.Conn(id) != nil })
}

// converse takes a control message and those that wait behind it, strangers' last, and then does what they ask for: what
// takes its time, such as making devices, costs less for many at once.
func (d *daemon) converse(m forwarder.ControlMessage) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	defer d.due(now)
	d.receive(m, now)
	for range eventBurst - 1 {
		m, ok := d.nextMessage()
		if !ok {
			break
		}
		d.receive(m, now)
	}
	d.settlePlane(now)
	return d.handleWaiting(frameBurst, now)
}

// nextMessage takes a control message that waits.
func (d *daemon) nextMessage() (m forwarder.ControlMessage, ok bool) {
	known, strangers := d.fwd.ControlMessages()
	select {
	case m = <-known:
		return m, true
	default:
	}
	select {
	case m = <-strangers:
		return m, true
	default:
		return m, false
	}
}

func (d *daemon) receive(m forwarder.ControlMessage, now time.Time) {
	d.plane.ep.Receive(now, control.Path{Transport: m.Transport, Local: m.Local, Remote: m.Remote}, m.Payload)
	d.fwd.ReleaseControl(m)
}

// settlePlane carries out what the control plane wants done.
func (d *daemon) settlePlane(now time.Time) {
	for acts := d.plane.ep.Take(); len(acts) > 0; acts = d.plane.ep.Take() { // an action may cause others
		d.prepare(acts, now)
		for _, a := range acts {
			d.perform(a, now)
		}
	}
	d.removeEnded()
}

func (d *daemon) perform(a control.Action, now time.Time) {
	switch a := a.(type) {
	case control.Send:
		s := d.plane.sockets[ownAddress{a.Path.Transport, a.Path.Local}]
		if s == nil {
			return // closed
		}
		if err := s.Send(a.Path.Remote, a.Payload); err != nil { // a lost message is sent again
			d.noisyControl.Debug("send control message", zap.Stringer("to", a.Path.Remote), zap.Error(err))
		}
	case control.ConnUp:
		d.connUp(a.Conn, now)
	case control.ConnDown:
		d.connDown(a, now)
	case control.PathChanged:
		d.pathChanged(a)
	case control.SessionReady:
		d.callReady(a, now)
	case control.SessionUp:
		d.callUp(a.Session, now)
	case control.SessionDown:
		d.callDown(a, now)
	case control.CircuitChanged:
		d.circuitChanged(a.Session)
	}
}

// connUp gives an established connection its place in the data plane.
func (d *daemon) connUp(c *control.Conn, now time.Time) {
	k := d.connectionOf(c, now)
	if k == nil {
		c.Close(now, control.Result{Code: control.StopShutdown}) // what it came by is gone
		return
	}
	cfg := *k.cfg
	cfg.Peer, cfg.TID, cfg.PTID = c.Path().Remote, uint32(c.ID()), uint32(c.Status().Remote)
	t, err := d.openTunnel(&cfg, k)
	if err != nil {
		d.noisyControl.Error("tunnel", zap.String("tunnel", cfg.Name), zap.Error(err))
		c.Close(now, control.Result{Code: control.StopError, Error: control.ErrorResources})
		return
	}
	k.t, k.upAt = t, now
	d.noisyControl.Info("control connection up", zap.String("tunnel", cfg.Name), zap.Stringer("peer", cfg.Peer),
		zap.String("host_name", c.Peer().HostName))
	d.tellConn(mgmt.EventTunnelUp, k, "")
}

// connDown takes away all that was on a connection, at once.
func (d *daemon) connDown(a control.ConnDown, now time.Time) {
	var gone []*session
	var again []*line
	owner, _ := a.Conn.Data.(*connection)
	for _, call := range a.Sessions {
		if k, ok := call.Data.(*circuit); ok {
			s := d.release(k, now)
			if owner != nil && !owner.upAt.IsZero() { // else none of them could begin
				d.tellCallDown(k, s, "tunnel: "+a.Reason.String())
			}
			if s != nil {
				gone = append(gone, s)
			}
			if k.line != nil {
				again = append(again, k.line)
			}
		}
	}
	d.removeSessions(gone)
	k := owner
	if k == nil {
		return // it never came up, and nobody here has asked for it
	}
	d.tellConnDown(k, a)
	name := k.cfg.Name
	if k.t != nil {
		d.removeTunnel(k.t)
		k.t = nil
	}
	d.noisyControl.Info("control connection down", zap.String("tunnel", name), zap.Stringer("reason", a.Reason),
		zap.Int("sessions", len(a.Sessions)))
	if k.peer != nil {
		delete(d.plane.responder.tunnels[k.peer], k)
	}
	if k.dialer != nil {
		for _, l := range again {
			l.call = nil
		}
		k.dialer.ended(d, k, a.Reason.String(), now)
	}
}

// pathChanged lets the data of a connection follow its messages.
func (d *daemon) pathChanged(a control.PathChanged) {
	k, _ := a.Conn.Data.(*connection)
	if k == nil || k.t == nil {
		return
	}
	old := k.t
	cfg := *old.cfg
	cfg.Peer = a.Path.Remote
	t, err := d.openTunnel(&cfg, k)
	if err != nil {
		d.noisyControl.Error("follow the peer", zap.String("tunnel", cfg.Name), zap.Error(err))
		return
	}
	d.noisyControl.Info("peer moved", zap.String("tunnel", cfg.Name), zap.Stringer("from", old.cfg.Peer), zap.Stringer("to", cfg.Peer))
	k.t = t
	for s := range old.sessions {
		d.moveSession(s, t)
	}
	d.removeTunnel(old)
}

// moveSession gives a session another tunnel. Its counters begin anew.
func (d *daemon) moveSession(s *session, to *tunnel) {
	d.fwd.RemoveSession(s.fwd)
	delete(d.byFwd, s.fwd)
	delete(s.tunnel.sessions, s)
	s.tunnel = to
	to.sessions[s] = struct{}{}
	f, err := d.fwd.AddSession(to.fwd, *s.fcfg)
	if err != nil { // the loops take what they had
		d.log.Error("follow the peer", zap.String("session", s.fullName()), zap.Error(err))
		return
	}
	if s.shared != nil && s.ppp != nil {
		for _, p := range s.ppp.routes {
			s.shared.fwd.Move(p, s.fwd, f)
		}
	}
	s.fwd, s.fcfg = f, f.Config()
	d.byFwd[f] = s
	s.fwd.SetMTU(s.mtu)
	d.adaptMTU(s)
	s.fwd.SetLink(s.linkState())
}
