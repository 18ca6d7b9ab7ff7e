package top

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"culvert/client"
)

// TestSessionsOnlyWhenShown: nobody asks culvert for all sessions while something else is on the screen.
func TestSessionsOnlyWhenShown(t *testing.T) {
	s := newScreen(t, 30)
	s.pass(10)
	if s.w.asked != 0 {
		t.Errorf("asked %d times while tunnels were shown", s.w.asked)
	}
	s.keys("2")
	s.pass(10)
	if s.w.asked != 6 { // at once, then every 2 s
		t.Errorf("asked %d times in 10 s", s.w.asked)
	}
	s.keys("enter")
	s.pass(10)
	if s.w.asked != 6 {
		t.Errorf("asked %d times, also while one session was shown", s.w.asked)
	}
}

// TestOneQuestionAtATime: an answer that does not come is waited for, and time goes on.
func TestOneQuestionAtATime(t *testing.T) {
	s := newScreen(t, 3)
	s.keys("1")
	s.m.now = start
	s.m.view = sessions
	if n := len(s.m.due()); n != 2 {
		t.Errorf("%d questions at first", n)
	}
	s.m.now = start.Add(time.Hour)
	if n := len(s.m.due()); n != 0 {
		t.Errorf("%d questions while two are under way", n)
	}
	if _, cmd := s.m.Update(tickMsg(start.Add(time.Hour))); cmd == nil {
		t.Error("the clock stopped")
	}
}

func TestSessionPause(t *testing.T) {
	for _, tt := range []struct{ took, want time.Duration }{
		{0, 2 * time.Second}, {500 * time.Millisecond, 2 * time.Second}, {time.Second, 4 * time.Second}, {time.Minute, 20 * time.Second},
	} {
		if got := sessionPause(tt.took); got != tt.want {
			t.Errorf("after an answer of %v: %v, want %v", tt.took, got, tt.want)
		}
	}
}

// TestJoin: rates by key, whatever came, went or began again.
func TestJoin(t *testing.T) {
	mk := func(key string, n float64) item { return item{key: key, total: [counters]float64{rxBytes: n}} }
	before := []item{mk("a", 10), mk("b", 100), mk("d", 7)}
	now := []item{mk("a", 30), mk("b", 5), mk("c", 9), mk("d", 7), mk("e", 1)}
	join(before, now, 2*time.Second, throughput)
	for i, want := range []struct {
		rate  float32
		known bool
	}{{10, true}, {0, true}, {0, false}, {0, true}, {0, false}} {
		if v := now[i]; v.rate[rxBytes] != want.rate || v.known != want.known || v.hist[15] != want.rate {
			t.Errorf("%s: rate %v, known %v, history %v", v.key, v.rate[rxBytes], v.known, v.hist)
		}
	}
	for _, dt := range []time.Duration{0, -time.Second, stale + 1} {
		again := []item{mk("a", 40)}
		if join(now, again, dt, throughput); again[0].known {
			t.Errorf("a rate over %v", dt)
		}
	}
}

// rowsOf are the first cells of the rows on the screen.
func (s *screen) rowsOf() (keys []string) {
	for _, l := range strings.Split(s.text(), "\n")[4:] {
		if f := strings.Fields(l); len(f) > 0 {
			keys = append(keys, f[0])
		}
	}
	return keys[:len(keys)-1] // the line of keys
}

func (s *screen) wantRows(what string, want ...string) {
	s.t.Helper()
	if got := s.rowsOf(); !slices.Equal(got, want) {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestSorting(t *testing.T) {
	s := newScreen(t, 5)
	s.keys("2")
	s.pass(4)
	s.wantRows("by rate", "t1/s00004", "t1/s00003", "t1/s00002", "t1/s00001", "t1/s00000")
	s.keys("r")
	s.wantRows("reversed", "t1/s00000", "t1/s00001", "t1/s00002", "t1/s00003", "t1/s00004")
	s.keys("left")
	s.wantRows("by state, not by the user that is not shown", "t1/s00003", "t1/s00000", "t1/s00001", "t1/s00002", "t1/s00004")
	s.keys("left", "left", "left")
	s.wantRows("by drops", "t1/s00002", "t1/s00001", "t1/s00004", "t1/s00000", "t1/s00003")
	s.keys("right", "right", "r")
	s.wantRows("by name, reversed", "t1/s00004", "t1/s00003", "t1/s00002", "t1/s00001", "t1/s00000")
}

func TestFilter(t *testing.T) {
	s := newScreen(t, 5)
	s.keys("2")
	s.pass(4)
	s.keys("/", "user00002")
	s.wantRows("by user", "t1/s00002")
	s.keys("backspace", "1", "q") // q is text here
	s.wantRows("nobody")
	s.keys("esc")
	s.wantRows("as before", "t1/s00004", "t1/s00003", "t1/s00002", "t1/s00001", "t1/s00000")
	s.keys("/", "establish", "enter")
	s.pass(4)
	s.wantRows("by state, also after a poll", "t1/s00003")
	s.keys("1", "/", "t2")
	s.wantRows("each view has its own", "t2")
	s.keys("ctrl+u", "enter", "2", "esc")
	if len(s.rowsOf()) != 5 {
		t.Errorf("%q after Esc", s.rowsOf())
	}
	s.keys("/e", "xyz", "esc", "jj/t1", "enter") // keys that arrive together
	if tab := s.m.tabs[sessions]; tab.filter != "t1" || len(tab.order) != 5 {
		t.Errorf("filter %q", tab.filter)
	}
	s.keys("/", strings.Repeat("x", 200))
	if n := len(s.m.tabs[sessions].filter); n > longestFilter {
		t.Errorf("a filter of %d bytes", n)
	}
}

func TestMoving(t *testing.T) {
	s := newScreen(t, 100)
	s.keys("2")
	s.pass(3)
	tab := &s.m.tabs[sessions]
	for _, step := range []struct {
		key            string
		cursor, offset int
	}{
		{"up", 0, 0}, {"down", 1, 0}, {"pgdown", 20, 2}, {"end", 99, 81}, {"down", 99, 81}, {"pgup", 80, 80}, {"home", 0, 0},
	} {
		if s.keys(step.key); tab.cursor != step.cursor || tab.offset != step.offset {
			t.Errorf("%s: row %d, first %d; want %d and %d", step.key, tab.cursor, tab.offset, step.cursor, step.offset)
		}
	}
	s.keys("end")
	s.w.sessions = 3 // most are gone
	s.pass(3)
	if tab.cursor != 2 || tab.offset != 0 {
		t.Errorf("row %d, first %d of 3", tab.cursor, tab.offset)
	}
	s.keys("tab", "tab", "tab", "shift+tab")
	if s.m.view != reasons {
		t.Errorf("view %d", s.m.view)
	}
}

// TestDetail: rates and texts of one session, and the reason when it is gone.
func TestDetail(t *testing.T) {
	s := newScreen(t, 5)
	s.keys("2")
	s.pass(3)
	s.keys("down", "enter")
	s.pass(2)
	for _, want := range []string{"Session t1/s00003", "State        establish", `User         evil\x1b[2J\x1b]0;title\a`, "pkt/s"} {
		if !strings.Contains(s.text(), want) {
			t.Errorf("no %q in\n%s", want, s.text())
		}
	}
	s.w.sessions = 0
	s.pass(1)
	if !strings.Contains(s.text(), "no session t1/s00003") {
		t.Errorf("gone:\n%s", s.text())
	}
	s.m.Update(detailMsg{name: "another", session: client.Session{Name: "late"}})
	s.keys("esc")
	if s.m.detail != nil {
		t.Error("still open")
	}
	s.m.Update(detailMsg{name: "t1/s00003"}) // an answer for nobody
}

func TestQuit(t *testing.T) {
	for _, k := range []tea.KeyMsg{{Type: tea.KeyCtrlC}, {Type: tea.KeyRunes, Runes: []rune("q")}} {
		_, cmd := newScreen(t, 1).m.Update(k)
		if cmd == nil || cmd() != tea.Quit() {
			t.Errorf("%v does not end it", k)
		}
	}
}

// TestErrorPasses: a question that failed is said and asked again.
func TestErrorPasses(t *testing.T) {
	s := newScreen(t, 2)
	s.keys("2")
	s.w.err = errors.New("cannot reach culvert")
	s.pass(3)
	if !strings.Contains(s.text(), "cannot reach culvert") {
		t.Error(s.text())
	}
	s.w.err = nil
	s.pass(3)
	if strings.Contains(s.text(), "cannot reach culvert") || len(s.rowsOf()) != 2 {
		t.Error(s.text())
	}
}

func TestSparkline(t *testing.T) {
	for _, tt := range []struct {
		vs   []float32
		want string
	}{{[]float32{0, 0, 0}, "   "}, {[]float32{9, 1, 4, 8}, ".=#"}, {[]float32{0, 0.001, 5}, " _#"}} {
		if got := sparkline(tt.vs, 3, asciiBlocks); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.vs, got, tt.want)
		}
	}
}
