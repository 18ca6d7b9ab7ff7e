//go:build interop

package interop

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"culvert/client"
)

// peerDevice is the device of a culvert in the guest.
const peerDevice = "cvg"

// guestCulvert is one process under test in the guest, whose kernel (6.1) knows less than the host's: no USO, 64
// segments a send, and a network card that cannot checksum, so that UDP_SEGMENT is refused when it is used.
type guestCulvert struct {
	p      *peer
	name   string // of its files, and of the shell's variable with its process id
	prefix string // words before a command that is to run where it runs
}

// startGuest writes the configuration (without its [api] table), starts the binary and waits for its API. When the test
// ends it is stopped, and must leave as it should.
func startGuest(t *testing.T, p *peer, name, prefix, config string) *guestCulvert {
	t.Helper()
	g := &guestCulvert{p, name, prefix}
	config = fmt.Sprintf("[api]\nsocket = \"/tmp/%s.api\"\n\n%s", name, config)
	p.run(t, "echo %s | base64 -d >/tmp/%s.toml", base64.StdEncoding.EncodeToString([]byte(config)), name)
	t.Cleanup(func() { g.stop(t, config) })
	p.run(t, "%[2]s /job/culvert run --config /tmp/%[1]s.toml >/tmp/%[1]s.log 2>&1 & %[1]s=$!; until_ok 40 /job/culvert show tunnels --socket /tmp/%[1]s.api", name, prefix)
	return g
}

// stop sends SIGTERM and asserts a clean end: exit status 0, no device and no socket left.
func (g *guestCulvert) stop(t *testing.T, config string) {
	t.Helper()
	out, code, err := g.p.try(30*time.Second, fmt.Sprintf(
		"kill $%[1]s; wait $%[1]s && ! %[2]s ls /sys/class/net | grep '^cv' && [ ! -e /tmp/%[1]s.api ]", g.name, g.prefix))
	if err != nil || code != 0 {
		t.Errorf("culvert %s in the guest does not end well: %d, %v\n%s", g.name, code, err, out)
	}
	if t.Failed() && g.p.broken == nil {
		out, _, _ := g.p.try(10*time.Second, fmt.Sprintf("cat /tmp/%s.log; dmesg | tail -5", g.name))
		t.Logf("configuration:\n%s\nculvert %s in the guest said:\n%s", config, g.name, out)
	}
}

// guestShow gives what `culvert show WHAT --json` prints there.
func guestShow[T any](t *testing.T, g *guestCulvert, what string) (v T) {
	t.Helper()
	out := g.p.run(t, "/job/culvert show %s --json --socket /tmp/%s.api", what, g.name)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("show %s: %v\n%s", what, err, out)
	}
	return v
}

// session gives the state of its only session.
func (g *guestCulvert) session(t *testing.T) client.Session {
	t.Helper()
	all := guestShow[[]client.Session](t, g, "sessions")
	if len(all) != 1 {
		t.Fatalf("%d sessions in the guest: %+v", len(all), all)
	}
	return all[0]
}

// offloads checks what the guest's kernel gives culvert: its device, and the worker that has the session.
func (g *guestCulvert) offloads(t *testing.T, worker ...string) {
	t.Helper()
	if got, want := g.session(t).Offloads, []string{"csum", "tso4", "tso6", "ecn"}; !slices.Equal(got, want) {
		t.Errorf("device in the guest: offloads %q, want %q", got, want)
	}
	for _, w := range guestShow[[]client.Worker](t, g, "workers") {
		if w.Sessions > 0 && !slices.Equal(w.Offloads, worker) {
			t.Errorf("worker in the guest: offloads %q, want %q", w.Offloads, worker)
		}
	}
}

// noDrops fails the test when anything was dropped, but for a few frames that came before this end had its session, or
// its link was open.
func (g *guestCulvert) noDrops(t *testing.T) {
	t.Helper()
	for _, d := range guestShow[[]client.Drop](t, g, "drops") {
		beginning := d.Reason == "not_open" || d.Reason == "session"
		if d.Count > 4 || d.Count > 0 && !beginning {
			t.Errorf("the guest dropped %d: %s", d.Count, d.Reason)
		}
	}
}

// What transfers move each way with a culvert in the guest, and with two of them.
const (
	guestBytes  = 16 << 20
	itselfBytes = 4 << 20
)

// TestGuest has culvert at both ends, one of them on the guest's kernel: every size of packet, and TCP both ways.
func TestGuest(t *testing.T) {
	for _, tr := range transports {
		for _, pseudowire := range []string{"eth", "ppp"} {
			t.Run(tr.name+"/"+pseudowire, func(t *testing.T) {
				count(t, "culvert in the guest", tr.name)
				testGuest(t, newLink(tr, 8, true, true), pseudowire)
			})
		}
	}
}

// bothTOML are the configurations of two culverts that have the link between them.
func (l *link) bothTOML(pseudowire string) (ours, theirs string) {
	if pseudowire == "ppp" {
		return l.toml("ppp", `ppp_profile = "p0"`) + pppProfile(), l.peerTOML("ppp", `ppp_profile = "p0"`) + pppProfileOf(pppPeer, pppHost)
	}
	return l.toml("eth", ethernetAddresses), l.peerTOML("eth", fmt.Sprintf("addresses = [\"%s\"]", strings.Join(kernelAddresses, `", "`)))
}

func testGuest(t *testing.T, l *link, pseudowire string) {
	lab := useLab(t)
	ours, theirs := innerHost4, innerPeer4
	if pseudowire == "ppp" {
		ours, theirs = pppHost, pppPeer
	}
	config, far := l.bothTOML(pseudowire)
	c := startCulvert(t, lab, config)
	early := c.session(t, l.sid()).TxPackets
	g := startGuest(t, lab.peer, "guest", "", far)
	late := c.session(t, l.sid()).TxPackets
	eventually(t, pppWait, func() string {
		if s := g.session(t); s.State != "up" {
			return "the guest's session is " + s.State
		}
		return ""
	})
	lab.peer.run(t, "until_ok 40 ping -n -q -c 1 -W 1 %s", ours)
	mtu := l.mtu(pseudowire == "ppp")
	everySize(t, lab, theirs, 0, mtu)
	peerPings(t, lab, ours.String(), mtu)
	thereAndBack(t, lab, ours, guestBytes, uint64(l.n))
	if l.name == "udp4" || l.name == "ip4" {
		gsoSenders(t, lab, ours, theirs)
	}
	eventually(t, 5*time.Second, func() string {
		s, far := c.session(t, l.sid()), g.session(t)
		// not_open counts in either direction
		if !between(s.TxPackets, far.RxPackets, early, late+far.Drops["not_open"]) || !between(far.TxPackets, s.RxPackets, 0, s.Drops["not_open"]) {
			return fmt.Sprintf("%+v here (%d to %d were early, drops %v), %+v there (drops %v)", s.Traffic, early, late, s.Drops, far.Traffic, far.Drops)
		}
		return ""
	})
	if l.encap == "udp" {
		g.offloads(t, "udp-gro") // udp-gso was there, until the card could not do the checksums
		lab.peer.run(t, "grep -q 'kernel refuses UDP_SEGMENT' /tmp/guest.log")
	} else {
		g.offloads(t)
	}
	g.noDrops(t)
	c.pppDrops(t)
	c.stop(t)
}

// gsoSenders lets a sender that hands its kernel many datagrams at once (UDP_SEGMENT) send through the pseudowire, first
// ours and then the guest's: our device takes them whole, the guest's gets them cut.
func gsoSenders(t *testing.T, lab *lab, ours, theirs netip.Addr) {
	t.Helper()
	const port = ":5301"
	const generate = "bench generate --gso --segments 16 --size 1200 --rate 1000 --duration 500ms --json --to "
	lab.peer.run(t, "/job/culvert bench sink --listen %s%s >/tmp/sink.log 2>&1 & sink=$!; until_ok 40 sh -c 'netstat -ltn | grep -q %s'", theirs, port, port)
	out, err := lab.host.culvert(lab, generate+theirs.String()+port).CombinedOutput()
	checkSink(t, string(out), err)
	lab.peer.run(t, "kill $sink; wait $sink")

	sink := lab.host.culvert(lab, "bench sink --listen "+ours.String()+port)
	if err := sink.Start(); err != nil {
		t.Fatal(err)
	}
	lab.peer.run(t, "until_ok 40 sh -c 'nc %s 5301 </dev/null'", ours)
	checkSink(t, lab.peer.run(t, "/job/culvert %s%s%s", generate, ours, port), nil)
	_ = sink.Process.Signal(syscall.SIGTERM)
	if err := sink.Wait(); err != nil {
		t.Errorf("sink: %v", err)
	}
}

// culvert is another command of the binary under test, in the namespace.
func (h *hostNS) culvert(lab *lab, args string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", h.name, lab.binary}, strings.Fields(args)...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return cmd
}

// checkSink looks at what a generator says about its packets. A few may be lost on an emulated machine: what passed the
// pseudowire is counted at its ends.
func checkSink(t *testing.T, out string, err error) {
	t.Helper()
	var r struct{ Sent, Lost, Duplicated, Reordered int }
	if err := errors.Join(err, json.Unmarshal([]byte(out), &r)); err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	if r.Sent < 100 || r.Lost > r.Sent/50 || r.Duplicated+r.Reordered > 0 {
		t.Errorf("UDP_SEGMENT sender: %+v", r)
	}
}

// TestGuestItself has both ends in the guest, in two namespaces joined by a veth, which takes what the card refuses:
// UDP_SEGMENT and UDP_GRO as Linux 6.1 has them, 64 segments at most.
func TestGuestItself(t *testing.T) {
	for i, pseudowire := range []string{"eth", "ppp"} {
		tr := transports[i]
		t.Run(tr.name+"/"+pseudowire, func(t *testing.T) {
			count(t, "culvert with itself in the guest", tr.name)
			testGuestItself(t, newLink(tr, 8, true, true), pseudowire)
		})
	}
}

func testGuestItself(t *testing.T, l *link, pseudowire string) {
	p := useLab(t).peer
	l.twoNamespaces(t, p)
	configA, configB := l.bothTOML(pseudowire)
	a := startGuest(t, p, "a", "ip netns exec A", configA)
	b := startGuest(t, p, "b", "ip netns exec B", configB)
	addrA, addrB := innerHost4, innerPeer4
	if pseudowire == "ppp" {
		addrA, addrB = pppHost, pppPeer
	}
	p.run(t, "until_ok 100 ip netns exec A ping -n -q -c 1 -W 1 %s", addrB)
	bothWays(t, p, addrA, addrB, itselfBytes)
	for _, g := range []*guestCulvert{a, b} {
		g.offloads(t, "udp-gso", "udp-gro")
		g.noDrops(t)
		p.run(t, "! grep refuses /tmp/%s.log", g.name)
		// The kernel counts a send of many packets, and what arrives joined, as one.
		text := p.run(t, "%s cat /proc/net/snmp /proc/net/snmp6", g.prefix)
		sent, _ := snmpSum(text, "OutDatagrams")
		got, _ := snmpSum(text, "InDatagrams")
		if s := g.session(t); sent > s.TxPackets/2 || got > s.RxPackets/2 {
			t.Errorf("%d sends for %d packets, %d receives for %d", sent, s.TxPackets, got, s.RxPackets)
		} else {
			t.Logf("%d sends for %d packets, %d receives for %d", sent, s.TxPackets, got, s.RxPackets)
		}
	}
}

// twoNamespaces makes A and B in the guest, joined by a veth with the link's addresses.
func (l *link) twoNamespaces(t *testing.T, p *peer) {
	t.Helper()
	t.Cleanup(func() { p.quiet(t, "ip netns del A; ip netns del B") })
	p.run(t, "ip netns add A && ip netns add B && ip link add va netns A type veth peer name vb netns B")
	for _, e := range []struct {
		ns, device string
		addr       netip.Addr
	}{{"A", "va", l.host}, {"B", "vb", l.peer}} {
		suffix := "/24"
		if e.addr.Is6() {
			suffix = "/64 nodad"
		}
		p.run(t, "ip -n %[1]s addr add %[3]s%[4]s dev %[2]s && ip -n %[1]s link set %[2]s up", e.ns, e.device, e.addr, suffix)
	}
}

// bothWays lets each of the namespaces A and B send size bytes to the other over TCP, and compares them.
func bothWays(t *testing.T, p *peer, addrA, addrB netip.Addr, size int) {
	t.Helper()
	// nc ends with the connection once its input has ended: a receiver's input must not
	p.run(t, "[ -p /tmp/open ] || mkfifo /tmp/open; head -c %d /job/culvert >/tmp/there", size)
	for _, way := range []struct {
		from, to string
		addr     netip.Addr
	}{{"A", "B", addrB}, {"B", "A", addrA}} {
		const prefix = "ip netns exec "
		p.runFor(t, tcpWait, fmt.Sprintf("%s nc -l -p 5001 <>/tmp/open >/tmp/got & r=$!; until_ok 40 sh -c '%s nc %s 5001 </tmp/there' && wait $r && cmp /tmp/there /tmp/got; c=$?; rm -f /tmp/got; [ $c = 0 ]",
			prefix+way.to, prefix+way.from, way.addr))
	}
}
