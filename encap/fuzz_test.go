package encap

import (
	"bytes"
	"errors"
	"testing"
)

// fuzzHeader picks the header to read fuzz input with.
func fuzzHeader(hs []DataHeader, transport Transport, shape uint8) DataHeader {
	var match []DataHeader
	for _, h := range hs {
		if h.Transport == transport {
			match = append(match, h)
		}
	}
	return match[int(shape)%len(match)]
}

// checkData is the invariant of both data header parsers: what is accepted is the
// encoder's header with another id, then sublayer and frame, nothing lost.
func checkData(t *testing.T, h DataHeader, id SessionID, body, packet []byte) {
	t.Helper()
	sub, frame, err := h.Split(body)
	if err != nil {
		if len(body) >= h.Cookie.Len()+h.Sublayer.Len() && h.Cookie.Matches(body) {
			t.Fatalf("%v although cookie and length are right", err)
		}
		return
	}
	h.SessionID = id
	again := h.AppendTo(nil)
	if len(again)+len(frame) != len(packet) {
		t.Fatalf("header %d and frame %d bytes of %d", len(again), len(frame), len(packet))
	}
	// Reserved bits are ignored on receipt and 0 when sent.
	if h.Transport == TransportUDP && again[1] != packet[1]&versionMask {
		t.Fatalf("version %d became %d", packet[1], again[1])
	}
	if sub.Valid() {
		PutSeq(again[len(again)-SublayerLen:], sub.S(), sub.Seq())
		if got := L2Sublayer(again[len(again)-SublayerLen:]); got.S() != sub.S() || sub.S() && got.Seq() != sub.Seq() {
			t.Fatalf("sublayer %x became %x", sub, got)
		}
	}
	from := h.Len() - h.Cookie.Len() - h.Sublayer.Len() - 4
	end := h.Len() - h.Sublayer.Len()
	if !bytes.Equal(again[from:end], packet[from:end]) {
		t.Fatalf("id and cookie %x became %x", packet[from:end], again[from:end])
	}
	if !bytes.HasSuffix(packet, frame) {
		t.Fatal("frame is not the rest of the packet")
	}
}

func FuzzUDPData(f *testing.F) {
	hs := allHeaders(f)
	for i := range hs {
		h := fuzzHeader(hs, TransportUDP, uint8(i))
		f.Add(append(h.AppendTo(nil), 0xff, 3, 0, 0x21, 0x45), uint8(i))
	}
	f.Add([]byte{0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, shape uint8) {
		d := UDPData(b)
		if !d.Valid() {
			return
		}
		if ControlUDP(b) {
			t.Fatal("data and control at once")
		}
		checkData(t, fuzzHeader(hs, TransportUDP, shape), d.SessionID(), d.Body(), b)
	})
}

func FuzzIPData(f *testing.F) {
	hs := allHeaders(f)
	for i := range hs {
		h := fuzzHeader(hs, TransportIP, uint8(i))
		f.Add(append(h.AppendTo(nil), 1, 2, 3), uint8(i))
	}
	f.Add([]byte{0, 0, 0, 0, 0xc8, 3, 0, 12}, uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, shape uint8) {
		d := IPData(b)
		if d.Valid() == ControlIP(b) && len(b) >= 4 {
			t.Fatal("neither or both of data and control")
		}
		if d.Valid() {
			checkData(t, fuzzHeader(hs, TransportIP, shape), d.SessionID(), d.Body(), b)
		}
	})
}

func FuzzL2Sublayer(f *testing.F) {
	f.Add([]byte{0x40, 0, 0, 0}, uint32(0))
	f.Add([]byte{0xbf, 0xff, 0xff, 0xff}, uint32(0x800000))
	f.Fuzz(func(t *testing.T, b []byte, expected uint32) {
		l := L2Sublayer(b)
		if !l.Valid() {
			return
		}
		var again [SublayerLen]byte
		PutSeq(again[:], l.S(), l.Seq())
		if got := L2Sublayer(again[:]); got.S() != l.S() || l.S() && got.Seq() != l.Seq() || again[0]&^0x40 != 0 {
			t.Fatalf("%x became %x", b[:4], again)
		}
		e := Seq(expected) & seqMask
		// Of two numbers exactly one is behind the other, but for equal ones and
		// those half the space apart.
		s := l.Seq()
		switch {
		case s == e:
			if s.Behind(e) {
				t.Fatalf("%#x is behind itself", s)
			}
		case s.Ahead(e) == seqHalf:
			if !s.Behind(e) || !e.Behind(s) {
				t.Fatalf("%#x and %#x are opposite", s, e)
			}
		case s.Behind(e) == e.Behind(s):
			t.Fatalf("%#x and %#x: both or none behind", s, e)
		}
		if s.Next().Ahead(s) != 1 || !s.Behind(s.Next()) {
			t.Fatalf("%#x and its successor %#x", s, s.Next())
		}
	})
}

func FuzzPPP(f *testing.F) {
	for _, fr := range []PPPFraming{{}, {NoAddressControl: true}, {CompressProtocol: true}, {NoAddressControl: true, CompressProtocol: true}} {
		for _, p := range []PPPProtocol{ProtoIPv4, ProtoIPv6, ProtoLCP, ProtoCCP, protoReserved} {
			f.Add(append(AppendPPPHeader(nil, p, fr), 3, 1, 0, 4))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, info, fr, err := ParsePPP(b)
		if errors.Is(err, ErrPPPTruncated) {
			if len(b) > 3 {
				t.Fatalf("%d bytes are too few", len(b))
			}
			return
		}
		if err != nil && (!errors.Is(err, ErrPPPProtocol) || p&1 != 0 && p != protoReserved) {
			t.Fatalf("protocol %#x, error %v", uint16(p), err)
		}
		n := len(b) - len(info)
		if n < 1 || n > MaxPPPHeaderLen || !bytes.Equal(info, b[n:]) {
			t.Fatalf("header of %d bytes", n)
		}
		if err == nil {
			if h := AppendPPPHeader(nil, p, fr); !bytes.Equal(h, b[:n]) || len(h) != PPPHeaderLen(p, fr) {
				t.Fatalf("header %x became %x", b[:n], h)
			}
		}
	})
}

func FuzzEthernet(f *testing.F) {
	tag := [2]uint16{EtherTypeVLAN, 100}
	f.Add(buildEthernet(macB, macA, EtherTypeIPv4, echo4(nil)))
	f.Add(buildEthernet(macB, macA, EtherTypeIPv6, echo6(nil), tag))
	f.Add(buildEthernet(macB, macA, EtherTypeARP, nil, [2]uint16{EtherTypeQinQ, 7}, tag))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := Ethernet(b)
		if !e.Valid() {
			return
		}
		etherType, payload, ok := e.Network()
		if !ok {
			return
		}
		n := len(b) - len(payload)
		if n < EthernetLen || n > EthernetLen+maxVLANTags*VLANTagLen || n%4 != EthernetLen%4 || !bytes.Equal(payload, b[n:]) {
			t.Fatalf("header of %d bytes", n)
		}
		var tags [][2]uint16
		for i := 12; i < n-2; i += 4 {
			tags = append(tags, [2]uint16{uint16(b[i])<<8 | uint16(b[i+1]), uint16(b[i+2])<<8 | uint16(b[i+3])})
		}
		if again := buildEthernet(e.Destination(), e.Source(), etherType, payload, tags...); !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
