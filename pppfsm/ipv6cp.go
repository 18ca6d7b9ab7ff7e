package pppfsm

// interfaceID is an IPv6 interface identifier, the lower half of a link-local
// address (RFC 5072 §4.1).
type interfaceID [8]byte

func (i interfaceID) zero() bool { return i == interfaceID{} }

// ipv6cp is the IPv6 Control Protocol (RFC 5072). Compression (RFC 5172) is
// rejected.
type ipv6cp struct {
	machine

	// id is ours, peer the peer's, nakID the last one we suggested.
	id, peer, nakID interfaceID
	// sendID is off once the peer rejected the option.
	sendID    bool
	announced bool
}

// reset starts with the identifier used before: it stays the same as long as
// the peer lets it.
func (c *ipv6cp) reset() {
	c.sendID = true
	if c.id.zero() {
		c.id = c.link.cfg.LocalID
	}
	if c.id.zero() {
		c.id = c.randomID(interfaceID{})
	}
}

func (c *ipv6cp) request(b []byte) []byte {
	if c.sendID {
		b = appendOption(b, optInterfaceID, c.id[:]...)
	}
	return b
}

func (c *ipv6cp) begin() { c.peer = interfaceID{} }

// offer is the comparison of RFC 5072 §4.1: an identifier that is zero or our
// own is nak'd with another one, unless none can be agreed on because ours was
// rejected.
func (c *ipv6cp) offer(o option, b []byte) ([]byte, verdict) {
	if o.kind() != optInterfaceID {
		return b, verdictReject
	}
	var v interfaceID
	if len(o) == 10 {
		v = interfaceID(o.data())
	}
	want := interfaceID(c.link.cfg.PeerID)
	switch {
	case v.zero() && c.state.negotiating() && !c.sendID:
		return b, verdictReject
	case v.zero(), v == c.id, !want.zero() && want != c.id && v != want:
		return c.suggest(b), verdictNak
	}
	c.peer = v
	return b, verdictAck
}

// suggest appends an identifier for the peer: the configured one, or a random
// one different from ours.
func (c *ipv6cp) suggest(b []byte) []byte {
	c.nakID = c.link.cfg.PeerID
	if c.nakID.zero() || c.nakID == c.id {
		c.nakID = c.randomID(c.id)
	}
	return appendOption(b, optInterfaceID, c.nakID[:]...)
}

// missing suggests an identifier to a peer that named none (RFC 5072 §4.1).
func (c *ipv6cp) missing(have optionSet, b []byte) []byte {
	if have.has(optInterfaceID) {
		return b
	}
	return c.suggest(b)
}

// naked takes the suggested identifier unless it is the one we suggested
// ourselves: then the two ends look alike and only chance tells them apart
// (RFC 5072 §4.1).
func (c *ipv6cp) naked(o option, mine, last bool) {
	if o.kind() != optInterfaceID || len(o) != 10 || !mine {
		return
	}
	if last {
		c.sendID = false
		return
	}
	v := interfaceID(o.data())
	if v.zero() || v == c.nakID {
		v = c.randomID(c.id)
	}
	c.id = v
}

// rejected keeps the identifier without negotiating it.
func (c *ipv6cp) rejected(o option) {
	if o.kind() == optInterfaceID {
		c.sendID = false
	}
}

func (c *ipv6cp) up() {
	c.reason, c.announced = "", true
	c.link.watch()
	c.link.emit(c.upAction())
}

// upAction is what was negotiated.
func (c *ipv6cp) upAction() IPv6Up {
	a := IPv6Up{LocalID: c.id, PeerID: c.peer}
	if c.peer.zero() {
		a.PeerID = c.link.cfg.PeerID
	}
	return a
}

func (c *ipv6cp) down() {
	if c.announced {
		c.announced = false
		c.link.emit(IPv6Down{})
	}
}

// finished needs nothing: the link stays up without IPv6 (RFC 1661 §3.7).
func (c *ipv6cp) finished() {}

// randomID returns an identifier that is neither zero nor not, with the
// universal/local bit cleared: local scope (RFC 5072 §4.1).
func (c *ipv6cp) randomID(not interfaceID) interfaceID {
	var v interfaceID
	c.link.random(v[:])
	v[0] &^= 0x02
	for v.zero() || v == not {
		v[7]++
	}
	return v
}
