package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Sizes of the chart in pixels.
const (
	chartWidth  = 900
	labelWidth  = 190
	valueWidth  = 150
	barHeight   = 16
	barGap      = 5
	panelHead   = 34
	panelGap    = 18
	chartMargin = 16
)

// svg collects the elements of a drawing.
type svg struct{ b strings.Builder }

// esc makes text safe inside elements and attributes.
func esc(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

func (s *svg) text(x, y float64, class, t string) {
	fmt.Fprintf(&s.b, "<text x=\"%.1f\" y=\"%.1f\" class=%q>%s</text>\n", x, y, class, esc(t))
}

func (s *svg) rect(x, y, w, h float64, class string) {
	fmt.Fprintf(&s.b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=%q/>\n", x, y, w, h, class)
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&s.b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=%q/>\n", x1, y1, x2, y2, class)
}

const style = `<style>
text { font: 12px sans-serif; fill: #222 }
text.head { font-weight: bold; font-size: 14px }
text.end { text-anchor: end }
rect.paper { fill: #fff }
rect.bar { fill: #9aa7b4 }
rect.ours { fill: #2b6cb0 }
rect.base { fill: #dd8a2f }
line.spread { stroke: #222; stroke-width: 1 }
line.base { stroke: #dd8a2f; stroke-width: 1; stroke-dasharray: 3 3 }
</style>
`

// chart draws a panel of bars for each load: medians with their spread, and a line at the baseline.
func (rep report) chart() string {
	var s svg
	y := float64(chartMargin)
	for _, t := range rep.Tables {
		y = s.panel(t, rep.Baseline, y) + panelGap
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n",
		chartWidth, y, chartWidth, y) + style + fmt.Sprintf("<rect class=\"paper\" width=\"%d\" height=\"%.0f\"/>\n", chartWidth, y) +
		s.b.String() + "</svg>\n"
}

// panel draws one load from y down and returns where it ends.
func (s *svg) panel(t table, base string, y float64) float64 {
	better := "more is better"
	if t.Metric.Less {
		better = "less is better"
	}
	s.text(chartMargin, y+14, "head", fmt.Sprintf("%s: %s, %s", t.Title, t.Metric.Title, better))
	y += panelHead - 10
	top := 0.0
	for _, r := range t.Rows {
		top = max(top, r.Values[t.Metric.Key].Max)
	}
	if top == 0 {
		top = 1
	}
	const room = chartWidth - 2*chartMargin - labelWidth - valueWidth
	start := y
	x0 := float64(chartMargin + labelWidth)
	place := func(v float64) float64 { return x0 + v/top*room }
	baseX := 0.0
	for _, r := range t.Rows {
		class := "bar"
		switch {
		case r.Comparator == base:
			class, baseX = "base", place(r.Values[t.Metric.Key].Median)
		case strings.HasPrefix(r.Comparator, "culvert"):
			class = "ours"
		}
		s.text(x0-8, y+12, "end", r.Title)
		s.bar(t, r, class, x0, y, place)
		y += barHeight + barGap
	}
	if baseX > x0 {
		s.line(baseX, start-3, baseX, y, "base")
	}
	return y
}

// bar draws one comparator.
func (s *svg) bar(t table, r row, class string, x0, y float64, place func(float64) float64) {
	v, ok := r.Values[t.Metric.Key]
	if !ok {
		s.text(x0+4, y+12, "", "not measured")
		return
	}
	s.rect(x0, y, place(v.Median)-x0, barHeight, class)
	mid := y + barHeight/2
	s.line(place(v.Min), mid, place(v.Max), mid, "spread")
	for _, end := range []float64{v.Min, v.Max} {
		s.line(place(end), mid-4, place(end), mid+4, "spread")
	}
	label := figure(v.Median * t.Metric.Scale)
	if r.Ratio != nil {
		label += fmt.Sprintf("  (x %s)", figure(r.Ratio.Median))
	}
	s.text(place(v.Max)+8, y+12, "", label)
}
