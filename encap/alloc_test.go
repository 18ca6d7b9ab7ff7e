package encap

import "testing"

// TestHotPathAllocates holds every function of the packet path to no allocation.
func TestHotPathAllocates(t *testing.T) {
	cookie := mustCookie(t, "0102030405060708")
	h := DataHeader{TransportUDP, 1, cookie, SublayerDefault}
	hip := DataHeader{TransportIP, 1, mustCookie(t, "01020304"), SublayerNone}
	out := make([]byte, 0, 2048)
	udpPacket := append(h.AppendTo(nil), AppendPPPHeader(nil, ProtoIPv4, PPPFraming{})...)
	ipPacket := hip.AppendTo(nil)
	pppFrame := append(AppendPPPHeader(nil, ProtoIPv4, PPPFraming{}), echo4(nil)...)
	syn4, syn6 := tcp4(TCPSyn, mssOption(1460), nil), tcp6(TCPSyn, mssOption(1460), nil)
	frame := buildEthernet(macB, macA, EtherTypeIPv4, udp4(1400), [2]uint16{EtherTypeVLAN, 1})
	synFrame := buildEthernet(macB, macA, EtherTypeIPv4, tcp4(TCPSyn, mssOption(1460), nil))
	big4, big6 := udp4(1400), udp6(1400)
	payload := randomBytes(1400)
	mss := uint16(1460)

	for _, f := range []struct {
		name string
		run  func()
	}{
		{"DataHeader.AppendTo", func() { out = hip.AppendTo(h.AppendTo(out[:0])) }},
		{"UDPData and Split", func() {
			if d := UDPData(udpPacket); d.Valid() && d.SessionID() == 1 {
				s, b, err := h.Split(d.Body())
				keep(s.S(), s.Seq() == 1, len(b) > 0, err == nil)
			}
		}},
		{"IPData and Split", func() {
			if d := IPData(ipPacket); d.Valid() && d.SessionID() == 1 {
				_, b, err := hip.Split(d.Body())
				keep(len(b) > 0, err == nil)
			}
		}},
		{"Split of bad packets", func() {
			_, _, err1 := h.Split(udpPacket[:4])
			_, _, err2 := h.Split(udpPacket)
			keep(err1 != nil, err2 != nil)
		}},
		{"ControlUDP, ControlIP", func() { keep(ControlUDP(udpPacket), ControlIP(ipPacket)) }},
		{"Cookie", func() { keep(cookie.Matches(udpPacket[8:])); out = cookie.AppendTo(out[:0]) }},
		{"PutSeq, Seq", func() { PutSeq(udpPacket[16:], true, 5); keep(Seq(5).Next().Behind(7)) }},
		{"ParsePPP", func() {
			p, b, fr, err := ParsePPP(pppFrame)
			keep(p == ProtoIPv4, len(b) > 0, fr.CompressProtocol, err == nil)
		}},
		{"ParsePPP of a bad frame", func() { _, _, _, err := ParsePPP(pppFrame[:1]); keep(err != nil) }},
		{"AppendPPPHeader", func() { out = AppendPPPHeader(out[:0], ProtoIPv6, PPPFraming{CompressProtocol: true}) }},
		{"Ethernet", func() { et, b, ok := Ethernet(frame).Network(); keep(et == 1, len(b) > 0, ok) }},
		{"IPv4", func() { p := IPv4(big4); keep(p.Valid(), p.Source() == p.Destination(), p.ComputeChecksum() == 1) }},
		{"IPv6", func() {
			p := IPv6(big6)
			_, b, fr, ok := p.Upper()
			keep(p.Valid(), p.Source().Is4(), len(b) > 0, fr, ok)
		}},
		{"Checksum", func() { sink = Checksum(payload, UpdateChecksum(1, 2, 3)) }},
		{"ClampMSS IPv4", func() { mss--; keep(ClampMSS(syn4, int(mss))) }},
		{"ClampMSS IPv6", func() { mss--; keep(ClampMSS(syn6, int(mss))) }},
		{"ClampMSS of data", func() { keep(ClampMSS(big4, 100)) }},
		{"ClampMSSEthernet", func() { mss--; keep(ClampMSSEthernet(synFrame, int(mss)), ClampMSSEthernet(frame, 100)) }},
		{"AppendTooBig", func() { out = AppendTooBig(out[:0], big4, 1300); out = AppendTooBig(out[:0], big6, 1300) }},
		{"AppendTooBigEthernet", func() { out = AppendTooBigEthernet(out[:0], frame, 1300) }},
		{"MTU", func() { keep(MTU(1500, h, true, true) > 0) }},
	} {
		if n := testing.AllocsPerRun(100, f.run); n != 0 {
			t.Errorf("%s: %v allocations", f.name, n)
		}
	}
}

var kept bool

// keep stops the compiler from dropping what nobody looks at.
func keep(bs ...bool) {
	for _, b := range bs {
		kept = kept != b
	}
}

func BenchmarkDecapsulate(b *testing.B) {
	for _, f := range []struct {
		name    string
		framing PPPFraming
	}{{"FF03", PPPFraming{}}, {"compressed", PPPFraming{NoAddressControl: true, CompressProtocol: true}}} {
		b.Run(f.name, func(b *testing.B) {
			h := DataHeader{TransportUDP, 1, mustCookie(b, "0102030405060708"), SublayerDefault}
			packet := append(AppendPPPHeader(h.AppendTo(nil), ProtoIPv4, f.framing), echo4(nil)...)
			for b.Loop() {
				d := UDPData(packet)
				if !d.Valid() || d.SessionID() != 1 {
					b.Fatal("header")
				}
				_, frame, err := h.Split(d.Body())
				if err != nil {
					b.Fatal(err)
				}
				if p, _, _, err := ParsePPP(frame); err != nil || p != ProtoIPv4 {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncapsulate(b *testing.B) {
	h := DataHeader{TransportUDP, 1, mustCookie(b, "0102030405060708"), SublayerDefault}
	buf := make([]byte, 0, 64)
	seq := Seq(0)
	for b.Loop() {
		buf = h.AppendTo(buf[:0])
		PutSeq(buf[len(buf)-SublayerLen:], true, seq)
		seq = seq.Next()
		buf = AppendPPPHeader(buf, ProtoIPv4, PPPFraming{})
	}
}

func BenchmarkTooBig(b *testing.B) {
	orig, buf := udp4(1400), make([]byte, 0, MaxTooBigLen)
	for b.Loop() {
		buf = AppendTooBig(buf[:0], orig, 1300)
	}
}
