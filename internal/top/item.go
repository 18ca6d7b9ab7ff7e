package top

import (
	"cmp"
	"slices"
	"time"
)

// Counters of an item, whose rates are shown.
const (
	rxBytes = iota
	rxPackets
	txBytes
	txPackets
	drops
	rxCPU // seconds
	txCPU
	counters
)

// Texts of an item beside its name.
const (
	state = iota // or what a drop reason means
	user
	texts
)

// stale is the age from which values are no longer compared with new ones: an average over minutes is no rate.
const stale = time.Minute

// item is one row: a tunnel, session, worker or drop reason. Of 100,000 sessions it is all that is kept.
type item struct {
	key   string // unique, and what two polls are joined by
	text  [texts]string
	level float64 // sessions, or packets dropped in all
	total [counters]float64
	rate  [counters]float32 // a second
	known bool              // that there are rates
	hist  history
}

// history is the recent past for a sparkline, the newest last.
type history [16]float32

func (h *history) push(v float32) {
	copy(h[:], h[1:])
	h[len(h)-1] = v
}

// byKey puts items in the order that join needs.
func byKey(items []item) {
	order := func(a, b item) int { return cmp.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(items, order) {
		slices.SortFunc(items, order)
	}
}

// join gives the items of a poll rates and histories from those of the poll before it, both in the order of byKey.
// Counters that went back (culvert was started again, a session came anew) have rate 0 once.
func join(before, now []item, dt time.Duration, spark func(*item) float32) {
	if dt <= 0 || dt > stale {
		return
	}
	seconds := dt.Seconds()
	for i, j := 0, 0; i < len(now); i++ {
		v := &now[i]
		for j < len(before) && before[j].key < v.key {
			j++
		}
		if j == len(before) || before[j].key != v.key {
			continue
		}
		old := &before[j]
		for c := range v.total {
			v.rate[c] = float32(max(0, v.total[c]-old.total[c]) / seconds)
		}
		v.known = true
		v.hist = old.hist
		v.hist.push(spark(v))
	}
}

// What sparklines draw.
func throughput(v *item) float32 { return v.rate[rxBytes] + v.rate[txBytes] }
func load(v *item) float32       { return v.rate[rxCPU] + v.rate[txCPU] }
func dropping(v *item) float32   { return v.rate[drops] }
