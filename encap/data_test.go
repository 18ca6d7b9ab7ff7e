package encap

import (
	"bytes"
	"errors"
	"testing"
)

// allHeaders returns every shape that a data header can have.
func allHeaders(t testing.TB) []DataHeader {
	t.Helper()
	var hs []DataHeader
	for _, transport := range []Transport{TransportUDP, TransportIP} {
		for _, n := range []int{0, 4, 8} {
			for _, s := range []Sublayer{SublayerNone, SublayerDefault} {
				c, err := NewCookie(randomBytes(n))
				if err != nil {
					t.Fatal(err)
				}
				hs = append(hs, DataHeader{Transport: transport, SessionID: 0x0a0b0c0d, Cookie: c, Sublayer: s})
			}
		}
	}
	return hs
}

// TestUDPDataValid tells the versions of RFC 3931 sections 4.1.2.1 and 4.7.2 apart.
func TestUDPDataValid(t *testing.T) {
	tests := []struct {
		name    string
		bytes   []byte
		data    bool
		control bool
	}{
		{"empty", nil, false, false},
		{"one byte", []byte{0xc8}, false, false},
		{"v3 data", []byte{0, 3, 0, 0, 0, 0, 0, 1}, true, false},
		{"v3 data, seven bytes", []byte{0, 3, 0, 0, 0, 0, 0}, false, false},
		{"v3 data, all reserved bits", []byte{0x7f, 0xf3, 0xff, 0xff, 0, 0, 0, 1}, true, false},
		{"v3 control", []byte{0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0}, false, true},
		{"v2 control", []byte{0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0}, false, true},
		{"v2 data", []byte{0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21}, false, false},
		{"L2F", []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, false, false},
		{"version 4", []byte{0, 4, 0, 0, 0, 0, 0, 0, 0, 0}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := UDPData(tt.bytes).Valid(); got != tt.data {
				t.Errorf("Valid() = %v", got)
			}
			if got := ControlUDP(tt.bytes); got != tt.control {
				t.Errorf("ControlUDP() = %v", got)
			}
		})
	}
}

// TestIPDataValid tells data and control apart as RFC 3931 section 4.1.1 does.
func TestIPDataValid(t *testing.T) {
	tests := []struct {
		name    string
		bytes   []byte
		data    bool
		control bool
	}{
		{"empty", nil, false, false},
		{"three bytes", []byte{0, 0, 0}, false, false},
		{"data", []byte{0, 0, 0, 1}, true, false},
		{"data, high id", []byte{0x80, 0, 0, 0}, true, false},
		{"control", []byte{0, 0, 0, 0, 0xc8, 3}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := IPData(tt.bytes).Valid(); got != tt.data {
				t.Errorf("Valid() = %v", got)
			}
			if got := ControlIP(tt.bytes); got != tt.control {
				t.Errorf("ControlIP() = %v", got)
			}
		})
	}
}

// openData finds the body of a data packet whatever carries it.
func openData(transport Transport, b []byte) (SessionID, []byte, bool) {
	if transport == TransportIP {
		d := IPData(b)
		if !d.Valid() {
			return 0, nil, false
		}
		return d.SessionID(), d.Body(), true
	}
	d := UDPData(b)
	if !d.Valid() {
		return 0, nil, false
	}
	return d.SessionID(), d.Body(), true
}

// TestDataHeaderRoundTrip encodes and decodes every shape, with and without a
// sequence number, and cuts the packet at every byte of its header.
func TestDataHeaderRoundTrip(t *testing.T) {
	frame := []byte{0xff, 0x03, 0x00, 0x21, 0x45}
	for _, h := range allHeaders(t) {
		b := h.AppendTo([]byte{0xee})[1:]
		if len(b) != h.Len() || len(b) > MaxDataHeaderLen {
			t.Fatalf("%+v: %d bytes, Len %d", h, len(b), h.Len())
		}
		if h.Sublayer == SublayerDefault {
			PutSeq(b[len(b)-SublayerLen:], true, 0xabcdef)
		}
		b = append(b, frame...)

		id, body, ok := openData(h.Transport, b)
		if !ok || id != h.SessionID {
			t.Fatalf("%+v: id %#x, ok %v", h, id, ok)
		}
		sub, got, err := h.Split(body)
		if err != nil || !bytes.Equal(got, frame) {
			t.Fatalf("%+v: frame %x, error %v", h, got, err)
		}
		if sub.Valid() != (h.Sublayer == SublayerDefault) {
			t.Errorf("%+v: sublayer %x", h, sub)
		}
		if sub.Valid() && (!sub.S() || sub.Seq() != 0xabcdef) {
			t.Errorf("%+v: S %v, seq %#x", h, sub.S(), sub.Seq())
		}
		for n := range h.Len() {
			if _, body, ok := openData(h.Transport, b[:n]); ok {
				if _, _, err := h.Split(body); !errors.Is(err, ErrDataTruncated) {
					t.Errorf("%+v cut at %d: error %v", h, n, err)
				}
			}
		}
	}
}

func TestSplitWrongCookie(t *testing.T) {
	for _, h := range allHeaders(t) {
		for i := range h.Cookie.Len() {
			_, body, _ := openData(h.Transport, h.AppendTo(nil))
			body[i] ^= 0x40
			if _, _, err := h.Split(body); !errors.Is(err, ErrCookieMismatch) {
				t.Errorf("%+v with byte %d changed: error %v", h, i, err)
			}
		}
	}
}

// TestPutSeq checks the bits of RFC 3931 section 4.6.
func TestPutSeq(t *testing.T) {
	tests := []struct {
		name string
		s    bool
		seq  Seq
		want []byte
	}{
		{"first", true, 0, []byte{0x40, 0, 0, 0}},
		{"last", true, 0xffffff, []byte{0x40, 0xff, 0xff, 0xff}},
		{"more than 24 bits", true, 0xff000001, []byte{0x40, 0, 0, 1}},
		{"without", false, 77, []byte{0, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := []byte{0xff, 0xff, 0xff, 0xff, 0xee}
			PutSeq(b, tt.s, tt.seq)
			if !bytes.Equal(b[:4], tt.want) || b[4] != 0xee {
				t.Errorf("got %x", b)
			}
		})
	}
	if l := L2Sublayer([]byte{0xbf, 0, 0, 9}); l.S() || l.Seq() != 9 {
		t.Error("reserved bits are taken for S")
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		TransportUDP.String(): "udp", TransportIP.String(): "ip", Transport(9).String(): "transport(?)",
		SublayerNone.String(): "none", SublayerDefault.String(): "default", Sublayer(9).String(): "sublayer(?)",
		ProtoLCP.String(): "LCP", PPPProtocol(0x21).String(): "IPv4", PPPProtocol(0x1f).String(): "ppp-0x001f",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if SublayerNone.Len() != 0 || SublayerDefault.Len() != 4 || Sublayer(9).Len() != 0 {
		t.Error("sublayer lengths")
	}
}
