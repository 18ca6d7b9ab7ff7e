package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// figure prints three significant digits without an exponent.
func figure(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// cells are the columns of a row: name, figure, spread, ratio, what else was measured.
func (t table) cells(r row) []string {
	main, ok := r.Values[t.Metric.Key]
	cells := make([]string, 4, 4+len(t.Also))
	cells[0], cells[1], cells[2], cells[3] = r.Title, "-", "-", "-"
	if ok {
		scale := t.Metric.Scale
		cells[1], cells[2] = figure(main.Median*scale), figure(main.Min*scale)+".."+figure(main.Max*scale)
	}
	if r.Ratio != nil {
		cells[3] = figure(r.Ratio.Median)
	}
	for _, m := range t.Also {
		cell := "-"
		if s, ok := r.Values[m.Key]; ok {
			cell = figure(s.Median * m.Scale)
		}
		cells = append(cells, cell)
	}
	return cells
}

// heads are the columns' titles.
func (t table) heads() []string {
	heads := append(make([]string, 0, 4+len(t.Also)), t.Title, t.Metric.Title, "min..max", "x VXLAN")
	for _, m := range t.Also {
		heads = append(heads, m.Title)
	}
	return heads
}

// conditions are the facts about the run, name and value.
func (m machine) conditions() [][2]string {
	list := [][2]string{
		{"Date", m.Began.Format("2006-01-02 15:04") + " UTC, " + m.Ended.Sub(m.Began).Round(1e9).String()},
		{"culvert", m.Commit},
		{"other culvert", m.Against},
		{"CPU", fmt.Sprintf("%d x %s", m.CPUs, m.CPU)},
		{"Kernel", m.Kernel},
		{"Go", m.Go},
		{"iperf3", m.Iperf},
		{"wireguard-go", m.Wireguard},
		{"fastd", m.Fastd},
		{"MTU", fmt.Sprintf("%d in tunnels, %d on the veth", m.MTU, vethMTU)},
		{"Load average", fmt.Sprintf("%.2f before, %.2f..%.2f during (the run's own included)", m.LoadBefore[0], m.LoadDuring.Min, m.LoadDuring.Max)},
		{"Arguments", strings.Join(m.Arguments, " ")},
	}
	kept := list[:0]
	for _, c := range list {
		if c[1] != "" {
			kept = append(kept, c)
		}
	}
	return kept
}

// text is the report for a terminal.
func (rep report) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, t := range rep.Tables {
		fmt.Fprintf(w, "\n%s\n", strings.Join(t.heads(), "\t"))
		for _, r := range t.Rows {
			fmt.Fprintln(w, strings.Join(t.cells(r), "\t"))
		}
		_ = w.Flush()
	}
	fmt.Fprintf(&b, "\nMedians of %d rounds. Ratios: median of the rounds' own.\n", rep.Rounds)
	for _, c := range rep.Machine.conditions() {
		fmt.Fprintf(&b, "%s: %s\n", c[0], c[1])
	}
	return b.String()
}

// markdown is the report as a page.
func (rep report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Throughput, %s, commit %s\n\n", rep.Machine.Began.Format("2006-01-02"), rep.Machine.Commit)
	fmt.Fprintf(&b, "Made by `make bench-throughput`; [benchmarks.md](../../benchmarks.md) explains loads and figures. "+
		"Medians of %d rounds, all comparators interleaved; min..max is the spread over rounds. `x VXLAN` is the median of "+
		"the ratios within each round. [results.json](results.json) has every sample.\n\n", rep.Rounds)
	b.WriteString("| | |\n|---|---|\n")
	for _, c := range rep.Machine.conditions() {
		fmt.Fprintf(&b, "| %s | %s |\n", c[0], strings.ReplaceAll(c[1], "|", `\|`))
	}
	b.WriteString("\n![Ratios to VXLAN](chart.svg)\n")
	for _, t := range rep.Tables {
		heads := t.heads()
		fmt.Fprintf(&b, "\n## %s\n\n| | %s |\n|---%s|\n", heads[0], strings.Join(heads[1:], " | "), strings.Repeat("|--:", len(heads)-1))
		for _, r := range t.Rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(t.cells(r), " | "))
		}
		for _, r := range t.Rows {
			for _, e := range r.Errors {
				fmt.Fprintf(&b, "\n%s failed: `%s`\n", r.Title, strings.ReplaceAll(strings.ReplaceAll(e, "\n", " "), "`", "'"))
			}
		}
	}
	return b.String()
}

// write makes the folder with results.json, README.md and chart.svg.
func (rep report) write(dir string) error {
	data, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"results.json": string(data) + "\n", "README.md": rep.markdown(), "chart.svg": rep.chart(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
