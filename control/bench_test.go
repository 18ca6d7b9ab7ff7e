package control

import (
	"runtime"
	"testing"
	"time"
)

// heapInUse returns the bytes in use.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSessions sets up b.N sessions in one tunnel, both ends in one process, and tells what an end of one costs.
func BenchmarkSessions(b *testing.B) {
	pa, pb := testProfile("a"), testProfile("b")
	pa.MaxSessions, pb.MaxSessions, pa.WindowSize, pb.WindowSize = b.N, b.N, 1000, 1000
	w, na, nb, c := pair(b, pa, pb)
	before := heapInUse()
	var up int
	drain := func(n *node) {
		for _, a := range n.Take() {
			switch a := a.(type) {
			case Send:
				w.inject(w.now, a.Path, a.Payload)
			case SessionUp:
				up++
			}
		}
	}
	b.ResetTimer()
	for range b.N {
		if _, err := c.Open(w.now, Call{PseudowireType: PseudowirePPP}); err != nil {
			b.Fatal(err)
		}
		drain(na)
	}
	for len(w.wire) > 0 {
		f := w.wire[0]
		w.wire = w.wire[1:]
		n := na
		if f.from.Remote == nb.addr {
			n = nb
		}
		w.now = w.now.Add(time.Microsecond)
		n.Receive(w.now, Path{f.from.Transport, f.from.Remote, f.from.Local}, f.payload)
		drain(n)
	}
	b.StopTimer()
	if up != 2*b.N {
		b.Fatalf("%d of %d up", up, 2*b.N)
	}
	w.wire = nil
	b.ReportMetric(float64(heapInUse()-before)/float64(2*b.N), "B/session")
	runtime.KeepAlive(na)
	runtime.KeepAlive(nb)
}
