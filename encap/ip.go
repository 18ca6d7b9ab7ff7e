package encap

// IP protocol and Next Header numbers that this package looks at (IANA protocol
// numbers).
const (
	ProtocolHopByHop = 0 // RFC 8200 section 4.3
	ProtocolICMP     = 1
	ProtocolTCP      = 6
	ProtocolUDP      = 17
	ProtocolRouting  = 43 // RFC 8200 section 4.4
	ProtocolFragment = 44 // RFC 8200 section 4.5
	ProtocolAH       = 51 // RFC 4302 section 2
	ProtocolICMPv6   = 58
	ProtocolNoNext   = 59 // RFC 8200 section 4.7
	ProtocolDestOpts = 60 // RFC 8200 section 4.6
	ProtocolMobility = 135
)

// pseudoSum is the part of a pseudo-header that is not addresses: a protocol
// number and an upper-layer length of up to 32 bits (RFC 9293 section 3.1, RFC 8200
// section 8.1). addresses is an even number of bytes.
func pseudoSum(addresses []byte, protocol uint8, length int) uint16 {
	acc := uint64(Checksum(addresses, 0)) + uint64(protocol) + uint64(uint32(length))
	return fold(acc)
}

// ipVersion returns the version nibble of an IP packet, 0 for an empty one.
func ipVersion(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0] >> 4
}
