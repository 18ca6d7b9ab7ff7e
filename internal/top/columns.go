package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"culvert/internal/human"
)

// kind is where a column's value is.
type kind int

const (
	keyText kind = iota
	text
	level
	rate
	spark
)

// column is one column of a view.
type column struct {
	title string
	kind  kind
	slot  int // of text or rate
	width int
	write func(float64) string
	from  int  // terminal width from which it is shown
	wide  bool // takes what is left of the line
}

// view is one of the four tables.
type view int

const (
	tunnels view = iota
	sessions
	workers
	reasons
	views
)

var names = [views]string{"tunnels", "sessions", "workers", "drops"}

// columns of the views; without those for wide terminals they fit into 80 cells.
var columns = [views][]column{
	tunnels: {
		{title: "TUNNEL", width: 16, wide: true},
		{title: "STATE", kind: text, slot: state, width: 11},
		{title: "SESS", kind: level, width: 6, write: number},
		{title: "RX-BIT/S", kind: rate, slot: rxBytes, width: 8, write: bits},
		{title: "RX-PKT/S", kind: rate, slot: rxPackets, width: 8, write: number},
		{title: "TX-BIT/S", kind: rate, slot: txBytes, width: 8, write: bits},
		{title: "TX-PKT/S", kind: rate, slot: txPackets, width: 8, write: number},
		{title: "RX+TX", kind: spark, width: 8},
	},
	sessions: {
		{title: "SESSION", width: 17, wide: true},
		{title: "STATE", kind: text, slot: state, width: 9},
		{title: "USER", kind: text, slot: user, width: 20, from: 110},
		{title: "RX-BIT/S", kind: rate, slot: rxBytes, width: 8, write: bits},
		{title: "RX-PKT/S", kind: rate, slot: rxPackets, width: 8, write: number},
		{title: "TX-BIT/S", kind: rate, slot: txBytes, width: 8, write: bits},
		{title: "TX-PKT/S", kind: rate, slot: txPackets, width: 8, write: number},
		{title: "DROPS/S", kind: rate, slot: drops, width: 7, write: number},
		{title: "RX+TX", kind: spark, width: 8},
	},
	workers: {
		{title: "WORKER", width: 6},
		{title: "SESSIONS", kind: level, width: 8, write: number},
		{title: "RX-CPU", kind: rate, slot: rxCPU, width: 6, write: percent},
		{title: "TX-CPU", kind: rate, slot: txCPU, width: 6, write: percent},
		{title: "RX-BIT/S", kind: rate, slot: rxBytes, width: 8, write: bits},
		{title: "RX-PKT/S", kind: rate, slot: rxPackets, width: 8, write: number},
		{title: "TX-BIT/S", kind: rate, slot: txBytes, width: 8, write: bits},
		{title: "TX-PKT/S", kind: rate, slot: txPackets, width: 8, write: number},
		{title: "DROPS/S", kind: rate, slot: drops, width: 7, write: number, from: 90},
		{title: "CPU", kind: spark, width: 8},
	},
	reasons: {
		{title: "REASON", width: 18},
		{title: "DROPS/S", kind: rate, slot: drops, width: 7, write: number},
		{title: "DROPS", kind: level, width: 7, write: number},
		{title: "LAST", kind: spark, width: 8},
		{title: "MEANING", kind: text, slot: state, width: 36, wide: true},
	},
}

// firstSort is the column by which a view is sorted at first: the busiest on top, workers by their number.
var firstSort = [views]int{tunnels: 3, sessions: 3, workers: 0, reasons: 1}

func number(v float64) string  { return human.Count(uint64(math.Round(v))) }
func bits(v float64) string    { return number(8 * v) }
func percent(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }

// left tells whether a column is aligned to the left: texts.
func (c *column) left() bool { return c.kind == keyText || c.kind == text }

// cell is what a column says of an item, printable.
func (c *column) cell(v *item, blocks string) string {
	switch c.kind {
	case keyText:
		return human.Printable(v.key)
	case text:
		return cmp.Or(human.Printable(v.text[c.slot]), "-")
	case level:
		return c.write(v.level)
	case rate:
		if !v.known {
			return "-"
		}
		return c.write(float64(v.rate[c.slot]))
	case spark:
		return sparkline(v.hist[:], c.width, blocks)
	}
	return ""
}

// value is what a column of numbers is sorted by.
func (c *column) value(v *item) float64 {
	switch c.kind {
	case level:
		return v.level
	case rate:
		return float64(v.rate[c.slot])
	case spark:
		return float64(sum(v.hist[:]))
	case keyText, text:
	}
	return 0
}

func sum(vs []float32) (s float32) {
	for _, v := range vs {
		s += v
	}
	return s
}

// The steps of a sparkline, for terminals with and without UTF-8.
const (
	unicodeBlocks = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
	asciiBlocks   = "_.:-=+*#"
)

// sparkline draws the last width values against their maximum, nothing as a space.
func sparkline(vs []float32, width int, blocks string) string {
	vs = vs[max(0, len(vs)-width):]
	steps, top := []rune(blocks), slices.Max(vs)
	var b strings.Builder
	for _, v := range vs {
		if v <= 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(steps[int(v/top*float32(len(steps)-1)+0.5)])
	}
	return b.String()
}
