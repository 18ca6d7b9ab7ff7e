package daemon

import (
	"container/heap"
	"time"
)

// owner is who has a timer.
type owner interface {
	// tick is called when the timer has run out, which is not armed any more then.
	tick(d *daemon, now time.Time)
}

// timer is its owner's place in the heap.
type timer struct {
	at    time.Time
	of    owner
	index int // -1: not armed
}

// timers orders the deadlines of links and others, so that a million of them cost one clock.
type timers struct{ heap timerHeap }

// set arms t for at, or takes it out when at is zero.
func (ts *timers) set(t *timer, of owner, at time.Time) {
	t.of = of
	armed := t.index >= 0
	switch {
	case at.IsZero() && armed:
		heap.Remove(&ts.heap, t.index)
		t.index = -1
	case at.IsZero():
	case armed:
		t.at = at
		heap.Fix(&ts.heap, t.index)
	default:
		t.at = at
		heap.Push(&ts.heap, t)
	}
}

// next takes out the first timer that has run out, and gives its owner.
func (ts *timers) next(now time.Time) owner {
	if len(ts.heap) == 0 || ts.heap[0].at.After(now) {
		return nil
	}
	return heap.Pop(&ts.heap).(*timer).of
}

// wait is how long until the first timer runs out, or until latest when that comes first.
func (ts *timers) wait(now, latest time.Time) time.Duration {
	if len(ts.heap) > 0 && ts.heap[0].at.Before(latest) {
		latest = ts.heap[0].at
	}
	return max(latest.Sub(now), 0)
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop implements heap.Interface.
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
