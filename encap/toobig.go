package encap

import "encoding/binary"

// Types of the two messages, and what they may quote.
const (
	icmpUnreachable  = 3 // RFC 792
	icmpFragNeeded   = 4 // code of it, RFC 1191 section 4
	icmpv6TooBig     = 2 // RFC 4443 section 3.2
	icmpv6Redirect   = 137
	icmpv6FirstQuery = 128 // types below are errors, RFC 4443 section 2.1

	maxICMPError   = 576  // whole IPv4 packet, RFC 1812 section 4.3.2.3
	minIPv6MTU     = 1280 // RFC 8200 section 5; also the whole ICMPv6 packet, RFC 4443 section 2.4 (c)
	minIPv4MTU     = 68   // RFC 791 section 3.2, RFC 1191 section 3
	answerTTL      = 64
	answerTOS      = 0xc0 // precedence internetwork control, RFC 1812 section 4.3.2.5
	maxTooBigIPv4  = maxICMPError - IPv4Len - ICMPLen
	maxTooBigIPv6  = minIPv6MTU - IPv6Len - ICMPLen
	maxIPv4NextMTU = 0xffff // the field of RFC 1191 section 4
)

// MaxTooBigLen is the most that AppendTooBig appends. AppendTooBigEthernet adds
// at most EthernetLen and two tags of VLANTagLen.
const MaxTooBigLen = minIPv6MTU

// AppendTooBig appends to b the ICMP message that tells the sender of the inner
// packet orig to send nothing longer than mtu: type 3 code 4 (RFC 1191 section 4) or
// ICMPv6 Packet Too Big (RFC 4443 section 3.2), a whole IP packet from orig's
// destination to its source. The answer quotes as much of orig as RFC 1812
// section 4.3.2.3 (576 bytes in all) and RFC 4443 section 2.4 (c) (1280) allow. The MTU told is
// never below 68 and 1280.
//
// b comes back unchanged when no error may be sent (RFC 1122 section 3.2.2, RFC 4443
// section 2.4 (e)): orig is malformed, an ICMP error or a redirect, a fragment other
// than the first, has a source that is not one host or a destination that is not
// one host, or is an IPv4 packet without DF (the message means "fragmentation
// needed and DF set", RFC 792; such a packet is to be fragmented). Packet Too Big
// for multicast, which RFC 4443 section 2.4 (e.3) would allow, is left out. Whether orig
// is too long at all is for the caller to say.
func AppendTooBig(b, orig []byte, mtu int) []byte {
	switch ipVersion(orig) {
	case 4:
		if p := IPv4(orig); p.Valid() && answerableIPv4(p) {
			return appendTooBigIPv4(b, p, mtu)
		}
	case 6:
		if p := IPv6(orig); p.Valid() && answerableIPv6(p) {
			return appendTooBigIPv6(b, p, mtu)
		}
	}
	return b
}

// AppendTooBigEthernet does what AppendTooBig does for the packet in an Ethernet
// frame, behind up to two VLAN tags: the answer is a frame with addresses swapped
// and the same tags. mtu is that of an untagged frame; four bytes are taken off
// for each tag. Frames to or from a group address get no answer (RFC 1122
// section 3.2.2, RFC 4443 section 2.4 (e)).
func AppendTooBigEthernet(b, frame []byte, mtu int) []byte {
	e := Ethernet(frame)
	if !e.Valid() || (e[0]|e[6])&1 != 0 { // group bit, IEEE 802
		return b
	}
	etherType, payload, ok := e.Network()
	if !ok || etherType != EtherTypeIPv4 && etherType != EtherTypeIPv6 {
		return b
	}
	header := e[:len(e)-len(payload)]
	start := len(b)
	b = append(b, e.Source()...)
	b = append(b, e.Destination()...)
	b = append(b, header[12:]...)
	end := len(b)
	b = AppendTooBig(b, payload, mtu-(len(header)-EthernetLen))
	if len(b) == end {
		return b[:start]
	}
	return b
}

// answerableIPv4 applies RFC 1122 section 3.2.2.
func answerableIPv4(p IPv4) bool {
	if !p.DF() || p.FragmentOffset() != 0 {
		return false
	}
	// One host: not "this network", loopback, multicast, class E or broadcast.
	if src := p[12]; src == 0 || src == 127 || src >= 224 {
		return false
	}
	if dst := p[16]; dst == 0 || dst == 127 || dst >= 224 {
		return false
	}
	return p.Protocol() != ProtocolICMP || icmpQuery(p.Payload())
}

// icmpQuery reports whether m is an ICMP message that is no error: RFC 1122
// section 3.2.2 lists types 3, 4, 5, 11 and 12. Without a type there is no telling.
func icmpQuery(m []byte) bool {
	if len(m) == 0 {
		return false
	}
	switch m[0] {
	case 3, 4, 5, 11, 12:
		return false
	}
	return true
}

// answerableIPv6 applies RFC 4443 section 2.4 (e).
func answerableIPv6(p IPv6) bool {
	if !unicastIPv6(p[8:24]) || !unicastIPv6(p[24:40]) {
		return false
	}
	protocol, payload, fragment, ok := p.Upper()
	if !ok || fragment {
		return false
	}
	if protocol != ProtocolICMPv6 {
		return true
	}
	return len(payload) > 0 && payload[0] >= icmpv6FirstQuery && payload[0] != icmpv6Redirect
}

// unicastIPv6 reports whether a is neither multicast, unspecified nor loopback
// (RFC 4291 sections 2.4, 2.5.2, 2.5.3).
func unicastIPv6(a []byte) bool {
	hi, lo := binary.BigEndian.Uint64(a[0:8]), binary.BigEndian.Uint64(a[8:16])
	return a[0] != 0xff && (hi != 0 || lo > 1)
}

func appendTooBigIPv4(b []byte, orig IPv4, mtu int) []byte {
	quote := orig[:min(orig.TotalLength(), maxTooBigIPv4)]
	start := len(b)
	b = append(b, 0x45, answerTOS)
	b = binary.BigEndian.AppendUint16(b, uint16(IPv4Len+ICMPLen+len(quote)))
	b = append(b, 0, 0, ipv4DF>>8, 0, answerTTL, ProtocolICMP, 0, 0)
	b = append(b, orig[16:20]...)
	b = append(b, orig[12:16]...)
	b = append(b, icmpUnreachable, icmpFragNeeded, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(min(max(mtu, minIPv4MTU), maxIPv4NextMTU)))
	b = append(b, quote...)

	p := IPv4(b[start:])
	p.SetChecksum(p.ComputeChecksum())
	m := ICMP(p[IPv4Len:])
	m.SetChecksum(^Checksum(m, 0))
	return b
}

func appendTooBigIPv6(b []byte, orig IPv6, mtu int) []byte {
	quote := orig[:min(IPv6Len+orig.PayloadLength(), maxTooBigIPv6)]
	start := len(b)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ICMPLen+len(quote)))
	b = append(b, ProtocolICMPv6, answerTTL)
	b = append(b, orig[24:40]...)
	b = append(b, orig[8:24]...)
	b = append(b, icmpv6TooBig, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(max(mtu, minIPv6MTU)))
	b = append(b, quote...)

	p := IPv6(b[start:])
	m := ICMP(p[IPv6Len:])
	m.SetChecksum(^Checksum(m, p.PseudoHeaderSum(ProtocolICMPv6, len(m))))
	return b
}
