package daemon

import (
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/encap"
	"culvert/forwarder"
	"culvert/internal/auth"
	"culvert/internal/config"
	"culvert/internal/pool"
	"culvert/pppfsm"
)

// How long a link that has finished waits before it opens again: a static pseudowire has no other way to come back.
// Meanwhile it still answers a peer that begins.
const (
	reopenFirst = time.Second
	reopenMost  = 30 * time.Second
)

// ppp is the PPP side of a session.
type ppp struct {
	link           *pppfsm.Link
	state          forwarder.LinkState
	peerMRU        int32
	scriptsRefused int32
	addrs          []address // on the device now
	routes         []netip.Prefix
	reason         string
	finished       bool
	closing        bool          // we are shutting down
	worked         bool          // a network was up since the link began
	failures       int32         // attempts in a row in which none was
	reopen         time.Time     // zero: not waiting
	backoff        time.Duration // of the next reopening
	timer          timer
	login          *login          // nil unless a peer wants to prove itself
	allowed        *auth.Addresses // that the peer let in may use; nil: all

	// Of scripts, see scripts.go.
	opened                     time.Time // when LCP was
	receivedBefore, sentBefore uint64    // bytes of the session before that
	peerName                   string    // of a peer that authenticated itself, for scripts
	ip, ip6, auth              *hook

	owner    string      // what addresses from pools are remembered by, see poolKey
	lease    *pool.Lease // of the peer's IPv4 address, nil: none
	us, peer held        // the ends' IPv4 addresses while IPv4 is up

	router *router // nil: we are none on this link
}

// address is one that must be taken off the device again.
type address struct {
	local netip.Prefix
	peer  netip.Addr
	v6    bool
}

func (d *daemon) newPPP(s *session) *ppp {
	return &ppp{
		link: pppfsm.NewLinkOf(d.linkConfig(s), rand.Reader), backoff: reopenFirst, timer: timer{index: -1}, router: d.newRouter(s),
	}
}

// linkKey is what the configuration of a link depends on where it depends on nothing of the session.
type linkKey struct {
	ppp *config.PPP // of a session profile
	mru int
}

// linkConfig is what the session's link is to negotiate. All sessions of a profile have one, unless their peers may choose
// addresses or the profile counts them.
func (d *daemon) linkConfig(s *session) *pppfsm.Config {
	c := s.cfg.PPP.Link
	c.EchoSpread = true
	if c.MRU = s.cfg.PPP.MRU; c.MRU == 0 {
		c.MRU = s.tunnel.fwd.ReceiveMTU(*s.fcfg)
		if c.IPv6 {
			c.MRU = max(c.MRU, minIPv6MTU)
		}
	}
	if c.AcceptPeer || !c.PeerAddress.IsValid() && s.cfg.PPP.Pool == "" {
		c.AllowPeer = func(a netip.Addr) bool { return s.ppp.may(a) && d.whyNot(s, a, forPeer) == "" }
		return c.Normal()
	}
	if s.circuit == nil || s.circuit.slot.profile == nil || s.circuit.slot.profile.PPP != s.cfg.PPP {
		return c.Normal()
	}
	k := linkKey{s.cfg.PPP, c.MRU}
	if d.linkConfigs[k] == nil {
		d.linkConfigs[k] = c.Normal()
	}
	return d.linkConfigs[k]
}

// settle carries out what the session's link wants done and arms its timer.
func (d *daemon) settle(s *session, now time.Time) {
	for acts := s.ppp.link.Take(); len(acts) > 0; acts = s.ppp.link.Take() { // an action may cause others
		for _, a := range acts {
			d.act(s, a, now)
		}
	}
	next := earlier(s.ppp.link.Deadline(), s.ppp.reopen)
	if s.ppp.router != nil {
		d.settleRouter(s)
		next = earlier(next, s.ppp.router.link.Deadline())
	}
	if l := s.ppp.login; l != nil && !l.until.IsZero() && (next.IsZero() || l.until.Before(next)) {
		next = l.until
	}
	d.timers.set(&s.ppp.timer, s, next)
}

// earlier is the first of two times, of which the zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tick gives the link the time, and opens it again when that is due.
func (s *session) tick(d *daemon, now time.Time) {
	p := s.ppp
	if !p.reopen.IsZero() && !now.Before(p.reopen) {
		p.reopen, p.finished = time.Time{}, false
		p.link.Open(now) // no effect when the peer has begun meanwhile
	}
	if c := &s.cfg.PPP.Link; c.EchoAdaptive || c.IdleTimeout > 0 {
		p.link.Traffic(s.fwd.Data())
	}
	p.link.Tick(now)
	if p.router != nil {
		p.router.link.Tick(now)
	}
	d.settle(s, now)
	d.tickLogin(s, now)
}

func (d *daemon) act(s *session, a pppfsm.Action, now time.Time) {
	p := s.ppp
	switch a := a.(type) {
	case pppfsm.SendFrame:
		d.traceFrame(s, true, a.Frame)
		s.fwd.Inject(a.Frame) // a full queue is counted there
	case pppfsm.AuthRequest:
		d.authenticate(s, a)
	case pppfsm.LinkOpened:
		d.logOpened(s)
		p.finished, p.reopen, p.backoff, p.reason = false, time.Time{}, reopenFirst, ""
		p.peerMRU = int32(a.PeerMRU)
		p.began(s, now)
		if a.PeerName != "" {
			d.authUp(s, a.PeerName)
		}
		p.state = forwarder.LinkState{Framing: a.Framing}
		d.adaptMTU(s)
		d.assign(s, a.PeerName, now)
	case pppfsm.LinkClosed:
		d.unassign(s)
		p.state = forwarder.LinkState{}
		p.peerMRU = 0
		s.fwd.SetLink(p.state)
		d.authDown(s, now)
	case pppfsm.IPv4Up:
		if !p.may(a.Peer) {
			p.link.Close(now, "address "+a.Peer.String()+" is not allowed")
			return
		}
		d.ipv4Up(s, a, now)
	case pppfsm.IPv4Down:
		if !p.state.IPv4 {
			return // its addresses could not be had
		}
		d.noisyPPP.Info("IPv4 down", zap.String("session", s.fullName()), zap.String("interface", s.cfg.InterfaceName))
		p.state.IPv4 = false
		d.networkDown(s, false)
		d.tellNetworkDown(s, p.link.Status().IPCPReason)
		d.letGo(s)
		d.hookDown(s, &p.ip, now)
	case pppfsm.IPv6Up:
		d.ipv6Up(s, a, now)
	case pppfsm.IPv6Down:
		d.noisyPPP.Info("IPv6 down", zap.String("session", s.fullName()), zap.String("interface", s.cfg.InterfaceName))
		d.routerDown(s, now)
		p.state.IPv6 = false
		d.networkDown(s, true)
		d.tellNetworkDown(s, p.link.Status().IPv6CPReason)
		d.hookDown(s, &p.ip6, now)
	case pppfsm.Finished:
		d.linkFinished(s, a, now)
	}
}

// linkFinished decides whether and when a link that has ended begins again (pppd: persist, maxfail, holdoff).
func (d *daemon) linkFinished(s *session, a pppfsm.Finished, now time.Time) {
	p, c := s.ppp, s.cfg.PPP
	p.finished, p.reason = true, a.Reason
	d.noisyPPP.Info("link finished", zap.String("session", s.fullName()), zap.String("reason", a.Reason))
	d.tellFinished(s, a.Reason)
	if s.circuit != nil {
		d.circuitFinished(s, a, now)
		return
	}
	if !p.worked {
		p.failures++
	}
	p.worked = false
	switch {
	case p.closing || !c.Persist:
		return
	case c.MaxFail > 0 && int(p.failures) >= c.MaxFail:
		d.noisyPPP.Warn("link given up", zap.String("session", s.fullName()), zap.Int32("failures", p.failures),
			remedy("culvert show session says how far it came; maxfail bounds attempts, culvert reload begins again"))
		return
	case a.Idle: // no penalty: nothing is wrong
		p.reopen = now
	case c.Holdoff > 0:
		p.reopen = now.Add(c.Holdoff)
	default:
		p.reopen = now.Add(p.backoff)
		p.backoff = min(2*p.backoff, reopenMost)
	}
}

func (d *daemon) ipv4Up(s *session, a pppfsm.IPv4Up, now time.Time) {
	why := d.hold(s, a)
	if why == "" && s.shared != nil {
		if why = d.claim(s, netip.PrefixFrom(a.Peer, 32)); why != "" {
			d.letGo(s)
		}
	}
	if why != "" {
		d.noisyPPP.Warn("IPv4 refused", zap.String("session", s.fullName()), zap.String("reason", why),
			remedy("give the peer an address of its own: peer_address, pool, or accept_peer_address of the profile"))
		s.ppp.link.CloseIPv4(now, why)
		return
	}
	d.noisyPPP.Info("IPv4 up", zap.String("session", s.fullName()), zap.String("interface", s.cfg.InterfaceName),
		zap.Stringer("local", a.Local), zap.Stringer("peer", a.Peer))
	if s.shared == nil {
		d.addAddress(s, address{local: netip.PrefixFrom(a.Local, 32), peer: a.Peer})
	}
	for _, e := range s.cfg.Addresses {
		if e.Addr().Is4() {
			d.addAddress(s, address{local: e})
		}
	}
	if s.cfg.PPP.DefaultRoute {
		d.addRoute(s, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.Addr{})
	}
	s.ppp.state.IPv4 = true
	d.networkUp(s, false)
	d.ipUp(s, a)
	d.tellUp(s)
}

func (d *daemon) ipv6Up(s *session, a pppfsm.IPv6Up, now time.Time) {
	local := linkLocal(a.LocalID)
	d.noisyPPP.Info("IPv6 up", zap.String("session", s.fullName()), zap.String("interface", s.cfg.InterfaceName),
		zap.Stringer("local", local), zap.Stringer("peer", linkLocal(a.PeerID)))
	if s.shared == nil { // link-local addresses are those of one link
		d.addAddress(s, address{local: netip.PrefixFrom(local, 64), v6: true})
	}
	for _, e := range s.cfg.Addresses {
		if !e.Addr().Is4() {
			d.addAddress(s, address{local: e, v6: true})
		}
	}
	s.ppp.state.IPv6 = true
	s.ppp.state.Router = s.ppp.router != nil
	d.networkUp(s, true)
	d.ip6Up(s, a)
	d.routerUp(s, a, now)
	d.tellUp(s)
}

// linkLocal is fe80::/64 with a negotiated interface identifier (RFC 5072 section 5).
func linkLocal(id [8]byte) netip.Addr {
	b := [16]byte{0: 0xfe, 1: 0x80}
	copy(b[8:], id[:])
	return netip.AddrFrom16(b)
}

// networkUp lets a protocol's packets pass, after its addresses are set.
func (d *daemon) networkUp(s *session, v6 bool) {
	for _, r := range s.cfg.Routes {
		if r.To.Addr().Is4() != v6 {
			d.addRoute(s, r.To, r.Via)
		}
	}
	s.ppp.worked, s.ppp.failures = true, 0
	if s.shared != nil { // a shared device always has carrier
		s.fwd.SetLink(s.ppp.state)
		return
	}
	d.net.SetCarrier(s.dev, true, func(err error) {
		if !s.gone {
			s.fwd.SetLink(s.ppp.state)
		}
		d.complain(s, "set carrier", err)
	})
}

// networkDown takes a protocol away, packets first.
func (d *daemon) networkDown(s *session, v6 bool) {
	p := s.ppp
	s.fwd.SetLink(p.state)
	if s.shared != nil {
		d.unclaim(s, func(r netip.Prefix) bool { return r.Addr().Is4() != v6 })
		return
	}
	d.net.SetCarrier(s.dev, p.state.IPv4 || p.state.IPv6, func(err error) { d.complain(s, "set carrier", err) })
	routes := p.routes[:0]
	for _, r := range p.routes {
		if r.Addr().Is4() == v6 {
			routes = append(routes, r)
			continue
		}
		d.complain(s, "remove route", s.dev.RemoveRoute(r, netip.Addr{}))
	}
	p.routes = routes
	addrs := p.addrs[:0]
	for _, a := range p.addrs {
		if a.v6 != v6 {
			addrs = append(addrs, a)
			continue
		}
		d.net.RemoveAddress(s.dev, a.local, a.peer, func(err error) { d.complain(s, "remove address", err) })
	}
	p.addrs = addrs
}

func (d *daemon) addAddress(s *session, a address) {
	s.ppp.addrs = append(s.ppp.addrs, a)
	d.net.AddAddress(s.dev, a.local, a.peer, func(err error) {
		if err != nil {
			d.complain(s, "add address", err)
			s.ppp.addrs = slices.DeleteFunc(s.ppp.addrs, func(x address) bool { return x == a })
		}
	})
}

func (d *daemon) addRoute(s *session, to netip.Prefix, via netip.Addr) {
	if s.shared != nil {
		if why := d.claim(s, to); why != "" {
			d.noisyPPP.Warn("destination refused", zap.String("session", s.fullName()), zap.String("reason", why),
				remedy("two sessions of a shared device cannot have the same address or route: change routes or addresses of one"))
		}
		return
	}
	d.net.Flush() // the addresses first
	if err := s.dev.AddRoute(to, via); err != nil {
		d.complain(s, "add route", err)
		return
	}
	s.ppp.routes = append(s.ppp.routes, to)
}

func (d *daemon) removeRoute(s *session, to netip.Prefix) {
	if s.shared != nil {
		d.unclaim(s, func(r netip.Prefix) bool { return r == to })
		return
	}
	i := slices.Index(s.ppp.routes, to)
	if i < 0 {
		return // it could not be set
	}
	s.ppp.routes = slices.Delete(s.ppp.routes, i, i+1)
	d.complain(s, "remove route", s.dev.RemoveRoute(to, netip.Addr{}))
}

// framingName says how data frames begin, for people.
func framingName(f encap.PPPFraming) string {
	if f.NoAddressControl {
		return "bare"
	}
	return "hdlc"
}
