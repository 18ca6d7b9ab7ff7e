package pppfsm

import (
	"encoding/binary"

	"culvert/encap"
)

// maxCollisions requests in a row with our own magic number mean a looped
// link (RFC 1661 §6.4; the number is pppd's lcp_loopbackfail).
const maxCollisions = 10

// lcp is the Link Control Protocol: its options (RFC 1661 §6) and what happens
// when the link comes up and goes down.
type lcp struct {
	machine

	// What our Configure-Request asks for: mru 0 means no option, magic
	// likewise.
	magic     uint32
	mru       uint16
	acfc, pfc bool
	// auth is the method demanded of the peer, tried those it will not
	// have; unwilling says that it will have none.
	auth      AuthMethod
	tried     methodSet
	unwilling bool
	// nakMagic is the value in our last Nak of the peer's magic number.
	nakMagic uint32
	// collisions counts requests and echoes in a row with our own magic.
	collisions uint8
	// theirs is what the peer's last Configure-Request asked for.
	theirs lcpWish

	echo
}

// lcpWish is the peer's side of a negotiation.
type lcpWish struct {
	magic     uint32
	mru       uint16
	acfc, pfc bool
	auth      AuthMethod
}

// peerMRU is the information field the peer takes, in bytes: what it asked for
// while LCP is Opened, else the default (RFC 1661 §6.1).
func (c *lcp) peerMRU() int {
	if c.state == Opened {
		return int(c.theirs.mru)
	}
	return DefaultMRU
}

func (c *lcp) looped() bool { return c.collisions >= maxCollisions }

func (c *lcp) reset() {
	cfg := c.link.cfg
	c.mru, c.magic, c.collisions = 0, 0, 0
	if cfg.MRU != DefaultMRU {
		c.mru = uint16(cfg.MRU)
	}
	if !cfg.NoMagic {
		c.magic = c.link.randomMagic(0)
	}
	c.acfc, c.pfc = cfg.RequestACFC, cfg.RequestPFC
	c.tried, c.unwilling = 0, false
	c.auth = c.demand(AuthNone)
}

func (c *lcp) request(b []byte) []byte {
	if c.mru != 0 {
		b = appendMRU(b, c.mru)
	}
	b = appendAuth(b, c.auth)
	if c.magic != 0 {
		b = appendMagic(b, c.magic)
	}
	if c.pfc {
		b = appendOption(b, optPFC)
	}
	if c.acfc {
		b = appendOption(b, optACFC)
	}
	return b
}

func (c *lcp) begin() { c.theirs = lcpWish{mru: DefaultMRU} }

// offer judges an option of the peer.
func (c *lcp) offer(o option, b []byte) ([]byte, verdict) {
	switch o.kind() {
	case optMRU:
		return c.offerMRU(o, b)
	case optACCM: // means nothing without byte stuffing: any value is fine
		if len(o) != 6 {
			return appendOption(b, optACCM, 0, 0, 0, 0), verdictNak
		}
		return b, verdictAck
	case optAuth:
		return c.offerAuth(o, b)
	case optMagic:
		return c.offerMagic(o, b)
	case optPFC:
		return offerFlag(o, b, c.link.cfg.NoPFC, &c.theirs.pfc)
	case optACFC:
		return offerFlag(o, b, c.link.cfg.NoACFC, &c.theirs.acfc)
	}
	return b, verdictReject
}

// offerMRU takes every MRU from MinMRU up; a larger one than the default need
// not be made use of (RFC 1661 §6.1).
func (c *lcp) offerMRU(o option, b []byte) ([]byte, verdict) {
	if len(o) != 4 {
		return appendMRU(b, DefaultMRU), verdictNak
	}
	v := binary.BigEndian.Uint16(o.data())
	if v < MinMRU {
		return appendMRU(b, MinMRU), verdictNak
	}
	c.theirs.mru = v
	return b, verdictAck
}

// offerMagic is the comparison of RFC 1661 §6.4. The option is never rejected
// over a collision: the link ends when there are too many.
func (c *lcp) offerMagic(o option, b []byte) ([]byte, verdict) {
	if len(o) == 6 {
		v := binary.BigEndian.Uint32(o.data())
		if v != 0 && v == c.magic {
			c.collisions++
			c.link.count.Loops++
			return c.nakMagicOption(b), verdictInsist
		}
		if v != 0 {
			c.theirs.magic, c.collisions = v, 0
			return b, verdictAck
		}
		if int(c.failures) >= c.link.cfg.MaxFailure {
			return b, verdictAck // it wants none, then
		}
	}
	return c.nakMagicOption(b), verdictNak
}

func (c *lcp) nakMagicOption(b []byte) []byte {
	c.nakMagic = c.link.randomMagic(c.magic)
	return appendMagic(b, c.nakMagic)
}

// offerFlag judges an option without data: it can be taken or rejected, but a
// wrong length is nak'd with the right one (RFC 1661 §6).
func offerFlag(o option, b []byte, refuse bool, flag *bool) ([]byte, verdict) {
	switch {
	case refuse:
		return b, verdictReject
	case len(o) != 2:
		return appendOption(b, o.kind()), verdictNak
	}
	*flag = true
	return b, verdictAck
}

// missing asks for nothing: no option of the peer is needed.
func (c *lcp) missing(_ optionSet, b []byte) []byte { return b }

// naked takes an MRU that is not above what our path carries, and draws a new
// magic number whatever the peer suggests: RFC 1661 §6.4 wants that when the
// suggestion is our own, and allows it else. Flags have no other value.
func (c *lcp) naked(o option, mine, last bool) {
	switch {
	case o.kind() == optMRU && mine && last:
		c.mru = 0
	case o.kind() == optMRU && len(o) == 4:
		v := binary.BigEndian.Uint16(o.data())
		if v >= MinMRU && int(v) <= c.link.cfg.MRU && (mine || v < DefaultMRU) {
			c.mru = v
		}
	case o.kind() == optAuth && mine:
		c.nakedAuth(authOf(o))
	case o.kind() == optMagic && mine:
		c.magic = c.link.randomMagic(c.magic)
	case o.kind() == optPFC:
		c.pfc = false
	case o.kind() == optACFC:
		c.acfc = false
	}
}

// rejected goes on without the option. Without a magic number a loop is not
// noticed, but a peer that rejects the option is not ourselves (RFC 1661 §6.4).
func (c *lcp) rejected(o option) {
	switch o.kind() {
	case optMRU:
		c.mru = 0
	case optAuth: // the peer will not prove itself with anything
		c.unwilling = true
	case optMagic:
		c.magic = 0
	case optPFC:
		c.pfc = false
	case optACFC:
		c.acfc = false
	}
}

func (c *lcp) up() {
	c.reason, c.collisions = "", 0
	if a := c.link.activity; a != nil {
		a.idle = false
	}
	c.startEcho()
	c.link.authenticate()
}

func (c *lcp) down() {
	c.stopEcho()
	c.link.leaveNetwork()
}

func (c *lcp) finished() {
	c.collisions = 0
	c.link.phase = PhaseTerminate
	c.link.emit(Finished{Reason: c.reason, Idle: c.link.activity != nil && c.link.idle})
}

// rejectProtocol answers a frame of a protocol nobody here speaks
// (RFC 1661 §5.7). The rejected information is cut to what the peer takes.
func (c *lcp) rejectProtocol(p encap.PPPProtocol, info []byte) {
	if c.state != Opened {
		c.link.count.Discarded++
		return
	}
	info = c.link.fit(info, headerLen+2)
	data := append(make([]byte, 0, len(info)+2), byte(p>>8), byte(p))
	c.link.count.ProtocolRejectsOut++
	c.send(CodeProtocolReject, c.nextID(), append(data, info...))
}

// receiveProtocolReject stops the protocol the peer does not speak, and only
// that (RFC 1661 §5.7). Rejected data stops its control protocol.
func (c *lcp) receiveProtocolReject(in packet) {
	switch {
	case len(in.data) < 2:
		c.link.count.Malformed++
		return
	case c.state != Opened:
		c.link.count.Discarded++
		return
	}
	c.link.count.ProtocolRejectsIn++
	proto := encap.PPPProtocol(binary.BigEndian.Uint16(in.data))
	if c.link.rejectedAuth(proto) {
		return
	}
	var m *machine
	switch proto {
	case encap.ProtoLCP:
		m = &c.machine
	case encap.ProtoIPCP, encap.ProtoIPv4:
		m = &c.link.ipcp.machine
	case encap.ProtoIPv6CP, encap.ProtoIPv6:
		m = &c.link.ipv6cp.machine
	}
	if m == nil || m.sentCodes == 0 || m.state <= Starting {
		c.link.count.Ignored++
		return
	}
	m.reason = "peer rejects " + m.proto.String()
	m.step(evRXJMinus, in, answer{})
}

func appendMRU(b []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, optMRU, 4), v)
}

func appendMagic(b []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, optMagic, 6), v)
}
