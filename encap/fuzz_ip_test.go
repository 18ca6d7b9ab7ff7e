package encap

import (
	"bytes"
	"testing"
)

// addPackets seeds a target with whole IP packets, made by the builders.
func addPackets(f *testing.F) {
	f.Helper()
	nop := []byte{tcpOptNop}
	for _, p := range [][]byte{
		echo4([]byte("data")), echo6([]byte("data")), udp4(33), udp6(33),
		tcp4(TCPSyn, mssOption(1460), nil), tcp4(TCPSyn|TCPAck, join(nop, mssOption(1460)), []byte("x")),
		tcp6(TCPSyn, join(nop, mssOption(1460)), nil),
		tcp6(TCPSyn, mssOption(1460), nil, extension{ProtocolHopByHop, make([]byte, 8)}),
		tcp6(TCPAck, nil, []byte("x"), extension{ProtocolFragment, []byte{0, 0, 0, 1, 0, 0, 0, 1}}),
		buildIPv4(testSource4, testDestination4, ProtocolTCP, ipv4MF, []byte{1, 1, 1, 0}, buildTCP(TCPSyn, mssOption(1460), nil)),
	} {
		f.Add(p, 1400)
	}
}

func FuzzIPv4(f *testing.F) {
	addPackets(f)
	f.Fuzz(func(t *testing.T, b []byte, _ int) {
		p := IPv4(b)
		if !p.Valid() {
			return
		}
		if p.HeaderLen()+len(p.Payload()) != p.TotalLength() || p.TotalLength() > len(b) {
			t.Fatalf("header %d, payload %d, total %d of %d", p.HeaderLen(), len(p.Payload()), p.TotalLength(), len(b))
		}
		p.SetChecksum(p.ComputeChecksum())
		if naiveSum(b[:p.HeaderLen()], 0) != 0xffff {
			t.Fatal("computed checksum is wrong")
		}
		again := bytes.Clone(b)
		q := IPv4(again)
		q.SetTotalLength(p.TotalLength())
		q.SetID(p.ID())
		if !bytes.Equal(again, b) {
			t.Fatal("setting what is there changes the packet")
		}
	})
}

func FuzzIPv6(f *testing.F) {
	addPackets(f)
	f.Fuzz(func(t *testing.T, b []byte, _ int) {
		p := IPv6(b)
		if !p.Valid() {
			return
		}
		protocol, payload, fragment, ok := p.Upper()
		if !ok {
			if payload != nil || fragment {
				t.Fatal("failure with results")
			}
			return
		}
		whole := p.Payload()
		if len(payload) > len(whole) || !bytes.HasSuffix(whole, payload) {
			t.Fatal("upper layer is not the end of the packet")
		}
		if len(payload) == len(whole) && protocol != p.NextHeader() {
			t.Fatal("another protocol without extension headers")
		}
		if got, want := p.PseudoHeaderSum(protocol, len(payload)), naivePseudo6(p, protocol, len(payload)); got != want {
			t.Fatalf("pseudo-header sum %#04x, want %#04x", got, want)
		}
	})
}

func naivePseudo6(p IPv6, protocol uint8, n int) uint16 {
	pseudo := bytes.Clone(p[8:40])
	pseudo = append(pseudo, byte(n>>24), byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, protocol)
	return naiveSum(pseudo, 0)
}

func FuzzTCP(f *testing.F) {
	f.Add(buildTCP(TCPSyn, mssOption(1460), []byte("data")))
	f.Add(buildTCP(TCPAck, nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := TCP(b)
		if !s.Valid() {
			return
		}
		if TCPLen+len(s.Options()) != s.HeaderLen() || s.HeaderLen()+len(s.Payload()) != len(b) {
			t.Fatalf("header %d, options %d, payload %d of %d", s.HeaderLen(), len(s.Options()), len(s.Payload()), len(b))
		}
		again := bytes.Clone(b)
		c := TCP(again)
		c.SetSeq(s.Seq())
		c.SetFlags(s.Flags())
		c.SetChecksum(s.Checksum())
		if !bytes.Equal(again, b) {
			t.Fatal("setting what is there changes the segment")
		}
	})
}

func FuzzUDP(f *testing.F) {
	f.Add(transport(udp4(7)))
	f.Fuzz(func(t *testing.T, b []byte) {
		u := UDP(b)
		if !u.Valid() {
			return
		}
		if UDPLen+len(u.Payload()) != u.Length() || u.Length() > len(b) {
			t.Fatalf("payload %d, length %d of %d", len(u.Payload()), u.Length(), len(b))
		}
	})
}

// FuzzClampMSS: nothing but MSS values and the checksum changes, values only go
// down and to the limit, a second call does nothing, and the sum over the segment
// is what it was: a right checksum stays right, a wrong one wrong.
func FuzzClampMSS(f *testing.F) {
	addPackets(f)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		before := bytes.Clone(b)
		if !ClampMSS(b, mtu) {
			if !bytes.Equal(before, b) {
				t.Fatal("changed without saying so")
			}
			return
		}
		s, old := TCP(transport(b)), TCP(transport(before))
		if !s.Valid() || s.Flags()&TCPSyn == 0 {
			t.Fatal("changed something else than a SYN")
		}
		limit := mtu - tcpHeaders4
		if ipVersion(b) == 6 {
			limit = mtu - tcpHeaders6
		}
		if naiveSum(s, 0)%0xffff != naiveSum(old, 0)%0xffff {
			t.Fatalf("sum %#04x became %#04x", naiveSum(old, 0), naiveSum(s, 0))
		}
		checkClamped(t, old, s, limit)
		if ClampMSS(b, mtu) {
			t.Fatal("clamped again")
		}
	})
}

// checkClamped compares segments: differences are the checksum and MSS values.
func checkClamped(t *testing.T, old, s TCP, limit int) {
	t.Helper()
	for i := 0; i < len(s); i++ {
		if s[i] == old[i] || i == 16 || i == 17 {
			continue
		}
		// The first byte that differs is in an option's value: find its header.
		at := i
		if s[i-2] != tcpOptMSS || s[i-1] != tcpOptMSSLen {
			at-- // the high byte was equal
		}
		if at < TCPLen+2 || at+2 > s.HeaderLen() || s[at-2] != tcpOptMSS || s[at-1] != tcpOptMSSLen {
			t.Fatalf("byte %d changed from %#02x to %#02x", i, old[i], s[i])
		}
		was, is := int(old[at])<<8|int(old[at+1]), int(s[at])<<8|int(s[at+1])
		if is != limit || was <= is {
			t.Fatalf("MSS %d became %d, limit %d", was, is, limit)
		}
		i = at + 1
	}
}

func FuzzClampMSSEthernet(f *testing.F) {
	syn := tcp4(TCPSyn, mssOption(1460), nil)
	f.Add(buildEthernet(macB, macA, EtherTypeIPv4, syn), 1400)
	f.Add(buildEthernet(macB, macA, EtherTypeIPv4, syn, [2]uint16{EtherTypeVLAN, 1}), 1400)
	f.Add(buildEthernet(macB, macA, EtherTypeIPv6, tcp6(TCPSyn, mssOption(1460), nil)), 1400)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		before := bytes.Clone(b)
		changed := ClampMSSEthernet(b, mtu)
		if changed == bytes.Equal(before, b) {
			t.Fatalf("reports %v", changed)
		}
		if !changed {
			return
		}
		_, payload, ok := Ethernet(b).Network()
		if !ok || !bytes.Equal(b[:len(b)-len(payload)], before[:len(b)-len(payload)]) {
			t.Fatal("frame header changed")
		}
		if ClampMSSEthernet(b, mtu) {
			t.Fatal("clamped again")
		}
	})
}

// FuzzTooBig: an answer is a valid packet of bounded size with right checksums,
// goes from destination to source, quotes the original and is never answered.
func FuzzTooBig(f *testing.F) {
	addPackets(f)
	f.Add(udp4(1400), 1300)
	f.Add(udp6(1400), 1300)
	f.Fuzz(func(t *testing.T, orig []byte, mtu int) {
		prefix := []byte{0xee}
		b := AppendTooBig(prefix, orig, mtu)[1:]
		if len(b) == 0 {
			return
		}
		checkTooBig(t, b, orig)
	})
}

func checkTooBig(t *testing.T, b, orig []byte) {
	t.Helper()
	if len(b) > MaxTooBigLen || !checkSums(t, b) {
		t.Fatalf("%d bytes, or checksum wrong: %x", len(b), b)
	}
	if len(AppendTooBig(nil, b, 1280)) != 0 {
		t.Fatal("the answer is answered")
	}
	var quoted []byte
	if ipVersion(b) == 4 {
		p, o := IPv4(b), IPv4(orig)
		if !p.Valid() || p.TotalLength() != len(b) || len(b) > maxICMPError || p.Source() != o.Destination() || p.Destination() != o.Source() {
			t.Fatalf("header %x", b[:20])
		}
		m := ICMP(p.Payload())
		if m.NextHopMTU() < minIPv4MTU {
			t.Fatalf("MTU %d", m.NextHopMTU())
		}
		quoted = m.Payload()
	} else {
		p, o := IPv6(b), IPv6(orig)
		if !p.Valid() || IPv6Len+p.PayloadLength() != len(b) || p.Source() != o.Destination() || p.Destination() != o.Source() {
			t.Fatalf("header %x", b[:40])
		}
		m := ICMP(p.Payload())
		if m.MTU() < minIPv6MTU {
			t.Fatalf("MTU %d", m.MTU())
		}
		quoted = m.Payload()
	}
	if !bytes.HasPrefix(orig, quoted) || len(quoted) < min(len(orig), IPv4Len) {
		t.Fatalf("quotes %d bytes", len(quoted))
	}
}

func FuzzTooBigEthernet(f *testing.F) {
	tag := [2]uint16{EtherTypeVLAN, 100}
	f.Add(buildEthernet(macB, macA, EtherTypeIPv4, udp4(1400)), 1300)
	f.Add(buildEthernet(macB, macA, EtherTypeIPv6, udp6(1400), [2]uint16{EtherTypeQinQ, 7}, tag), 1300)
	f.Fuzz(func(t *testing.T, frame []byte, mtu int) {
		b := AppendTooBigEthernet(nil, frame, mtu)
		if len(b) == 0 {
			return
		}
		e, o := Ethernet(b), Ethernet(frame)
		if len(b) > MaxTooBigLen+EthernetLen+maxVLANTags*VLANTagLen {
			t.Fatalf("%d bytes", len(b))
		}
		if !bytes.Equal(e.Destination(), o.Source()) || !bytes.Equal(e.Source(), o.Destination()) {
			t.Fatalf("addresses %x", b[:12])
		}
		_, payload, ok := e.Network()
		_, orig, _ := o.Network()
		if !ok || len(b)-len(payload) != len(frame)-len(orig) || !bytes.Equal(b[12:len(b)-len(payload)], frame[12:len(frame)-len(orig)]) {
			t.Fatalf("tags of %x", b)
		}
		checkTooBig(t, payload, orig)
	})
}

// FuzzDecode runs whole packets through every parser at once.
func FuzzDecode(f *testing.F) {
	sessions := goldenSessions(f)
	for _, g := range goldenPackets(f) {
		f.Add(g.packet)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodePacket(b, sessions)
		if err != nil || !d.data {
			return
		}
		again := d.encode(sessions[d.id])
		if len(again) != len(d.l2tp) {
			t.Fatalf("%d bytes became %d", len(d.l2tp), len(again))
		}
	})
}

// FuzzChecksum compares with the naive reference.
func FuzzChecksum(f *testing.F) {
	f.Add(randomBytes(75), uint16(0xffff))
	f.Fuzz(func(t *testing.T, b []byte, initial uint16) {
		if got, want := Checksum(b, initial), naiveSum(b, initial); got != want {
			t.Fatalf("got %#04x, want %#04x", got, want)
		}
	})
}
