package offload

import (
	"testing"

	"culvert/internal/testenv"
)

// discard is a sink that counts.
type discard struct{ frames, packets, bytes int }

func (d *discard) Deliver(_ []byte, packets, bytes int) {
	d.frames++
	d.packets += packets
	d.bytes += bytes
}

// bulk is a 64 KB super-packet of 1400-byte packets of one TCP flow with timestamps, as a device at MTU 1400 gives it.
func bulk(tb testing.TB, ipv6 bool) (pkt []byte, h Header) {
	tb.Helper()
	s := spec{
		tcp: true, ipv6: ipv6, ttl: 64, df: true, flags: 0x10, sport: 5001, dport: 40000,
		opts: []byte{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, id: 0xffe0, window: 1000,
	}
	gso := 1400 - s.headers()
	s.payload = make([]byte, 44*gso)
	for i := range s.payload {
		s.payload[i] = byte(i * 7)
	}
	return s.super(gso)
}

// packets are the packets of bulk, each with front bytes before it.
func packets(tb testing.TB, ipv6 bool, front int) (bufs [][]byte) {
	tb.Helper()
	pkt, h := bulk(tb, ipv6)
	sup, err := Parse(pkt, h, LayerIP)
	if err != nil {
		tb.Fatal(err)
	}
	n, segLen, lastLen := sup.Segments()
	all := sup.AppendSegments(nil, front)
	for i := range n {
		size := front + segLen
		if i == n-1 {
			size = front + lastLen
		}
		bufs = append(bufs, all[:size])
		all = all[size:]
	}
	return bufs
}

const everything = MergeTCP4 | MergeTCP6 | MergeUDP4 | MergeUDP6

func TestNothingAllocates(t *testing.T) {
	pkt, h := bulk(t, false)
	bufs := packets(t, true, 30)
	dst := make([]byte, 0, 80000)
	sink := &discard{}
	to := &Target{Sink: sink, Merge: everything}
	c := NewCoalescer(8)
	if n := testing.AllocsPerRun(100, func() {
		sup, err := Parse(pkt, h, LayerIP)
		if err != nil {
			t.Error(err)
		}
		dst = sup.AppendSegments(dst[:0], 30)
		for _, b := range bufs {
			c.Add(to, b, 30)
		}
		c.Flush()
		if _, err := Parse(pkt, Header{GSOType: 9}, LayerIP); err == nil {
			t.Error("no error")
		}
	}); n != 0 && !testenv.RaceEnabled { // the race detector allocates
		t.Errorf("%v allocations", n)
	}
	if sink.frames*44 != sink.packets {
		t.Errorf("%+v", sink)
	}
}

func benchBoth(b *testing.B, f func(b *testing.B, ipv6 bool)) {
	b.Helper()
	b.Run("tcp4", func(b *testing.B) { f(b, false) })
	b.Run("tcp6", func(b *testing.B) { f(b, true) })
}

// BenchmarkSegments cuts 64 KB into 44 packets.
func BenchmarkSegments(b *testing.B) {
	benchBoth(b, func(b *testing.B, ipv6 bool) {
		pkt, h := bulk(b, ipv6)
		dst := make([]byte, 0, 80000)
		b.SetBytes(int64(len(pkt)))
		b.ReportAllocs()
		for b.Loop() {
			sup, err := Parse(pkt, h, LayerIP)
			if err != nil {
				b.Fatal(err)
			}
			dst = sup.AppendSegments(dst[:0], 30)
		}
	})
}

// BenchmarkCoalesce joins 44 packets to 64 KB.
func BenchmarkCoalesce(b *testing.B) {
	benchBoth(b, func(b *testing.B, ipv6 bool) {
		bufs := packets(b, ipv6, 30)
		sink := &discard{}
		to := &Target{Sink: sink, Merge: everything}
		c := NewCoalescer(8)
		b.SetBytes(44 * 1400)
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range bufs {
				c.Add(to, p, 30)
			}
			c.Flush()
		}
		if sink.frames*44 != sink.packets {
			b.Fatalf("%+v", sink)
		}
	})
}

// BenchmarkAlone is a packet of a flow that nothing else follows: an acknowledgment, a lone datagram.
func BenchmarkAlone(b *testing.B) {
	for name, s := range map[string]spec{
		"ack":      {tcp: true, ttl: 64, flags: 0x10},
		"datagram": {ttl: 64, payload: make([]byte, 36)},
	} {
		b.Run(name, func(b *testing.B) {
			buf := append(make([]byte, 30), s.packet()...)
			to := &Target{Sink: &discard{}, Merge: everything}
			c := NewCoalescer(8)
			for b.Loop() {
				c.Add(to, buf, 30)
				c.Flush()
			}
		})
	}
}

// BenchmarkCopySum is the pass over the payload: every byte is read once, summed and written once.
func BenchmarkCopySum(b *testing.B) {
	src, dst := make([]byte, 65536), make([]byte, 65536)
	for _, size := range []int{64, 1348, 65536} {
		for _, f := range copySums {
			b.Run(f.name+"/"+sizeName(size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					f.fn(dst, src[:size])
				}
			})
		}
	}
}
