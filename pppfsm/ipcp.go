package pppfsm

import "net/netip"

// ipcp is the IP Control Protocol: addresses (RFC 1332) and name servers
// (RFC 1877). Address compression is always rejected: VJ needs an ordered link
// without loss (RFC 1332 §4), which a tunnel is not.
type ipcp struct {
	machine

	// local is the address our Configure-Request names, peer the one in
	// the peer's; zero: none yet. assigned is what SetPeerAddress said.
	local, peer, assigned [4]byte
	// servers are what we ask for, in the order of the option numbers:
	// DNS, NBNS, second DNS, second NBNS.
	servers [numServers][4]byte
	// want has serverBit set for those the request carries.
	want uint8
	// sendAddress is off once the peer rejected the option, refused is on
	// once we rejected the peer's.
	sendAddress, refused bool
	announced            bool
}

// numServers is the number of RFC 1877 options, 129 to 132.
const numServers = 4

// serverBit is the bit of option number kind, 129 to 132, in ipcp.want.
func serverBit(kind uint8) uint8 { return 1 << (kind - optDNS1) }

// ipv4Of returns a as four bytes, zero for anything but an IPv4 address.
func ipv4Of(a netip.Addr) [4]byte {
	a = a.Unmap()
	if !a.Is4() {
		return [4]byte{}
	}
	return a.As4()
}

// addrOf returns b as an address, the zero Addr for 0.0.0.0.
func addrOf(b [4]byte) netip.Addr {
	if b == ([4]byte{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom4(b)
}

// usable says that an address may belong to a host: not 0/8 and loopback, and
// below multicast and what is reserved (RFC 1122 §3.2.1.3).
func usable(b [4]byte) bool { return b[0] != 0 && b[0] != 127 && b[0] < 224 }

// offered is the server we tell the peer for an option number.
func (c *ipcp) offered(kind uint8) [4]byte {
	cfg := c.link.cfg
	switch kind {
	case optDNS1:
		return ipv4Of(cfg.DNS[0])
	case optDNS2:
		return ipv4Of(cfg.DNS[1])
	case optNBNS1:
		return ipv4Of(cfg.NBNS[0])
	case optNBNS2:
		return ipv4Of(cfg.NBNS[1])
	}
	return [4]byte{}
}

func (c *ipcp) reset() {
	cfg := c.link.cfg
	c.local, c.sendAddress, c.refused = ipv4Of(cfg.LocalAddress), true, false
	c.servers, c.want = [numServers][4]byte{}, 0
	if cfg.UsePeerDNS {
		c.want |= serverBit(optDNS1) | serverBit(optDNS2)
	}
	if cfg.UsePeerNBNS {
		c.want |= serverBit(optNBNS1) | serverBit(optNBNS2)
	}
}

func (c *ipcp) request(b []byte) []byte {
	if c.sendAddress {
		b = appendOption(b, optIPAddress, c.local[:]...)
	}
	for i := range c.servers {
		if kind := uint8(optDNS1 + i); c.want&serverBit(kind) != 0 {
			b = appendOption(b, kind, c.servers[i][:]...)
		}
	}
	return b
}

func (c *ipcp) begin() { c.peer = [4]byte{} }

// offer judges an option of the peer. The deprecated IP-Addresses, every
// compression and what is unknown are rejected.
func (c *ipcp) offer(o option, b []byte) ([]byte, verdict) {
	switch o.kind() {
	case optIPAddress:
		nak, v := c.offerAddress(o, b)
		c.refused = c.refused || v == verdictReject
		return nak, v
	case optDNS1, optDNS2, optNBNS1, optNBNS2:
		ours := c.offered(o.kind())
		switch {
		case ours == [4]byte{}:
			return b, verdictReject
		case string(o.data()) != string(ours[:]):
			return appendOption(b, o.kind(), ours[:]...), verdictNak
		}
		return b, verdictAck
	}
	return b, verdictReject
}

// wanted is the address the peer is to have: what its owner assigned, else the
// configured one; zero: none.
func (c *ipcp) wanted() [4]byte {
	if c.assigned != [4]byte{} {
		return c.assigned
	}
	return ipv4Of(c.link.cfg.PeerAddress)
}

// offerAddress judges the address the peer names (RFC 1332 §3.3): the one it
// is to have is insisted on, unless its own choice is to be taken where that is
// allowed. Without one every address that is allowed is taken, and a peer that
// asks gets nothing.
func (c *ipcp) offerAddress(o option, b []byte) ([]byte, verdict) {
	want := c.wanted()
	var v [4]byte
	if len(o) == 6 {
		v = [4]byte(o.data())
	}
	known := want != [4]byte{}
	switch {
	case known && v == want:
	case (!known || c.link.cfg.AcceptPeer) && c.allowed(v):
	case known:
		return appendOption(b, optIPAddress, want[:]...), verdictNak
	default:
		return b, verdictReject
	}
	c.peer = v
	return b, verdictAck
}

// allowed says that the peer may have v by its own choice.
func (c *ipcp) allowed(v [4]byte) bool {
	allow := c.link.cfg.AllowPeer
	return usable(v) && v != c.local && (allow == nil || allow(addrOf(v)))
}

// missing asks a peer that named no address for one (RFC 1332 §3.3).
func (c *ipcp) missing(have optionSet, b []byte) []byte {
	if have.has(optIPAddress) || c.refused {
		return b
	}
	want := c.wanted()
	return appendOption(b, optIPAddress, want[:]...)
}

// naked takes the address and the servers the peer tells us; our address only
// when none is configured, or AcceptLocal is. The peer's own address is never
// taken. A peer that never agrees makes us leave the option out.
func (c *ipcp) naked(o option, mine, last bool) {
	switch {
	case !mine:
		return
	case last:
		c.rejected(o)
		return
	case len(o) != 6:
		return
	}
	v := [4]byte(o.data())
	switch k := o.kind(); {
	case !usable(v):
	case k == optIPAddress:
		cfg := c.link.cfg
		if v != c.peer && v != c.wanted() && (cfg.AcceptLocal || ipv4Of(cfg.LocalAddress) == [4]byte{}) {
			c.local = v
		}
	case k >= optDNS1 && k <= optNBNS2:
		c.servers[k-optDNS1] = v
	}
}

// rejected goes on without the option: with the configured address or none.
func (c *ipcp) rejected(o option) {
	switch k := o.kind(); {
	case k == optIPAddress:
		c.sendAddress, c.local = false, ipv4Of(c.link.cfg.LocalAddress)
	case k >= optDNS1 && k <= optNBNS2:
		c.want &^= serverBit(k)
		c.servers[k-optDNS1] = [4]byte{}
	}
}

// up announces the addresses. Without both, or with one for both ends, there
// is nothing to announce, and IPCP closes; IPV6CP goes on.
func (c *ipcp) up() {
	a := c.upAction()
	reason := ""
	switch {
	case !a.Local.IsValid():
		reason = "no local IPv4 address"
	case !a.Peer.IsValid():
		reason = "no peer IPv4 address"
	case a.Local == a.Peer:
		reason = "both ends have the IPv4 address " + a.Local.String()
	}
	if reason != "" {
		c.closeFor(reason)
		return
	}
	c.reason, c.announced = "", true
	c.link.watch()
	c.link.emit(a)
}

// upAction is what was negotiated.
func (c *ipcp) upAction() IPv4Up {
	peer := c.peer
	if peer == [4]byte{} {
		peer = c.wanted()
	}
	a := IPv4Up{Local: addrOf(c.local), Peer: addrOf(peer)}
	for i := range a.DNS {
		a.DNS[i] = addrOf(c.servers[2*i])
		a.NBNS[i] = addrOf(c.servers[2*i+1])
	}
	return a
}

func (c *ipcp) down() {
	if c.announced {
		c.announced = false
		c.link.emit(IPv4Down{})
	}
}

// finished needs nothing: the link stays up without IPv4 (RFC 1661 §3.7).
func (c *ipcp) finished() {}
