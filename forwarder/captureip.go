package forwarder

import (
	"encoding/binary"
	"net/netip"

	"culvert/encap"
)

// Headers of the underlay, which sockets neither give nor take.
const (
	outerIPv4 = 20
	outerIPv6 = 40
	outerUDP  = 8
	outerTTL  = 64
)

// outer shows what UDP or IP carried, behind headers made from what is known of it: addresses, ports, lengths and right
// checksums. TTL, TOS and identification are not what they were.
func (t *tap) outer(sent bool, tr encap.Transport, from, to netip.AddrPort, payload []byte) {
	var room [outerIPv6 + outerUDP]byte
	t.put(LayerOuter, sent, outerHeader(room[:0], tr, from, to, payload), payload)
}

// outerHeader appends IP, and UDP header, of a packet with the payload to b.
func outerHeader(b []byte, tr encap.Transport, from, to netip.AddrPort, payload []byte) []byte {
	src, dst := from.Addr().Unmap(), to.Addr().Unmap()
	protocol, length := byte(encap.ProtocolL2TP), len(payload)
	if tr == encap.TransportUDP {
		protocol, length = encap.ProtocolUDP, length+outerUDP
	}
	var pseudo uint16
	if dst.Is4() && src.Is4() {
		b = append(b, make([]byte, outerIPv4)...)
		h := encap.IPv4(b)
		h[0], h[8], h[9] = 4<<4|outerIPv4/4, outerTTL, protocol
		h.SetTotalLength(min(outerIPv4+length, 0xffff))
		s, d := src.As4(), dst.As4()
		copy(h[12:], s[:])
		copy(h[16:], d[:])
		h.SetChecksum(h.ComputeChecksum())
		pseudo = h.PseudoHeaderSum(protocol, length)
	} else {
		b = append(b, make([]byte, outerIPv6)...)
		h := encap.IPv6(b)
		h[0], h[6], h[7] = 6<<4, protocol, outerTTL
		binary.BigEndian.PutUint16(h[4:], uint16(min(length, 0xffff)))
		s, d := src.As16(), dst.As16()
		copy(h[8:], s[:])
		copy(h[24:], d[:])
		pseudo = h.PseudoHeaderSum(protocol, length)
	}
	if tr != encap.TransportUDP {
		return b
	}
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(min(length, 0xffff)))
	b = append(b, 0, 0)
	sum := ^encap.Checksum(payload, encap.Checksum(b[at:], pseudo))
	if sum == 0 {
		sum = 0xffff // RFC 768: 0 says that there is none
	}
	binary.BigEndian.PutUint16(b[at+6:], sum)
	return b
}
