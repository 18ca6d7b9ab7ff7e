package forwarder

import (
	"bytes"
	"net/netip"
	"testing"

	"culvert/encap"
)

// ipv6To is an IPv6 packet of 60 bytes to an address, with upper as the first bytes behind its header.
func ipv6To(dst string, protocol byte, upper ...byte) []byte {
	b := ipv6Packet(60, 0)
	b[6] = protocol
	a := netip.MustParseAddr(dst).As16()
	copy(b[24:40], a[:])
	copy(b[40:], upper)
	return b
}

var (
	routerSolicitation = ipv6To("ff02::2", encap.ProtocolICMPv6, 133)
	dhcpSolicit        = ipv6To("ff02::1:2", encap.ProtocolUDP, 2, 34, 2, 35)
)

// TestRouterPackets: what asks for the router goes to the control side where that is wanted, everything else, and all of
// it where it is not, to the device.
func TestRouterPackets(t *testing.T) {
	for _, tc := range []struct {
		name   string
		packet []byte
		punted bool
	}{
		{"Router Solicitation", routerSolicitation, true},
		{"DHCPv6", dhcpSolicit, true},
		{"shortest", ipv6Packet(48, 0), false},
		{"Router Solicitation to all nodes", ipv6To("ff02::1", encap.ProtocolICMPv6, 133), false},
		{"Router Solicitation to one host", ipv6To("fe80::1", encap.ProtocolICMPv6, 133), false},
		{"neighbour solicitation", ipv6To("ff02::1:ff00:2", encap.ProtocolICMPv6, 135), false},
		{"advertisement to all routers", ipv6To("ff02::2", encap.ProtocolICMPv6, 134), false},
		{"UDP to all routers", ipv6To("ff02::2", encap.ProtocolUDP, 133, 34, 2, 35), false},
		{"DHCPv6 to one server", ipv6To("fe80::1", encap.ProtocolUDP, 2, 34, 2, 35), false},
		{"to port 546", ipv6To("ff02::1:2", encap.ProtocolUDP, 2, 35, 2, 34), false},
		{"TCP to port 547", ipv6To("ff02::1:2", encap.ProtocolTCP, 2, 34, 2, 35), false},
		{"behind a hop-by-hop header", ipv6To("ff02::2", encap.ProtocolHopByHop, encap.ProtocolICMPv6, 0, 1, 4, 0, 0, 0, 0, 133), false},
		{"IPv4", ipv4Packet(60, true, 0xff), false},
	} {
		for _, router := range []bool{true, false} {
			r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
			r.s.SetLink(LinkState{IPv4: true, IPv6: true, Router: router})
			proto := encap.ProtoIPv6
			if tc.packet[0]>>4 == 4 {
				proto = encap.ProtoIPv4
			}
			r.peer.send(r.local, r.packet(append(encap.AppendPPPHeader(nil, proto, encap.PPPFraming{}), tc.packet...)))
			if !tc.punted || !router {
				r.wire.expect(tc.packet)
				if n := len(r.f.Events()); n != 0 {
					t.Errorf("%s, router %v: %d events", tc.name, router, n)
				}
				continue
			}
			e := <-r.f.Events()
			if e.Kind != EventRouter || e.Session != r.s || !bytes.Equal(e.Frame, tc.packet) {
				t.Errorf("%s: event %d, % x", tc.name, e.Kind, e.Frame)
			}
			r.f.Release(e)
			if rx, _, d := r.s.Stats(); rx.Packets != 1 || d.Total() != 0 || r.f.Stats()[0].Punted != 1 {
				t.Errorf("%s: %+v, drops %v", tc.name, rx, d)
			}
		}
	}
}

// TestRouterNeedsIPv6: nothing is taken out before IPv6 is open.
func TestRouterNeedsIPv6(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	r.s.SetLink(LinkState{IPv4: true, Router: true})
	r.peer.send(r.local, r.packet(append([]byte{0xff, 3, 0, 0x57}, routerSolicitation...)))
	r.dropped(DropNotOpen, 1)
	e := <-r.f.Events()
	if e.Kind != EventFrame {
		t.Errorf("event %d", e.Kind)
	}
	r.f.Release(e)
}

// naiveToRouter says by the views of package encap what toRouter says by bytes.
func naiveToRouter(b []byte) bool {
	if len(b) < encap.IPv6Len+upperLen {
		return false
	}
	p := encap.IPv6(b)
	upper := b[encap.IPv6Len:]
	switch p.Destination() {
	case netip.MustParseAddr("ff02::2"):
		return p.NextHeader() == encap.ProtocolICMPv6 && upper[0] == icmpRouterSolicitation
	case netip.MustParseAddr("ff02::1:2"):
		return p.NextHeader() == encap.ProtocolUDP && encap.UDP(upper).DestinationPort() == portDHCPServer
	}
	return false
}

// FuzzToRouter compares the two, and lets no prefix of a packet crash either.
func FuzzToRouter(f *testing.F) {
	f.Add(routerSolicitation)
	f.Add(dhcpSolicit)
	f.Add(ipv6Packet(100, 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, b[:min(len(b), encap.IPv6Len+upperLen-1)], b[:len(b)/2]} {
			if got, want := toRouter(b), naiveToRouter(b); got != want {
				t.Fatalf("% x: %v, want %v", b, got, want)
			}
		}
	})
}

// BenchmarkToRouter is what the check costs a packet: of a flow, and one that is a router's.
func BenchmarkToRouter(b *testing.B) {
	for name, packet := range map[string][]byte{"unicast": ipv6Packet(1400, 1), "solicitation": routerSolicitation, "DHCPv6": dhcpSolicit} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if toRouter(packet) {
					n++
				}
			}
			_ = n
		})
	}
}
