package forwarder

import "culvert/encap"

// What a Router Solicitation and DHCPv6 to servers look like behind the IPv6 header.
const (
	icmpRouterSolicitation = 133 // RFC 4861 section 4.1
	portDHCPServer         = 547 // RFC 8415 section 7.2
	upperLen               = 8   // bytes of either that are there at least
)

// toRouter tells whether an IPv6 packet of a peer asks for the router of the link: a Router Solicitation to all routers,
// ff02::2, or DHCPv6 to all servers, ff02::1:2. Packets with extension headers are neither. All but multicast ones are
// told by one comparison.
func toRouter(b []byte) bool {
	return len(b) >= encap.IPv6Len+upperLen && b[24] == 0xff && multicastToRouter(b)
}

func multicastToRouter(b []byte) bool {
	switch [16]byte(b[24:40]) {
	case [16]byte{0: 0xff, 1: 2, 15: 2}:
		return b[6] == encap.ProtocolICMPv6 && b[encap.IPv6Len] == icmpRouterSolicitation
	case [16]byte{0: 0xff, 1: 2, 13: 1, 15: 2}:
		return b[6] == encap.ProtocolUDP && b[encap.IPv6Len+2] == portDHCPServer>>8 && b[encap.IPv6Len+3] == portDHCPServer&0xff
	}
	return false
}
