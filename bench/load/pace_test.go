package load

import (
	"math"
	"testing"
	"time"
)

// TestPacerKeepsTheRate drives a pacer with a clock that sleeps as told.
func TestPacerKeepsTheRate(t *testing.T) {
	for _, rate := range []float64{200, 1000, 54321, 1e6, 2e7} {
		for _, unit := range []int{1, 64} {
			start := time.Unix(0, 0)
			now, sent, bursts := start, 0, 0
			most := maxBatch * unit
			p := newPacer(rate, unit, most, start)
			for now.Sub(start) < 2*time.Second {
				n := p.grant(now, unit, most)
				if n%unit != 0 || n > most {
					t.Fatalf("rate %v: %d packets at once", rate, n)
				}
				sent += n
				if n > 0 {
					bursts++
				}
				now = now.Add(max(p.wait(), 100*time.Nanosecond))
			}
			want := rate * now.Sub(start).Seconds()
			if math.Abs(float64(sent)-want) > float64(2*most)+want/1000 {
				t.Errorf("rate %v, unit %d: %d packets, want %.0f", rate, unit, sent, want)
			}
		}
	}
}

func TestPacerForgivesLateness(t *testing.T) {
	start := time.Unix(0, 0)
	p := newPacer(100_000, 1, maxBatch, start)
	sent, now := 0, start.Add(time.Second) // a pause of a second is worth a millisecond
	for {
		n := p.grant(now, 1, maxBatch)
		if n == 0 {
			break
		}
		sent += n
	}
	if sent != 100 {
		t.Errorf("%d packets after a pause, want 100", sent)
	}
	if d := p.wait(); d <= 0 || d > burstTime+time.Microsecond {
		t.Errorf("wait %v", d)
	}
}
