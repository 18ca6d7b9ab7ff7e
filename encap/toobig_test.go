package encap

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestTooBigIPv4(t *testing.T) {
	for _, size := range []int{0, 100, 512, 513, 520, 1400, 60000} {
		orig := udp4(size)
		padded := join(orig, make([]byte, 11)) // Ethernet padding is not quoted
		b := AppendTooBig([]byte{0xee}, padded, 1400)[1:]
		p := IPv4(b)
		if !p.Valid() || p.TotalLength() != len(b) || len(b) > maxICMPError || len(b) > MaxTooBigLen {
			t.Fatalf("%d: %d bytes %x", size, len(b), b)
		}
		if p.Source() != testDestination4 || p.Destination() != testSource4 || p.Protocol() != ProtocolICMP || !p.DF() || p.TTL() != 64 || p.TOS() != 0xc0 {
			t.Errorf("%d: header %x", size, b[:20])
		}
		m := ICMP(p.Payload())
		if !m.Valid() || m.Type() != 3 || m.Code() != 4 || m.NextHopMTU() != 1400 || m.Checksum() == 0 {
			t.Errorf("%d: message %x", size, m[:8])
		}
		want := orig[:min(len(orig), 548)]
		if !bytes.Equal(m.Payload(), want) {
			t.Errorf("%d: quotes %d bytes, want %d", size, len(m.Payload()), len(want))
		}
		if !checkSums(t, b) {
			t.Errorf("%d: checksum is wrong", size)
		}
	}
}

func TestTooBigIPv6(t *testing.T) {
	for _, size := range []int{0, 100, 1183, 1184, 1185, 1400, 60000} {
		orig := udp6(size)
		b := AppendTooBig([]byte{0xee}, join(orig, make([]byte, 11)), 1400)[1:]
		p := IPv6(b)
		if !p.Valid() || IPv6Len+p.PayloadLength() != len(b) || len(b) > MaxTooBigLen {
			t.Fatalf("%d: %d bytes", size, len(b))
		}
		if p.Source() != testDestination6 || p.Destination() != testSource6 || p.NextHeader() != ProtocolICMPv6 || p.HopLimit() != 64 {
			t.Errorf("%d: header %x", size, b[:40])
		}
		m := ICMP(p.Payload())
		if m.Type() != 2 || m.Code() != 0 || m.MTU() != 1400 {
			t.Errorf("%d: message %x", size, m[:8])
		}
		if want := orig[:min(len(orig), 1232)]; !bytes.Equal(m.Payload(), want) {
			t.Errorf("%d: quotes %d bytes, want %d", size, len(m.Payload()), len(want))
		}
		if !checkSums(t, b) {
			t.Errorf("%d: checksum is wrong", size)
		}
	}
}

// TestTooBigMTU checks the bounds of the MTU told: RFC 791 section 3.2, RFC 8200 section 5 and
// the 16 bits of RFC 1191 section 4.
func TestTooBigMTU(t *testing.T) {
	for mtu, want := range map[int][2]int{
		-5: {68, 1280}, 0: {68, 1280}, 67: {68, 1280}, 576: {576, 1280}, 1279: {1279, 1280},
		1280: {1280, 1280}, 1400: {1400, 1400}, 70000: {65535, 70000},
	} {
		four, six := AppendTooBig(nil, udp4(9), mtu), AppendTooBig(nil, udp6(9), mtu)
		if got := ICMP(four[IPv4Len:]).NextHopMTU(); got != want[0] {
			t.Errorf("IPv4 MTU %d: told %d, want %d", mtu, got, want[0])
		}
		if got := ICMP(six[IPv6Len:]).MTU(); got != uint32(want[1]) {
			t.Errorf("IPv6 MTU %d: told %d, want %d", mtu, got, want[1])
		}
	}
}

// TestTooBigForbidden4 lists what RFC 1122 section 3.2.2 forbids to answer.
func TestTooBigForbidden4(t *testing.T) {
	from := func(src, dst string, protocol uint8, fragment uint16, payload ...byte) []byte {
		return buildIPv4(netip.MustParseAddr(src), netip.MustParseAddr(dst), protocol, fragment, nil, payload)
	}
	const a, b = "192.0.2.1", "192.0.2.2"
	for name, p := range map[string][]byte{
		"empty":               nil,
		"not IP":              {0x10, 0, 0, 0},
		"cut":                 udp4(100)[:60],
		"no DF":               from(a, b, ProtocolUDP, 0, 1, 2, 3),
		"later fragment":      from(a, b, ProtocolUDP, ipv4DF|1, 1, 2, 3),
		"unspecified source":  from("0.0.0.0", b, ProtocolUDP, ipv4DF, 1),
		"loopback source":     from("127.0.0.1", b, ProtocolUDP, ipv4DF, 1),
		"multicast source":    from("224.0.0.1", b, ProtocolUDP, ipv4DF, 1),
		"class E source":      from("240.0.0.1", b, ProtocolUDP, ipv4DF, 1),
		"broadcast source":    from("255.255.255.255", b, ProtocolUDP, ipv4DF, 1),
		"multicast":           from(a, "239.1.2.3", ProtocolUDP, ipv4DF, 1),
		"broadcast":           from(a, "255.255.255.255", ProtocolUDP, ipv4DF, 1),
		"to nobody":           from(a, "0.0.0.0", ProtocolUDP, ipv4DF, 1),
		"ICMP unreachable":    from(a, b, ProtocolICMP, ipv4DF, 3, 4),
		"ICMP source quench":  from(a, b, ProtocolICMP, ipv4DF, 4),
		"ICMP redirect":       from(a, b, ProtocolICMP, ipv4DF, 5),
		"ICMP time exceeded":  from(a, b, ProtocolICMP, ipv4DF, 11),
		"ICMP bad parameter":  from(a, b, ProtocolICMP, ipv4DF, 12),
		"ICMP without a type": from(a, b, ProtocolICMP, ipv4DF),
	} {
		if got := AppendTooBig([]byte{0xee}, p, 1400); !bytes.Equal(got, []byte{0xee}) {
			t.Errorf("%s: answered with %x", name, got)
		}
	}
	for name, p := range map[string][]byte{
		"echo":           echo4(nil),
		"timestamp":      from(a, b, ProtocolICMP, ipv4DF, 13),
		"first fragment": from(a, b, ProtocolUDP, ipv4DF|ipv4MF, 1),
		"own answer's":   from(a, b, 99, ipv4DF),
	} {
		if got := AppendTooBig(nil, p, 1400); len(got) == 0 {
			t.Errorf("%s: not answered", name)
		} else if again := AppendTooBig(nil, got, 1400); len(again) != 0 {
			t.Errorf("%s: the answer is answered", name)
		}
	}
}

// TestTooBigForbidden6 lists what RFC 4443 section 2.4 (e) forbids to answer.
func TestTooBigForbidden6(t *testing.T) {
	from := func(src, dst string, protocol uint8, chain []extension, payload ...byte) []byte {
		return buildIPv6(netip.MustParseAddr(src), netip.MustParseAddr(dst), protocol, chain, payload)
	}
	const a, b = "2001:db8::1", "2001:db8::2"
	hop := []extension{{ProtocolHopByHop, make([]byte, 8)}}
	for name, p := range map[string][]byte{
		"cut":                udp6(100)[:60],
		"later fragment":     from(a, b, ProtocolUDP, []extension{{ProtocolFragment, []byte{0, 0, 0, 8, 0, 0, 0, 1}}}, 1),
		"unspecified source": from("::", b, ProtocolUDP, nil, 1),
		"loopback source":    from("::1", b, ProtocolUDP, nil, 1),
		"multicast source":   from("ff02::1", b, ProtocolUDP, nil, 1),
		"multicast":          from(a, "ff02::1", ProtocolUDP, nil, 1),
		"to nobody":          from(a, "::", ProtocolUDP, nil, 1),
		"ICMPv6 unreachable": from(a, b, ProtocolICMPv6, nil, 1, 0),
		"ICMPv6 too big":     from(a, b, ProtocolICMPv6, nil, 2, 0),
		"ICMPv6 error 127":   from(a, b, ProtocolICMPv6, nil, 127, 0),
		"error in a chain":   from(a, b, ProtocolICMPv6, hop, 3, 0),
		"ICMPv6 redirect":    from(a, b, ProtocolICMPv6, nil, 137, 0),
		"without a type":     from(a, b, ProtocolICMPv6, nil),
		"broken chain":       from(a, b, ProtocolUDP, []extension{{ProtocolDestOpts, []byte{0, 9, 0, 0, 0, 0, 0, 0}}}, 1),
	} {
		if got := AppendTooBig([]byte{0xee}, p, 1400); !bytes.Equal(got, []byte{0xee}) {
			t.Errorf("%s: answered with %x", name, got)
		}
	}
	for name, p := range map[string][]byte{
		"echo":             echo6(nil),
		"link-local":       from("fe80::1", "fe80::2", ProtocolUDP, nil, 1),
		"ESP":              from(a, b, 50, hop, 1),
		"first fragment":   from(a, b, ProtocolUDP, []extension{{ProtocolFragment, []byte{0, 0, 0, 1, 0, 0, 0, 1}}}, 1),
		"address like ::1": from("2001:db8::", "0:0:0:1::", ProtocolUDP, nil, 1),
	} {
		if got := AppendTooBig(nil, p, 1400); len(got) == 0 {
			t.Errorf("%s: not answered", name)
		} else if again := AppendTooBig(nil, got, 1400); len(again) != 0 {
			t.Errorf("%s: the answer is answered", name)
		}
	}
}

func TestTooBigEthernet(t *testing.T) {
	c, s := [2]uint16{EtherTypeVLAN, 0x6064}, [2]uint16{EtherTypeQinQ, 7}
	for tags, list := range [][][2]uint16{nil, {c}, {s, c}} {
		for etherType, orig := range map[uint16][]byte{EtherTypeIPv4: udp4(1450), EtherTypeIPv6: udp6(1450)} {
			frame := buildEthernet(macB, macA, etherType, orig, list...)
			got := AppendTooBigEthernet([]byte{0xee}, frame, 1400)[1:]
			want := buildEthernet(macA, macB, etherType, AppendTooBig(nil, orig, 1400-4*tags), list...)
			if !bytes.Equal(got, want) {
				t.Errorf("%d tags, type %#x: got\n%x, want\n%x", tags, etherType, got, want)
			}
		}
	}
	group := []byte{0x33, 0x33, 0, 0, 0, 1}
	for name, frame := range map[string][]byte{
		"short":             macB,
		"cut in the tag":    buildEthernet(macB, macA, EtherTypeVLAN, []byte{0, 1}),
		"ARP":               buildEthernet(macB, macA, EtherTypeARP, udp4(9)),
		"group destination": buildEthernet(group, macA, EtherTypeIPv4, udp4(9)),
		"group source":      buildEthernet(macB, group, EtherTypeIPv4, udp4(9)),
		"unanswerable":      buildEthernet(macB, macA, EtherTypeIPv4, AppendTooBig(nil, udp4(9), 1400)),
	} {
		if got := AppendTooBigEthernet([]byte{0xee}, frame, 1400); !bytes.Equal(got, []byte{0xee}) {
			t.Errorf("%s: answered with %x", name, got)
		}
	}
}
