//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"culvert/client"
)

// stopWait bounds a clean stop: Terminate-Request goes out at most twice, 3 s apart (RFC 1661 section 4.6), and a
// device is gone 20 ms after.
const stopWait = 10 * time.Second

// culvert is one process under test in the host namespace.
type culvert struct {
	lab    *lab
	cmd    *exec.Cmd
	client *client.Client
	socket string
	output lockedBuffer
	exited chan struct{} // closed once err is set
	err    error
}

// startCulvert writes the configuration (without its [api] table), starts the binary and waits for its API. When the
// test ends the process is stopped, unless that was done before, and must leave as it should.
func startCulvert(t *testing.T, l *lab, config string) *culvert {
	t.Helper()
	dir := t.TempDir()
	c := &culvert{lab: l, socket: filepath.Join(l.dir, "api"), exited: make(chan struct{})}
	file := filepath.Join(dir, "culvert.toml")
	config = fmt.Sprintf("[api]\nsocket = %q\n\n%s", c.socket, config)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c.client = client.New(c.socket)
	c.cmd = exec.Command("ip", "netns", "exec", l.host.name, l.binary, "run", "--config", file)
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	// should the tests be killed, it goes too
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.err = c.cmd.Wait(); close(c.exited) }()
	t.Cleanup(func() {
		c.stop(t)
		if t.Failed() {
			t.Logf("configuration:\n%s\nculvert said:\n%s", config, c.output.String())
		}
	})
	eventually(t, 10*time.Second, func() string {
		select {
		case <-c.exited:
			t.Fatalf("culvert ended at once: %v\n%s", c.err, c.output.String())
		default:
		}
		if _, err := query(c, allSessions); err != nil {
			return err.Error()
		}
		return ""
	})
	return c
}

// stop sends SIGTERM and asserts a clean end: exit status 0, no device and no socket left, no sign of a crash. Calling
// it again does nothing.
func (c *culvert) stop(t *testing.T) {
	t.Helper()
	if c.cmd == nil {
		return
	}
	defer func() { c.cmd = nil }()
	select {
	case <-c.exited:
		t.Errorf("culvert ended by itself: %v", c.err)
		return
	default:
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(stopWait):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // shows what every goroutine waits for
		select {
		case <-c.exited:
		case <-time.After(2 * time.Second):
			_ = c.cmd.Process.Kill()
			<-c.exited
		}
		t.Errorf("culvert did not stop within %v", stopWait)
	}
	if c.err != nil {
		t.Errorf("culvert's end: %v, want exit status 0", c.err)
	}
	if left := c.lab.host.others(t); len(left) != 0 {
		t.Errorf("devices left behind: %q", left)
		for _, name := range left {
			_ = ip("-n", c.lab.host.name, "link", "del", name)
		}
	}
	if _, err := os.Stat(c.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("API socket left behind: %v", err)
		_ = os.Remove(c.socket)
	}
	for _, bad := range []string{"panic:", "fatal error:", "DATA RACE", "goroutine "} {
		if strings.Contains(c.output.String(), bad) {
			t.Errorf("culvert's output holds %q:\n%s", bad, c.output.String())
		}
	}
}

func query[T any](c *culvert, ask func(*client.Client, context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return ask(c.client, ctx)
}

func allSessions(c *client.Client, ctx context.Context) ([]client.Session, error) {
	return client.Collect(c.Sessions(ctx, client.Filter{}))
}

// session gives the state of the session with our id sid.
func (c *culvert) session(t *testing.T, sid uint32) client.Session {
	t.Helper()
	all, err := query(c, allSessions)
	if err != nil {
		t.Fatalf("sessions: %v", err)
	}
	for _, s := range all {
		if s.SID == sid {
			return s
		}
	}
	t.Fatalf("no session %d in %+v", sid, all)
	return client.Session{}
}

// drops gives the drop counters by name, those at zero left out.
func (c *culvert) drops(t *testing.T) map[string]uint64 {
	t.Helper()
	all, err := query(c, (*client.Client).Drops)
	if err != nil {
		t.Fatalf("drops: %v", err)
	}
	moved := map[string]uint64{}
	for _, d := range all {
		if d.Count > 0 {
			moved[d.Reason] = d.Count
		}
	}
	return moved
}

// noDrops fails the test when anything was dropped, the named reasons aside.
func (c *culvert) noDrops(t *testing.T, but ...string) {
	t.Helper()
	moved := c.drops(t)
	for _, reason := range but {
		delete(moved, reason)
	}
	if len(moved) != 0 {
		t.Errorf("drops: %v", moved)
	}
}

// pppDrops is noDrops for PPP, where a first packet of data may overtake the end of the negotiation: the peer opens its
// protocol when it has sent its Configure-Ack, and its neighbour discovery begins at once.
func (c *culvert) pppDrops(t *testing.T, but ...string) {
	t.Helper()
	if n := c.drops(t)["not_open"]; n > 4 {
		t.Errorf("%d frames came before their protocol was open", n)
	}
	c.noDrops(t, append(but, "not_open")...)
}

// show runs `culvert show WHAT --json`, the same over the command line.
func (c *culvert) show(t *testing.T, what ...string) string {
	t.Helper()
	out, err := exec.Command(c.lab.binary, append([]string{"show", "--json", "--socket", c.socket}, what...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("culvert show %s: %v\n%s", what, err, out)
	}
	return string(out)
}
