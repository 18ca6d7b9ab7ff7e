package daemon

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// twoEnds are the configurations of two daemons in this process, each with its devices in a namespace of its own:
// one PPP and one Ethernet pseudowire over UDP on loopback.
func twoEnds(nsA, nsB string, ports []int) (a, b string) {
	const text = `
[tunnel.t]
encap = "udp"
version = "l2tpv3"
local = "127.0.0.1:%[1]d"
peer = "127.0.0.1:%[2]d"
path_mtu = 1500
tid = %[4]d
ptid = %[5]d

[tunnel.t.session.line]
pseudowire = "ppp"
sid = %[4]d
psid = %[5]d
cookie = [1, 2, 3, 4, 5, 6, 7, %[4]d]
peer_cookie = [1, 2, 3, 4, 5, 6, 7, %[5]d]
interface_name = "line"
netns = "%[3]s"
ppp_profile = "p"
routes = ["10.99.%[5]d.0/24", "fd99:%[5]d::/64"]

[tunnel.t.session.wire]
pseudowire = "eth"
sid = 1%[4]d
psid = 1%[5]d
interface_name = "wire"
netns = "%[3]s"
addresses = ["10.78.0.%[4]d/24", "fd78::%[4]d/64"]

[ppp.p]
local_address = "10.77.0.%[4]d"
peer_address = "10.77.0.%[5]d"
local_interface_id = "::%[4]d"
lcp_restart = 1
lcp_echo_interval = 1
lcp_echo_failure = 2
`
	return fmt.Sprintf(text, ports[0], ports[1], nsA, 1, 2), fmt.Sprintf(text, ports[1], ports[0], nsB, 2, 1)
}

func TestTwoDaemons(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	ports := freePorts(t, 2)
	textA, textB := twoEnds(nsA, nsB, ports)
	a := run(t, textA)

	// Alone: devices are up but without carrier until the pseudowire is usable; Ethernet is at once.
	if s := a.session("line"); s.State != "establish" || s.MTU != 1452 {
		t.Fatalf("line alone: %+v", s)
	}
	if out := ip(t, "-n", nsA, "link", "show", "line"); !strings.Contains(out, "NO-CARRIER") || !strings.Contains(out, ",UP") {
		t.Fatalf("line alone: %s", out)
	}
	if s := a.session("wire"); s.State != "up" || s.MTU != 1450 {
		t.Fatalf("wire alone: %+v", s)
	}

	b := run(t, textB)
	for _, i := range []*instance{a, b} {
		eventually(t, "PPP up", func() bool {
			p := i.session("line").PPP
			return p.LCP == "Opened" && p.IPCP == "Opened" && p.IPv6CP == "Opened"
		})
	}
	for _, to := range []string{"10.77.0.2", "fe80::2%line", "10.78.0.2", "fd78::2"} {
		eventually(t, "ping "+to, func() bool { return ping(nsA, to) == nil })
	}
	for _, to := range []string{"10.77.0.1", "fe80::1%line", "10.78.0.1", "fd78::1"} {
		mustPing(t, nsB, to)
	}
	// The largest packets pass, and one byte more is refused where it is sent.
	mustPing(t, nsA, "-M", "do", "-s", "1424", "10.77.0.2")
	mustPing(t, nsA, "-M", "do", "-s", "1422", "10.78.0.2")
	if ping(nsA, "-M", "do", "-s", "1425", "10.77.0.2") == nil {
		t.Fatal("a packet above the MTU passed")
	}
	routes := ip(t, "-n", nsA, "route") + ip(t, "-n", nsA, "-6", "route")
	for _, r := range []string{"10.99.2.0/24 dev line", "fd99:2::/64 dev line", "10.77.0.2 dev line"} {
		if !strings.Contains(routes, r) {
			t.Errorf("no route %q in\n%s", r, routes)
		}
	}
	if s := a.session("line"); s.RxPackets == 0 || s.TxPackets == 0 || s.PPP.PeerAddress != "10.77.0.2" {
		t.Errorf("line: %+v", s)
	}

	// One end says goodbye: the other takes addresses, routes and carrier away, and comes back with it.
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PPP down", func() bool { return a.session("line").State != "up" })
	if out := ip(t, "-n", nsA, "addr", "show", "line"); strings.Contains(out, "inet") || !strings.Contains(out, "NO-CARRIER") {
		t.Fatalf("after the peer's end: %s", out)
	}
	if out := ip(t, "-n", nsA, "route"); strings.Contains(out, "10.99.2.0/24") {
		t.Fatalf("after the peer's end: %s", out)
	}
	if l := links(t, nsB); len(l) != 0 {
		t.Fatalf("left behind: %v", l)
	}
	b = run(t, textB)
	eventually(t, "PPP up again", func() bool { return a.session("line").State == "up" && b.session("line").State == "up" })
	eventually(t, "ping again", func() bool { return ping(nsB, "10.77.0.1") == nil })
}

// TestSilentPeer lets the other end vanish without a word: LCP echo must notice.
func TestSilentPeer(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	textA, textB := twoEnds(nsA, nsB, freePorts(t, 2))
	a, b := run(t, textA), run(t, textB)
	eventually(t, "PPP up", func() bool { return a.session("line").State == "up" && b.session("line").State == "up" })
	ip(t, "-n", nsB, "link", "del", "line") // b's daemon goes on, but its session is lost
	eventually(t, "lost", func() bool { return b.session("line").State == "lost" })
	mustPing(t, nsA, "fd78::2") // the other session is not touched
}

// TestStartErrors makes each thing fail that only shows when a configuration is put to work: one error that names the
// key, and nothing left behind.
func TestStartErrors(t *testing.T) {
	ns := newNS(t)
	ip(t, "-n", ns, "tuntap", "add", "foreign", "mode", "tun")
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	scraped, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = scraped.Close() }()
	ports := freePorts(t, 2)
	good, _ := twoEnds(ns, ns, ports)
	change := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the configuration", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	local := fmt.Sprintf("127.0.0.1:%d", ports[0])
	tests := []struct{ name, text, key, msg string }{
		{"name in use", change(`"wire"`, `"foreign"`), "tunnel.t.session.wire.interface_name", "taken"},
		{"port in use", change(local, busy.LocalAddr().String()), "tunnel.t.local", "in use"},
		{"metrics' port in use", strings.Replace(good, "[tunnel.", fmt.Sprintf("[api]\nmetrics = %q\n[tunnel.", scraped.Addr()), 1), "api.metrics", "in use"},
		{"not our address", change(local, "192.0.2.77:1701"), "tunnel.t.local", "not on this host"},
		{"no such namespace", strings.ReplaceAll(good, ns, "cv-none"), "tunnel.t.session.line.interface_name", "namespace"},
		{"no such bridge", change(`addresses = ["10.78.0.1/24", "fd78::1/64"]`, `bridge = "br9"`), "tunnel.t.session.wire.interface_name", "br9"},
		{"unreachable gateway", change(`addresses = [`, "routes = [\"10.5.0.0/16 via 10.250.0.1\"]\naddresses = ["), "tunnel.t.session.wire.routes", "10.5.0.0/16"},
	}
	before := descriptors(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			err := Run(t.Context(), parse(t, tt.text), Options{Socket: socket})
			if err == nil {
				t.Fatal("no error")
			}
			key, line := keyOf(err)
			if key != tt.key || line == 0 || !strings.Contains(err.Error(), tt.msg) || !strings.HasPrefix(err.Error(), "test.toml:") {
				t.Fatalf("error %q: key %q line %d, want key %q and %q in it", err, key, line, tt.key, tt.msg)
			}
			if l := links(t, ns); len(l) != 1 || l[0] != "foreign" {
				t.Fatalf("left behind: %v", l)
			}
			if _, err := net.Dial("unix", socket); err == nil {
				t.Fatal("the management socket still answers")
			}
		})
	}
	if n := descriptors(t); n > before {
		t.Fatalf("%d descriptors, %d before", n, before)
	}
}

// TestStartStopLeavesNothing repeats the whole life and counts.
func TestStartStopLeavesNothing(t *testing.T) {
	ns := newNS(t)
	ports := freePorts(t, 2)
	text, _ := twoEnds(ns, ns, ports)
	before := 0
	for i := range 4 {
		in := run(t, text)
		if err := in.stop(); err != nil {
			t.Fatal(err)
		}
		if l := links(t, ns); len(l) != 0 {
			t.Fatalf("left behind: %v", l)
		}
		if n := descriptors(t); i == 0 {
			before = n
		} else if n > before {
			t.Fatalf("%d descriptors after the first life, %d after another", before, n)
		}
	}
}

// TestPathMTUIsLearned puts a router with a narrow far side between two culverts: the first long packet makes it send
// an ICMP error, after which inner senders are told, and the device's MTU follows.
func TestPathMTUIsLearned(t *testing.T) {
	a, r, b := newNS(t), newNS(t), newNS(t)
	ip(t, "link", "add", "cvl0", "netns", a, "type", "veth", "peer", "name", "cvl0", "netns", r)
	ip(t, "link", "add", "cvr0", "netns", b, "type", "veth", "peer", "name", "cvr0", "netns", r)
	for _, x := range [][3]string{{a, "cvl0", "192.0.2.1/24"}, {r, "cvl0", "192.0.2.254/24"}, {r, "cvr0", "198.51.100.254/24"}, {b, "cvr0", "198.51.100.1/24"}} {
		ip(t, "-n", x[0], "addr", "add", x[2], "dev", x[1])
		ip(t, "-n", x[0], "link", "set", x[1], "up")
	}
	ip(t, "-n", r, "link", "set", "cvr0", "mtu", "1400")
	ip(t, "-n", b, "link", "set", "cvr0", "mtu", "1400")
	ip(t, "-n", a, "route", "add", "default", "via", "192.0.2.254")
	ip(t, "-n", b, "route", "add", "default", "via", "198.51.100.254")
	ip(t, "netns", "exec", r, "sysctl", "-qw", "net.ipv4.ip_forward=1")

	const text = `
[api]
socket = "%[1]s"
[tunnel.t]
encap = "udp"
version = "l2tpv3"
local = "%[2]s:1701"
peer = "%[3]s:1701"
tid = 1
ptid = 1
[tunnel.t.session.wire]
pseudowire = "eth"
sid = 1
psid = 1
interface_name = "wire"
addresses = ["10.78.0.%[4]d/24", "fd78::%[4]d/64"]
`
	sockA := filepath.Join(t.TempDir(), "a")
	startIn(t, a, fmt.Sprintf(text, sockA, "192.0.2.1", "198.51.100.1", 1))
	startIn(t, b, fmt.Sprintf(text, filepath.Join(t.TempDir(), "b"), "198.51.100.1", "192.0.2.1", 2))
	eventually(t, "ping", func() bool { return ping(a, "10.78.0.2") == nil })
	if s := sessionOf(t, sockA, "wire"); s.MTU != 1450 {
		t.Fatalf("MTU %d before anything was learned, want 1450", s.MTU)
	}
	// The path lets 1400 through: 1350 inside. ping learns it from the answers.
	eventually(t, "device MTU follows", func() bool {
		_ = ping(a, "-M", "do", "-s", "1422", "10.78.0.2")
		return sessionOf(t, sockA, "wire").MTU == 1350
	})
	mustPing(t, a, "-M", "do", "-s", "1322", "10.78.0.2")
	mustPing(t, a, "-M", "do", "-s", "1302", "fd78::2")
	mustPing(t, a, "-s", "3000", "10.78.0.2") // fragments of the new size
}

// startIn runs the test binary as a culvert inside a namespace until the test ends.
func startIn(t *testing.T, ns, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.toml")
	writeFile(t, path, text)
	cmd := exec.Command("ip", "netns", "exec", ns, "/proc/self/exe")
	cmd.Args[4] = testBinary(t)
	cmd.Env = append(cmd.Environ(), helperEnv+"="+path)
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(sigterm)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("culvert in %s: %v: %s", ns, err, out.String())
			}
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
			t.Errorf("culvert in %s did not stop: %s", ns, out.String())
		}
	})
}
