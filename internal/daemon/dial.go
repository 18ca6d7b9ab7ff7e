package daemon

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/forwarder"
	"culvert/internal/config"
)

// How long a connection or session that has ended waits before it is tried again: twice as long each time, and up to a
// quarter more at random, so that many do not come together.
const (
	redialFirst = time.Second
	redialMost  = time.Minute      // of connections
	reaskMost   = 15 * time.Second // of sessions
	// steady is how long a connection must have been up for the next attempt to come soon.
	steady = 30 * time.Second
)

// backoff counts the waiting time up.
type backoff time.Duration

// next is how long to wait now.
func (b *backoff) next(most time.Duration) time.Duration {
	d := max(time.Duration(*b), redialFirst)
	*b = backoff(min(2*d, most))
	return d + rand.N(d/4)
}

// dialer is a configured dynamic tunnel.
type dialer struct {
	cfg     *config.Tunnel
	sock    *forwarder.Control
	conn    *connection // nil: between two attempts
	lines   []*line
	timer   timer
	backoff backoff
	reason  string // why it ended last
	removed bool   // it is not wanted any more
	ring    ring   // of all its connections
	// peer is the address that is or was dialed last. A name has the others: addrs when it was last resolved, of which
	// failed were dialed in vain the last time; asking says that it is being resolved.
	peer          netip.Addr
	addrs, failed []netip.Addr
	asking        bool
}

// line is a configured session of a dynamic tunnel.
type line struct {
	cfg      *config.Session
	dialer   *dialer
	call     *control.Session // nil: not asked for
	timer    timer
	backoff  backoff
	failures int    // attempts in a row that brought no network up
	done     bool   // it is not wanted again
	removed  bool   // by a reload
	reason   string // why it ended last
}

// addDialer prepares a dynamic tunnel; begin dials.
func (d *daemon) addDialer(c *config.Tunnel) error {
	sock, err := d.socket(c, d.plane.responder.listens[ownAddress{c.Transport, c.Local}] != nil)
	if err != nil {
		return d.fault(c.Line, tunnelKey(c, "local"), err)
	}
	l := &dialer{cfg: c, sock: sock, timer: timer{index: -1}}
	if c.PeerName == "" {
		l.expect(d, c.Peer.Addr())
	}
	for i := range c.Sessions {
		l.lines = append(l.lines, &line{cfg: &c.Sessions[i], dialer: l, timer: timer{index: -1}})
	}
	d.plane.dialers = append(d.plane.dialers, l)
	return nil
}

// tick dials, or has the peer's name resolved first.
func (l *dialer) tick(d *daemon, now time.Time) {
	switch {
	case l.conn != nil || l.asking || l.removed || d.plane.full():
	case l.cfg.PeerName != "":
		l.asking = true
		d.lookups.ask(l)
	default:
		l.dial(d, l.cfg.Peer.Addr(), now)
	}
}

func (l *dialer) dial(d *daemon, peer netip.Addr, now time.Time) {
	l.expect(d, peer)
	path := control.Path{
		Transport: l.cfg.Transport, Local: l.cfg.Local, Remote: netip.AddrPortFrom(peer, l.cfg.Peer.Port()),
	}
	c, err := d.plane.ep.Dial(now, path, *l.cfg.Control)
	if err != nil { // the configuration was checked
		d.log.Error("dial", zap.String("tunnel", l.cfg.Name), zap.Error(err))
		return
	}
	l.conn = &connection{conn: c, cfg: l.cfg, dialer: l}
	c.Data = l.conn
	l.ring.follow(c)
	for _, n := range l.lines {
		n.tick(d, now) // they wait in the connection
	}
}

// ended waits for the next attempt.
func (l *dialer) ended(d *daemon, k *connection, reason string, now time.Time) {
	l.conn, l.reason = nil, reason
	if k.upAt.IsZero() && l.cfg.PeerName != "" {
		l.failed = append(l.failed, l.peer)
	}
	for _, n := range l.lines {
		d.timers.set(&n.timer, n, time.Time{})
	}
	if l.removed || d.plane.closing {
		return
	}
	if !k.upAt.IsZero() && now.Sub(k.upAt) >= steady {
		l.backoff = 0
	}
	d.timers.set(&l.timer, l, now.Add(l.backoff.next(redialMost)))
}

// tick asks for the session.
func (n *line) tick(d *daemon, now time.Time) {
	if n.call != nil || n.done || n.removed || n.dialer.conn == nil || d.plane.full() {
		return
	}
	call, err := n.dialer.conn.conn.Open(now, callFor(n.cfg, n.dialer.cfg.PPPType))
	if err != nil {
		n.reason = err.Error()
		d.noisyControl.Warn("session", zap.String("session", n.dialer.cfg.Name+"/"+n.cfg.Name), zap.Error(err))
		d.timers.set(&n.timer, n, now.Add(n.backoff.next(reaskMost)))
		return
	}
	n.call = call
	call.Data = &circuit{call: call, cfg: *n.cfg, line: n}
}

// ended waits for the next attempt, as far as the profile of a PPP session wants one.
func (n *line) ended(d *daemon, k *circuit, reason string, now time.Time) {
	n.call, n.reason = nil, reason
	if n.failures++; k.worked {
		n.failures, n.backoff = 0, 0
	}
	wait := n.backoff.next(reaskMost)
	if n.removed {
		return
	}
	if c := n.cfg.PPP; c != nil {
		switch {
		case !c.Persist:
			n.done = true
			return
		case c.MaxFail > 0 && n.failures >= c.MaxFail:
			n.done = true
			d.noisyControl.Warn("session given up", zap.String("session", n.dialer.cfg.Name+"/"+n.cfg.Name))
			return
		case c.Holdoff > 0:
			wait = c.Holdoff
		}
	}
	if n.dialer.conn != nil && !d.plane.closing {
		d.timers.set(&n.timer, n, now.Add(wait))
	}
}
