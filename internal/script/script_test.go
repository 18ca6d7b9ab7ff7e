package script

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		printPrivileges(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// program writes an executable shell script.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// runner makes a Runner that is closed, in peace, when the test ends.
func runner(t *testing.T, o Options) *Runner {
	t.Helper()
	r := New(o)
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRun: arguments as given, an environment with nothing else in it, an empty input, and output into the log.
func TestRun(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	r := New(Options{Log: zap.New(core)})
	out := filepath.Join(t.TempDir(), "out")
	p := program(t, `for a in "$@"; do echo "arg $a"; done >"$OUT"; /usr/bin/env | /usr/bin/sort >>"$OUT"; cat >>"$OUT"; pwd >>"$OUT"; echo said; echo complained >&2`)
	t.Setenv("SECRET_OF_OURS", "x")
	if !r.Run(Job{Key: "t/s", Path: p, Args: []string{"ppp0", "", "a b"}, Env: []string{"OUT=" + out, "IFNAME=ppp0"}}) {
		t.Fatal("refused")
	}
	r.Close(context.Background())
	got := read(t, out)
	for _, want := range []string{"arg ppp0\narg \narg a b\n", "\nIFNAME=ppp0\n", "\n/\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "SECRET") || strings.Contains(got, "\nHOME=") {
		t.Errorf("our environment: %q", got)
	}
	all := logs.FilterMessage("script").All()
	if len(all) != 1 || all[0].ContextMap()["output"] != "said\ncomplained" {
		t.Errorf("log %v", logs.All())
	}
	if s := r.Stats(); s != (Stats{Started: 1}) {
		t.Errorf("%+v", s)
	}
}

// TestOrder: jobs of one key never overlap and never overtake each other, while other keys go on.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	// sleeps less each time, so that what could overtake would
	p := program(t, `echo "begin $2" >>"$1"; sleep "0.0$3"; echo "end $2" >>"$1"`)
	r := New(Options{Parallel: 4})
	for n := range 6 {
		for key := range 4 {
			file := filepath.Join(dir, fmt.Sprint(key))
			if !r.Run(Job{Key: fmt.Sprint(key), Path: p, Args: []string{file, fmt.Sprint(n), fmt.Sprint(9 - n)}, Env: []string{"PATH=/bin:/usr/bin"}}) {
				t.Fatal("refused")
			}
		}
	}
	r.Close(context.Background())
	var want strings.Builder
	for n := range 6 {
		fmt.Fprintf(&want, "begin %d\nend %d\n", n, n)
	}
	for key := range 4 {
		if got := read(t, filepath.Join(dir, fmt.Sprint(key))); got != want.String() {
			t.Errorf("key %d: %q", key, got)
		}
	}
	if len(r.queues) != 0 || r.running != 0 || r.waiting != 0 {
		t.Errorf("%d queues, %d running, %d waiting", len(r.queues), r.running, r.waiting)
	}
}

// TestTimeLimit: a program that takes too long is killed with all it started.
func TestTimeLimit(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	r := New(Options{Timeout: 200 * time.Millisecond, Log: zap.New(core)})
	pid := filepath.Join(t.TempDir(), "pid")
	p := program(t, `sleep 100 & echo $! >"$1"; wait`)
	r.Run(Job{Key: "a", Path: p, Args: []string{pid}, Env: []string{"PATH=/bin:/usr/bin"}})
	begin := time.Now()
	r.Close(context.Background())
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if s := r.Stats(); s != (Stats{Started: 1, Failed: 1, TimedOut: 1}) || logs.FilterMessageSnippet("too long").Len() != 1 {
		t.Errorf("%+v, %v", s, logs.All())
	}
	var child int
	if _, err := fmt.Sscan(read(t, pid), &child); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); running(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("its child %d lives", child)
		}
	}
}

// running tells whether a process is there and not dead already.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ") && syscall.Kill(pid, 0) == nil
}

// TestFailures are counted and logged, and the next job runs.
func TestFailures(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	r := New(Options{Log: zap.New(core)})
	out := filepath.Join(t.TempDir(), "out")
	r.Run(Job{Key: "a", Path: "/nonexistent/ip-up"})
	r.Run(Job{Key: "a", Path: program(t, "echo no luck; exit 3")})
	r.Run(Job{Key: "a", Path: program(t, "kill -9 $$")})
	r.Run(Job{Key: "a", Path: program(t, `echo ran >"$1"`), Args: []string{out}})
	r.Close(context.Background())
	if s := r.Stats(); s != (Stats{Started: 4, Failed: 3}) {
		t.Errorf("%+v", s)
	}
	failed := logs.FilterMessage("script failed").All()
	if n := len(failed); n != 3 || failed[1].ContextMap()["status"] != int64(3) || read(t, out) != "ran\n" {
		t.Errorf("%v", logs.All())
	}
}

// TestQueueIsBounded: what finds no room is refused, counted and logged; what was taken runs.
func TestQueueIsBounded(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	r := New(Options{Parallel: 1, Queue: 3, Log: zap.New(core)})
	gate := filepath.Join(t.TempDir(), "gate")
	wait := Job{Key: "a", Path: program(t, `while [ ! -e "$1" ]; do sleep 0.01; done`), Args: []string{gate}, Env: []string{"PATH=/bin:/usr/bin"}}
	r.Run(wait)
	for end := time.Now().Add(5 * time.Second); r.Stats().Started == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	taken := 0
	for n := range 10 {
		if r.Run(Job{Key: fmt.Sprint(n), Path: "/bin/true"}) {
			taken++
		}
	}
	if taken != 3 || logs.FilterMessageSnippet("refused").Len() != 1 {
		t.Errorf("%d taken, %v", taken, logs.All())
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Close(context.Background())
	if s := r.Stats(); s != (Stats{Started: 4, Refused: 7}) {
		t.Errorf("%+v", s)
	}
	if r.Run(wait) {
		t.Error("taken after Close")
	}
}

// TestCloseInAHurry: the time is up, so what runs is killed and what waits is counted.
func TestCloseInAHurry(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	r := New(Options{Parallel: 1, Log: zap.New(core)})
	for n := range 5 {
		r.Run(Job{Key: fmt.Sprint(n % 2), Path: program(t, "sleep 100"), Env: []string{"PATH=/bin:/usr/bin"}})
	}
	for end := time.Now().Add(5 * time.Second); r.Stats().Started == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.Close(ctx)
	r.Close(ctx) // again does nothing
	if s := r.Stats(); s != (Stats{Started: 1, Failed: 1, Dropped: 4}) || logs.FilterMessageSnippet("dropped").Len() != 1 {
		t.Errorf("%+v, %v", s, logs.All())
	}
}

// TestDaemonizing: a program that leaves a child behind with its output open does not hold up what follows.
func TestDaemonizing(t *testing.T) {
	r := runner(t, Options{})
	pid := filepath.Join(t.TempDir(), "pid")
	r.Run(Job{Key: "a", Path: program(t, `sleep 100 & echo $! >"$1"`), Args: []string{pid}, Env: []string{"PATH=/bin:/usr/bin"}})
	begin := time.Now()
	r.Close(context.Background())
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	var child int
	if _, err := fmt.Sscan(read(t, pid), &child); err != nil || !running(child) {
		t.Fatalf("child %d is gone, %v", child, err)
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
	if s := r.Stats(); s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestOutputIsCut: a program that never stops talking costs 4 KiB.
func TestOutputIsCut(t *testing.T) {
	res := run(context.Background(), Job{Path: program(t, "head -c 1000000 /dev/zero | tr '\\0' x"), Env: []string{"PATH=/bin:/usr/bin"}}, time.Minute)
	if res.err != nil || len(res.output) != maxOutput+len(" ...") {
		t.Errorf("%d bytes, %v", len(res.output), res.err)
	}
}
