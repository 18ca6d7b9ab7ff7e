package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what a demo has shown.
type Result struct {
	UpAfter     time.Duration `json:"up_after_ns"` // from the first start to all pseudowires carrying traffic
	Pseudowires []Row         `json:"pseudowires"`
	Drops       []Drop        `json:"drops"` // of both ends, those that happened
}

// Row is one pseudowire.
type Row struct {
	Name       string    `json:"name"`       // tunnel/session on the LAC
	Pseudowire string    `json:"pseudowire"` // "ppp" or "eth"
	Transport  string    `json:"transport"`  // "udp" or "ip"
	Cookie     int       `json:"cookie_bits"`
	MTU        int       `json:"mtu"`
	Ping4      echoStats `json:"ping4"`
	Ping6      echoStats `json:"ping6"`
	Up         stream    `json:"tcp_up"`   // LAC to LNS
	Down       stream    `json:"tcp_down"` // LNS to LAC
	Packets    uint64    `json:"packets"`  // at the LAC, both directions
	Dropped    uint64    `json:"dropped"`  // by both ends
}

// Drop is a reason for which an end dropped packets.
type Drop struct {
	Node   string `json:"node"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// drops asks both ends for the reasons with a count.
func (l *lab) drops(ctx context.Context) ([]Drop, error) {
	var all []Drop
	for _, n := range l.nodes() {
		list, err := n.client.Drops(ctx)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if d.Count > 0 {
				all = append(all, Drop{Node: n.name, Reason: d.Reason, Count: d.Count})
			}
		}
	}
	return all, nil
}

// whatWasDropped is a hint for a failure: the counters and the ends of the logs.
func (l *lab) whatWasDropped(ctx context.Context) string {
	var b strings.Builder
	drops, _ := l.drops(ctx) // the failure itself matters more
	for _, d := range drops {
		fmt.Fprintf(&b, "%s dropped %s: %d\n", d.Node, d.Reason, d.Count)
	}
	for _, n := range l.nodes() {
		fmt.Fprintln(&b, n.process.Log())
	}
	return b.String()
}

// write prints the result.
func (r *Result) write(w io.Writer, asJSON bool) error {
	if asJSON {
		r.Drops = slices.Concat([]Drop{}, r.Drops) // [] rather than null
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nPSEUDOWIRE\tTRANSPORT\tCOOKIE\tMTU\tIPV4 RTT\tIPV6 RTT\tTCP UP\tTCP DOWN\tPACKETS\tDROPS")
	for _, p := range r.Pseudowires {
		fmt.Fprintf(tw, "%s (%s)\t%s\t%d bit\t%d\t%s\t%s\t%s\t%s\t%d\t%d\n", p.Name, p.Pseudowire, p.Transport, p.Cookie,
			p.MTU, p.Ping4, p.Ping6, p.Up, p.Down, p.Packets, p.Dropped)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, d := range r.Drops {
		fmt.Fprintf(w, "%s dropped %s: %d\n", d.Node, d.Reason, d.Count)
	}
	_, err := fmt.Fprintln(w, "\nBoth culverts stopped and took their devices with them; nothing is left behind.")
	return err
}

// String is the median round trip, and the loss when there was any.
func (e echoStats) String() string {
	s := fmt.Sprintf("%d us", e.Median.Microseconds())
	if lost := e.Sent - e.Received; lost > 0 {
		s += fmt.Sprintf(" (%d of %d lost)", lost, e.Sent)
	}
	return s
}

// String is the rate.
func (s stream) String() string {
	return fmt.Sprintf("%.0f Mbit/s", s.bitsPerSecond()/1e6)
}
