package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"culvert/bench/load"
	"culvert/internal/testenv"
)

// TestMain makes the test binary its own load program, as throughput is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == toolArg {
		exit(tool(context.Background(), os.Stdout, os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// testLab is a runner with a lab that has the two ways that need no other program.
func testLab(t *testing.T) *runner {
	t.Helper()
	testenv.RequireNetns(t)
	t.Setenv("TMPDIR", t.TempDir())
	o, err := parseOptions([]string{"-quick", "-comparators", "veth,vxlan", "-loads", "pps1400,gso64-gro,rr-idle"})
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{opt: o, began: time.Now()}
	if r.lab, err = newLab(programs{self: exe}, o.mtu); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.lab.close()
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		for _, p := range r.lab.processes {
			if p.Check() == nil {
				t.Errorf("%s still runs", p.Name)
			}
		}
	})
	return r
}

func TestLab(t *testing.T) {
	r := testLab(t)
	for _, c := range r.opt.comparators {
		if tun := r.lab.add(t.Context(), c); tun.err != nil {
			t.Fatal(tun.err)
		}
	}
	for _, w := range r.opt.loads {
		for _, tun := range r.lab.tunnels {
			r.one(t.Context(), 1, w, tun)
		}
	}
	for _, s := range r.samples {
		// a busy machine may lose too much at every rate; anything else is our fault
		if s.Error != "" && !bytes.Contains([]byte(s.Error), []byte(load.ErrLossy.Error())) {
			t.Errorf("%s over %s: %s", s.Load, s.Comparator, s.Error)
		}
	}
	rep := summarize(machine{}, r.opt, r.samples)
	if err := rep.write(t.TempDir()); err != nil {
		t.Error(err)
	}
}

// TestLabInterrupted ends a search in the middle.
func TestLabInterrupted(t *testing.T) {
	r := testLab(t)
	tun := r.lab.add(t.Context(), r.opt.comparators[0])
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r.opt.trial = time.Minute
	start := time.Now()
	r.one(ctx, 1, r.opt.loads[0], tun)
	if took := time.Since(start); took > 5*time.Second || len(r.samples) != 0 {
		t.Errorf("after %v: %+v", took, r.samples)
	}
}

func TestTool(t *testing.T) {
	for _, bad := range [][]string{nil, {"dance"}} {
		if err := tool(t.Context(), &bytes.Buffer{}, bad); !errors.Is(err, errTool) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range [][]string{
		{"ping"},
		{"ping", "-x"},
		{"generate"},
		{"generate", "-x"},
		{"generate", "-to", "::1", "-size", "1"},
		{"generate", "-to", "::1", "-imix", "1"},
		{"generate", "-to", "::1", "-cpu-of", "x"},
	} {
		if err := tool(t.Context(), &bytes.Buffer{}, bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// TestToolsTalk runs sink, generator and ping of this program over the loopback device.
func TestToolsTalk(t *testing.T) {
	r := testLab(t)
	exe := r.lab.exe.toolCommand("ping", "-to", "127.0.0.1", "-duration", "1s", "-count", "5", "-interval", "1ms", "-wait", "500ms")
	var l load.Latency
	for range 20 { // the sink needs a moment to start
		out, err := r.lab.far().ns.Run(t.Context(), exe...)
		if err == nil && json.Unmarshal(out, &l) == nil && l.Received > 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("no answer: %+v", l)
}
