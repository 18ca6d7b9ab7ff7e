package load

import (
	"math"
	"slices"
	"time"
)

// Latency is the distribution of round-trip times.
type Latency struct {
	Sent     int           `json:"sent"`
	Received int           `json:"received"`
	Min      time.Duration `json:"min_ns"`
	Mean     time.Duration `json:"mean_ns"`
	P50      time.Duration `json:"p50_ns"`
	P90      time.Duration `json:"p90_ns"`
	P99      time.Duration `json:"p99_ns"`
	P999     time.Duration `json:"p999_ns"`
	Max      time.Duration `json:"max_ns"`
}

// latency sums up round-trip times, which it sorts.
func latency(sent int, rtts []time.Duration) Latency {
	l := Latency{Sent: sent, Received: len(rtts)}
	if len(rtts) == 0 {
		return l
	}
	slices.Sort(rtts)
	var sum time.Duration
	for _, d := range rtts {
		sum += d
	}
	l.Min, l.Max, l.Mean = rtts[0], rtts[len(rtts)-1], sum/time.Duration(len(rtts))
	l.P50, l.P90 = percentile(rtts, 0.50), percentile(rtts, 0.90)
	l.P99, l.P999 = percentile(rtts, 0.99), percentile(rtts, 0.999)
	return l
}

// percentile is the smallest of the sorted values that at least the share q of them does not exceed (nearest rank).
func percentile(sorted []time.Duration, q float64) time.Duration {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
