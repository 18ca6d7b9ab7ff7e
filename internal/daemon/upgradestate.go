package daemon

import (
	"net/netip"
	"time"

	"culvert/control"
	"culvert/encap"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
	"culvert/internal/auth"
	"culvert/snapshot"
)

// The parts of a snapshot that name things: what they are is in the configuration, which both processes have.

// dialerState is what a dialer remembers.
type dialerState struct {
	name, reason string
	backoff      backoff
	lines        []lineState
}

type lineState struct {
	name, reason string
	backoff      backoff
	failures     int
	done         bool
}

func (x *dialerState) fields(c *snapshot.Codec) {
	c.String(&x.name)
	c.String(&x.reason)
	snapshot.Int(c, &x.backoff)
	snapshot.Slice(c, &x.lines, func(n *lineState) {
		c.String(&n.name)
		c.String(&n.reason)
		snapshot.Int(c, &n.backoff)
		snapshot.Int(c, &n.failures)
		c.Bool(&n.done)
	})
}

// connState says what a control connection stands for.
type connState struct {
	dialer string // its tunnel; empty: the peer has dialed
	peer   string
	name   string // of the tunnel
	serial int
	upAt   time.Time
}

func (x *connState) fields(c *snapshot.Codec) {
	c.String(&x.dialer)
	c.String(&x.peer)
	c.String(&x.name)
	snapshot.Int(c, &x.serial)
	c.Time(&x.upAt)
}

// sessionState says which session it is, and what is known of its device. The device's file is that of the same place.
type sessionState struct {
	tunnel, name string          // static
	conn         control.CCID    // 0: static
	id           encap.SessionID // ours, of one that was set up
	profile      string          // whose it is; empty: the line name's
	number       int
	iface        string
	index, mtu   int
	offloads     tuntap.Offload
	merge        offload.Merge
	up, worked   bool
	told         told
	circuitTold  bool
}

func (x *sessionState) fields(c *snapshot.Codec) {
	c.String(&x.tunnel)
	c.String(&x.name)
	snapshot.Int(c, &x.conn)
	snapshot.Int(c, &x.id)
	c.String(&x.profile)
	snapshot.Int(c, &x.number)
	c.String(&x.iface)
	snapshot.Int(c, &x.index)
	snapshot.Int(c, &x.mtu)
	snapshot.Int(c, &x.offloads)
	snapshot.Int(c, &x.merge)
	c.Bools(&x.up, &x.worked, &x.told.up, &x.circuitTold)
	c.String(&x.told.user)
}

func (s *session) snapshotState() sessionState {
	x := sessionState{
		name: s.cfg.Name, iface: s.cfg.InterfaceName, index: s.dev.Index(), mtu: s.mtu, offloads: s.offloads, merge: s.fcfg.Merge,
		up: s.up, told: s.told,
	}
	k := s.circuit
	if k == nil {
		x.tunnel = s.tunnel.cfg.Name
		return x
	}
	x.conn, x.id, x.worked, x.circuitTold = k.call.Conn().ID(), k.call.ID(), k.worked, k.told
	if k.slot.profile != nil {
		x.profile, x.number = k.slot.profile.Name, k.slot.number
	}
	return x
}

// snapshotSession is the session's place in the data plane, and its PPP link with what that has of a pool.
func (d *daemon) snapshotSession(s *session, c *snapshot.Codec) {
	s.fwd.Snapshot(c)
	if s.ppp == nil {
		return
	}
	s.ppp.snapshot(c)
	if us, peer := s.ppp.us.addr, s.ppp.peer.addr; c.Reading() && us != ([4]byte{}) {
		s.ppp.us, s.ppp.peer = d.place(s, netip.AddrFrom4(us)), d.place(s, netip.AddrFrom4(peer))
	}
	from := d.pools[s.cfg.PPP.Pool]
	var unit *netip.Prefix
	if s.ppp.lease != nil {
		p := from.Prefix(s.ppp.lease)
		unit = &p
	}
	snapshot.Maybe(c, &unit, c.Prefix)
	if !c.Reading() || c.Err() != nil || unit == nil {
		return
	}
	ok := false
	if from != nil {
		s.ppp.lease, ok = from.Take(*unit, s.ppp.owner)
	}
	if !ok {
		c.Failf("%s of session %s is in no pool", unit, s.fullName())
	}
}

func (p *ppp) snapshot(c *snapshot.Codec) {
	p.link.Snapshot(c)
	st := &p.state
	c.Bools(&st.Ethernet, &st.IPv4, &st.IPv6, &st.Router, &st.Framing.NoAddressControl, &st.Framing.CompressProtocol)
	snapshot.Int(c, &p.peerMRU)
	snapshot.Slice(c, &p.addrs, func(a *address) {
		c.Prefix(&a.local)
		c.Addr(&a.peer)
		c.Bool(&a.v6)
	})
	snapshot.Slice(c, &p.routes, c.Prefix)
	c.String(&p.reason)
	c.Bools(&p.finished, &p.worked)
	snapshot.Int(c, &p.failures)
	c.Time(&p.reopen)
	snapshot.Int(c, &p.backoff)
	snapshot.Maybe(c, &p.allowed, func(a *auth.Addresses) { a.Snapshot(c) })
	c.Time(&p.opened)
	snapshot.Int(c, &p.receivedBefore)
	snapshot.Int(c, &p.sentBefore)
	c.String(&p.peerName)
	for _, h := range []**hook{&p.ip, &p.ip6, &p.auth} {
		snapshot.Maybe(c, h, func(h *hook) {
			c.String(&h.down)
			snapshot.Slice(c, &h.args, c.String)
			snapshot.Slice(c, &h.env, c.String)
		})
	}
	snapshot.Int(c, &p.scriptsRefused)
	c.String(&p.owner)
	c.Fixed(p.us.addr[:])
	c.Fixed(p.peer.addr[:])
}
