package top

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"culvert/internal/human"
)

// The screen: two lines for the whole, one for the views, one of titles, the rows, one for keys and errors.
const otherLines = 5

// rows is how many rows of a table fit.
func (m *Model) rows() int { return max(1, m.height-otherLines) }

// Attributes of texts (ECMA-48, SGR): every terminal has them, or shows nothing of them.
const (
	bold    = "\x1b[1m"
	reverse = "\x1b[7m"
	plain   = "\x1b[0m"
)

// View draws the screen.
func (m *Model) View() string {
	lines := make([]string, 0, m.height)
	lines = append(lines, m.titleLine(), m.totalLine(), m.viewLine())
	if m.detail != nil {
		lines = append(lines, m.detailLines()...)
	} else {
		lines = append(lines, m.tableLines()...)
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, min(len(lines), m.height-1))], m.lastLine())
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "")
	}
	return strings.Join(lines, "\n")
}

// pad makes s exactly width cells wide.
func pad(s string, width int, left bool) string {
	if n := ansi.StringWidth(s); n > width {
		s = ansi.Truncate(s, width, "~")
	}
	fill := strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
	if left {
		return s + fill
	}
	return fill + s
}

func (m *Model) titleLine() string {
	clock, cpu := "", ""
	if !m.now.IsZero() {
		clock = m.now.Format("15:04:05")
	}
	if len(m.total) > 0 && m.total[0].known {
		cpu = "cpu " + percent(float64(load(&m.total[0]))) + "  "
	}
	right := cpu + clock
	return bold + pad(human.Printable(m.title), m.width-len(right)-1, true) + plain + " " + right
}

func (m *Model) totalLine() string {
	if len(m.total) == 0 || !m.total[0].known {
		return "measuring ..."
	}
	rx, tx := &m.total[0], &m.total[1]
	return fmt.Sprintf("rx %6sb/s %5spkt/s %s  tx %6sb/s %5spkt/s %s  drops %s/s",
		bits(float64(rx.rate[rxBytes])), number(float64(rx.rate[rxPackets])), sparkline(rx.hist[:], 8, m.blocks),
		bits(float64(tx.rate[txBytes])), number(float64(tx.rate[txPackets])), sparkline(tx.hist[:], 8, m.blocks),
		number(float64(rx.rate[drops])))
}

// viewLine names the views and says what of this one is shown.
func (m *Model) viewLine() string {
	var b strings.Builder
	for v, name := range names {
		s := fmt.Sprintf(" %d %s ", v+1, name)
		if view(v) == m.view {
			s = reverse + s + plain
		}
		b.WriteString(s)
	}
	t := &m.tabs[m.view]
	if m.detail != nil {
		return b.String()
	}
	switch {
	case t.at.IsZero():
		b.WriteString("  asking ...")
	case t.filter != "":
		fmt.Fprintf(&b, "  %d of %d: %s", len(t.order), len(t.items), human.Printable(t.filter))
	default:
		fmt.Fprintf(&b, "  %d", len(t.items))
	}
	return b.String()
}

// lastLine says what keys do, or what is wrong.
func (m *Model) lastLine() string {
	switch {
	case m.editing:
		return "/" + human.Printable(m.tabs[m.view].filter) + "_"
	case m.err != nil:
		return reverse + human.Printable(m.err.Error()) + plain
	case m.detail != nil:
		return "esc back  up down scroll  q quit"
	}
	return "1-4 view  up down move  enter open  / filter  < > sort  r reverse  q quit"
}

// tableLines are titles and rows.
func (m *Model) tableLines() []string {
	t, cols := &m.tabs[m.view], columns[m.view]
	widths := m.widths(cols)
	lines := []string{bold + m.titles(t, cols, widths) + plain}
	for i := t.offset; i < len(t.order) && i < t.offset+m.rows(); i++ {
		line := m.row(&t.items[t.order[i]], cols, widths)
		if i == t.cursor {
			line = reverse + pad(line, m.width, true) + plain
		}
		lines = append(lines, line)
	}
	return lines
}

// widths gives the columns that are shown their widths, 0 to the others.
func (m *Model) widths(cols []column) []int {
	widths, left := make([]int, len(cols)), m.width
	for i := range cols {
		if cols[i].from <= m.width {
			widths[i] = cols[i].width
			left -= widths[i] + 1
		}
	}
	for i := range cols {
		if cols[i].wide && left > 0 {
			widths[i] += left + 1 // no space behind the last column
		}
	}
	return widths
}

func (m *Model) titles(t *tab, cols []column, widths []int) string {
	cells := make([]string, 0, len(cols))
	for i := range cols {
		if widths[i] == 0 {
			continue
		}
		s := pad(cols[i].title, widths[i], cols[i].left())
		if i == t.sort {
			s = reverse + s + plain + bold
		}
		cells = append(cells, s)
	}
	return strings.Join(cells, " ")
}

func (m *Model) row(v *item, cols []column, widths []int) string {
	cells := make([]string, 0, len(cols))
	for i := range cols {
		if widths[i] > 0 {
			cells = append(cells, pad(cols[i].cell(v, m.blocks), widths[i], cols[i].left()))
		}
	}
	return strings.Join(cells, " ")
}
