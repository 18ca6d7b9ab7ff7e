package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"culvert/client"
	"culvert/internal/config"
	"culvert/internal/mgmt"
	"culvert/internal/testenv"
)

// helperEnv makes the test binary a culvert that runs the configuration it names, so that a test can have one in
// another network namespace.
const helperEnv = "CULVERT_DAEMON_TEST_CONFIG"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		cfg, err := config.Load(path)
		if err == nil {
			err = Run(ctx, cfg, Options{})
		}
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testenv.OwnNetNS()
	goleak.VerifyTestMain(m)
}

var names atomic.Int32

// newNS makes a network namespace that ends with the test.
func newNS(t *testing.T) string {
	t.Helper()
	testenv.RequireNetns(t)
	name := fmt.Sprintf("cv%d-dm%d", os.Getpid(), names.Add(1))
	ip(t, "netns", "add", name)
	t.Cleanup(func() { ip(t, "netns", "del", name) })
	ip(t, "-n", name, "link", "set", "lo", "up")
	return name
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// links are the names of the links in a namespace, lo left out.
func links(t *testing.T, ns string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(ip(t, "-n", ns, "-o", "link")) {
		if name := strings.TrimSuffix(strings.Fields(line)[1], ":"); name != "lo" {
			all = append(all, name)
		}
	}
	return all
}

func ping(ns string, args ...string) error {
	args = append([]string{"netns", "exec", ns, "ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1"}, args...)
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func mustPing(t *testing.T, ns string, args ...string) {
	t.Helper()
	if err := ping(ns, args...); err != nil {
		t.Fatalf("ping %v: %v", args, err)
	}
}

// eventually waits for cond to hold.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("%s: not within 15 s", what)
}

// instance is a daemon that runs in this process.
type instance struct {
	t      *testing.T
	socket string
	cancel context.CancelFunc
	done   chan error
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run starts a daemon with the configuration and waits until it is set up.
func run(t *testing.T, text string) *instance {
	t.Helper()
	return runConfig(t, parse(t, text))
}

func runConfig(t *testing.T, cfg *config.Config) *instance {
	t.Helper()
	return runWith(t, cfg, Options{})
}

// runWith sets the options it needs itself.
func runWith(t *testing.T, cfg *config.Config, o Options) *instance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	i := &instance{t: t, socket: filepath.Join(t.TempDir(), "s"), cancel: cancel, done: make(chan error, 1)}
	ready := make(chan struct{})
	o.Socket, o.Ready = i.socket, func() { close(ready) }
	go func() { i.done <- Run(ctx, cfg, o) }()
	select {
	case <-ready:
	case err := <-i.done:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.stop(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// stop ends the daemon; again does nothing.
func (i *instance) stop() error {
	i.cancel()
	err, ok := <-i.done
	if ok {
		close(i.done)
	}
	return err
}

// session asks the daemon's API about its only session of that name.
func (i *instance) session(name string) mgmt.Session { return sessionOf(i.t, i.socket, name) }

func sessionOf(t *testing.T, socket, name string) mgmt.Session {
	t.Helper()
	c := client.New(socket)
	all, err := client.Collect(c.Sessions(context.Background(), client.Filter{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no session %s", name)
	return mgmt.Session{}
}

// freePorts finds UDP ports on loopback that nobody uses now.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		ports[i] = c.LocalAddr().(*net.UDPAddr).Port
	}
	return ports
}

// descriptors counts this process's open files.
func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// keyOf finds the configuration error in err.
func keyOf(err error) (key string, line int) {
	var e *config.Error
	if errors.As(err, &e) {
		return e.Key, e.Line
	}
	return "", 0
}

const sigterm = syscall.SIGTERM

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
