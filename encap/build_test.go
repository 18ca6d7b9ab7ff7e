package encap

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// Builders of valid packets for tests, naive on purpose: they use none of the
// setters and only the slow reference checksum.

var (
	testSource4      = netip.MustParseAddr("10.0.0.2")
	testDestination4 = netip.MustParseAddr("10.0.0.1")
	testSource6      = netip.MustParseAddr("2001:db8:1::2")
	testDestination6 = netip.MustParseAddr("2001:db8:1::1")
)

// naiveSum is RFC 1071 section 4.1 word for word: the reference for Checksum.
func naiveSum(b []byte, initial uint16) uint16 {
	sum := uint32(initial)
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// upperSum is the sum over pseudo-header and payload: 0xffff for a right checksum.
func upperSum(src, dst netip.Addr, protocol uint8, payload []byte) uint16 {
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(payload)))
	pseudo = append(pseudo, 0, 0, 0, protocol)
	return naiveSum(payload, naiveSum(pseudo, 0))
}

func setUpperChecksum(src, dst netip.Addr, protocol uint8, payload []byte) {
	offset := map[uint8]int{ProtocolTCP: 16, ProtocolUDP: 6, ProtocolICMP: 2, ProtocolICMPv6: 2}[protocol]
	sum := upperSum(src, dst, protocol, payload)
	if protocol == ProtocolICMP {
		sum = naiveSum(payload, 0)
	}
	binary.BigEndian.PutUint16(payload[offset:], ^sum)
}

// buildIPv4 wraps payload, with DF set and fragment added to the flags word.
func buildIPv4(src, dst netip.Addr, protocol uint8, fragment uint16, options, payload []byte) []byte {
	b := []byte{0x40 | byte(5+len(options)/4), 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol, 0, 0}
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	b = append(b, options...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(payload)))
	binary.BigEndian.PutUint16(b[6:], fragment)
	binary.BigEndian.PutUint16(b[10:], ^naiveSum(b, 0))
	return append(b, payload...)
}

// extension is one IPv6 extension header: its own type and its bytes, the first
// of which (Next Header) is filled in by buildIPv6.
type extension struct {
	header uint8
	bytes  []byte
}

func buildIPv6(src, dst netip.Addr, protocol uint8, extensions []extension, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0, 0, 0, protocol, 64}
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	next := 6
	for _, e := range extensions {
		b[next] = e.header
		next = len(b)
		b = append(b, e.bytes...)
		b[next] = protocol
	}
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-IPv6Len))
	return b
}

// buildTCP builds a segment without checksum; options are padded with zeros.
func buildTCP(flags TCPFlags, options, payload []byte) []byte {
	for len(options)%4 != 0 {
		options = append(options[:len(options):len(options)], tcpOptEnd)
	}
	b := []byte{0x9c, 0x41, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, byte(5+len(options)/4) << 4, byte(flags), 0x72, 0x10, 0, 0, 0, 0}
	b = append(b, options...)
	return append(b, payload...)
}

// tcp4 and tcp6 are whole packets with right checksums.
func tcp4(flags TCPFlags, options, payload []byte) []byte {
	t := buildTCP(flags, options, payload)
	setUpperChecksum(testSource4, testDestination4, ProtocolTCP, t)
	return buildIPv4(testSource4, testDestination4, ProtocolTCP, ipv4DF, nil, t)
}

func tcp6(flags TCPFlags, options, payload []byte, extensions ...extension) []byte {
	t := buildTCP(flags, options, payload)
	setUpperChecksum(testSource6, testDestination6, ProtocolTCP, t)
	return buildIPv6(testSource6, testDestination6, ProtocolTCP, extensions, t)
}

func echo4(data []byte) []byte {
	m := append([]byte{8, 0, 0, 0, 0x12, 0x34, 0, 1}, data...)
	setUpperChecksum(testSource4, testDestination4, ProtocolICMP, m)
	return buildIPv4(testSource4, testDestination4, ProtocolICMP, ipv4DF, nil, m)
}

func echo6(data []byte) []byte {
	m := append([]byte{128, 0, 0, 0, 0x12, 0x34, 0, 1}, data...)
	setUpperChecksum(testSource6, testDestination6, ProtocolICMPv6, m)
	return buildIPv6(testSource6, testDestination6, ProtocolICMPv6, nil, m)
}

func udp4(size int) []byte {
	u := make([]byte, UDPLen+size)
	binary.BigEndian.PutUint16(u[0:], 4000)
	binary.BigEndian.PutUint16(u[2:], 4000)
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	setUpperChecksum(testSource4, testDestination4, ProtocolUDP, u)
	return buildIPv4(testSource4, testDestination4, ProtocolUDP, ipv4DF, nil, u)
}

func udp6(size int) []byte {
	u := make([]byte, UDPLen+size)
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	setUpperChecksum(testSource6, testDestination6, ProtocolUDP, u)
	return buildIPv6(testSource6, testDestination6, ProtocolUDP, nil, u)
}

// Two stations of the Ethernet tests, locally administered.
var (
	macA = []byte{0x02, 0, 0, 0, 0, 0x0a}
	macB = []byte{0x02, 0, 0, 0, 0, 0x0b}
)

// buildEthernet puts payload behind the given tags (TPID and TCI each).
func buildEthernet(dst, src []byte, etherType uint16, payload []byte, tags ...[2]uint16) []byte {
	b := append(append([]byte{}, dst...), src...)
	for _, t := range tags {
		b = binary.BigEndian.AppendUint16(b, t[0])
		b = binary.BigEndian.AppendUint16(b, t[1])
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, payload...)
}

// checkSums verifies every checksum that the packet ip has, whatever it is, and
// reports whether all are right.
func checkSums(t *testing.T, ip []byte) bool {
	t.Helper()
	switch ipVersion(ip) {
	case 4:
		p := IPv4(ip)
		if naiveSum(p[:p.HeaderLen()], 0) != 0xffff {
			return false
		}
		return upperSumOK(p.Source(), p.Destination(), p.Protocol(), p.Payload())
	case 6:
		p := IPv6(ip)
		protocol, payload, _, ok := p.Upper()
		return ok && upperSumOK(p.Source(), p.Destination(), protocol, payload)
	}
	t.Fatalf("not an IP packet: %x", ip)
	return false
}

func upperSumOK(src, dst netip.Addr, protocol uint8, payload []byte) bool {
	switch protocol {
	case ProtocolICMP:
		return naiveSum(payload, 0) == 0xffff
	case ProtocolUDP:
		return UDP(payload).Checksum() == 0 && src.Is4() || upperSum(src, dst, protocol, payload) == 0xffff
	}
	return upperSum(src, dst, protocol, payload) == 0xffff
}
