package forwarder

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"culvert/encap"
)

// reorderRig drives sequence check and reorder queue the way inbound does, with a list in place of a device.
type reorderRig struct {
	seq rxSequence
	q   *reorderQueue
	out []encap.Seq
}

func (r *reorderRig) arrive(seq encap.Seq, now time.Duration) {
	switch r.seq.check(seq, now) {
	case seqOld:
	case seqNext:
		r.seq.accept(seq, now)
		r.out = append(r.out, seq)
		r.release(now)
	case seqAhead:
		r.q.insert(r.seq.expected, seq, []byte{1, 2, 3}, 4, now)
		r.release(now)
	}
}

func (r *reorderRig) release(now time.Duration) {
	for r.q.ready(r.seq.expected, now) {
		h := r.q.pop()
		if !h.seq.Behind(r.seq.expected) {
			r.seq.accept(h.seq, now)
			r.out = append(r.out, h.seq)
		}
		r.q.recycle(h.buf)
	}
}

func TestReorderClosesGap(t *testing.T) {
	r := reorderRig{q: newReorderQueue(10 * time.Millisecond)}
	for _, s := range []encap.Seq{0xfffffe, 1, 0, 0xffffff, 2} {
		r.arrive(s, 0)
	}
	if want := []encap.Seq{0xfffffe, 0xffffff, 0, 1, 2}; !slices.Equal(r.out, want) {
		t.Fatalf("delivered %#x, want %#x", r.out, want)
	}
}

func TestReorderTimeout(t *testing.T) {
	r := reorderRig{q: newReorderQueue(10 * time.Millisecond)}
	r.arrive(0, 0)
	r.arrive(5, time.Millisecond)
	r.arrive(3, 8*time.Millisecond)
	if d, ok := r.q.deadline(); !ok || d != 11*time.Millisecond {
		t.Fatalf("deadline %v %v, want 11ms: that of the packet that came first", d, ok)
	}
	r.release(10 * time.Millisecond)
	if len(r.out) != 1 {
		t.Fatalf("released %v before the time", r.out)
	}
	r.release(11 * time.Millisecond)
	if want := []encap.Seq{0, 3, 5}; !slices.Equal(r.out, want) {
		t.Fatalf("delivered %v, want %v: what is held before the overdue packet goes first", r.out, want)
	}
	if _, ok := r.q.deadline(); ok {
		t.Fatal("a deadline with nothing held")
	}
	r.arrive(4, 12*time.Millisecond)
	if len(r.out) != 3 {
		t.Fatal("a packet that came after its turn was delivered")
	}
}

func TestReorderBound(t *testing.T) {
	r := reorderRig{q: newReorderQueue(time.Hour)}
	r.arrive(0, 0)
	for s := encap.Seq(2); s < 2+reorderSlots; s++ {
		r.arrive(s, 0)
	}
	if len(r.out) != 1+reorderSlots {
		t.Fatalf("delivered %d: a full queue must release what it holds", len(r.out))
	}
}

// TestReorderRandom delays packets at random by less than the queue's size: with time to wait, all must come out in
// order, and none twice.
func TestReorderRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	type arrival struct {
		at  int
		seq encap.Seq
	}
	arrivals := make([]arrival, 0, n)
	base := encap.Seq(0xffffff - n/2) // across the wrap
	for i := range n {
		a := arrival{at: i, seq: (base + encap.Seq(i)) & 0xffffff}
		if i > 0 {
			a.at += rnd.IntN(30)
		}
		arrivals = append(arrivals, a)
		if rnd.IntN(50) == 0 {
			arrivals = append(arrivals, a) // a duplicate
		}
	}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return a.at - b.at })
	r := reorderRig{q: newReorderQueue(time.Second)}
	for _, a := range arrivals {
		r.arrive(a.seq, 0)
	}
	if len(r.out) != n {
		t.Fatalf("delivered %d of %d", len(r.out), n)
	}
	for i, s := range r.out {
		if want := (base + encap.Seq(i)) & 0xffffff; s != want {
			t.Fatalf("place %d: number %#x, want %#x", i, s, want)
		}
	}
}

func TestReorderAllocatesNothing(t *testing.T) {
	r := reorderRig{q: newReorderQueue(time.Second), out: make([]encap.Seq, 0, 1<<16)}
	s := encap.Seq(0)
	r.arrive(s, 0)
	if n := testing.AllocsPerRun(100, func() {
		r.arrive(s+2, 0)
		r.arrive(s+3, 0)
		r.arrive(s+1, 0)
		s += 3
	}); n != 0 {
		t.Fatalf("%v allocations a round once buffers exist", n)
	}
}
