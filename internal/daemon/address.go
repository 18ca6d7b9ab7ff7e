package daemon

import (
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"culvert/internal/config"
	"culvert/internal/pool"
	"culvert/pppfsm"
)

// held is one IPv4 address in one network namespace, by its number in daemon.namespaces: the same address in another one is
// another host. The zero value is none.
type held struct {
	netns int32
	addr  [4]byte
}

// place is where the session's addresses are in use.
func (d *daemon) place(s *session, a netip.Addr) held {
	ns := config.Namespace(s.cfg.NetNS)
	n, ok := d.namespaces[ns]
	if !ok {
		n = int32(len(d.namespaces) + 1)
		d.namespaces[ns] = n
	}
	h := held{netns: n}
	if a.Is4() {
		h.addr = a.As4()
	}
	return h
}

// holder is who has an address: our own ends, of which any number may ("unnumbered"), or sessions' peers.
type holder struct {
	ours, peers int32
	peer        *session // the last of peers
}

// addressBook knows which IPv4 addresses are in use on PPP links.
type addressBook map[held]holder

// end says which end of a link an address is for.
type end bool

const (
	forUs   end = false
	forPeer end = true
)

// addPools makes the configured pools.
func (d *daemon) addPools() error {
	d.pools = make(map[string]*pool.Pool, len(d.cfg.Pools))
	for _, c := range d.cfg.Pools {
		p, err := pool.New(c.Config)
		if err != nil {
			return d.fault(c.Line, "pool."+c.Name, err)
		}
		d.pools[c.Name] = p
	}
	return nil
}

// poolKey is what a session's addresses are remembered by: the name that the peer has proved, else the session's, or that of its place in a session profile.
func poolKey(s *session, peer string) string {
	if peer != "" {
		return "peer " + peer
	}
	if s.circuit != nil && s.circuit.slot.profile != nil { // the tunnel has another name each time
		return "profile " + s.cfg.Name
	}
	return "line " + s.fullName()
}

// assign gives the session what its profile takes from pools, when LCP has opened. What cannot be had ends the network
// protocol that needs it. A peer whose secret allows one address has that (pppd(8), AUTHENTICATION).
func (d *daemon) assign(s *session, peer string, now time.Time) {
	p := s.ppp
	p.owner = poolKey(s, peer)
	if only, ok := p.onlyAddress(); ok && !s.cfg.PPP.Link.PeerAddress.IsValid() {
		p.link.SetPeerAddress(only)
	} else if from := d.pools[s.cfg.PPP.Pool]; from != nil {
		var err error
		if p.lease, err = from.Allocate(p.owner); err != nil {
			d.noisyPPP.Warn("no IPv4 address", zap.String("session", s.fullName()), zap.Error(err), remedy(seePools))
			p.link.CloseIPv4(now, err.Error())
		} else {
			p.link.SetPeerAddress(from.Prefix(p.lease).Addr())
		}
	}
	if from := d.pools[s.cfg.PPP.IPv6Pool]; from != nil {
		var err error
		if p.router.lease, err = from.Allocate(p.owner); err != nil {
			d.noisyPPP.Warn("no IPv6 prefix", zap.String("session", s.fullName()), zap.Error(err), remedy(seePools))
			p.link.CloseIPv6(now, err.Error())
		}
	}
}

// unassign gives it back, when LCP has closed.
func (d *daemon) unassign(s *session) {
	p := s.ppp
	if p.lease != nil {
		d.pools[s.cfg.PPP.Pool].Free(p.lease)
		p.lease = nil
	}
	p.link.SetPeerAddress(netip.Addr{})
	if p.router != nil && p.router.lease != nil {
		d.pools[s.cfg.PPP.IPv6Pool].Free(p.router.lease)
		p.router.lease = nil
	}
}

// whyNot tells why the session's link cannot have an IPv4 address at one end, empty when it can.
func (d *daemon) whyNot(s *session, a netip.Addr, e end) string {
	h := d.inUse[d.place(s, a)]
	others := h.peers
	if h.peer == s {
		others--
	}
	switch {
	case e == forUs && h.peers > 0, e == forPeer && others > 0 && !mayShare(s, a):
		return fmt.Sprintf("the peer of another session has the address %s", a)
	case e == forPeer && h.ours > 0:
		return fmt.Sprintf("the address %s is ours", a)
	}
	for i := range d.cfg.Pools {
		c := &d.cfg.Pools[i]
		mine := s.ppp != nil && s.ppp.lease != nil && c.Name == s.cfg.PPP.Pool && d.pools[c.Name].Prefix(s.ppp.lease).Addr() == a
		if !mine && c.Contains(a) {
			return fmt.Sprintf("the address %s is for others, in pool %s", a, c.Name)
		}
	}
	return ""
}

// mayShare tells whether the session's peer may have an address that the peer of another session has: where the
// configuration says so, and where we are the subscriber, who may have several lines to one access server.
func mayShare(s *session, a netip.Addr) bool {
	l := &s.cfg.PPP.Link
	return a == l.PeerAddress || !l.LocalAddress.IsValid()
}

// hold enters a link's two addresses as in use, or tells why that cannot be.
func (d *daemon) hold(s *session, a pppfsm.IPv4Up) (why string) {
	if why = d.whyNot(s, a.Local, forUs); why == "" {
		why = d.whyNot(s, a.Peer, forPeer)
	}
	if why != "" {
		return why
	}
	p := s.ppp
	p.us, p.peer = d.place(s, a.Local), d.place(s, a.Peer)
	d.count(p.us, s, 1, 0)
	d.count(p.peer, s, 0, 1)
	return ""
}

// count changes how many have an address.
func (d *daemon) count(k held, s *session, ours, peers int32) {
	h := d.inUse[k]
	h.ours += ours
	h.peers += peers
	switch {
	case h.ours+h.peers == 0:
		delete(d.inUse, k)
		return
	case peers > 0:
		h.peer = s
	case peers < 0 && h.peer == s:
		h.peer = nil
	}
	d.inUse[k] = h
}

// letGo is the opposite of hold.
func (d *daemon) letGo(s *session) {
	p := s.ppp
	if p.us == (held{}) {
		return
	}
	d.count(p.us, s, -1, 0)
	d.count(p.peer, s, 0, -1)
	p.us, p.peer = held{}, held{}
}
