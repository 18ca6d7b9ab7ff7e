package top

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"culvert/client"
)

var update = flag.Bool("update", false, "write the golden screens")

// world is a culvert whose counters grow by known rates.
type world struct {
	second   uint64
	sessions int
	asked    int // for sessions
	err      error
}

func (w *world) traffic(scale uint64) client.Traffic {
	n := w.second * (w.second + 1) / 2 * scale // faster every second
	return client.Traffic{RxPackets: 100 * n, RxBytes: 125_000 * n, TxPackets: 50 * n, TxBytes: 12_500 * n}
}

func (w *world) session(i int) client.Session {
	s := client.Session{
		Name: fmt.Sprintf("s%05d", i), Tunnel: "t1", Pseudowire: "ppp", SID: uint32(1000 + i), PSID: uint32(2000 + i),
		Interface: fmt.Sprintf("sub%05d", i), State: "up", MTU: 1400, Traffic: w.traffic(uint64(i % 7)),
		Drops: map[string]uint64{"cookie": w.second * uint64(i%3)},
		PPP: &client.PPP{
			LCP: "opened", IPCP: "opened", IPv6CP: "opened", LocalMRU: 1400, PeerMRU: 1400, LocalAddress: "10.0.0.1",
			PeerAddress: "10.0.0.2", PeerName: fmt.Sprintf("user%05d", i),
		},
	}
	if i == 3 {
		s.State, s.PPP.PeerName = "establish", "evil\x1b[2J\x1b]0;title\a"
	}
	return s
}

func (w *world) source() Source {
	return Source{
		Tunnels: func(context.Context) ([]client.Tunnel, error) {
			return []client.Tunnel{
				{Name: "t2", State: "wait-ctl-reply", Sessions: 0},
				{Name: "t1", State: "up", Sessions: w.sessions, Traffic: w.traffic(8)},
				{Name: "a-tunnel-with-a-long-name", State: "established", Sessions: 12_345, Traffic: w.traffic(800)},
			}, w.err
		},
		Workers: func(context.Context) ([]client.Worker, error) {
			return []client.Worker{
				{ID: 1, Sessions: 5, RxCPU: float64(w.second) * 0.25, Traffic: w.traffic(8)},
				{ID: 0, Sessions: 6, RxCPU: float64(w.second) * 0.5, TxCPU: float64(w.second) * 0.125, Dropped: w.second * 3, Traffic: w.traffic(800)},
			}, w.err
		},
		Drops: func(context.Context) ([]client.Drop, error) {
			return []client.Drop{
				{Reason: "unknown-session", Help: "session id that nobody has"},
				{Reason: "cookie", Help: "cookie that is not the one agreed on, from a peer that may guess", Count: 40 + w.second*12},
			}, w.err
		},
		Sessions: func(_ context.Context, use func(*client.Session)) error {
			w.asked++
			for i := range w.sessions {
				s := w.session(i)
				use(&s)
			}
			return w.err
		},
		Session: func(_ context.Context, name string) (client.Session, error) {
			for i := range w.sessions {
				if s := w.session(i); s.FullName() == name {
					return s, w.err
				}
			}
			return client.Session{}, errors.New("no session " + name)
		},
	}
}

// screen is a model with a world whose seconds pass by hand. Messages carry the world's time, not the machine's.
type screen struct {
	t *testing.T
	w *world
	m *Model
}

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func newScreen(t *testing.T, n int) *screen {
	t.Helper()
	s := &screen{t, &world{sessions: n}, nil}
	s.m = New(t.Context(), s.w.source(), Options{Title: "culvert 9.8.7  /run/culvert/culvert.sock"})
	s.m.Init()
	s.answer(s.m.askCounters)
	return s
}

func (s *screen) at() time.Time { return start.Add(time.Duration(s.w.second) * time.Second) }

// answer runs a question and what comes of it.
func (s *screen) answer(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			s.answer(c)
		}
	case countersMsg:
		msg.at = s.at()
		s.m.Update(msg)
	case sessionsMsg:
		msg.at, msg.took = s.at(), 10*time.Millisecond
		s.m.Update(msg)
	case detailMsg:
		msg.at = s.at()
		s.m.Update(msg)
	case tea.QuitMsg:
		s.t.Error("quit")
	}
}

// pass lets seconds pass.
func (s *screen) pass(n int) {
	for range n {
		s.w.second++
		s.m.now = s.at()
		for _, cmd := range s.m.due() {
			s.answer(cmd)
		}
	}
}

// keys presses keys; "<enter>" and the like are named.
func (s *screen) keys(keys ...string) {
	named := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "esc": tea.KeyEsc, "down": tea.KeyDown, "up": tea.KeyUp, "end": tea.KeyEnd, "home": tea.KeyHome,
		"pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "tab": tea.KeyTab, "shift+tab": tea.KeyShiftTab,
		"backspace": tea.KeyBackspace, "left": tea.KeyLeft, "right": tea.KeyRight, "ctrl+u": tea.KeyCtrlU,
	}
	for _, k := range keys {
		msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		if t, ok := named[k]; ok {
			msg = tea.KeyMsg{Type: t}
		}
		_, cmd := s.m.Update(msg)
		s.answer(cmd)
	}
}

// text is the screen without attributes, checked to fit.
func (s *screen) text() string {
	s.t.Helper()
	raw := s.m.View()
	lines := strings.Split(raw, "\n")
	if len(lines) > s.m.height {
		s.t.Errorf("%d lines on a screen of %d", len(lines), s.m.height)
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > s.m.width {
			s.t.Errorf("line %d has %d cells, the screen %d: %q", i+1, w, s.m.width, l)
		}
		for _, esc := range []string{bold, reverse, plain} {
			l = strings.ReplaceAll(l, esc, "")
		}
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			s.t.Errorf("line %d has control characters: %q", i+1, l)
		}
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *screen) golden(name string) {
	s.t.Helper()
	path, got := filepath.Join("testdata", name+".txt"), s.text()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestScreens(t *testing.T) {
	tests := []struct {
		name string
		keys []string
	}{
		{"tunnels", nil},
		{"sessions", []string{"2"}},
		{"workers", []string{"3"}},
		{"drops", []string{"4"}},
		{"filter-typed", []string{"2", "/", "0", "0", "1"}},
		{"tunnel-opened", []string{"down", "enter"}},
		{"session-opened", []string{"2", "/", "s", "0", "0", "0", "0", "3", "enter", "enter"}},
		{"session-end", []string{"2", "end"}},
		{"sorted-by-name", []string{"2", "left", "left"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScreen(t, 30)
			s.keys("2", "1")
			s.pass(1)
			s.keys(tt.keys...)
			s.pass(6)
			s.golden(tt.name)
		})
	}
	s := newScreen(t, 30)
	s.golden("first")
	s.w.err = errors.New("cannot reach culvert at /run/culvert/culvert.sock: is `culvert run` active?")
	s.pass(1)
	s.golden("unreachable")
}

// TestSizes: whatever the terminal's size is, the screen fits.
func TestSizes(t *testing.T) {
	s := newScreen(t, 30)
	s.keys("2")
	s.pass(4)
	for _, keys := range [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"/"}, {"esc"}, {"2", "enter"}} {
		s.keys(keys...)
		for _, size := range [][2]int{{1, 1}, {10, 3}, {40, 10}, {79, 23}, {80, 24}, {120, 50}, {300, 100}, {0, 0}} {
			s.m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			s.m.View()
			if size[0] >= 1 && size[1] >= 3 {
				s.text()
			}
		}
	}
}
