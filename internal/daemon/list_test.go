package daemon

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestEachSession: who is there from beginning to end is seen once, while others come and go, and nobody who has gone.
func TestEachSession(t *testing.T) {
	d := &daemon{}
	enter := func() *session {
		s := &session{index: len(d.sessions)}
		d.sessions = append(d.sessions, s)
		return s
	}
	var guests []*session
	stay := make(map[*session]int)
	for range 20 * listBurst {
		guests, stay[enter()] = append(guests, enter()), 0
	}
	var changes atomic.Int64
	var stop atomic.Bool
	var churn sync.WaitGroup
	churn.Go(func() {
		for !stop.Load() {
			d.mu.Lock()
			first := guests[0]
			first.removed = true
			d.sessions = removeAt(d.sessions, first.index, func(moved *session) { moved.index = first.index })
			guests = append(guests[1:], enter())
			d.mu.Unlock()
			changes.Add(1)
		}
	})
	for changes.Load() < 10_000 && !t.Failed() {
		d.eachSession(func(s *session) {
			if s.removed {
				t.Error("a session that has gone is listed")
			}
			if _, ok := stay[s]; ok {
				stay[s]++
			}
		})
		for s, n := range stay {
			if stay[s] = 0; n != 1 {
				t.Fatalf("a session is listed %d times", n)
			}
		}
	}
	stop.Store(true)
	churn.Wait()
}
