package encap

import (
	"fmt"
	"net/netip"
	"testing"
)

// ownPackets encodes packets over every shape of session, both outer protocols
// and both pseudowires, and enters the sessions into the map.
func ownPackets(t *testing.T, sessions map[SessionID]pseudowire) []goldenPacket {
	t.Helper()
	var ps []goldenPacket
	id := SessionID(0x20000000)
	for _, h := range allHeaders(t) {
		for _, outerIPv6 := range []bool{false, true} {
			for _, ppp := range []bool{true, false} {
				id++
				h.SessionID = id
				sessions[id] = pseudowire{h, ppp}
				mtu := MTU(1500, h, outerIPv6, ppp)
				frames := ownEthernet(mtu)
				if ppp {
					frames = ownPPP(mtu)
				}
				for i, frame := range frames {
					name := fmt.Sprintf("o%08x-%d-%s", uint32(id), i, h.Transport)
					ps = append(ps, goldenPacket{name, encapsulate(h, Seq(1<<24-2+i)&seqMask, outerIPv6, frame)})
				}
			}
		}
	}
	return ps
}

// ownInner are packets made or changed by this package: two of full size, SYNs
// clamped for mtu at both parities, and the answers to packets one byte too long.
func ownInner(mtu int) (packets [][]byte, etherTypes []uint16) {
	nop := []byte{tcpOptNop}
	add := func(etherType uint16, p []byte) {
		packets, etherTypes = append(packets, p), append(etherTypes, etherType)
	}
	add(EtherTypeIPv4, echo4(randomBytes(mtu-IPv4Len-ICMPLen)))
	add(EtherTypeIPv6, echo6(randomBytes(mtu-IPv6Len-ICMPLen)))
	for _, options := range [][]byte{mssOption(1460), join(nop, mssOption(1460))} {
		four, six := tcp4(TCPSyn, options, nil), tcp6(TCPSyn|TCPAck, options, nil)
		ClampMSS(four, mtu)
		ClampMSS(six, mtu)
		add(EtherTypeIPv4, four)
		add(EtherTypeIPv6, six)
	}
	add(EtherTypeIPv4, AppendTooBig(nil, udp4(mtu), mtu))
	add(EtherTypeIPv6, AppendTooBig(nil, udp6(mtu), mtu))
	return packets, etherTypes
}

func ownPPP(mtu int) (frames [][]byte) {
	framings := []PPPFraming{{}, {NoAddressControl: true}, {CompressProtocol: true}, {NoAddressControl: true, CompressProtocol: true}}
	packets, etherTypes := ownInner(mtu)
	for i, p := range packets {
		proto := ProtoIPv4
		if etherTypes[i] == EtherTypeIPv6 {
			proto = ProtoIPv6
		}
		frames = append(frames, append(AppendPPPHeader(nil, proto, framings[i/2%len(framings)]), p...))
	}
	echo := []byte{9, 1, 0, 8, 0xde, 0xad, 0xbe, 0xef}
	return append(frames, append(AppendPPPHeader(nil, ProtoLCP, PPPFraming{CompressProtocol: true}), echo...))
}

func ownEthernet(mtu int) (frames [][]byte) {
	tag := [2]uint16{EtherTypeVLAN, 100}
	tags := [][][2]uint16{{tag}, nil}
	packets, etherTypes := ownInner(mtu - VLANTagLen)
	for i, p := range packets {
		frames = append(frames, buildEthernet(macB, macA, etherTypes[i], p, tags[i/2%len(tags)]...))
	}
	for i, etherType := range []uint16{EtherTypeIPv4, EtherTypeIPv6} {
		orig := [][]byte{udp4(mtu), udp6(mtu)}[i]
		frames = append(frames, AppendTooBigEthernet(nil, buildEthernet(macB, macA, etherType, orig, tag), mtu))
	}
	return frames
}

// encapsulate makes the whole outer packet.
func encapsulate(h DataHeader, seq Seq, outerIPv6 bool, frame []byte) []byte {
	b := h.AppendTo(nil)
	if h.Sublayer == SublayerDefault {
		PutSeq(b[len(b)-SublayerLen:], true, seq)
	}
	b = append(b, frame...)
	protocol := uint8(ProtocolL2TP)
	if h.Transport == TransportUDP {
		protocol = ProtocolUDP
		n := UDPLen + len(b)
		b = append([]byte{PortL2TP >> 8, PortL2TP & 0xff, PortL2TP >> 8, PortL2TP & 0xff, byte(n >> 8), byte(n), 0, 0}, b...)
	}
	a4, b4 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	a6, b6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	var packet []byte
	if outerIPv6 {
		packet = buildIPv6(a6, b6, protocol, nil, b)
	} else {
		packet = buildIPv4(a4, b4, protocol, ipv4DF, nil, b)
	}
	reencodeOuter(packet, false)
	return packet
}

// TestOwnPackets decodes what we encode and checks that nothing outgrows the path
// of 1500 bytes that its MTU was computed for.
func TestOwnPackets(t *testing.T) {
	sessions := map[SessionID]pseudowire{}
	full := 0
	for _, p := range ownPackets(t, sessions) {
		d, err := decodePacket(p.packet, sessions)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		if again := d.encode(sessions[d.id]); string(again) != string(d.l2tp) {
			t.Errorf("%s: %x became %x", p.name, d.l2tp, again)
		}
		if len(p.packet) > 1500 {
			t.Errorf("%s: %d bytes", p.name, len(p.packet))
		}
		if len(p.packet) == 1500 {
			full++
		}
	}
	if want := 2 * len(sessions); full != want {
		t.Errorf("%d packets fill the path, want two a session, %d", full, want)
	}
}
