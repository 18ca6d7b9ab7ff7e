package encap

import (
	"bytes"
	"errors"
	"testing"
)

func TestParsePPP(t *testing.T) {
	bare := PPPFraming{NoAddressControl: true}
	full := PPPFraming{}
	pfc := PPPFraming{CompressProtocol: true}
	both := PPPFraming{NoAddressControl: true, CompressProtocol: true}
	tests := []struct {
		name    string
		frame   []byte
		proto   PPPProtocol
		info    []byte
		framing PPPFraming
		err     error
	}{
		{"IPv4", []byte{0xff, 3, 0, 0x21, 0x45}, ProtoIPv4, []byte{0x45}, full, nil},
		{"IPv4 ACFC", []byte{0, 0x21, 0x45}, ProtoIPv4, []byte{0x45}, bare, nil},
		{"IPv4 PFC", []byte{0xff, 3, 0x21, 0x45}, ProtoIPv4, []byte{0x45}, pfc, nil},
		{"IPv4 both", []byte{0x21, 0x45}, ProtoIPv4, []byte{0x45}, both, nil},
		{"IPv6 both", []byte{0x57, 0x60}, ProtoIPv6, []byte{0x60}, both, nil},
		{"LCP", []byte{0xff, 3, 0xc0, 0x21, 1}, ProtoLCP, []byte{1}, full, nil},
		{"LCP ACFC", []byte{0xc0, 0x21, 1}, ProtoLCP, []byte{1}, bare, nil},
		{"empty information", []byte{0xff, 3, 0xc0, 0x21}, ProtoLCP, []byte{}, full, nil},
		{"empty information, one byte", []byte{0x21}, ProtoIPv4, []byte{}, both, nil},
		{"empty", nil, 0, nil, full, ErrPPPTruncated},
		{"FF 03 only", []byte{0xff, 3}, 0, nil, full, ErrPPPTruncated},
		{"half a protocol", []byte{0xff, 3, 0xc0}, 0, nil, full, ErrPPPTruncated},
		{"half a protocol, ACFC", []byte{0xc0}, 0, nil, full, ErrPPPTruncated},
		{"even protocol", []byte{0xff, 3, 0xc0, 0x20, 9}, 0xc020, []byte{9}, full, ErrPPPProtocol},
		{"zero protocol", []byte{0, 0, 9}, 0, []byte{9}, bare, ErrPPPProtocol},
		{"FF without 03", []byte{0xff, 4, 0, 0x21}, 0xff, []byte{4, 0, 0x21}, both, ErrPPPProtocol},
		{"FF 03 twice", []byte{0xff, 3, 0xff, 3, 0xc0, 0x21}, 0xff, []byte{3, 0xc0, 0x21}, pfc, ErrPPPProtocol},
		{"00ff", []byte{0xff, 3, 0, 0xff}, 0xff, []byte{}, full, ErrPPPProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, info, f, err := ParsePPP(tt.frame)
			if p != tt.proto || !bytes.Equal(info, tt.info) || f != tt.framing || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %x, %+v, %v", p, info, f, err)
			}
		})
	}
}

// TestPPPHeaderRoundTrip encodes every protocol number that can be valid in every
// framing and parses it back.
func TestPPPHeaderRoundTrip(t *testing.T) {
	for _, f := range []PPPFraming{{}, {NoAddressControl: true}, {CompressProtocol: true}, {NoAddressControl: true, CompressProtocol: true}} {
		for v := range 0x10000 {
			p := PPPProtocol(v)
			b := AppendPPPHeader([]byte{0xee}, p, f)[1:]
			if len(b) != PPPHeaderLen(p, f) {
				t.Fatalf("%v %+v: %x, Len %d", p, f, b, PPPHeaderLen(p, f))
			}
			if v&0x101 != 1 || p == protoReserved { // RFC 1661 section 2: even high, odd low byte
				continue
			}
			// 03 first in the information is what could be confused with Control.
			got, info, form, err := ParsePPP(append(b, 3, 7))
			if got != p || !bytes.Equal(info, []byte{3, 7}) || err != nil {
				t.Fatalf("%v %+v: got %v, %x, %v", p, f, got, info, err)
			}
			if again := AppendPPPHeader(nil, got, form); !bytes.Equal(again, b) {
				t.Fatalf("%v %+v: %x became %x", p, f, b, again)
			}
		}
	}
	lcp := AppendPPPHeader(nil, ProtoLCP, PPPFraming{CompressProtocol: true})
	if !bytes.Equal(lcp, []byte{0xff, 3, 0xc0, 0x21}) {
		t.Errorf("LCP header %x", lcp)
	}
}
