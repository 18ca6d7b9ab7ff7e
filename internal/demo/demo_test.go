package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"culvert/internal/netlab"
	"culvert/internal/testenv"
)

// builtCulvert returns the culvert to run, which `make unit` builds and names.
func builtCulvert(t *testing.T) string {
	t.Helper()
	testenv.RequireNetns(t)
	exe := os.Getenv("CULVERT_BIN")
	if exe == "" {
		const reason = "CULVERT_BIN does not name a culvert binary: run make unit"
		if os.Getenv("CULVERT_REQUIRE_NETNS") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	t.Setenv("TMPDIR", t.TempDir()) // so that other demos on the machine do not matter
	return exe
}

func TestRun(t *testing.T) {
	exe := builtCulvert(t)
	var out bytes.Buffer
	err := Run(t.Context(), &out, Options{Exe: exe, Duration: 300 * time.Millisecond, Pings: 5, JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, out.Bytes())
	}
	if len(r.Pseudowires) != 3 { // PPP, Ethernet, and PPP through a dynamic tunnel
		t.Fatalf("%d pseudowires, want 3", len(r.Pseudowires))
	}
	for _, p := range r.Pseudowires {
		if p.Ping4.Received != 5 || p.Ping6.Received != 5 || p.Up.Bytes == 0 || p.Down.Bytes == 0 || p.Packets == 0 || p.Cookie != 64 {
			t.Errorf("%s: %+v", p.Name, p)
		}
	}
	if dirs := leftovers(t); len(dirs) > 0 {
		t.Errorf("left behind: %q", dirs)
	}
}

// TestRunCancelled interrupts a demo at several points: it has to end soon and clean up.
func TestRunCancelled(t *testing.T) {
	exe := builtCulvert(t)
	for _, after := range []time.Duration{0, 30 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		start := time.Now()
		err := Run(ctx, &bytes.Buffer{}, Options{Exe: exe, Duration: time.Minute})
		cancel()
		if err == nil || ctx.Err() == nil {
			t.Errorf("after %v: err = %v", after, err)
		}
		if took := time.Since(start) - after; took > 10*time.Second {
			t.Errorf("after %v: ended %v later", after, took)
		}
		if dirs := leftovers(t); len(dirs) > 0 {
			t.Errorf("after %v: left behind: %q", after, dirs)
		}
	}
}

// TestRunReportsADeadCulvert: a program that is no culvert ends at once, and that is what the error says.
func TestRunReportsADeadCulvert(t *testing.T) {
	builtCulvert(t)
	err := Run(t.Context(), &bytes.Buffer{}, Options{Exe: "/bin/false"})
	if !errors.Is(err, netlab.ErrEnded) {
		t.Errorf("err = %v", err)
	}
	if dirs := leftovers(t); len(dirs) > 0 {
		t.Errorf("left behind: %q", dirs)
	}
}
