package encap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

func mssOption(v uint16) []byte { return []byte{tcpOptMSS, 4, byte(v >> 8), byte(v)} }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// mssOf reads the MSS option at its offset in options, naively.
func mssOf(t *testing.T, packet []byte, offset int) int {
	t.Helper()
	return int(binary.BigEndian.Uint16(transport(packet)[TCPLen+offset+2:]))
}

// transport returns the upper layer of a packet.
func transport(packet []byte) []byte {
	if ipVersion(packet) == 4 {
		return IPv4(packet).Payload()
	}
	_, payload, _, _ := IPv6(packet).Upper()
	return payload
}

func TestClampMSS(t *testing.T) {
	nop := []byte{tcpOptNop}
	sack := []byte{4, 2}
	stamps := []byte{8, 10, 1, 2, 3, 4, 0, 0, 0, 0}
	scale := []byte{3, 3, 7}
	tests := []struct {
		name    string
		flags   TCPFlags
		options []byte
		at      int // of the MSS option in options
		mss     int // before
		mtu     int
		want4   int
		want6   int
	}{
		{"SYN", TCPSyn, mssOption(1460), 0, 1460, 1400, 1360, 1340},
		{"SYN-ACK", TCPSyn | TCPAck, mssOption(1460), 0, 1460, 1400, 1360, 1340},
		{"SYN with ECN", TCPSyn | TCPEce | TCPCwr, mssOption(1460), 0, 1460, 1400, 1360, 1340},
		{"already lower", TCPSyn, mssOption(536), 0, 536, 1400, 536, 536},
		{"just the limit of IPv4", TCPSyn, mssOption(1360), 0, 1360, 1400, 1360, 1340},
		{"ACK", TCPAck, mssOption(1460), 0, 1460, 1400, 1460, 1460},
		{"SYN and RST", TCPSyn | TCPRst, mssOption(1460), 0, 1460, 1400, 1460, 1460},
		{"SYN and FIN", TCPSyn | TCPFin, mssOption(1460), 0, 1460, 1400, 1460, 1460},
		{"behind others", TCPSyn, join(sack, stamps, mssOption(1460), nop, scale), 12, 1460, 1300, 1260, 1240},
		{"odd offset", TCPSyn, join(nop, mssOption(1460), scale), 1, 1460, 1300, 1260, 1240},
		{"odd offset behind scale", TCPSyn, join(scale, mssOption(0xffff), nop), 3, 0xffff, 1300, 1260, 1240},
		{"behind the end", TCPSyn, join([]byte{tcpOptEnd, 0, 0, 0}, mssOption(1460)), 4, 1460, 1300, 1460, 1460},
		{"behind option of length 0", TCPSyn, join([]byte{9, 0, 1, 1}, mssOption(1460)), 4, 1460, 1300, 1460, 1460},
		{"behind option of length 1", TCPSyn, join([]byte{9, 1, 1, 1}, mssOption(1460)), 4, 1460, 1300, 1460, 1460},
		{"behind option that is too long", TCPSyn, join([]byte{9, 99, 1, 1}, mssOption(1460)), 4, 1460, 1300, 1460, 1460},
		{"MSS of a wrong length", TCPSyn, []byte{tcpOptMSS, 6, 5, 180, 0, 0, 0, 0}, 0, 1460, 1300, 1460, 1460},
		{"before a kind without length", TCPSyn, join(mssOption(1460), []byte{1, 1, 1, 8}), 0, 1460, 1300, 1260, 1240},
		{"tiny MTU", TCPSyn, mssOption(1460), 0, 1460, 61, 21, 1},
		{"MTU without room", TCPSyn, mssOption(1460), 0, 1460, 40, 1460, 1460},
		{"huge MTU", TCPSyn, mssOption(0xffff), 0, 0xffff, 1 << 20, 0xffff, 0xffff},
	}
	for _, tt := range tests {
		for _, v := range []struct {
			name   string
			packet []byte
			want   int
		}{
			{"IPv4", tcp4(tt.flags, tt.options, []byte("data")), tt.want4},
			{"IPv6", tcp6(tt.flags, tt.options, []byte("data")), tt.want6},
			{"IPv6 with extensions", tcp6(tt.flags, tt.options, nil, extension{ProtocolHopByHop, make([]byte, 8)}), tt.want6},
		} {
			t.Run(tt.name+"/"+v.name, func(t *testing.T) {
				before := bytes.Clone(v.packet)
				changed := ClampMSS(v.packet, tt.mtu)
				if got := mssOf(t, v.packet, tt.at); got != v.want {
					t.Errorf("MSS %d, want %d", got, v.want)
				}
				if changed != (v.want != tt.mss) || changed == bytes.Equal(before, v.packet) {
					t.Errorf("reports %v", changed)
				}
				if !checkSums(t, v.packet) {
					t.Error("checksum is wrong")
				}
			})
		}
	}
}

// TestClampMSSTwice lowers both of two options, since receivers may take either.
func TestClampMSSTwice(t *testing.T) {
	p := tcp4(TCPSyn, join([]byte{tcpOptNop}, mssOption(1460), mssOption(9000)), nil)
	if !ClampMSS(p, 1400) || mssOf(t, p, 1) != 1360 || mssOf(t, p, 5) != 1360 || !checkSums(t, p) {
		t.Errorf("packet %x", p)
	}
	if ClampMSS(p, 1400) {
		t.Error("clamped again")
	}
}

// TestClampMSSEveryValue goes through all MSS values at both parities: the
// corrected checksum equals a computed one.
func TestClampMSSEveryValue(t *testing.T) {
	for parity := range 2 {
		for v := 1001; v <= 0xffff; v++ {
			options := join([]byte{tcpOptNop}[:parity], mssOption(uint16(v)))
			s := TCP(buildTCP(TCPSyn, options, nil))
			s.SetChecksum(^naiveSum(s, 0)) // without pseudo-header, which does not change
			if !clampTCP(s, 1000) || naiveSum(s, 0) != 0xffff {
				t.Fatalf("MSS %d, offset %d: %x", v, parity, []byte(s))
			}
		}
	}
}

// TestClampMSSLeavesAlone lists packets that must come back as they were.
func TestClampMSSLeavesAlone(t *testing.T) {
	syn := tcp4(TCPSyn, mssOption(1460), nil)
	segment := transport(syn)
	fragment := func(word uint16) []byte {
		return buildIPv4(testSource4, testDestination4, ProtocolTCP, word, nil, segment)
	}
	six := func(chain ...extension) []byte { return tcp6(TCPSyn, mssOption(1460), nil, chain...) }
	for name, p := range map[string][]byte{
		"empty":                   nil,
		"version 5":               append([]byte{0x55}, syn[1:]...),
		"later fragment":          fragment(1),
		"other protocol":          buildIPv4(testSource4, testDestination4, ProtocolUDP, 0, nil, segment),
		"header cut by fragment":  buildIPv4(testSource4, testDestination4, ProtocolTCP, ipv4MF, nil, segment[:22]),
		"IPv6 later fragment":     six(extension{ProtocolFragment, []byte{0, 0, 0, 8, 0, 0, 0, 1}}),
		"IPv6 behind ESP":         six(extension{50, make([]byte, 8)}),
		"IPv6 header too long":    six(extension{ProtocolDestOpts, []byte{0, 200, 0, 0, 0, 0, 0, 0}}),
		"no options":              tcp4(TCPSyn, nil, nil),
		"data that looks like it": tcp4(TCPSyn, nil, mssOption(1460)),
	} {
		before := bytes.Clone(p)
		if ClampMSS(p, 1000) || !bytes.Equal(p, before) {
			t.Errorf("%s: changed", name)
		}
	}
	first := fragment(ipv4MF)
	if !ClampMSS(first, 1000) {
		t.Error("first fragment: not changed")
	}
}

func TestClampMSSEthernet(t *testing.T) {
	tag := [2]uint16{EtherTypeVLAN, 100}
	outer := [2]uint16{EtherTypeQinQ, 7}
	for tags, list := range [][][2]uint16{nil, {tag}, {outer, tag}} {
		for version, packet := range map[uint16][]byte{
			EtherTypeIPv4: tcp4(TCPSyn, mssOption(1460), nil),
			EtherTypeIPv6: tcp6(TCPSyn, mssOption(1460), nil),
		} {
			t.Run(fmt.Sprintf("%d tags, type %#x", tags, version), func(t *testing.T) {
				frame := buildEthernet(macB, macA, version, join(packet, make([]byte, 6)), list...)
				inner := frame[len(frame)-len(packet)-6 : len(frame)-6]
				want := 1400 - 4*tags - tcpHeaders4
				if version == EtherTypeIPv6 {
					want = 1400 - 4*tags - tcpHeaders6
				}
				if !ClampMSSEthernet(frame, 1400) || mssOf(t, inner, 0) != want || !checkSums(t, inner) {
					t.Errorf("MSS %d, want %d", mssOf(t, inner, 0), want)
				}
			})
		}
	}
	wrong := buildEthernet(macB, macA, EtherTypeARP, tcp4(TCPSyn, mssOption(1460), nil))
	for n := range wrong {
		if ClampMSSEthernet(wrong[:n], 1000) {
			t.Fatalf("ARP frame cut at %d: changed", n)
		}
	}
}

func BenchmarkClampMSS(b *testing.B) {
	syn := tcp4(TCPSyn, join(mssOption(1460), []byte{4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}), nil)
	data := tcp4(TCPAck, nil, make([]byte, 1400))
	b.Run("SYN", func(b *testing.B) {
		for b.Loop() {
			syn[42], syn[43] = 0x05, 0xb4
			ClampMSS(syn, 1400)
		}
	})
	b.Run("data", func(b *testing.B) {
		for b.Loop() {
			ClampMSS(data, 1400)
		}
	})
}
