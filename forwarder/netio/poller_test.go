package netio

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPoller(t testing.TB) *Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// pipe returns both ends of a non-blocking pipe.
func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return fds[0], fds[1]
}

func TestPollerEvents(t *testing.T) {
	p := newPoller(t)
	r, w := pipe(t)
	const token = 0xfedcba9876543210
	if err := p.Add(r, token); err != nil {
		t.Fatal(err)
	}
	ev := make([]Event, 4)
	if n, err := p.Wait(ev, 0); n != 0 || err != nil {
		t.Fatalf("idle: %d, %v", n, err)
	}
	if _, err := unix.Write(w, []byte{1}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // level-triggered
		n, err := p.Wait(ev, -1)
		if n != 1 || err != nil || ev[0] != (Event{Token: token, Readable: true}) {
			t.Fatalf("%d, %v, %+v", n, err, ev[0])
		}
	}
	p.Wake()
	n, err := p.Wait(ev, -1)
	if n != 2 || err != nil || ev[0].Wake == ev[1].Wake {
		t.Fatalf("with wake: %d, %v, %+v", n, err, ev[:2])
	}
	if n, err = p.Wait(ev[:0], 0); n != 0 || err != nil {
		t.Fatalf("no room: %d, %v", n, err)
	}
	if err := p.Remove(r); err != nil {
		t.Fatal(err)
	}
	if n, err = p.Wait(ev, 0); n != 0 || err != nil {
		t.Fatalf("removed: %d, %v", n, err)
	}
}

func TestPollerMisuse(t *testing.T) {
	p := newPoller(t)
	r, _ := pipe(t)
	if err := p.Add(r, math.MaxUint64); !errors.Is(err, ErrToken) {
		t.Errorf("reserved token: %v", err)
	}
	if err := p.Add(-1, 1); !errors.Is(err, unix.EBADF) {
		t.Errorf("bad descriptor: %v", err)
	}
	if err := p.Remove(r); !errors.Is(err, unix.ENOENT) {
		t.Errorf("not added: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p.Wake()
	if err := p.Add(r, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Add after Close: %v", err)
	}
	if _, err := p.Wait(make([]Event, 1), 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("Wait after Close: %v", err)
	}
}

func TestPollerTimeout(t *testing.T) {
	p := newPoller(t)
	ev := make([]Event, 1)
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, 1500 * time.Microsecond, 30 * time.Millisecond} {
		start := time.Now()
		n, err := p.Wait(ev, d)
		took := time.Since(start)
		if n != 0 || err != nil {
			t.Fatalf("%v: %d, %v", d, n, err)
		}
		// A preemption signal may end the short wait, hence the millisecond.
		if took < d-shortWait*time.Millisecond || took > d+3*time.Second {
			t.Errorf("%v took %v", d, took)
		}
	}
}

// TestPollerWake checks that no wake is lost between goroutines.
func TestPollerWake(t *testing.T) {
	p := newPoller(t)
	const rounds = 3000
	var mu sync.Mutex
	queued, done := 0, 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range rounds {
			mu.Lock()
			queued++
			mu.Unlock()
			p.Wake()
			if i%500 == 0 {
				time.Sleep(3 * time.Millisecond) // so that the waiter gets to its blocking step
			}
		}
	})
	ev := make([]Event, 2)
	for done < rounds {
		n, err := p.Wait(ev, 5*time.Second)
		if err != nil || n != 1 || !ev[0].Wake {
			t.Fatalf("%d, %v, %+v after %d of %d", n, err, ev[0], done, rounds)
		}
		mu.Lock()
		done += queued
		queued = 0
		mu.Unlock()
	}
	wg.Wait()
}

// TestPollerStopTheWorld collects garbage while goroutines sit in Wait: none may hold it up. As in the daemon there is a
// processor for each of them and for others: one that lingers keeps its own until Go's signal ends that.
func TestPollerStopTheWorld(t *testing.T) {
	was := runtime.GOMAXPROCS(6)
	defer runtime.GOMAXPROCS(was)
	var wg sync.WaitGroup
	var pollers []*Poller
	for range 4 {
		p := newPoller(t)
		pollers = append(pollers, p)
		wg.Go(func() {
			ev := make([]Event, 1)
			for {
				if n, err := p.Wait(ev, 2*time.Millisecond); err != nil || n == 1 {
					break
				}
			}
			_, _ = p.Wait(ev, -1) // for ever, until the second wake
		})
	}
	start := time.Now()
	for range 20 {
		runtime.GC()
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("20 collections took %v", took)
	}
	for _, p := range pollers {
		p.Wake()
	}
	time.Sleep(20 * time.Millisecond)
	runtime.GC()
	for _, p := range pollers {
		p.Wake()
	}
	wg.Wait()
}

// TestRawWaitBounded checks that no argument makes the raw wait long.
func TestRawWaitBounded(t *testing.T) {
	p := newPoller(t)
	for _, ms := range []int{-1, math.MinInt, math.MaxInt, 5000} {
		start := time.Now()
		if n, _ := epollWaitRaw(p.epfd, p.events[:], ms); n > 0 {
			t.Fatal(n)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("epollWaitRaw(%d) took %v", ms, took)
		}
	}
}

func BenchmarkPollerWait(b *testing.B) {
	p := newPoller(b)
	r, w := pipe(b)
	if err := p.Add(r, 1); err != nil {
		b.Fatal(err)
	}
	if _, err := unix.Write(w, []byte{1}); err != nil {
		b.Fatal(err)
	}
	ev := make([]Event, 8)
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := p.Wait(ev, -1); n != 1 {
			b.Fatal(n)
		}
	}
}
