package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/testenv"
)

func TestTopNeedsTerminal(t *testing.T) {
	wantFailure(t, culvert("top"), exitUsage, "culvert: top needs a terminal; for scripts there is `culvert show --json`",
		"See `culvert top --help`.")
}

func TestUTF8Locale(t *testing.T) {
	for _, tt := range []struct {
		lcAll, lang string
		want        bool
	}{{"", "", false}, {"", "C.UTF-8", true}, {"C", "C.UTF-8", false}, {"de_DE.utf8", "", true}, {"", "de_DE@euro", false}} {
		env := map[string]string{"LC_ALL": tt.lcAll, "LANG": tt.lang}
		if got := utf8Locale(func(k string) string { return env[k] }); got != tt.want {
			t.Errorf("LC_ALL=%s LANG=%s: %v", tt.lcAll, tt.lang, got)
		}
	}
}

// busySource is source with traffic that grows whenever somebody looks.
type busySource struct {
	source
	n atomic.Uint64
}

func (b *busySource) Tunnels() []client.Tunnel {
	ts, n := b.source.Tunnels(), b.n.Add(1)
	for i := range ts {
		ts[i].RxBytes += n * 1_000_000
	}
	return ts
}

// tmux is a terminal of 80x24 whose keys we press and whose screen we read.
type tmux struct {
	t    *testing.T
	path string
	base []string
}

// startTmux runs a command in a tmux server of its own, which ends with the test.
func startTmux(t *testing.T, command string) *tmux {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv") //nolint:usetesting // t.TempDir has the test's name in it: too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &tmux{t, testenv.RequireProgram(t, "tmux"), []string{"-f", "/dev/null", "-u", "-S", filepath.Join(dir, "tmux")}}
	t.Cleanup(func() {
		_ = m.command("kill-server").Run() // of this socket only; gone already when its command has ended
		_ = os.RemoveAll(dir)
	})
	m.do("new-session", "-d", "-x", "80", "-y", "24", command)
	return m
}

func (m *tmux) command(args ...string) *exec.Cmd {
	c := exec.Command(m.path, append(append([]string{}, m.base...), args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=screen", "SHELL=/bin/sh", "TMUX=")
	return c
}

func (m *tmux) do(args ...string) string {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// wait waits until the screen shows what the pattern says.
func (m *tmux) wait(pattern string) string {
	m.t.Helper()
	re, screen := regexp.MustCompile(pattern), ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if screen = m.do("capture-pane", "-p"); re.MatchString(screen) {
			return screen
		}
	}
	m.t.Fatalf("the screen never shows %q:\n%s", pattern, screen)
	return ""
}

// keys presses keys by tmux' names.
func (m *tmux) keys(keys ...string) {
	m.t.Helper()
	m.do(append([]string{"send-keys"}, keys...)...)
}

// mainEnv makes this test binary the program.
const mainEnv = "CULVERT_TEST_MAIN"

// program is a shell command that starts the program.
func program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return mainEnv + "=1 '" + path + "'"
}

// TestTopInTmux: culvert top as people use it, by what the screen shows.
func TestTopInTmux(t *testing.T) {
	socket := serve(t, &busySource{})
	m := startTmux(t, program(t)+" top --socket "+socket+"; echo ended with $?; read x")

	m.wait(`(?m)^culvert 9\.8\.7 .* \d\d:\d\d:\d\d$`)
	screen := m.wait(`(?m)^t1 +up +\d+ +[0-9.]+M +0 +0 +0 .*\x{2588}`) // some Mbit/s, and a sparkline
	if lines := strings.Split(strings.TrimRight(screen, "\n"), "\n"); len(lines) != 24 || !strings.HasPrefix(lines[3], "TUNNEL ") {
		t.Errorf("%d lines:\n%s", len(lines), screen)
	}
	m.keys("2")
	m.wait(`(?ms)^SESSION .*^t1/s1 +`)
	m.keys("/", "e1")
	m.wait(`(?m)1 of \d+: e1$`)
	m.keys("Enter", "Enter")
	m.wait(`(?ms)^Session t2/e1$.*^Type +eth$`)
	m.keys("Escape")
	m.wait(`(?m)^SESSION `)
	m.keys("3")
	m.wait(`(?m)^WORKER SESSIONS `)
	m.keys("4")
	m.wait(`(?m)^REASON +DROPS/S `)
	m.keys("q")
	m.wait(`(?m)^ended with 0$`)
}

// TestTopWithoutDaemon: it says so where the shell's prompt is, not on a screen that goes away.
func TestTopWithoutDaemon(t *testing.T) {
	m := startTmux(t, program(t)+" top --socket /nonexistent/s; echo ended with $?; read x")
	screen := m.wait(`(?m)^ended with 1$`)
	if !strings.Contains(screen, "cannot reach culvert at /nonexistent/s") {
		t.Error(screen)
	}
}

// TestTerminalIsNotAsked: commands in a terminal write no queries to it, as bubbletea would have it (internal/top/quiet).
func TestTerminalIsNotAsked(t *testing.T) {
	c := exec.Command(testenv.RequireProgram(t, "script"), "-qec", program(t)+" version", "/dev/null")
	c.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), "\x1b") || !strings.HasPrefix(string(out), "culvert ") {
		t.Errorf("%q, %v", out, err)
	}
}
