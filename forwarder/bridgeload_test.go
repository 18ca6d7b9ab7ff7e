package forwarder

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"culvert/encap"
)

// TestBridgeManySessions: a flood of more copies than a loop has buffers for reaches everybody once.
func TestBridgeManySessions(t *testing.T) {
	const n = 3*batchPackets + 5
	r := newBridgeRig(t, n, func(_ int, c *SessionConfig) { c.Isolated = false })
	for round, send := range []func([]byte){r.wires[0].put, func(b []byte) { r.from(0, b) }} {
		f := ether(everyone, mac(0), append(slices.Clone(plainPayload), byte(round)))
		send(f)
		got := map[string]int{}
		for range n - round {
			got[string(r.peer.recv(soon))]++
		}
		for i := round; i < n; i++ {
			if c := got[string(append(r.tun.header(r.cfgs[i]).AppendTo(nil), f...))]; c != 1 {
				t.Fatalf("round %d: session %d got it %d times", round, i, c)
			}
		}
	}
	if _, errs := r.f.AddSessions([]NewSession{{r.tun, SessionConfig{Name: "p", Pseudowire: PPP, LocalID: 9, PeerID: 9, Shared: r.shared}}}); !errors.Is(errs[0], ErrSharedKind) {
		t.Errorf("PPP on a TAP: %v", errs[0])
	}
}

// TestBridgeFloods: a worker makes no more copies than it may, in the long run and at once, and one frame at least.
func TestBridgeFloods(t *testing.T) {
	const rate, copies = 1000, 300
	var b budget
	made := 0
	for now := time.Hour; now < time.Hour+10*time.Second; now += 7 * time.Millisecond {
		if b.spend(copies, rate, now) {
			made += copies
		}
	}
	if made < 9*rate || made > 10*rate+rate/10+copies {
		t.Errorf("%d copies in 10 s", made)
	}
	r := newBridgeRig(t, 4, func(_ int, c *SessionConfig) { c.Isolated = false })
	r.shared.cfg.Floods = 1 // a second: for this test never again
	for _, w := range r.f.workers {
		w.out.call(func() { r.shared.floods[w.id] = budget{before: r.f.clock()} })
	}
	f := ether(everyone, tapMAC, plainPayload)
	r.wires[0].put(f)
	r.arrives(f, 0, 1, 2, 3)
	r.wires[0].put(f)
	r.dropped(DropFlood, 1)
	g := ether(everyone, mac(1), plainPayload)
	r.from(1, g) // worker 1's first
	r.arrives(g, 0, 2, 3)
	r.wires[1].expect(g)
	r.from(1, g)
	r.wires[1].expect(g) // the device has it all the same
	r.dropped(DropFlood, 2)
	if _, _, d := r.sessions[1].Stats(); d[DropFlood] != 1 || r.shared.Drops()[DropFlood] != 1 {
		t.Errorf("session 1 counts %v, the device %v", d, r.shared.Drops())
	}
}

// TestBridgeComesAndGoes: sessions, and at last the tunnel and the device, go and come while all kinds of frames pass;
// afterwards everybody who is there gets what is for all, once.
func TestBridgeComesAndGoes(t *testing.T) {
	r := newBridgeRig(t, 4, func(i int, c *SessionConfig) {
		c.Isolated = i == 2
		if i == 3 {
			c.Sequence, c.SendSublayer = true, encap.SublayerDefault
		}
	})
	var stop atomic.Bool
	var senders sync.WaitGroup
	for i, send := range []func([]byte){r.wires[0].put, r.wires[1].put, func(b []byte) { r.from(0, b) }, func(b []byte) { r.from(1, b) }} {
		senders.Go(func() {
			src := [][]byte{tapMAC, mac(40), mac(0), mac(1)}[i]
			for n := 0; !stop.Load(); n++ {
				send(ether([][]byte{everyone, mac(n % 4), mac(77)}[n%3], src, plainPayload))
				time.Sleep(50 * time.Microsecond) // a rate, or queues are all that is tested
			}
		})
	}
	for n := range 60 {
		i := 1 + n%3
		r.f.RemoveSession(r.sessions[i])
		s, err := r.f.AddSession(r.tun, r.cfgs[i])
		if err != nil {
			t.Fatal(err)
		}
		s.SetMTU(1400)
		s.SetLink(LinkState{Ethernet: true})
		r.sessions[i] = s
		r.shared.Bridge().Age(time.Duration(n) * 20 * time.Second)
	}
	stop.Store(true)
	senders.Wait()
	for r.peer.recv(200*time.Millisecond) != nil {
	}
	for _, w := range r.wires {
		for w.get(20*time.Millisecond) != nil {
		}
	}
	r.wires[0].put(ether(everyone, tapMAC, plainPayload))
	got := map[string]int{}
	for range r.sessions {
		b := r.peer.recv(soon)
		got[string(b[:min(len(b), 8)])]++
	}
	for i := range r.sessions {
		if n := got[string(r.tun.header(r.cfgs[i]).AppendTo(nil)[:8])]; n != 1 {
			t.Errorf("session %d got the last frame %d times", i, n)
		}
	}
	r.f.RemoveSessions(r.sessions)
	r.f.RemoveTunnel(r.tun)
	r.f.RemoveShared(r.shared)
	for _, m := range r.shared.Bridge().MACs() {
		if m.Owner != nil {
			t.Errorf("%x is still at %s", m.Addr, m.Owner.Name())
		}
	}
	for _, w := range r.f.workers {
		w.out.call(func() {
			if len(w.out.queues) != 0 || len(w.out.tunnels) != 0 {
				t.Errorf("worker %d holds %d queues", w.id, len(w.out.queues))
			}
		})
	}
}

// BenchmarkFlood sends a broadcast to 1000 sessions.
func BenchmarkFlood(b *testing.B) {
	roomForLoops(b)
	const n = 1000
	r := newBridgeRig(b, n, nil)
	frame := ether(everyone, tapMAC, make([]byte, 60))
	sent := func() (c uint64) {
		for _, w := range r.f.workers {
			c += w.out.stats.packets.Load()
		}
		return c
	}
	b.ResetTimer()
	for b.Loop() {
		before := sent()
		r.wires[0].put(frame)
		for sent() < before+n {
			time.Sleep(10 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/copy")
}
