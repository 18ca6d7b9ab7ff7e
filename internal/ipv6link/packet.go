package ipv6link

import (
	"encoding/binary"
	"net/netip"

	"culvert/encap"
)

const (
	typeRouterSolicitation = 133 // RFC 4861 section 4.1
	optSourceLinkLayer     = 1   // section 4.6.1
	hopLimit               = 255 // section 6.1.1: no router has forwarded it

	portServer = 547 // RFC 8415 section 7.2
	portClient = 546
	udpLen     = 8
)

var (
	allNodes   = netip.MustParseAddr("ff02::1") // RFC 4291 section 2.7.1
	allRouters = netip.MustParseAddr("ff02::2")
	allServers = netip.MustParseAddr("ff02::1:2") // All_DHCP_Relay_Agents_and_Servers, RFC 8415 section 7.1
)

// inbound is a packet of the peer's that is for its router: a valid Router Solicitation, or a DHCPv6 message.
type inbound struct {
	source       netip.Addr
	solicitation bool
	message      []byte // DHCPv6, in the packet's memory
}

// parse judges a packet of the peer.
func parse(b []byte) (p inbound, ok bool) {
	ip := encap.IPv6(b)
	if !ip.Valid() {
		return p, false
	}
	p.source = ip.Source()
	payload, dst := ip.Payload(), ip.Destination()
	if p.source.IsMulticast() || encap.Checksum(payload, ip.PseudoHeaderSum(ip.NextHeader(), len(payload))) != 0xffff {
		return p, false
	}
	switch {
	case ip.NextHeader() == encap.ProtocolICMPv6 && dst == allRouters:
		p.solicitation = true
		return p, ip.HopLimit() == hopLimit && validSolicitation(payload, p.source)
	case ip.NextHeader() == encap.ProtocolUDP && dst == allServers:
		if len(payload) < udpLen || !p.source.IsLinkLocalUnicast() {
			return p, false
		}
		n := int(binary.BigEndian.Uint16(payload[4:6]))
		if binary.BigEndian.Uint16(payload[2:4]) != portServer || n < udpLen || n > len(payload) ||
			binary.BigEndian.Uint16(payload[6:8]) == 0 { // no checksum, RFC 8200 section 8.1
			return p, false
		}
		p.message = payload[udpLen:n]
		return p, true
	}
	return p, false
}

// validSolicitation is RFC 4861 section 6.1.1.
func validSolicitation(b []byte, source netip.Addr) bool {
	const header = 8
	if len(b) < header || b[0] != typeRouterSolicitation || b[1] != 0 {
		return false
	}
	for b = b[header:]; len(b) > 0; {
		if len(b) < 2 || b[1] == 0 || 8*int(b[1]) > len(b) || b[0] == optSourceLinkLayer && source.IsUnspecified() {
			return false
		}
		b = b[8*int(b[1]):]
	}
	return true
}

// build makes an IPv6 packet of an upper layer's bytes, whose checksum field, at offset sum, is zero.
func build(source, to netip.Addr, protocol uint8, payload []byte, sum int) []byte {
	b := make([]byte, encap.IPv6Len, encap.IPv6Len+len(payload))
	b[0], b[6], b[7] = 6<<4, protocol, hopLimit
	ip := encap.IPv6(b)
	ip.SetPayloadLength(len(payload))
	src, dst := source.As16(), to.As16()
	copy(b[8:24], src[:])
	copy(b[24:40], dst[:])
	b = append(b, payload...)
	c := ^encap.Checksum(payload, ip.PseudoHeaderSum(protocol, len(payload)))
	if c == 0 && protocol == encap.ProtocolUDP {
		c = 0xffff // RFC 8200 section 8.1
	}
	binary.BigEndian.PutUint16(b[encap.IPv6Len+sum:], c)
	return b
}

// datagram makes a DHCPv6 packet to a client.
func datagram(source, to netip.Addr, message []byte) []byte {
	b := make([]byte, udpLen, udpLen+len(message))
	binary.BigEndian.PutUint16(b[0:2], portServer)
	binary.BigEndian.PutUint16(b[2:4], portClient)
	binary.BigEndian.PutUint16(b[4:6], uint16(udpLen+len(message)))
	return build(source, to, encap.ProtocolUDP, append(b, message...), 6)
}
