package scale

import (
	"fmt"
	"strings"
)

// published are the sessions of the best paid product for Linux, by memory of the machine in bytes: both ends run it, one
// tunnel, authentication and compression off, MTU 1400, data path in the kernel, a device a session.
var published = []struct {
	memory   int64
	sessions int
}{{1 << 30, 4000}, {4 << 30, 20000}, {8 << 30, 46000}}

// rate is the sessions a second between two samples.
func rate(a, b Sample) float64 {
	return float64(b.Sessions-a.Sessions) / max(b.Seconds-a.Seconds, 1e-3)
}

// tenths gives the rate of each tenth of the ramp.
func (r *Result) tenths() (all []float64) {
	if len(r.Ramp) == 0 || r.Sessions == 0 {
		return nil
	}
	from := Sample{}
	for _, s := range r.Ramp {
		if s.Sessions == 0 {
			from = s
		} else if s.Sessions*10 >= r.Sessions*(len(all)+1) && s.Sessions > from.Sessions {
			all = append(all, rate(from, s))
			from = s
		}
	}
	return all
}

// Markdown is the result for people.
func (r *Result) Markdown() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	b.WriteString("| | |\n|---|---|\n")
	row("sessions", "%d", r.Sessions)
	row("open files that a process may have (`ulimit -n`)", "%d", r.Descriptors)
	row("memory of one end a session", "%.1f KB, of which %.1f KB the process", kb(r.PerSession), kb(r.Process))
	if r.SetupSeconds > 0 {
		row("from the start to the last IPCP", "%.1f s, %.0f sessions/s", r.SetupSeconds, float64(r.Sessions)/r.SetupSeconds)
	}
	row("rate in each tenth of the ramp", "%s sessions/s", joined(r.tenths()))
	row("bare devices, one thread", "%.0f/s; a session needs two", r.Floor)
	if !r.Limited {
		row("all sessions by the API", "%.2f s", r.ListSeconds)
		row("LCP echoes and idling", "%.1f %% of a CPU, both ends, interval %d s", 100*r.EchoCPU, r.EchoInterval)
		row("CPU time a packet there and back, both ends", "%.1f us with one session, %.1f us through one of all, %.1f us spread over all",
			r.CostOne, r.CostOneOfAll, r.CostAll)
	}
	row("stop", "%.1f s to the end of the process, %.1f s until the other end has no device left", r.StopSeconds, r.PeerGoneSeconds)
	b.WriteString("\n| memory of a machine | published | culvert, by memory a session | |\n|---|---|---|---|\n")
	for _, p := range published {
		n := "-"
		if r.PerSession > 0 {
			n = fmt.Sprint(p.memory / r.PerSession)
		}
		how := "calculated"
		if r.Limited && r.Memory == p.memory {
			n, how = fmt.Sprint(r.Sessions), "measured"
		}
		fmt.Fprintf(&b, "| %d GB | %d | %s | %s |\n", p.memory>>30, p.sessions, n, how)
	}
	return b.String()
}

func kb(n int64) float64 { return float64(n) / 1024 }

func joined(all []float64) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = fmt.Sprintf("%.0f", v)
	}
	return strings.Join(words, ", ")
}

// Sizes of the chart in pixels.
const (
	width, height, margin = 640, 320, 60
)

// SVG draws the memory of one end and the time over the sessions.
func (r *Result) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%d" y="20" font-weight="bold">%d sessions: memory of one end (blue) and seconds (orange)</text>
`, width, height, margin, r.Sessions)
	memory, seconds := int64(1), 1.0
	for _, s := range r.Ramp {
		memory, seconds = max(memory, s.end()), max(seconds, s.Seconds)
	}
	line := func(color string, y func(Sample) float64) {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, color)
		for _, s := range r.Ramp {
			x := margin + float64(s.Sessions)/float64(max(r.Sessions, 1))*(width-2*margin)
			fmt.Fprintf(&b, "%.1f,%.1f ", x, height-margin-y(s)*(height-2*margin))
		}
		b.WriteString("\"/>\n")
	}
	line("#2b6cb0", func(s Sample) float64 { return float64(s.end()) / float64(memory) })
	line("#dd8a2f", func(s Sample) float64 { return s.Seconds / seconds })
	fmt.Fprintf(&b, `<path d="M%d %dV%dH%d" fill="none" stroke="#222"/>
<text x="4" y="%d" fill="#2b6cb0">%d MB</text>
<text x="%d" y="%d" fill="#dd8a2f">%.0f s</text>
<text x="%d" y="%d">%d sessions</text>
</svg>
`, margin, margin, height-margin, width-margin, margin, memory>>20, width-margin+4, margin, seconds, width-margin-60, height-margin+20, r.Sessions)
	return b.String()
}
