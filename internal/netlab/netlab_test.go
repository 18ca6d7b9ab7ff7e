package netlab

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"culvert/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTest(t *testing.T) *Namespace {
	t.Helper()
	testenv.RequireNetns(t)
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func TestJoin(t *testing.T) {
	a, b := newTest(t), newTest(t)
	if err := a.Join(b, "cvlab", 1400); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Namespace{a, b} {
		if err := errors.Join(n.Await(t.Context(), "cvlab", time.Second), n.SetMTU("cvlab", 1300), n.Up("cvlab"),
			n.Address("cvlab", netip.MustParsePrefix("2001:db8::1/64"))); err != nil {
			t.Error(err)
		}
	}
	out, err := a.Run(t.Context(), "ip", "addr", "show", "dev", "cvlab")
	if err != nil || !strings.Contains(string(out), "mtu 1300") || !strings.Contains(string(out), "2001:db8::1/64") {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := os.Stat("/sys/class/net/cvlab"); err == nil {
		t.Error("the device is in our own namespace")
	}
	if err := a.Await(t.Context(), "nosuch", 30*time.Millisecond); !errors.Is(err, ErrNoDevice) {
		t.Error(err)
	}
	if _, ok := a.Index("nosuch"); ok {
		t.Error("an index of what is not there")
	}
	if err := a.Up("nosuch"); err == nil {
		t.Error("brought up what is not there")
	}
}

func TestProcess(t *testing.T) {
	n := newTest(t)
	p, err := n.Start("sleeper", nil, "sleep", "60")
	if err != nil || p.Check() != nil || p.PID() <= 1 {
		t.Fatal(err, p.Check())
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "stopped badly (signal: terminated)") {
		t.Error(err)
	}
	if err := p.Check(); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "terminated") {
		t.Error(err)
	}
	_ = p.Stop() // once more does no harm
	p, err = n.Start("echo", []byte("read this"), "cat")
	if err != nil {
		t.Fatal(err)
	}
	<-p.exited
	if err := p.Check(); !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "read this") {
		t.Error(err)
	}
	if _, err := n.Start("nobody", nil, "/nonexistent"); err == nil {
		t.Error("started nothing")
	}
}

func TestStopIsGraceful(t *testing.T) {
	n := newTest(t)
	p, err := n.Start("graceful", nil, "sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	if err != nil {
		t.Fatal(err)
	}
	for p.Log() != "ready" && p.Check() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := p.Stop(); err != nil || p.Log() != "ready\nbye" {
		t.Errorf("%q, %v", p.Log(), err)
	}
}

func TestRun(t *testing.T) {
	n := newTest(t)
	out, err := n.Run(t.Context(), "sh", "-c", "echo out; echo err >&2; exit 3")
	if err == nil || string(out) != "out\n" || !strings.Contains(err.Error(), "err") {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := n.Run(ctx, "sleep", "60"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Error(err)
	}
}

// TestCloseEndsProcesses: what was started in a namespace does not outlive it.
func TestCloseEndsProcesses(t *testing.T) {
	testenv.RequireNetns(t)
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start("sleeper", nil, "sleep", "60")
	n.Close()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		t.Error("still there")
		p.Kill()
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var l tail
	for range tailLen {
		_, _ = l.Write([]byte("0123456789"))
	}
	_, _ = l.Write([]byte("the end\n"))
	if s := l.String(); len(s) != tailLen-1 || !strings.HasSuffix(s, "89the end") {
		t.Errorf("%d bytes ending in %q", len(s), s[len(s)-10:])
	}
}
