package proof

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"culvert/client"
	"culvert/internal/netlab"
	"culvert/internal/testenv"
)

// patience bounds waiting for what has to happen: a loaded machine is slow, a broken culvert does not get there.
const patience = 90 * time.Second

var (
	binaryOnce sync.Once
	binaryPath string
	errBinary  error
	binaryDir  string
)

func TestMain(m *testing.M) {
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // of culverts with the race detector; they take a second to end otherwise
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// culvert is the binary under test.
func culvert(t *testing.T) string {
	t.Helper()
	testenv.RequireNetns(t)
	binaryOnce.Do(func() { binaryPath, errBinary = findBinary() })
	if errBinary != nil {
		t.Fatal(errBinary)
	}
	return binaryPath
}

func findBinary() (string, error) {
	if b := os.Getenv("CULVERT_BIN"); b != "" && !testenv.RaceEnabled {
		return filepath.Abs(b)
	}
	var err error
	if binaryDir, err = os.MkdirTemp("", "culvert-proof-"); err != nil {
		return "", err
	}
	out := filepath.Join(binaryDir, "culvert")
	args := []string{"build", "-buildvcs=false", "-o", out, "culvert/cmd/culvert"}
	if testenv.RaceEnabled {
		args = slices.Insert(args, 1, "-race")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if msg, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, msg)
	}
	return out, nil
}

// node is a culvert, its configuration and its namespace.
type node struct {
	t       *testing.T
	name    string
	ns      *netlab.Namespace
	file    string
	client  *client.Client
	process *netlab.Process // nil when none runs
}

// newNode makes the namespace. IPv6 addresses of its devices count at once: nobody else is there to have them, too.
func newNode(t *testing.T, name string) *node {
	t.Helper()
	testenv.RequireNetns(t)
	ns, err := netlab.New()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, name: name, ns: ns, file: filepath.Join(t.TempDir(), "c.toml")}
	t.Cleanup(func() {
		if n.process != nil {
			if t.Failed() {
				t.Logf("%s said:\n%s", name, n.process.Log())
			}
			n.process.Kill()
		}
		ns.Close()
	})
	n.sysctl("ipv6/conf/default/accept_dad", "0")
	for _, dev := range []string{"all", "default"} {
		n.sysctl("ipv4/conf/"+dev+"/rp_filter", "0")
	}
	return n
}

func (n *node) sysctl(name, value string) {
	n.t.Helper()
	err := n.ns.Do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		n.t.Fatal(err)
	}
}

// join lays a wire between two nodes.
func join(a, b *node, name string, forA, forB []string) {
	a.t.Helper()
	if err := a.ns.Join(b.ns, name, 1500); err != nil {
		a.t.Fatal(err)
	}
	for _, end := range []struct {
		n         *node
		addresses []string
	}{{a, forA}, {b, forB}} {
		for _, s := range end.addresses {
			if err := end.n.ns.Address(name, netip.MustParsePrefix(s)); err != nil {
				a.t.Fatal(err)
			}
		}
		if err := end.n.ns.Up(name); err != nil {
			a.t.Fatal(err)
		}
	}
}

// socket is where its API listens.
func (n *node) socket() string { return filepath.Join(filepath.Dir(n.file), "s") }

// configure writes the configuration; its API is added.
func (n *node) configure(text string) {
	n.t.Helper()
	n.client = client.New(n.socket())
	text = fmt.Sprintf("log_level = \"warn\"\n[api]\nsocket = %q\n%s", n.socket(), text)
	if err := os.WriteFile(n.file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// start runs culvert and waits until it can be asked.
func (n *node) start() {
	n.t.Helper()
	var err error
	if n.process, err = n.ns.Start(n.name, nil, culvert(n.t), "run", "--config", n.file); err != nil {
		n.t.Fatal(err)
	}
	n.eventually("to answer", func() string {
		if _, err := n.client.Tunnels(n.t.Context()); err != nil {
			return err.Error()
		}
		return ""
	})
}

// eventually waits until fn has nothing to complain of.
func (n *node) eventually(what string, fn func() string) {
	n.t.Helper()
	why := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if why = fn(); why == "" {
			return
		}
		if n.process != nil {
			if err := n.process.Check(); err != nil {
				n.t.Fatal(err)
			}
		}
	}
	n.t.Fatalf("waited %v for %s %s: %s", patience, n.name, what, why)
}

// stop ends it as init would; it must leave nothing in the namespace but its wires.
func (n *node) stop() {
	n.t.Helper()
	p := n.process
	n.process = nil
	if err := p.Stop(); err != nil {
		n.t.Error(err)
	}
	if left := n.devices(); len(left) != 0 {
		n.t.Errorf("%s left %d devices behind: %v", n.name, len(left), left[:min(len(left), 5)])
	}
	for _, bad := range []string{"panic:", "fatal error:", "DATA RACE"} {
		if strings.Contains(p.Log(), bad) {
			n.t.Errorf("%s said:\n%s", n.name, p.Log())
		}
	}
}

// kill ends it without a word.
func (n *node) kill() {
	n.process.Kill()
	n.process = nil
}

// devices are the names of the links in the namespace, lo and wires left out.
func (n *node) devices() (names []string) {
	n.t.Helper()
	var links []netlink.Link
	err := errors.New("never asked")
	for range 5 { // a dump that links changed under is not complete (netlink(7), NLM_F_DUMP_INTR)
		if err = n.ns.Do(func() (err error) { links, err = netlink.LinkList(); return err }); err == nil {
			break
		}
	}
	if err != nil {
		n.t.Fatal(err)
	}
	for _, l := range links {
		if name := l.Attrs().Name; name != "lo" && l.Type() != "veth" {
			names = append(names, name)
		}
	}
	return names
}

// ask queries a culvert that must answer.
func ask[T any](n *node, get func(*client.Client, context.Context) (T, error)) T {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	v, err := get(n.client, ctx)
	if err != nil {
		n.t.Fatalf("%s: %v", n.name, err)
	}
	return v
}

func (n *node) sessions() []client.Session {
	return ask(n, func(c *client.Client, ctx context.Context) ([]client.Session, error) {
		return client.Collect(c.Sessions(ctx, client.Filter{}))
	})
}

// tunnels gives the control connections by name.
func (n *node) tunnels() map[string]client.Tunnel {
	m := make(map[string]client.Tunnel)
	for _, t := range ask(n, (*client.Client).Tunnels) {
		m[t.Name] = ask(n, func(c *client.Client, ctx context.Context) (client.Tunnel, error) { return c.Tunnel(ctx, t.Name) })
	}
	return m
}

// allUp waits until exactly so many sessions exist and all of them carry traffic.
func (n *node) allUp(want int) {
	n.t.Helper()
	n.eventually("to have its sessions up", func() string {
		states := make(map[string]int)
		for _, s := range n.sessions() {
			states[s.State]++
		}
		if states["up"] == want && len(states) == 1 {
			return ""
		}
		return fmt.Sprintf("%v of %d", states, want)
	})
}
