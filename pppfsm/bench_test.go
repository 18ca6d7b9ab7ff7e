package pppfsm

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"culvert/encap"
	"culvert/internal/testenv"
)

// opened returns two links that are up, talking to each other.
func opened(tb testing.TB) [2]*Link {
	tb.Helper()
	a, b := ends()
	d := newDuel(1, weather{}, a, b)
	d.each(func(_ int, l *Link) { l.Open(d.now); l.Up(d.now) })
	d.run(time.Second)
	if d.up4[0] == nil || d.up6[1] == nil {
		tb.Fatal("not up")
	}
	return d.links
}

// BenchmarkInputEcho is the steady state: an Echo-Request and its reply.
func BenchmarkInputEcho(b *testing.B) {
	l := opened(b)[0]
	f := frame(encap.ProtoLCP, CodeEchoRequest, 1, make([]byte, 4))
	b.ReportAllocs()
	for b.Loop() {
		l.Input(epoch, f)
		l.Take()
	}
}

// BenchmarkInputCCP is the Protocol-Reject of what nobody speaks.
func BenchmarkInputCCP(b *testing.B) {
	l := opened(b)[0]
	f := frame(encap.ProtoCCP, CodeConfigureRequest, 1, []byte{18, 6, 1, 0, 0, 0x60})
	b.ReportAllocs()
	for b.Loop() {
		l.Input(epoch, f)
		l.Take()
	}
}

// BenchmarkInputConfigureRequest judges a full request that is rejected.
func BenchmarkInputConfigureRequest(b *testing.B) {
	l := NewLink(Config{}, seeded(1))
	l.Open(epoch)
	l.Up(epoch)
	l.Take()
	f := golden(b)["p03"]
	b.ReportAllocs()
	for b.Loop() {
		l.Input(epoch, f)
		l.Take()
	}
}

// BenchmarkInputDropped is data of a protocol that is not for us.
func BenchmarkInputDropped(b *testing.B) {
	l := opened(b)[0]
	f := bytes.Repeat([]byte{0}, 1400)
	copy(f, []byte{0xff, 3, 0, 0x21, 0x45})
	b.ReportAllocs()
	for b.Loop() {
		l.Input(epoch, f)
	}
}

// BenchmarkSetup brings a pair of links up: LCP, IPCP with assignment, IPV6CP.
func BenchmarkSetup(b *testing.B) {
	ca, cb := ends()
	rnd := rand.NewChaCha8([32]byte{1})
	b.ReportAllocs()
	for b.Loop() {
		connect(b, ca, cb, rnd)
	}
}

// connect makes two links and lets them talk until nothing is left to say.
func connect(tb testing.TB, ca, cb Config, rnd io.Reader) [2]*Link {
	tb.Helper()
	links := [2]*Link{NewLink(ca, rnd), NewLink(cb, rnd)}
	for _, l := range links {
		l.Open(epoch)
		l.Up(epoch)
	}
	for busy := true; busy; {
		busy = false
		for i, l := range links {
			for _, a := range l.Take() {
				if f, ok := a.(SendFrame); ok {
					busy = true
					links[1-i].Input(epoch, f.Frame)
				}
			}
		}
	}
	for i, l := range links {
		if cfg := l.cfg; cfg.IPv4 != (l.ipcp.state == Opened) || cfg.IPv6 != (l.ipv6cp.state == Opened) {
			tb.Fatalf("link %d is not up", i)
		}
	}
	return links
}

// maxLinkBytes is the heap budget of a link at rest.
const maxLinkBytes = 1152

// TestMemoryPerLink measures what an established link costs.
func TestMemoryPerLink(t *testing.T) {
	n := 100_000
	if testenv.RaceEnabled {
		n = 4000
	}
	ca, cb := ends()
	rnd := rand.NewChaCha8([32]byte{1})
	keep := make([][2]*Link, n/2)
	var before, after runtime.MemStats
	goroutines := runtime.NumGoroutine()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range keep {
		keep[i] = connect(t, ca, cb, rnd)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
	t.Logf("%.0f bytes of heap a link; struct %d, of which Config %d", per, unsafe.Sizeof(Link{}), unsafe.Sizeof(Config{}))
	if per > maxLinkBytes {
		t.Errorf("%.0f bytes a link, budget %d", per, maxLinkBytes)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines more", n-goroutines)
	}
	runtime.KeepAlive(keep)
}

// TestInputAllocs: a dropped frame allocates nothing.
func TestInputAllocs(t *testing.T) {
	l := opened(t)[0]
	f := unhex(t, "ff030021 4500")
	if n := testing.AllocsPerRun(100, func() { l.Input(epoch, f); l.Tick(epoch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkNegotiation brings LCP and IPCP up between two links in memory:
// what a line costs to set up, both ends together. The garbage collector's
// work on other threads is in the figure per CPU second.
func BenchmarkNegotiation(b *testing.B) {
	a, c := ends()
	a.IPv6, c.IPv6 = false, false
	rnd := rand.NewChaCha8([32]byte{1})
	before := cpuTime(b)
	b.ReportAllocs()
	for b.Loop() {
		connect(b, a, c, rnd)
	}
	b.ReportMetric(float64(b.N)/(cpuTime(b)-before).Seconds(), "negotiations/CPU-s")
}

// cpuTime is what this process has used so far (getrusage(2)).
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
