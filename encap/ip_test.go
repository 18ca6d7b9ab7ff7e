package encap

import (
	"bytes"
	"testing"
)

func TestIPv4Fields(t *testing.T) {
	b := buildIPv4(testSource4, testDestination4, 17, ipv4MF|3, []byte{1, 1, 1, 0}, []byte{9, 8, 7})
	b[1] = 0xb9
	p := IPv4(append(b, 0, 0, 0)) // padded
	if !p.Valid() {
		t.Fatal("not valid")
	}
	if p.HeaderLen() != 24 || p.TotalLength() != 27 || !bytes.Equal(p.Payload(), []byte{9, 8, 7}) {
		t.Errorf("lengths %d, %d, payload %x", p.HeaderLen(), p.TotalLength(), p.Payload())
	}
	if p.TOS() != 0xb9 || p.ID() != 0x1234 || p.DF() || !p.MF() || p.FragmentOffset() != 24 || p.TTL() != 64 || p.Protocol() != 17 {
		t.Errorf("fields of %x", b)
	}
	if p.Source() != testSource4 || p.Destination() != testDestination4 {
		t.Errorf("addresses %v, %v", p.Source(), p.Destination())
	}
	p.SetID(0xbeef)
	p.SetTotalLength(26)
	p.SetChecksum(p.ComputeChecksum())
	if p.ID() != 0xbeef || p.TotalLength() != 26 || naiveSum(p[:24], 0) != 0xffff || p.Checksum() == 0 {
		t.Errorf("after setting: %x", p)
	}
}

func TestIPv4Invalid(t *testing.T) {
	good := buildIPv4(testSource4, testDestination4, 17, 0, nil, []byte{1, 2, 3, 4})
	for name, change := range map[string]func(b []byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"version 6":          func(b []byte) []byte { b[0] = 0x65; return b },
		"IHL 4":              func(b []byte) []byte { b[0] = 0x44; return b },
		"IHL beyond packet":  func(b []byte) []byte { b[0] = 0x4f; return b },
		"total below header": func(b []byte) []byte { b[3] = 19; return b },
		"total beyond bytes": func(b []byte) []byte { b[3] = 25; return b },
		"one byte short":     func(b []byte) []byte { return b[:23] },
	} {
		if IPv4(change(bytes.Clone(good))).Valid() {
			t.Errorf("%s: valid", name)
		}
	}
	if !IPv4(good).Valid() {
		t.Error("unchanged: not valid")
	}
}

func TestIPv6Fields(t *testing.T) {
	b := buildIPv6(testSource6, testDestination6, 17, nil, []byte{9, 8, 7})
	b[0], b[1], b[2], b[3] = 0x6b, 0x91, 0x23, 0x45
	p := IPv6(append(b, 0))
	if !p.Valid() || p.PayloadLength() != 3 || !bytes.Equal(p.Payload(), []byte{9, 8, 7}) {
		t.Fatalf("valid %v, payload %x", p.Valid(), p.Payload())
	}
	if p.TrafficClass() != 0xb9 || p.FlowLabel() != 0x12345 || p.NextHeader() != 17 || p.HopLimit() != 64 {
		t.Errorf("fields of %x", b)
	}
	if p.Source() != testSource6 || p.Destination() != testDestination6 {
		t.Errorf("addresses %v, %v", p.Source(), p.Destination())
	}
	p.SetPayloadLength(5)
	if p.PayloadLength() != 5 || p.Valid() {
		t.Error("payload beyond the bytes is valid")
	}
}

// TestIPv6Upper walks chains of extension headers (RFC 8200 section 4.1).
func TestIPv6Upper(t *testing.T) {
	hop := extension{ProtocolHopByHop, make([]byte, 8)}
	dst := extension{ProtocolDestOpts, append([]byte{0, 1}, make([]byte, 14)...)}
	ah := extension{ProtocolAH, append([]byte{0, 4}, make([]byte, 22)...)}
	first := extension{ProtocolFragment, []byte{0, 0xff, 0, 1, 0, 0, 0, 1}}
	later := extension{ProtocolFragment, []byte{0, 0, 0, 8, 0, 0, 0, 1}}
	tooLong := extension{ProtocolRouting, []byte{0, 9, 0, 0, 0, 0, 0, 0}}
	tests := []struct {
		name     string
		chain    []extension
		fragment bool
		ok       bool
	}{
		{"none", nil, false, true},
		{"hop-by-hop", []extension{hop}, false, true},
		{"five in order", []extension{hop, dst, first, ah, dst}, false, true},
		{"seven", []extension{hop, dst, dst, dst, dst, dst, dst}, false, true},
		{"eight", []extension{hop, dst, dst, dst, dst, dst, dst, dst}, false, false},
		{"later fragment", []extension{hop, later}, true, true},
		{"header beyond packet", []extension{tooLong}, false, false},
		{"less than a header", []extension{{ProtocolFragment, []byte{0}}}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := []byte{1, 2, 3}
			p := IPv6(buildIPv6(testSource6, testDestination6, ProtocolTCP, tt.chain, payload))
			protocol, got, fragment, ok := p.Upper()
			if ok != tt.ok || fragment != tt.fragment {
				t.Fatalf("fragment %v, ok %v", fragment, ok)
			}
			if ok && (protocol != ProtocolTCP || !bytes.Equal(got, payload)) {
				t.Errorf("protocol %d, payload %x", protocol, got)
			}
		})
	}
}

func TestTCPFields(t *testing.T) {
	b := buildTCP(TCPSyn|TCPAck|TCPEce, []byte{2, 4, 5, 0xb4}, []byte{1, 2})
	s := TCP(b)
	if !s.Valid() || s.HeaderLen() != 24 || !bytes.Equal(s.Options(), []byte{2, 4, 5, 0xb4}) || !bytes.Equal(s.Payload(), []byte{1, 2}) {
		t.Fatalf("header %d, options %x, payload %x", s.HeaderLen(), s.Options(), s.Payload())
	}
	if s.SourcePort() != 40001 || s.DestinationPort() != 80 || s.Seq() != 0x01020304 || s.Ack() != 0x05060708 || s.Window() != 0x7210 || s.Flags() != TCPSyn|TCPAck|TCPEce {
		t.Errorf("fields of %x", b)
	}
	s.SetSeq(77)
	s.SetFlags(TCPFin | TCPCwr)
	s.SetChecksum(0xabcd)
	if s.Seq() != 77 || s.Flags() != 0x81 || s.Checksum() != 0xabcd {
		t.Errorf("after setting: %x", b)
	}
	for n := range 24 {
		if TCP(b[:n]).Valid() {
			t.Errorf("cut at %d: valid", n)
		}
	}
	b[12] = 4 << 4
	if s.Valid() {
		t.Error("offset below five words is valid")
	}
}

func TestUDPFields(t *testing.T) {
	u := UDP([]byte{0x9c, 0x41, 0x06, 0xa5, 0, 10, 0xab, 0xcd, 1, 2, 0})
	if !u.Valid() || u.SourcePort() != 40001 || u.DestinationPort() != PortL2TP || u.Checksum() != 0xabcd || !bytes.Equal(u.Payload(), []byte{1, 2}) {
		t.Errorf("fields of %x", []byte(u))
	}
	u.SetChecksum(0xffff)
	for _, n := range []int{0, 7, 12, 65535} {
		u.SetLength(n)
		if u.Length() != n || u.Valid() {
			t.Errorf("length %d: got %d, valid %v", n, u.Length(), u.Valid())
		}
	}
	if u.Checksum() != 0xffff || u[:7].Valid() {
		t.Error("checksum or short header")
	}
}

func TestPseudoHeaders(t *testing.T) {
	for _, b := range [][]byte{udp4(33), tcp4(TCPSyn, nil, []byte{1})} {
		p := IPv4(b)
		if got := Checksum(p.Payload(), p.PseudoHeaderSum(p.Protocol(), len(p.Payload()))); got != 0xffff {
			t.Errorf("IPv4 protocol %d: sum %#04x", p.Protocol(), got)
		}
	}
	for _, b := range [][]byte{udp6(33), tcp6(TCPSyn, nil, []byte{1}), echo6(randomBytes(1001))} {
		p := IPv6(b)
		if got := Checksum(p.Payload(), p.PseudoHeaderSum(p.NextHeader(), len(p.Payload()))); got != 0xffff {
			t.Errorf("IPv6 protocol %d: sum %#04x", p.NextHeader(), got)
		}
	}
}
