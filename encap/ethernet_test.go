package encap

import (
	"bytes"
	"testing"
)

func TestEthernetNetwork(t *testing.T) {
	payload := []byte{0x45, 1, 2, 3}
	c, s := [2]uint16{EtherTypeVLAN, 100}, [2]uint16{EtherTypeQinQ, 200}
	tests := []struct {
		name      string
		tags      [][2]uint16
		etherType uint16
		rest      int
	}{
		{"untagged", nil, EtherTypeIPv4, 4},
		{"one tag", [][2]uint16{c}, EtherTypeIPv4, 4},
		{"service and customer tag", [][2]uint16{s, c}, EtherTypeIPv4, 4},
		{"two customer tags", [][2]uint16{c, c}, EtherTypeIPv4, 4},
		{"three tags", [][2]uint16{s, c, c}, EtherTypeVLAN, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := buildEthernet(macB, macA, EtherTypeIPv4, payload, tt.tags...)
			e := Ethernet(b)
			if !bytes.Equal(e.Destination(), macB) || !bytes.Equal(e.Source(), macA) {
				t.Errorf("addresses %x, %x", e.Destination(), e.Source())
			}
			etherType, rest, ok := e.Network()
			if !ok || etherType != tt.etherType || !bytes.Equal(rest, b[len(b)-tt.rest:]) {
				t.Errorf("got %#x, %x, %v", etherType, rest, ok)
			}
			for n := range len(b) - tt.rest {
				if e := Ethernet(b[:n]); e.Valid() {
					if _, _, ok := e.Network(); ok {
						t.Errorf("cut at %d: ok", n)
					}
				}
			}
		})
	}
}

// TestEthernetAddressCapacity keeps an append to an address out of the frame.
func TestEthernetAddressCapacity(t *testing.T) {
	b := buildEthernet(macB, macA, EtherTypeIPv4, nil)
	want := bytes.Clone(b)
	_ = append(Ethernet(b).Destination(), 0xff)
	_ = append(Ethernet(b).Source(), 0xff)
	if !bytes.Equal(b, want) {
		t.Errorf("frame changed to %x", b)
	}
	if got := Ethernet(b).Payload(); len(got) != 0 {
		t.Errorf("payload %x", got)
	}
}
