package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/mgmt"
)

// shrinking is a culvert whose numbers get shorter.
type shrinking struct {
	source
	asked atomic.Int32
}

func (s *shrinking) Drops() []client.Drop {
	if s.asked.Add(1) == 1 {
		return []client.Drop{{Reason: "a_long_reason", Count: 99_999_999, Help: "help"}}
	}
	return []client.Drop{{Reason: "short", Count: 1, Help: "help"}}
}

// after does something once a text has been written so many times.
type after struct {
	all   bytes.Buffer // not embedded: it would be written into, past Write
	text  string
	times int
	then  func()
}

func (a *after) Write(b []byte) (int, error) {
	n, err := a.all.Write(b)
	if strings.Count(a.all.String(), a.text) >= a.times {
		a.then()
	}
	return n, err
}

// TestWatch: into a pipe a table comes after the other, and its columns stay where they are.
func TestWatch(t *testing.T) {
	socket := serve(t, &shrinking{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, stderr := after{text: "REASON", times: 3, then: cancel}, bytes.Buffer{}
	if status := execute(ctx, []string{"show", "drops", "--watch=100ms", "--socket", socket}, &out, &stderr); status != exitOK {
		t.Errorf("status %d, %q", status, stderr.String())
	}
	const heading = "REASON         COUNT  MEANING\n"
	const later = "\n" + heading + "short          1      help\n"
	if want := heading + "a_long_reason  100M   help\n" + later + later; out.all.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.all.String(), want)
	}
}

// TestWatchJSON: one document after the other.
func TestWatchJSON(t *testing.T) {
	socket := serve(t, &shrinking{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, stderr := after{text: `"count"`, times: 2, then: cancel}, bytes.Buffer{}
	if status := execute(ctx, []string{"show", "drops", "--json", "--watch=100ms", "--socket", socket}, &out, &stderr); status != exitOK {
		t.Errorf("status %d, %q", status, stderr.String())
	}
	dec, got := json.NewDecoder(&out.all), ""
	for dec.More() {
		var ds []client.Drop
		if err := dec.Decode(&ds); err != nil || len(ds) != 1 {
			t.Fatalf("%v, %v", ds, err)
		}
		got += ds[0].Reason + " "
	}
	if got != "a_long_reason short " {
		t.Errorf("%q", got)
	}
}

// TestWatchEnds: when culvert goes, that is said; and it is not for things that cannot be watched so often.
func TestWatchEnds(t *testing.T) {
	dir, err := os.MkdirTemp("", "cv") //nolint:usetesting // t.TempDir has the test's name in it: too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket := dir + "/s"
	ln, err := mgmt.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- mgmt.Serve(ctx, ln, source{}) }()
	var once sync.Once
	out, stderr := after{text: "TUNNEL", times: 1, then: func() { once.Do(func() { cancel(); <-done }) }}, bytes.Buffer{}
	end, giveUp := context.WithTimeout(t.Context(), 20*time.Second)
	defer giveUp()
	status := execute(end, []string{"show", "tunnels", "--watch=100ms", "--socket", socket}, &out, &stderr)
	want := "culvert: cannot reach culvert at " + socket + ": is `culvert run` active?\n"
	if status != exitFailure || stderr.String() != want || !strings.HasPrefix(out.all.String(), "TUNNEL") {
		t.Errorf("status %d, %q, %q", status, stderr.String(), out.all.String())
	}
	wantFailure(t, culvert("show", "tunnels", "--watch=1ms"), exitUsage, "culvert: --watch=1ms is too short, at least 100ms", "See `culvert show tunnels --help`.")
	wantFailure(t, culvert("show", "tunnels", "--watch=soon"), exitUsage,
		`culvert: invalid argument "soon" for "--watch" flag: time: invalid duration "soon"`, "See `culvert show tunnels --help`.")
}

// TestWatchInTmux: a terminal has one table, drawn anew, until Ctrl-C.
func TestWatchInTmux(t *testing.T) {
	socket := serve(t, &shrinking{})
	m := startTmux(t, "trap : INT; "+program(t)+" show drops --watch=100ms --socket "+socket+"; echo ended with $?; read x")
	screen := m.wait(`(?m)^short +1 +help$`)
	if strings.Contains(screen, "a_long_reason") || strings.Count(m.do("capture-pane", "-p", "-S", "-100"), "REASON ") != 1 {
		t.Error(screen)
	}
	m.keys("C-c")
	m.wait(`ended with 0\n`)
}

func TestScreen(t *testing.T) {
	const end = clearLine + "\n"
	for _, tt := range []struct {
		text          string
		width, height int
		want          string
	}{
		{"a\nb\n", 80, 24, "a" + end + "b" + end},
		{"abcdef\nb\n", 3, 24, "abc" + end + "b" + end},
		{"1\n2\n3\n", 80, 4, "1" + end + "2" + end + "3" + end},
		{"1\n2\n3\n4\n", 80, 4, "1" + end + "2" + end + "... 2 more lines" + end},
		{"1\n2\n", 0, 0, "." + end},
	} {
		if got := screen(tt.text, tt.width, tt.height); got != toTop+tt.want+clearRest {
			t.Errorf("%q at %dx%d: %q", tt.text, tt.width, tt.height, got)
		}
	}
}
