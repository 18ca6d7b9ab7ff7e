package top

import (
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"
)

// longestFilter bounds what may be typed, in bytes.
const longestFilter = 64

// keys does what keys say: those that have arrived together, as they do over a slow line, come as one message.
func (m *Model) keys(k tea.KeyMsg) tea.Cmd {
	if k.Type != tea.KeyRunes || k.Paste {
		return m.key(k)
	}
	var cmds []tea.Cmd
	for _, r := range k.Runes {
		cmds = append(cmds, m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt}))
	}
	return tea.Batch(cmds...)
}

// key does what one key says.
func (m *Model) key(k tea.KeyMsg) tea.Cmd {
	switch name := k.String(); {
	case name == "ctrl+c":
		return tea.Quit
	case m.editing:
		m.edit(k)
	case name == "q":
		return tea.Quit
	case m.detail != nil:
		m.detailKey(name)
	default:
		return m.tableKey(name)
	}
	return nil
}

// edit changes the filter while it is typed.
func (m *Model) edit(k tea.KeyMsg) {
	t := &m.tabs[m.view]
	filter := t.filter
	switch k.String() {
	case "enter":
		m.editing = false
		return
	case "esc":
		m.editing = false
		filter = m.edited
	case "backspace":
		_, n := utf8.DecodeLastRuneInString(filter)
		filter = filter[:len(filter)-n]
	case "ctrl+u":
		filter = ""
	default:
		if k.Type != tea.KeyRunes && k.Type != tea.KeySpace || len(filter)+len(string(k.Runes)) > longestFilter {
			return
		}
		filter += string(k.Runes)
	}
	m.setFilter(filter)
}

func (m *Model) setFilter(filter string) {
	t := &m.tabs[m.view]
	t.filter, t.cursor, t.offset = filter, 0, 0
	t.arrange(m.view)
}

// detailKey is for the keys of one session's view.
func (m *Model) detailKey(name string) {
	switch name {
	case "esc", "enter", "backspace", "left":
		m.detail = nil
	case "up", "k":
		m.detail.offset--
	case "down", "j":
		m.detail.offset++
	}
}

// tableKey is for the keys of the tables.
func (m *Model) tableKey(name string) tea.Cmd {
	t, rows := &m.tabs[m.view], m.rows()
	switch name {
	case "1", "2", "3", "4":
		return m.show(view(name[0] - '1'))
	case "tab":
		return m.show((m.view + 1) % views)
	case "shift+tab":
		return m.show((m.view + views - 1) % views)
	case "/":
		m.editing, m.edited = true, t.filter
	case "esc":
		m.setFilter("")
	case "left", "<", ",":
		m.sortBy(-1)
	case "right", ">", ".":
		m.sortBy(1)
	case "r":
		t.reverse = !t.reverse
		t.arrange(m.view)
	case "enter":
		return m.open()
	default:
		if n, ok := steps(name, rows, len(t.order)); ok {
			t.move(n, rows)
		}
	}
	return nil
}

// steps is by how many rows a key moves the cursor.
func steps(name string, page, all int) (n int, ok bool) {
	switch name {
	case "up", "k":
		return -1, true
	case "down", "j":
		return 1, true
	case "pgup", "ctrl+b":
		return -page, true
	case "pgdown", "ctrl+f", " ":
		return page, true
	case "home", "g":
		return -all, true
	case "end", "G":
		return all, true
	}
	return 0, false
}

// show changes the view.
func (m *Model) show(v view) tea.Cmd {
	m.view = v
	m.tabs[v].move(0, m.rows())
	return tea.Batch(m.due()...)
}

// sortBy sorts by the next column that is on the screen, in its own direction.
func (m *Model) sortBy(step int) {
	t, cols := &m.tabs[m.view], columns[m.view]
	for {
		t.sort = (t.sort + step + len(cols)) % len(cols)
		if cols[t.sort].from <= m.width {
			break
		}
	}
	t.reverse = false
	t.arrange(m.view)
	t.move(0, m.rows())
}

// open shows what is under the cursor: a tunnel's sessions, or one session.
func (m *Model) open() tea.Cmd {
	v := m.tabs[m.view].selected()
	switch {
	case v == nil:
	case m.view == tunnels:
		cmd := m.show(sessions)
		m.setFilter(v.key + "/")
		return cmd
	case m.view == sessions:
		m.detail = &detail{name: v.key, underway: true}
		return m.askDetail(v.key)
	}
	return nil
}
