package control

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"culvert/internal/testenv"
)

var simSeeds = flag.Int("sim.seeds", 10_000, "how many seeds TestSimulation runs")

// simulate lets tunnels x sessions come up through bad weather, in both directions and by both ends, and go again. It
// returns what went wrong.
func simulate(seed uint64) string {
	w := newWorld(seed, weather{})
	r := w.rng
	w.w = weather{
		loss: r.Float64() * 0.3, dup: r.Float64() * 0.2,
		delay: time.Duration(r.IntN(60)) * time.Millisecond, jitter: time.Duration(1+r.IntN(400)) * time.Millisecond,
		calm: time.Duration(r.IntN(30)) * time.Second,
	}
	pa, pb := testProfile("a"), testProfile("b")
	if r.IntN(2) == 0 {
		pa, pb = testProfile("a", "s"), testProfile("b", "s")
		pa.HideAVPs, pb.HideAVPs = r.IntN(2) == 0, r.IntN(2) == 0
	}
	pa.WindowSize, pb.WindowSize = uint16(r.IntN(6)), uint16(r.IntN(6))
	pa.TieBreaker, pb.TieBreaker = true, true
	a, b := w.node("192.0.2.1:1701", pa, Config{}), w.node("192.0.2.2:1701", pb, Config{})
	b.known = true
	tunnels, sessions := 1+r.IntN(3), r.IntN(8)
	both := tunnels == 1 && r.IntN(3) == 0
	for range tunnels {
		p := pa
		p.TieBreaker = both
		c, err := a.Dial(w.now, a.path(b), p)
		if err != nil {
			return err.Error()
		}
		for i := range sessions {
			if _, err := c.Open(w.now, Call{PseudowireType: PseudowirePPP, RemoteEndID: fmt.Sprint("s", i), Circuit: CircuitUp}); err != nil {
				return err.Error()
			}
		}
		a.collect()
	}
	if both {
		if _, err := b.Dial(w.now, b.path(a), pb); err != nil {
			return err.Error()
		}
		b.collect()
	}
	settled := func(conns, n int) bool {
		if len(a.conns) != conns || len(b.conns) != conns || len(a.up) != n || len(b.up) != n {
			return false
		}
		for _, c := range a.conns {
			if len(c.send.flight) > 0 {
				return false
			}
		}
		return true
	}
	if !w.run(5*time.Minute, func() bool { return settled(tunnels, tunnels*sessions) }) {
		return fmt.Sprintf("%d tunnels x %d: a has %d with %d, b %d with %d; ended %v %v %v %v", tunnels, sessions, len(a.conns), len(a.up), len(b.conns), len(b.up), a.downs, b.downs, a.sdowns, b.sdowns)
	}
	for s := range a.up {
		if peer := b.Session(s.Params().Remote.SessionID); peer == nil || !mirrored(s.Params(), peer.Params()) || peer.RemoteEndID() != s.RemoteEndID() {
			return "parameters differ"
		}
	}
	ended := 0
	for s := range a.up { // half of the sessions end, by either end
		if r.IntN(2) == 0 {
			continue
		}
		ended++
		if peer := b.Session(s.Params().Remote.SessionID); r.IntN(2) == 0 && peer != nil {
			peer.Close(w.now, Result{Code: CallAdministrative})
		} else {
			s.Close(w.now, Result{Code: CallAdministrative})
		}
	}
	a.collect()
	b.collect()
	if !w.run(5*time.Minute, func() bool { return settled(tunnels, tunnels*sessions-ended) }) {
		return fmt.Sprintf("%d of %d sessions should have ended: %d and %d left", ended, tunnels*sessions, len(a.up), len(b.up))
	}
	for _, n := range [][]*node{{a}, {b}, {a, b}}[r.IntN(3)] { // either end, or both at once
		for _, c := range n.conns {
			c.Close(w.now, Result{Code: StopShutdown})
		}
	}
	a.collect()
	b.collect()
	w.run(5*time.Minute, func() bool { return len(a.Endpoint.conns)+len(b.Endpoint.conns) == 0 })
	for _, n := range w.nodes {
		if len(n.Endpoint.conns)+len(n.sessions)+len(n.requests)+len(n.dialing)+len(n.peers)+len(n.timers)+n.halfOpen+len(n.up)+len(n.ready) != 0 {
			return fmt.Sprintf("%s keeps %d connections, %d sessions, %d requests, %d half open", n.name, len(n.Endpoint.conns), len(n.sessions), len(n.requests), n.halfOpen)
		}
		if n.lost != tunnels {
			return fmt.Sprintf("%s: connections failed on the way: %v", n.name, n.downs)
		}
	}
	return w.fault
}

// TestSimulation: whatever up to 30 % of loss, with repetition, reordering and delay, does, tunnels and sessions come up,
// agree, end, and leave nothing behind.
func TestSimulation(t *testing.T) {
	seeds := *simSeeds
	if testenv.RaceEnabled {
		seeds /= 20
	}
	for seed := range uint64(seeds) {
		if fault := simulate(seed); fault != "" {
			t.Fatalf("seed %d: %s", seed, fault)
		}
	}
}

// TestBurst sets up 100,000 sessions in one tunnel, while HELLO and a late session's end are not held up.
func TestBurst(t *testing.T) {
	sessions := 100_000
	if testenv.RaceEnabled {
		sessions /= 20
	}
	pa, pb := testProfile("a"), testProfile("b")
	pa.MaxSessions, pb.MaxSessions = sessions, sessions
	pa.WindowSize, pb.WindowSize = 1000, 1000
	w, a, b, c := pair(t, pa, pb)
	w.w.delay = time.Millisecond
	for range sessions {
		if _, err := c.Open(w.now, Call{PseudowireType: PseudowirePPP}); err != nil {
			t.Fatal(err)
		}
	}
	a.collect()
	if _, err := c.Open(w.now, Call{}); err == nil {
		t.Error("one too many")
	}
	if st := c.Status(); st.Waiting < sessions-10 || st.Sessions != sessions {
		t.Errorf("status %+v", st)
	}
	w.run(20*time.Millisecond, nil)
	c.probe()
	a.settle(c)
	if a.collect(); a.sent[HELLO] != 1 {
		t.Error("HELLO waits")
	}
	first := a.started[0]
	first.Close(w.now, Result{Code: CallAdministrative})
	a.collect()
	w.run(20*time.Millisecond, nil)
	if len(b.sdowns) != 1 {
		t.Error("the end of a session waits behind requests")
	}
	if !w.run(time.Minute, func() bool { return len(a.up) == sessions-1 && len(b.up) == sessions-1 }) {
		t.Fatalf("%d and %d up", len(a.up), len(b.up))
	}
	c.Close(w.now, Result{Code: StopShutdown})
	a.collect()
	w.run(time.Minute, nil)
	if len(a.sessions)+len(b.sessions)+len(a.Endpoint.conns) != 0 || len(b.downs) != 1 || len(b.downs[0].Sessions) != sessions-1 {
		t.Errorf("%d sessions left", len(a.sessions)+len(b.sessions))
	}
	w.check(t)
}
