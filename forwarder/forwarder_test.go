package forwarder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"culvert/encap"
)

// TestAgainstNaivePeer compares what the data plane sends with packets put together one by one, and feeds it such
// packets, for every combination that a header can have.
func TestAgainstNaivePeer(t *testing.T) {
	for _, sublayer := range []encap.Sublayer{encap.SublayerNone, encap.SublayerDefault} {
		for _, n := range []int{0, 4, 8} {
			for _, pw := range []Pseudowire{Ethernet, PPP} {
				for _, seq := range []bool{false, true} {
					if seq && sublayer == encap.SublayerNone {
						continue
					}
					t.Run(fmt.Sprintf("%v cookie %d sublayer %d seq %v", pw, n, sublayer.Len(), seq), func(t *testing.T) {
						r := newRig(t, 2, func(_ *TunnelConfig, c *SessionConfig) {
							c.Pseudowire, c.Sequence = pw, seq
							c.SendCookie, c.ExpectCookie = cookie(t, n), cookie(t, 8-n)
							c.SendSublayer, c.ExpectSublayer = sublayer, sublayer
						})
						for i := range 5 {
							compareOne(t, r, i)
						}
					})
				}
			}
		}
	}
}

func compareOne(t *testing.T, r *rig, i int) {
	t.Helper()
	inner := etherFrame(60+i*17, byte(i))
	framed := inner
	if r.cfg.Pseudowire == PPP {
		inner = ipv4Packet(40+i*17, true, byte(i))
		framed = encap.AppendPPPHeader(nil, encap.ProtoIPv4, encap.PPPFraming{})
		framed = append(framed, inner...)
	}
	want := r.tun.header(r.cfg).AppendTo(nil)
	if r.cfg.Sequence {
		encap.PutSeq(want[len(want)-4:], true, encap.Seq(i))
	}
	want = append(want, framed...)

	r.wire.put(inner)
	if got := r.peer.recv(soon); !bytes.Equal(got, want) {
		t.Fatalf("sent\n% x, want\n% x", got, want)
	}
	in := r.packet(framed)
	if r.cfg.ExpectSublayer == encap.SublayerDefault {
		in = r.numbered(encap.Seq(i), framed)
	}
	r.peer.send(r.local, in)
	r.wire.expect(inner)
}

func TestPPPFraming(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	v4, v6 := ipv4Packet(60, false, 1), ipv6Packet(60, 2)
	for _, f := range []encap.PPPFraming{
		{}, {NoAddressControl: true}, {CompressProtocol: true}, {NoAddressControl: true, CompressProtocol: true},
	} {
		r.s.SetLink(LinkState{IPv4: true, IPv6: true, Framing: f})
		for _, c := range []struct {
			proto encap.PPPProtocol
			ip    []byte
		}{{encap.ProtoIPv4, v4}, {encap.ProtoIPv6, v6}} {
			framed := append(encap.AppendPPPHeader(nil, c.proto, f), c.ip...)
			r.wire.put(c.ip)
			want := append(r.tun.header(r.cfg).AppendTo(nil), framed...)
			if got := r.peer.recv(soon); !bytes.Equal(got, want) {
				t.Fatalf("%+v: sent\n% x, want\n% x", f, got, want)
			}
			r.peer.send(r.local, r.packet(framed))
			r.wire.expect(c.ip)
		}
	}
}

// TestTwoForwarders sends through two of them, and through all workers.
func TestTwoForwarders(t *testing.T) {
	a, b := newForwarder(t, 3), newForwarder(t, 2)
	la, lb := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	ta, err := a.AddTunnel(TunnelConfig{Name: "a", Local: la, Peer: lb, TOS: -1, DF: true, TTL: 7})
	if err != nil {
		t.Fatal(err)
	}
	tb, err := b.AddTunnel(TunnelConfig{Name: "b", Local: lb, Peer: la, CopyTOS: true, NoChecksum: true})
	if err != nil {
		t.Fatal(err)
	}
	const sessions, frames = 10, 200
	for i := range encap.SessionID(sessions) {
		wa, wb := newWire(t), newWire(t)
		ca := SessionConfig{Name: "s", LocalID: 100 + i, PeerID: 300 + 7*i, SendCookie: cookie(t, 8), Device: wa.dev}
		cb := SessionConfig{Name: "s", LocalID: 300 + 7*i, PeerID: 100 + i, ExpectCookie: cookie(t, 8), Device: wb.dev}
		sa, err := a.AddSession(ta, ca)
		if err != nil {
			t.Fatal(err)
		}
		sb, err := b.AddSession(tb, cb)
		if err != nil {
			t.Fatal(err)
		}
		sa.SetLink(LinkState{Ethernet: true})
		sb.SetLink(LinkState{Ethernet: true})
		for n := range frames {
			f := etherFrame(64, byte(i))
			binary.BigEndian.PutUint32(f[20:], uint32(n))
			wa.put(f)
			if n%50 == 49 { // in bursts that fit the stand-in devices
				for m := n - 49; m <= n; m++ {
					got := wb.get(soon)
					if len(got) != 64 || binary.BigEndian.Uint32(got[20:]) != uint32(m) {
						t.Fatalf("session %d: frame %d came as % x", i, m, got)
					}
				}
			}
		}
		f := etherFrame(64, 0xee)
		wb.put(f)
		wa.expect(f)
		rx, tx, drops := sb.Stats()
		if want := (Traffic{frames, frames * 64}); rx != want {
			t.Fatalf("session %d: received %+v, want %+v", i, rx, want)
		}
		if want := (Traffic{1, 64}); tx != want {
			t.Fatalf("session %d: sent %+v, want %+v", i, tx, want)
		}
		if n := drops.Total(); n != 0 {
			t.Fatalf("session %d: %d drops", i, n)
		}
	}
	for i, w := range a.Stats() {
		if w.Sessions == 0 || w.Tx.Packets == 0 {
			t.Errorf("worker %d of the first had nothing to do: %+v", i, w)
		}
	}
}

func TestDrops(t *testing.T) {
	ppp := func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP }
	seq := func(_ *TunnelConfig, c *SessionConfig) { c.ExpectSublayer = encap.SublayerDefault }
	good := etherFrame(60, 0)
	tests := []struct {
		name   string
		change func(*TunnelConfig, *SessionConfig)
		do     func(r *rig)
		reason DropReason
		n      uint64
	}{
		{"shorter than a header", nil, func(r *rig) {
			for n := range 8 {
				r.peer.send(r.local, r.packet(nil)[:n])
			}
		}, DropTruncated, 8},
		{"ends in the cookie", nil, func(r *rig) {
			for n := 8; n < 12; n++ {
				r.peer.send(r.local, r.packet(nil)[:n])
			}
		}, DropTruncated, 4},
		{"not version 3", nil, func(r *rig) {
			b := r.packet(good)
			b[1] = 2
			r.peer.send(r.local, b)
		}, DropVersion, 1},
		{"control message", nil, func(r *rig) {
			r.peer.send(r.local, []byte{0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0})
		}, DropControl, 1},
		{"unknown session", nil, func(r *rig) {
			for sid := range byte(4) {
				b := r.packet(good)
				b[4], b[7] = 0x77, sid
				r.peer.send(r.local, b)
			}
		}, DropSession, 4},
		{"session id 0", nil, func(r *rig) {
			b := r.packet(good)
			copy(b[4:], []byte{0, 0, 0, 0})
			r.peer.send(r.local, b)
		}, DropSession, 1},
		{"other source port", nil, func(r *rig) {
			newPeer(r.t, "127.0.0.1").send(r.local, r.packet(good))
		}, DropSource, 1},
		{"other source address", nil, func(r *rig) {
			newPeer(r.t, "127.0.0.9").send(r.local, r.packet(good))
		}, DropSource, 1},
		{"each bit of the cookie wrong", nil, func(r *rig) {
			for bit := range 32 {
				b := r.packet(good)
				b[8+bit/8] ^= 1 << (bit % 8)
				r.peer.send(r.local, b)
			}
		}, DropCookie, 32},
		{"ends in the sublayer", seq, func(r *rig) {
			for n := 12; n < 16; n++ {
				r.peer.send(r.local, r.packet(good)[:n])
			}
		}, DropTruncated, 4},
		{"duplicate", seq, func(r *rig) {
			for range 3 {
				r.peer.send(r.local, r.numbered(9, good))
			}
			r.wire.expect(good)
		}, DropSequence, 2},
		{"frame shorter than an Ethernet header", nil, func(r *rig) {
			for n := range 14 {
				r.peer.send(r.local, r.packet(good[:n]))
			}
		}, DropMalformed, 14},
		{"Ethernet pseudowire not usable", nil, func(r *rig) {
			r.s.SetLink(LinkState{})
			r.peer.send(r.local, r.packet(good))
			r.wire.put(good)
		}, DropNotOpen, 2},
		{"PPP without a protocol", ppp, func(r *rig) {
			for _, b := range [][]byte{{}, {0xff}, {0xff, 3}, {0xff, 3, 0}, {0}, {0, 0x20, 1}, {0xff, 3, 0xc0, 0x20}} {
				r.peer.send(r.local, r.packet(b))
			}
		}, DropPPPProtocol, 7},
		{"IPv4 before IPCP is open", ppp, func(r *rig) {
			r.s.SetLink(LinkState{IPv6: true})
			r.peer.send(r.local, r.packet(append([]byte{0xff, 3, 0, 0x21}, ipv4Packet(60, true, 0)...)))
			r.wire.put(ipv4Packet(60, true, 0))
		}, DropNotOpen, 2},
		{"protocol and version differ", ppp, func(r *rig) {
			r.peer.send(r.local, r.packet(append([]byte{0xff, 3, 0, 0x21}, ipv6Packet(60, 0)...)))
			r.peer.send(r.local, r.packet([]byte{0xff, 3, 0, 0x57}))
			r.wire.put([]byte{0x55, 1, 2, 3})
		}, DropMalformed, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2, tt.change)
			tt.do(r)
			r.dropped(tt.reason, tt.n)
			if got := r.wire.get(20 * time.Millisecond); got != nil {
				t.Fatalf("delivered all the same: % x", got)
			}
		})
	}
}

// TestRandomPackets sends junk and shortened packets: nothing may be delivered that was not sent, all must be
// counted, and the session must go on.
func TestRandomPackets(t *testing.T) {
	r := newRig(t, 2, func(_ *TunnelConfig, c *SessionConfig) { c.ExpectSublayer = encap.SublayerDefault })
	b := r.numbered(1, etherFrame(14, 0))
	sent := uint64(0)
	for n := range len(b) {
		r.peer.send(r.local, b[:n])
		sent++
	}
	for i := range 2000 {
		junk := make([]byte, i%97)
		for j := range junk {
			junk[j] = byte(i * (j + 3) * 2654435761 >> 7)
		}
		r.peer.send(r.local, junk)
		sent++
		if i%200 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	good := etherFrame(60, 5)
	r.peer.send(r.local, r.numbered(2, good))
	r.wire.expect(good)
	var total uint64
	for end := time.Now().Add(soon); total != sent && time.Now().Before(end); time.Sleep(time.Millisecond) {
		total = 0 // the other worker may not be done yet
		for _, w := range r.f.Stats() {
			total += w.Drops.Total()
		}
	}
	if total != sent {
		t.Fatalf("%d drops counted of %d packets", total, sent)
	}
}

func TestSequenceOnTheWay(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) {
		c.ExpectSublayer, c.ReorderTimeout = encap.SublayerDefault, 300*time.Millisecond
	})
	f := func(i byte) []byte { return etherFrame(60, i) }
	send := func(seq encap.Seq) { r.peer.send(r.local, r.numbered(seq, f(byte(seq)))) }
	for _, s := range []encap.Seq{10, 12, 13, 11, 14} {
		send(s)
	}
	for _, s := range []byte{10, 11, 12, 13, 14} {
		r.wire.expect(f(s))
	}
	began := time.Now()
	send(16) // 15 never comes
	r.wire.expect(f(16))
	if d := time.Since(began); d < 250*time.Millisecond {
		t.Fatalf("released after %v, before the reorder timeout", d)
	}
	send(15)
	r.dropped(DropSequence, 1)
}

func TestPuntAndInject(t *testing.T) {
	r := newRig(t, 2, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	r.s.SetLink(LinkState{})
	lcp := []byte{0xff, 3, 0xc0, 0x21, 1, 7, 0, 4}
	r.peer.send(r.local, r.packet(lcp))
	select {
	case e := <-r.f.Events():
		if e.Kind != EventFrame || e.Session != r.s || !bytes.Equal(e.Frame, lcp) {
			t.Fatalf("event %+v", e)
		}
		r.f.Release(e)
	case <-time.After(soon):
		t.Fatal("LCP frame was not punted")
	}
	if !r.s.Inject(lcp) {
		t.Fatal("not injected")
	}
	r.f.Flush()
	if want := append(r.tun.header(r.cfg).AppendTo(nil), lcp...); !bytes.Equal(r.peer.recv(soon), want) {
		t.Fatal("injected frame did not come out")
	}
}

// TestEarlyDataIsShown: data for an NCP that is not open is dropped, and one frame of it a second is punted.
func TestEarlyDataIsShown(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	r.s.SetLink(LinkState{})
	early := append([]byte{0xff, 3, 0, 0x21}, ipv4Packet(60, true, 0)...)
	for range 10 {
		r.peer.send(r.local, r.packet(early))
	}
	r.dropped(DropNotOpen, 10)
	if n := len(r.f.Events()); n != 1 {
		t.Fatalf("%d frames punted, want 1", n)
	}
	e := <-r.f.Events()
	if !bytes.Equal(e.Frame, early) {
		t.Fatalf("punted % x", e.Frame)
	}
	r.f.Release(e)
}

// TestPuntIsBounded: the queue of the control side, which many sessions together can fill.
func TestPuntIsBounded(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	lcp := []byte{0xff, 3, 0xc0, 0x21, 1, 7, 0, 4}
	ends := []*rig{r}
	for n := range 2 * eventQueue / puntBurst {
		e := *r
		e.cfg.LocalID += encap.SessionID(n + 1)
		e.cfg.Device = newWire(t).dev
		var err error
		if e.s, err = r.f.AddSession(r.tun, e.cfg); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, &e)
	}
	const extra = 100
	for i := range eventQueue + extra {
		r.peer.send(r.local, ends[i%len(ends)].packet(lcp))
		if i%64 == 0 {
			runtime.Gosched()
			for n := 0; n < 200 && r.f.Stats()[0].RxBatches*batchPackets < uint64(i); n++ {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}
	r.dropped(DropPunt, extra)
	for range eventQueue {
		r.f.Release(<-r.f.Events())
	}
}

// TestPuntFlood: one session that floods has a small part of the queue, and all of it again once it has stopped.
func TestPuntFlood(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	in := r.f.workers[0].in
	lcp := r.packet([]byte{0xff, 3, 0xc0, 0x21, 1, 7, 0, 4})
	flood := func(n int) (punted int) {
		for range n {
			buf := append(make([]byte, rxHeadroom), lcp...)
			in.packet(r.tun.l, buf[rxHeadroom:], buf, r.tun.peer)
		}
		for ; len(r.f.Events()) > 0; punted++ {
			r.f.Release(<-r.f.Events())
		}
		return punted
	}
	var first, second, third int
	in.call(func() { // on the loop, which owns the clock
		first = flood(10_000)
		in.now += time.Second
		second = flood(10_000)
		in.now += time.Minute
		third = flood(10_000)
		in.flush()
	})
	if want := int(time.Second / puntEvery); first != puntBurst || second != want || third != puntBurst {
		t.Errorf("punted %d, %d a second later, %d a minute later", first, second, third)
	}
	r.dropped(DropPunt, uint64(30_000-first-second-third))
	if rx, _, _ := r.s.Stats(); rx.Packets != uint64(first+second+third) {
		t.Errorf("%d packets counted", rx.Packets)
	}
	if rx, tx := r.s.Data(); rx != 0 || tx != 0 {
		t.Errorf("%d and %d packets of data", rx, tx)
	}
}

// TestDataIsCounted apart from frames of the control side.
func TestDataIsCounted(t *testing.T) {
	r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	lcp := []byte{0xff, 3, 0xc0, 0x21, 1, 7, 0, 4}
	data := ipv4Packet(60, true, 0)
	for range 3 {
		r.peer.send(r.local, r.packet(lcp))
		r.f.Release(<-r.f.Events())
		r.s.Inject(lcp)
		r.f.Flush()
		r.peer.recv(soon)
		r.peer.send(r.local, r.packet(append([]byte{0xff, 3, 0, 0x21}, data...)))
		r.wire.expect(data)
	}
	for range 2 {
		r.wire.put(data)
		r.peer.recv(soon)
	}
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if rx, tx := r.s.Data(); rx == 3 && tx == 2 {
			break
		}
	}
	rx, tx := r.s.Data()
	if all, sent, _ := r.s.Stats(); rx != 3 || tx != 2 || all.Packets != 6 || sent.Packets != 5 {
		t.Errorf("data %d and %d of %d and %d packets", rx, tx, all.Packets, sent.Packets)
	}
}

func TestAddRemove(t *testing.T) {
	r := newRig(t, 3, nil)
	w := newWire(t)
	again := r.cfg
	again.Device = w.dev
	if _, err := r.f.AddSession(r.tun, again); !errors.Is(err, ErrDuplicateSession) {
		t.Fatalf("duplicate session: %v", err)
	}
	again.LocalID = 0
	if _, err := r.f.AddSession(r.tun, again); !errors.Is(err, ErrSessionID) {
		t.Fatalf("session id 0: %v", err)
	}
	r.f.RemoveSession(r.s)
	r.f.RemoveSession(r.s) // once more does no harm
	r.peer.send(r.local, r.packet(etherFrame(60, 0)))
	r.dropped(DropSession, 1)
	s, err := r.f.AddSession(r.tun, r.cfg)
	if err != nil {
		t.Fatalf("the id was not free again: %v", err)
	}
	s.SetLink(LinkState{Ethernet: true})
	f := etherFrame(60, 9)
	r.peer.send(r.local, r.packet(f))
	r.wire.expect(f)
	r.f.RemoveSession(s)
	r.f.RemoveTunnel(r.tun)
	if _, err := r.f.AddTunnel(TunnelConfig{Name: "again", Local: r.local, Peer: r.peer.addr(), TOS: -1}); err != nil {
		t.Fatalf("the port was not free again: %v", err)
	}
}

// TestTunnelsShareAnAddress shares a local address between tunnels with different socket options.
func TestTunnelsShareAnAddress(t *testing.T) {
	r := newRig(t, 2, nil)
	other := newPeer(t, "127.0.0.1")
	tun, err := r.f.AddTunnel(TunnelConfig{Name: "u", Local: r.local, Peer: other.addr(), TOS: 0xb8, TTL: 3, NoChecksum: true})
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t)
	c := SessionConfig{Name: "u1", LocalID: 1002, PeerID: 5, Device: w.dev}
	s, err := r.f.AddSession(tun, c)
	if err != nil {
		t.Fatal(err)
	}
	s.SetLink(LinkState{Ethernet: true})
	f := etherFrame(100, 3)
	for range 3 {
		w.put(f)
		if got := other.recv(soon); !bytes.Equal(got, append(tun.header(c).AppendTo(nil), f...)) {
			t.Fatalf("second tunnel sent % x", got)
		}
		other.send(r.local, append(tun.expect(c).AppendTo(nil), f...))
		w.expect(f)
		r.wire.put(f)
		if r.peer.recv(soon) == nil {
			t.Fatal("first tunnel sent nothing")
		}
	}
	// Each session answers to its own peer only.
	r.peer.send(r.local, append(tun.expect(c).AppendTo(nil), f...))
	r.dropped(DropSource, 1)
}

func TestAddTunnelErrors(t *testing.T) {
	f := newForwarder(t, 1)
	if _, err := f.AddTunnel(TunnelConfig{
		Name: "mixed", Local: netip.MustParseAddrPort("127.0.0.1:1"), Peer: netip.MustParseAddrPort("[::1]:1"),
	}); err == nil {
		t.Fatal("mixed families were accepted")
	}
	p := newPeer(t, "127.0.0.1")
	if _, err := f.AddTunnel(TunnelConfig{Name: "taken", Local: p.addr(), Peer: p.addr()}); err == nil {
		t.Fatal("a port in use was accepted")
	}
	f.Close()
	if _, err := f.AddTunnel(TunnelConfig{Name: "late", Local: p.addr(), Peer: p.addr()}); !errors.Is(err, ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}
