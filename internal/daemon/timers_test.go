package daemon

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTimers compares the heap with a linear search while timers are armed, moved and taken away at random.
func TestTimers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var ts timers
	began := time.Now()
	all := make([]*session, 50)
	want := make(map[owner]time.Time)
	for i := range all {
		all[i] = &session{ppp: &ppp{timer: timer{index: -1}}}
	}
	now := began
	for range 20000 {
		s := all[rnd.IntN(len(all))]
		if rnd.IntN(4) == 0 {
			ts.set(&s.ppp.timer, s, time.Time{})
			delete(want, s)
		} else {
			at := now.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
			ts.set(&s.ppp.timer, s, at)
			want[s] = at
		}
		now = now.Add(time.Duration(rnd.IntN(30)) * time.Millisecond)
		for s := ts.next(now); s != nil; s = ts.next(now) {
			if at, ok := want[s]; !ok || at.After(now) {
				t.Fatal("a timer ran out that should not have")
			}
			delete(want, s)
		}
		first := now.Add(time.Hour)
		for _, at := range want {
			if !at.After(now) {
				t.Fatal("a timer that should have run out did not")
			}
			if at.Before(first) {
				first = at
			}
		}
		if got := ts.wait(now, now.Add(time.Hour)); got != first.Sub(now) {
			t.Fatalf("wait %v, want %v", got, first.Sub(now))
		}
	}
}
