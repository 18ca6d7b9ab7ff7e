package control

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"culvert/encap"
	"culvert/snapshot"
)

func sealed(tb testing.TB, c *Conn, now time.Time) []byte {
	tb.Helper()
	s := snapshot.NewWriter(now)
	c.Snapshot(s)
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	return s.Bytes()
}

// replace puts a new Endpoint in the place of a node's, with the established connections of the old one.
func (n *node) replace(t testing.TB, seed uint64) {
	t.Helper()
	fresh := NewEndpoint(n.cfg, n, rand.NewChaCha8([32]byte{0: byte(seed), 1: byte(seed >> 8)}))
	w := snapshot.NewWriter(n.w.now)
	n.Endpoint.Snapshot(w)
	r := snapshot.NewReader(w.Bytes(), n.w.now)
	fresh.Snapshot(r)
	conns := make([]*Conn, 0, len(n.conns))
	for _, old := range n.conns {
		b := sealed(t, old, n.w.now)
		r := snapshot.NewReader(b, n.w.now)
		c, err := fresh.Restore(n.w.now, r, old.profile)
		if err == nil {
			err = r.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if len(fresh.out) == 0 && !bytes.Equal(sealed(t, c, n.w.now), b) {
			t.Fatal("the restored connection has another snapshot")
		}
	}
	up, ready := map[*Session]bool{}, map[*Session]encap.SessionID{}
	for s := range n.up {
		up[fresh.Session(s.ID())] = true
	}
	for s, id := range n.ready {
		ready[fresh.Session(s.ID())] = id
	}
	n.Endpoint, n.conns, n.up, n.ready = fresh, conns, up, ready
	n.collect()
}

// TestSnapshotMidway: both ends of a connection are replaced by their snapshots all the time, while sessions come up and
// end over a bad wire. Neither end notices.
func TestSnapshotMidway(t *testing.T) {
	for seed := range uint64(8) {
		w, a, b, c := pair(t, testProfile("a", "s"), testProfile("b", "s"))
		w.w = weather{loss: 0.1, dup: 0.1, delay: 5 * time.Millisecond, jitter: 40 * time.Millisecond, calm: 20 * time.Second}
		const sessions = 40
		for i := range sessions {
			call := Call{PseudowireType: PseudowirePPP, RemoteEndID: fmt.Sprint("s", i), Circuit: CircuitUp, Outgoing: i%4 == 3}
			if _, err := c.Open(w.now, call); err != nil {
				t.Fatal(err)
			}
		}
		a.collect()
		for i := range 400 {
			w.run(50*time.Millisecond, nil)
			for _, n := range []*node{a, b} {
				for _, s := range n.placed {
					if now := n.Session(s.ID()); now != nil {
						now.CallUp(w.now)
					}
				}
				n.placed = nil
				n.collect()
			}
			a.replace(t, seed+uint64(i))
			b.replace(t, seed+uint64(i)+500)
			w.check(t)
		}
		w.run(20*time.Second, nil)
		w.check(t)
		if len(a.up) != sessions || len(b.up) != sessions || a.lost+b.lost > 0 || len(a.sdowns)+len(b.sdowns) > 0 {
			t.Fatalf("seed %d: %d and %d sessions up, connections lost %d and %d, sessions %v %v",
				seed, len(a.up), len(b.up), a.lost, b.lost, a.sdowns, b.sdowns)
		}
		for s := range a.up {
			if peer := b.Session(s.Params().Remote.SessionID); peer == nil || !mirrored(s.Params(), peer.Params()) {
				t.Fatalf("seed %d: parameters differ", seed)
			}
			s.Close(w.now, Result{Code: CallAdministrative})
			a.collect()
			a.replace(t, seed) // the CDN still waits
			break
		}
		w.run(20*time.Second, nil)
		if len(a.up) != sessions-1 || len(b.up) != sessions-1 {
			t.Fatalf("seed %d: %d and %d sessions are left", seed, len(a.up), len(b.up))
		}
	}
}

// TestRestoreRefuses: a snapshot that is cut, or of a connection that is there, leaves the Endpoint as it is.
func TestRestoreRefuses(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	if _, err := c.Open(w.now, Call{PseudowireType: PseudowirePPP, RemoteEndID: "s", Circuit: CircuitUp}); err != nil {
		t.Fatal(err)
	}
	a.collect()
	w.run(time.Second, nil)
	whole := sealed(t, c, w.now)
	for n := range whole {
		if _, err := b.Restore(w.now, snapshot.NewReader(whole[:n], w.now), c.profile); !errors.Is(err, snapshot.ErrBody) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := a.Restore(w.now, snapshot.NewReader(whole, w.now), c.profile); !errors.Is(err, snapshot.ErrBody) {
		t.Errorf("twice: %v", err)
	}
	if len(a.Endpoint.sessions) != 1 || len(b.Endpoint.sessions) != 1 || len(b.Endpoint.conns) != 1 {
		t.Error("something was left behind")
	}
}

// FuzzRestore: what is taken for a connection is one, and is written as it was.
func FuzzRestore(f *testing.F) {
	w, a, _, c := pair(f, testProfile("a", "s"), testProfile("b", "s"))
	f.Add(sealed(f, c, w.now))
	for i := range 3 {
		if _, err := c.Open(w.now, Call{PseudowireType: PseudowirePPP, RemoteEndID: fmt.Sprint("s", i), Circuit: CircuitUp}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(sealed(f, c, w.now))
	a.collect()
	w.run(8*time.Millisecond, nil)
	f.Add(sealed(f, c, w.now))
	w.run(time.Second, nil)
	f.Add(sealed(f, c, w.now))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := NewEndpoint(Config{}, a, rand.NewChaCha8([32]byte{}))
		r := snapshot.NewReader(b, epoch)
		c, err := e.Restore(epoch, r, testProfile("a", "s"))
		if err != nil || r.Close() != nil {
			return
		}
		e.Take()
		_ = sealed(t, c, epoch)
		for i := range 50 {
			e.Tick(epoch.Add(time.Duration(i) * time.Second))
			e.Take()
		}
	})
}
