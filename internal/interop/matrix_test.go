//go:build interop

package interop

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// matrix counts cases by group and transport.
type matrix struct {
	mu     sync.Mutex
	groups []string // in the order of their first case
	cells  map[string]map[string]*tally
}

type tally struct{ passed, failed, skipped int }

func (c *tally) add(o *tally) {
	c.passed += o.passed
	c.failed += o.failed
	c.skipped += o.skipped
}

// String is "9/9", "8/9 FAIL" or "9/9 (2 skipped)".
func (c *tally) String() string {
	if c == nil || *c == (tally{}) {
		return "-"
	}
	s := fmt.Sprintf("%d/%d", c.passed, c.passed+c.failed)
	if c.failed > 0 {
		s += " FAIL"
	}
	if c.skipped > 0 {
		s += fmt.Sprintf(" (%d skipped)", c.skipped)
	}
	return s
}

// count enters the running case into the matrix when it ends.
func count(t *testing.T, group, transport string) {
	t.Helper()
	t.Cleanup(func() {
		results.mu.Lock()
		defer results.mu.Unlock()
		c := results.cell(group, transport)
		switch {
		case t.Failed():
			c.failed++
		case t.Skipped():
			c.skipped++
		default:
			c.passed++
		}
	})
}

func (m *matrix) cell(group, transport string) *tally {
	if m.cells == nil {
		m.cells = map[string]map[string]*tally{}
	}
	if m.cells[group] == nil {
		m.groups = append(m.groups, group)
		m.cells[group] = map[string]*tally{}
	}
	if m.cells[group][transport] == nil {
		m.cells[group][transport] = &tally{}
	}
	return m.cells[group][transport]
}

// print writes the matrix and, where asked for, the report; it tells whether any case failed.
func (m *matrix) print(w io.Writer, versions string, took time.Duration) (failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.groups) == 0 {
		return false
	}
	var report strings.Builder
	head := []string{"cases"}
	for _, tr := range transports {
		head = append(head, tr.name)
	}
	head = append(head, "all")
	rows := [][]string{head}
	total := make([]tally, len(transports)+1)
	for _, g := range m.groups {
		row := []string{g}
		var sum tally
		for i, tr := range transports {
			c := m.cells[g][tr.name]
			row = append(row, c.String())
			if c != nil {
				sum.add(c)
				total[i].add(c)
			}
		}
		total[len(transports)].add(&sum)
		rows = append(rows, append(row, sum.String()))
	}
	row := []string{"all"}
	for i := range total {
		row = append(row, total[i].String())
	}
	rows = append(rows, row)
	fmt.Fprintf(&report, "Interop with %s, in %v\n\n", versions, took.Round(time.Second))
	table(&report, rows)
	fmt.Fprintf(w, "\n%s\n", report.String())
	if path := os.Getenv("CULVERT_INTEROP_REPORT"); path != "" {
		if err := os.WriteFile(path, []byte(report.String()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return total[len(transports)].failed > 0
}

// table writes rows as a Markdown table whose columns line up; the first row is its head.
func table(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len(c))
		}
	}
	for n, r := range rows {
		for i, c := range r {
			fmt.Fprintf(w, "| %-*s ", width[i], c)
		}
		fmt.Fprintln(w, "|")
		if n > 0 {
			continue
		}
		for i := range r {
			fmt.Fprintf(w, "|%s", strings.Repeat("-", width[i]+2))
		}
		fmt.Fprintln(w, "|")
	}
}
