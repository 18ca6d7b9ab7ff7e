package load

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHeader(t *testing.T) {
	want := header{trial: 0xdeadbeef, kind: kindRequest, flow: 65535, seq: 1 << 31}
	var b [headerLen]byte
	want.put(b[:])
	if got, ok := parseHeader(b[:]); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	for i := range b {
		if _, ok := parseHeader(b[:i]); ok {
			t.Errorf("%d bytes are enough", i)
		}
	}
	for _, i := range []int{0, 3, 9} {
		c := b
		c[i] ^= 0x40
		if _, ok := parseHeader(c[:]); ok {
			t.Errorf("byte %d does not matter", i)
		}
	}
	for _, k := range []byte{0, 4} {
		c := b
		c[8] = k
		if _, ok := parseHeader(c[:]); ok {
			t.Errorf("kind %d accepted", k)
		}
	}
}

func TestProfiles(t *testing.T) {
	for _, n := range []int{63, 9001, -1} {
		if _, err := Fixed(n); !errors.Is(err, ErrSize) {
			t.Errorf("size %d: %v", n, err)
		}
	}
	if p, err := Fixed(64); err != nil || p.Mean() != 64 || p.max() != 64 || p.Name != "64" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, tt := range []struct{ mtu, large int }{{1500, 1500}, {1518, 1518}, {9000, 1518}, {1400, 1400}, {594, 594}} {
		p, err := IMIX(tt.mtu)
		if err != nil {
			t.Fatal(err)
		}
		got := map[int]int{}
		for _, n := range p.Sizes {
			got[n]++
		}
		want := map[int]int{64: 7}
		want[594] += 4
		want[tt.large]++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("MTU %d: %s", tt.mtu, diff)
		}
		if mean := float64(7*64+4*594+tt.large) / 12; math.Abs(p.Mean()-mean) > 1e-9 || p.max() != tt.large {
			t.Errorf("MTU %d: mean %v, longest %d", tt.mtu, p.Mean(), p.max())
		}
	}
	if _, err := IMIX(593); err == nil {
		t.Error("MTU 593 accepted")
	}
	if smallest := MinSize - udpOverhead(true); smallest < headerLen {
		t.Errorf("a header does not fit into %d bytes", smallest)
	}
}

func TestTracker(t *testing.T) {
	tests := []struct {
		name string
		seqs []uint32
		want Counts
	}{
		{"in order", []uint32{0, 1, 2}, Counts{Received: 3}},
		{"gap", []uint32{0, 5}, Counts{Received: 2}},
		{"late start", []uint32{3}, Counts{Received: 1}},
		{"swapped", []uint32{1, 0, 2}, Counts{Received: 3, Reordered: 1}},
		{"twice", []uint32{0, 0, 1, 0, 1}, Counts{Received: 2, Duplicated: 3}},
		{"late and twice", []uint32{0, 3, 1, 1, 2, 3}, Counts{Received: 4, Reordered: 2, Duplicated: 2}},
		{"far ahead", []uint32{0, window, 1, 0}, Counts{Received: 4, Reordered: 2}}, // 0 has left the window: a copy is not seen
		{"whole window", []uint32{0, window - 1, 0}, Counts{Received: 2, Duplicated: 1}},
		{"slot reused", []uint32{5, 5 + window, 6, 6}, Counts{Received: 3, Reordered: 1, Duplicated: 1}},
		{"beyond everything", []uint32{0, math.MaxUint32 - 1, 7}, Counts{Received: 3, Reordered: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tr tracker
			for _, s := range tt.seqs {
				tr.add(s, 10)
			}
			tt.want.Bytes = 10 * tt.want.Received
			if diff := cmp.Diff(tt.want, tr.Counts); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLatency(t *testing.T) {
	var rtts []time.Duration
	for i := 1000; i > 0; i-- {
		rtts = append(rtts, time.Duration(i))
	}
	want := Latency{Sent: 1001, Received: 1000, Min: 1, Mean: 500, P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000}
	if diff := cmp.Diff(want, latency(1001, rtts)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Latency{Sent: 3}, latency(3, nil)); diff != "" {
		t.Error(diff)
	}
	one := latency(1, []time.Duration{7})
	if one.P50 != 7 || one.P999 != 7 || one.Min != 7 {
		t.Errorf("%+v", one)
	}
}

func TestCPUParsers(t *testing.T) {
	busy, err := hostBusy([]byte("cpu  100 20 300 4000 50 6 70 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"))
	if err != nil || busy != (100+20+300+6+70)/100.0 {
		t.Errorf("host: %v, %v", busy, err)
	}
	used, err := processUsed([]byte("42 (a) b (c) ) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0\n"))
	if err != nil || used != 3 {
		t.Errorf("process: %v, %v", used, err)
	}
	for _, bad := range []string{"", "cpu\n", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8\n", "cpu a b c d e f g h\n"} {
		if _, err := hostBusy([]byte(bad)); !errors.Is(err, errProc) {
			t.Errorf("host %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "1 (a) S 1", "1 (a S", "1 (a) S 1 2 3 4 5 6 7 8 9 10 x y"} {
		if _, err := processUsed([]byte(bad)); !errors.Is(err, errProc) {
			t.Errorf("process %q: %v", bad, err)
		}
	}
	if c, err := ReadCPU([]int{1}); err != nil || c.Host <= 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := ReadCPU([]int{-1}); err == nil {
		t.Error("no error for a process that does not exist")
	}
}
