package ipv6link

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
)

// TestAdvertisementBytes: every byte of an advertisement (RFC 4861 section 4.2, 4.6.2, 4.6.4; RFC 8106 section 5.1).
func TestAdvertisementBytes(t *testing.T) {
	const (
		mtu    = "0501 0000 000005ac"
		prefix = "0304 40 c0 00278d00 00093a80 00000000 20010db8000000070000000000000000"
		dns    = "1903 0000 00000708 20010db8000000000000000000000053"
	)
	for _, tc := range []struct {
		name   string
		change func(*Options)
		state  State
		want   string
	}{
		{"all", nil, State{Local: us, Prefix: linkNet, MTU: 1452}, "86 00 0000 40 40 0708 00000000 00000000" + mtu + prefix + dns},
		{
			"no prefix, no name servers", func(o *Options) { o.DNS = nil },
			State{Local: us, MTU: 1452},
			"86 00 0000 40 00 0708 00000000 00000000" + mtu,
		},
		{
			"configured", func(o *Options) {
				o.MTU, o.RouterLifetime, o.Valid, o.Preferred, o.DNS = 1400, 0, Infinite, Infinite, nil
			},
			State{Local: us, Prefix: linkNet, MTU: 1452},
			"86 00 0000 40 00 0000 00000000 00000000 0501 0000 00000578" +
				"0304 40 c0 ffffffff ffffffff 00000000 20010db8000000070000000000000000",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.change)
			r.l.Up(r.now, tc.state)
			r.drain()
			if len(r.sent) != 1 {
				t.Fatalf("%d packets", len(r.sent))
			}
			got := encap.IPv6(bytes.Clone(r.sent[0]))
			if got.Destination() != allNodes || got.NextHeader() != encap.ProtocolICMPv6 {
				t.Errorf("to %s, protocol %d", got.Destination(), got.NextHeader())
			}
			body := got.Payload()
			clear(body[2:4]) // the checksum was checked
			if want := unhex(t, tc.want); !bytes.Equal(body, want) {
				t.Errorf("got  %x\nwant %x", body, want)
			}
		})
	}
}

// TestAdvertisingTimes: one at once, three in short order, then at random within the interval (RFC 4861 section 6.2.4).
func TestAdvertisingTimes(t *testing.T) {
	for _, tc := range []struct{ longest, shortest, initial time.Duration }{
		{600 * time.Second, 198 * time.Second, 16 * time.Second},
		{20 * time.Second, 6600 * time.Millisecond, 16 * time.Second},
		{9 * time.Second, 3 * time.Second, 16 * time.Second},
		{8 * time.Second, 6 * time.Second, 16 * time.Second},
		{4 * time.Second, 3 * time.Second, 16 * time.Second},
	} {
		r := newRig(t, func(o *Options) { o.Interval, o.RouterLifetime = tc.longest, 9000*time.Second })
		r.up()
		if len(r.sent) != 1 || !r.at[0].Equal(epoch) {
			t.Fatalf("%v: %d advertisements at once", tc.longest, len(r.sent))
		}
		r.advance(100 * tc.longest)
		seen := make(map[time.Duration]bool)
		for i := range r.at[1:] {
			gap := r.at[i+1].Sub(r.at[i])
			most, least := tc.longest, tc.shortest
			if i < maxInitial {
				most, least = min(most, tc.initial), min(least, tc.initial)
			}
			if gap < least || gap > most {
				t.Fatalf("%v: %v between number %d and the next, want %v to %v", tc.longest, gap, i+1, least, most)
			}
			seen[gap] = true
		}
		if n := len(r.sent); n < 100 || n > 320 || len(seen) < n/2 {
			t.Errorf("%v: %d advertisements, %d different gaps", tc.longest, n, len(seen))
		}
	}
}

// TestSolicitations: answers to one with an address go there, within half a second; to one without to all, not before
// three seconds since the last (RFC 4861 section 6.2.6). A flood gets few answers.
func TestSolicitations(t *testing.T) {
	r := newRig(t, nil).up()
	r.clear()
	r.now = r.now.Add(100 * time.Millisecond)
	begin := r.now
	r.in(solicitation(them))
	r.in(solicitation(netip.MustParseAddr("fe80::3"))) // part of the same answer
	if len(r.sent) != 0 {
		t.Fatal("answered without delay")
	}
	r.advance(500 * time.Millisecond)
	if len(r.sent) != 1 || encap.IPv6(r.sent[0]).Destination() != them || r.at[0].Sub(begin) > maxAnswerDelay {
		t.Fatalf("%d answers at %v", len(r.sent), r.at)
	}
	r.clear()
	r.in(solicitation(netip.IPv6Unspecified()))
	r.advance(3500 * time.Millisecond)
	if len(r.sent) != 1 || encap.IPv6(r.sent[0]).Destination() != allNodes || r.at[0].Sub(epoch) < minDelay || r.at[0].Sub(epoch) > minDelay+time.Second {
		t.Fatalf("%d answers at %v", len(r.sent), r.at)
	}
	r.clear()
	for range 10_000 {
		r.in(solicitation(them))
		r.in(solicitation(netip.IPv6Unspecified()))
		r.advance(time.Millisecond)
	}
	if n := len(r.sent); n < 10 || n > 60 {
		t.Errorf("%d answers to a flood of ten seconds", n)
	}
	for i := range r.at[1:] {
		if encap.IPv6(r.sent[i]).Destination() == allNodes && encap.IPv6(r.sent[i+1]).Destination() == allNodes && r.at[i+1].Sub(r.at[i]) < minDelay {
			t.Errorf("two to all within %v", r.at[i+1].Sub(r.at[i]))
		}
	}
}

// TestBadPackets: what is not a valid solicitation (RFC 4861 section 6.1.1) or DHCPv6 packet is counted, and nothing more.
func TestBadPackets(t *testing.T) {
	change := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }
	resum := func(b []byte) []byte {
		p := encap.IPv6(b)
		at := 2
		if p.NextHeader() == encap.ProtocolUDP {
			at = 6
		}
		c := p.Payload()
		c[at], c[at+1] = 0, 0
		return build(p.Source(), p.Destination(), p.NextHeader(), c, at)
	}
	good := solicitation(them, 1, 1, 2, 0, 0, 0, 0, 1)
	hop := change(good, 7, 64)
	ask := build(them, allServers, encap.ProtocolUDP, []byte{2, 34, 2, 35, 0, 12, 0, 0, 1, 1, 2, 3}, 6)
	for name, b := range map[string][]byte{
		"empty": {}, "IPv4": {0x45}, "short": good[:50], "hop limit": hop, "checksum": change(good, 42, good[42]^1),
		"code":             resum(change(good, 41, 1)),
		"another type":     resum(change(good, 40, 134)),
		"too short":        build(them, allRouters, encap.ProtocolICMPv6, []byte{133, 0, 0, 0, 0, 0, 0}, 2),
		"option of none":   solicitation(them, 1, 0, 0, 0, 0, 0, 0, 0),
		"option cut off":   solicitation(them, 1, 2, 0, 0, 0, 0, 0, 0),
		"half an option":   solicitation(them, 1),
		"address, nobody":  solicitation(netip.IPv6Unspecified(), 1, 1, 2, 0, 0, 0, 0, 1),
		"from a group":     solicitation(allNodes),
		"to somebody else": build(them, allNodes, encap.ProtocolICMPv6, []byte{133, 0, 0, 0, 0, 0, 0, 0}, 2),
		"UDP short":        build(them, allServers, encap.ProtocolUDP, []byte{2, 34, 2, 35, 0, 8, 0}, 4),
		"UDP length":       resum(change(ask, 45, 13)),
		"UDP length small": resum(change(ask, 45, 7)),
		"UDP port":         resum(change(ask, 43, 34)),
		"UDP checksum":     change(ask, 47, ask[47]^1),
		"UDP no checksum":  change(change(ask, 46, 0), 47, 0),
		"DHCPv6, global":   build(netip.MustParseAddr("2001:db8::2"), allServers, encap.ProtocolUDP, []byte{2, 34, 2, 35, 0, 12, 0, 0, 1, 1, 2, 3}, 6),
		"DHCPv6, cut off":  build(them, allServers, encap.ProtocolUDP, []byte{2, 34, 2, 35, 0, 11, 0, 0, 1, 1, 2}, 6),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil).up()
			r.clear()
			r.in(b)
			r.advance(time.Second)
			if c := r.l.Counters(); c.Malformed != 1 || len(r.sent) != 0 || c.Solicitations != 0 {
				t.Errorf("%+v, sent %x", c, r.sent)
			}
		})
	}
	r := newRig(t, nil).up()
	r.in(good)
	r.in(ask) // a Solicit without a client's identifier
	if c := r.l.Counters(); c.Solicitations != 1 || c.Requests != 1 || c.Ignored != 1 || c.Malformed != 0 {
		t.Errorf("%+v", c)
	}
}

// TestDown: a link that is down says nothing, takes nothing and has no timer.
func TestDown(t *testing.T) {
	r := newRig(t, nil).up()
	r.in(solicitation(them))
	r.l.Down(r.now)
	r.drain()
	r.clear()
	r.in(solicitation(them))
	r.l.Tick(r.now.Add(time.Hour))
	r.drain()
	if !r.l.Deadline().IsZero() || len(r.sent) != 0 || r.l.Counters().Ignored != 1 {
		t.Errorf("deadline %v, sent %d, %+v", r.l.Deadline(), len(r.sent), r.l.Counters())
	}
	r.up() // and comes up as new
	if len(r.sent) != 1 {
		t.Errorf("%d advertisements", len(r.sent))
	}
	r.l.SetMTU(1300)
	r.clear()
	r.advance(16 * time.Second)
	if len(r.sent) != 1 || !bytes.Contains(r.sent[0], []byte{5, 1, 0, 0, 0, 0, 5, 20}) {
		t.Errorf("no new MTU in %x", r.sent)
	}
}
