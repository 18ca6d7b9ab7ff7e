package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"culvert/client"
	"culvert/internal/mgmt"
)

// answering is a daemon that peers may dial, over UDP and IP 115, with places for PPP and Ethernet sessions.
func answering(ns, secret string, port int) string {
	const text = `
[listen.udp]
local = "127.0.0.1:%[3]d"
path_mtu = 1500

[listen.ip]
encap = "ip"
local = "127.0.0.1"
path_mtu = 1500

[peer.access]
addresses = ["127.0.0.0/8"]
name = "lac"
host_name = "lns"
secret = %[2]s
digest = "sha1"
hide_avps = true
retry_timeout = 200
max_retries = 3

[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sub_{n}"
n = "0-9"
interface_name = "sub{n}"
netns = "%[1]s"
ppp_profile = "p"

[profile.session.lan]
pseudowire = "eth"
remote_end_id = "lan_{n}"
n = "0-9"
interface_name = "lan{n}"
netns = "%[1]s"
l2spec_type = "default"
seqnum = true
cookie_size = 4

[profile.session.office]
pseudowire = "eth"
netns = "%[1]s"
addresses = ["10.79.0.1/24"]

[ppp.p]
local_address = "10.77.0.1"
pool = "subs"
lcp_restart = 1

[pool.subs]
ranges = ["10.77.0.16/28"]
`
	return fmt.Sprintf(text, ns, secret, port)
}

// dialing is a daemon that dials: two PPP sessions and an Ethernet one, numbered from first on.
func dialing(ns, transport, local, peer, secret string, first int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
[tunnel.up]
encap = %q
local = %q
peer = %q
path_mtu = 1500
secret = %q
digest = "sha1"
hide_avps = true
host_name = "lac"
hello_timeout = 1000
retry_timeout = 200
max_retries = 3
[ppp.p]
local_address = "0.0.0.0"
lcp_restart = 1
`, transport, local, peer, secret)
	for i := range 2 {
		fmt.Fprintf(&b, `
[tunnel.up.session.p%[1]d]
pseudowire = "ppp"
remote_end_id = "sub_%[2]d"
interface_name = "line%[2]d"
netns = %[3]q
ppp_profile = "p"
`, i, first+i, ns)
	}
	fmt.Fprintf(&b, `
[tunnel.up.session.e]
pseudowire = "eth"
remote_end_id = "lan_%[1]d"
interface_name = "wire%[1]d"
netns = %[2]q
addresses = ["fd78:%[1]d::2/64"]
`, first, ns)
	return b.String()
}

// states are the sessions of a daemon by name and state.
func states(t *testing.T, socket string) map[string]string {
	t.Helper()
	all, err := client.Collect(client.New(socket).Sessions(context.Background(), client.Filter{}))
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]string)
	for _, s := range all {
		m[s.Interface] = s.State
	}
	return m
}

func tunnelsOf(t *testing.T, socket string) []mgmt.Tunnel {
	t.Helper()
	all, err := client.New(socket).Tunnels(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// allUp waits until a daemon has n sessions, all of them up.
func allUp(t *testing.T, socket string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d sessions up", n), func() bool {
		up := 0
		for _, s := range states(t, socket) {
			if s == "up" {
				up++
			}
		}
		return up == n
	})
}

// TestDynamic has two initiators, over UDP and IP 115, with digests and hidden AVPs, at one responder: traffic through all
// sessions, one initiator killed and back, one that says goodbye, and nothing left.
func TestDynamic(t *testing.T) {
	ns := []string{newNS(t), newNS(t), newNS(t)}
	port := freePorts(t, 2)
	lns := run(t, answering(ns[0], `["old secret", "new secret"]`, port[0]))
	a := run(t, dialing(ns[1], "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "new secret", 0))
	socket := filepath.Join(t.TempDir(), "b")
	textB := fmt.Sprintf("[api]\nsocket = %q\n", socket) + dialing(ns[2], "ip", "127.0.0.3", "127.0.0.1", "old secret", 5)
	b := spawn(t, textB)

	allUp(t, a.socket, 3)
	eventually(t, "second initiator", func() bool { return b.answers(socket) })
	allUp(t, socket, 3)
	allUp(t, lns.socket, 6)
	if got, want := links(t, ns[0]), []string{"lan0", "lan5", "sub0", "sub1", "sub5", "sub6"}; !sameNames(got, want) {
		t.Fatalf("responder has %v, want %v", got, want)
	}
	traffic := func() {
		t.Helper()
		for _, i := range []int{0, 5} {
			ip(t, "-n", ns[0], "addr", "replace", fmt.Sprintf("fd78:%d::1/64", i), "dev", fmt.Sprintf("lan%d", i), "nodad")
			from := ns[1]
			if i == 5 {
				from = ns[2]
			}
			for n := i; n < i+2; n++ {
				mustPing(t, from, "-I", fmt.Sprintf("line%d", n), "10.77.0.1")
			}
			eventually(t, "Ethernet", func() bool { return ping(from, fmt.Sprintf("fd78:%d::1", i)) == nil })
		}
	}
	traffic()
	answersAsDescribed(t, lns.socket)
	answersAsDescribed(t, a.socket)
	for _, m := range tunnelsOf(t, lns.socket) {
		if m.State != "established" || m.Sessions != 3 || m.TID == 0 || m.PTID == 0 || !strings.HasPrefix(m.Name, "access:") {
			t.Errorf("tunnel %+v", m)
		}
	}
	for _, m := range tunnelsOf(t, a.socket) {
		if m.State != "established" || m.Name != "up" || m.Sessions != 3 {
			t.Errorf("tunnel %+v", m)
		}
	}

	// Killed, it says nothing. Back again it takes over its places from its old connection.
	b.kill()
	b = spawn(t, textB)
	eventually(t, "second initiator again", func() bool { return b.answers(socket) })
	allUp(t, socket, 3)
	traffic()

	// Who says goodbye is gone at once, and with it all it had.
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if l := links(t, ns[1]); len(l) != 0 {
		t.Fatalf("left behind: %v", l)
	}
	eventually(t, "responder let go", func() bool { return len(tunnelsOf(t, lns.socket)) == 1 })
	if got, want := links(t, ns[0]), []string{"lan5", "sub5", "sub6"}; !sameNames(got, want) {
		t.Fatalf("responder has %v, want %v", got, want)
	}
	if err := lns.stop(); err != nil {
		t.Fatal(err)
	}
	if l := links(t, ns[0]); len(l) != 0 {
		t.Fatalf("left behind: %v", l)
	}
	eventually(t, "initiator let go", func() bool { return len(links(t, ns[2])) == 0 })
	if ts := tunnelsOf(t, socket); len(ts) != 1 || ts[0].State == "established" {
		t.Fatalf("tunnels %+v", ts)
	}
	lns = run(t, answering(ns[0], `"old secret"`, port[0]))
	allUp(t, lns.socket, 3) // it dials again
	b.stop()
}

func sameNames(a, b []string) bool {
	slices.Sort(a)
	return slices.Equal(a, b)
}

// TestRefused: who has no secret, or no place, gets nothing, and no device is left.
func TestRefused(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	lns := run(t, strings.Replace(answering(nsA, `"the secret"`, port[0]), "[peer.access]", "[peer.access]\nmax_tunnels = 2", 1))
	local, peer := fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0])
	bad := run(t, dialing(nsB, "udp", local, peer, "another secret", 0))
	eventually(t, "an attempt", func() bool { return tunnelsOf(t, bad.socket)[0].State == "idle" }) // it was given up
	if err := bad.stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(tunnelsOf(t, lns.socket)); n != 0 {
		t.Fatalf("%d tunnels", n)
	}
	// Places 9 and 10: the second one does not exist.
	router := func(id int, text string) string {
		return strings.Replace(text, "host_name", fmt.Sprintf("router_id = %d\nhost_name", id), 1)
	}
	good := run(t, router(1, dialing(nsB, "udp", local, peer, "the secret", 9)))
	allUp(t, good.socket, 2)
	allUp(t, lns.socket, 2)
	if got := links(t, nsB); !sameNames(got, []string{"line9", "wire9"}) {
		t.Fatalf("initiator has %v", got)
	}
	// One remote end id, one session: a second initiator does not get it.
	other := run(t, router(2, dialing(newNS(t), "ip", "127.0.0.4", "127.0.0.1", "the secret", 9)))
	eventually(t, "second tunnel", func() bool { return len(tunnelsOf(t, lns.socket)) == 2 })
	eventually(t, "refusal", func() bool { return other.session("e").Reason != "" })
	for _, name := range []string{"p0", "p1", "e"} {
		if s := other.session(name); s.State == "up" || name == "e" && !strings.Contains(s.Reason, "in use") {
			t.Fatalf("session %+v", s)
		}
	}
	third := run(t, router(3, dialing(newNS(t), "ip", "127.0.0.6", "127.0.0.1", "the secret", 3)))
	eventually(t, "too many tunnels", func() bool {
		c := third.tunnel("up").Control
		return c != nil && strings.HasPrefix(c.Reason, "peer: ") && strings.Contains(c.Reason, "resources")
	})
}

// process is a daemon in a process of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer
}

func spawn(t *testing.T, text string) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.toml")
	writeFile(t, path, text)
	p := &process{t: t, cmd: exec.Command(testBinary(t))}
	p.cmd.Env = append(p.cmd.Environ(), helperEnv+"="+path)
	p.cmd.Stderr = &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// answers tells whether the daemon's socket can be asked.
func (p *process) answers(socket string) bool {
	_, err := client.New(socket).Tunnels(context.Background())
	return err == nil
}

// kill ends it without a word; again does nothing.
func (p *process) kill() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// stop ends it as init would.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(sigterm)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%v: %s", err, p.out.String())
	}
}

// nat stands between an initiator and a responder, both on loopback, and can change the port that it speaks from.
type nat struct {
	t            *testing.T
	inner, outer atomic.Pointer[net.UDPConn]
	inside       atomic.Pointer[net.UDPAddr]
	far          *net.UDPAddr
}

func newNAT(t *testing.T, far int) *nat {
	t.Helper()
	n := &nat{t: t, far: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: far}}
	n.inner.Store(n.socket("127.0.0.5"))
	n.rebind()
	go n.relay(n.inner.Load(), func(from *net.UDPAddr, b []byte) {
		n.inside.Store(from)
		_, _ = n.outer.Load().WriteToUDP(b, n.far)
	})
	t.Cleanup(func() {
		_ = n.inner.Load().Close()
		_ = n.outer.Load().Close()
	})
	return n
}

func (n *nat) socket(host string) *net.UDPConn {
	n.t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// relay gives what arrives to fn until the socket is closed.
func (n *nat) relay(c *net.UDPConn, fn func(from *net.UDPAddr, b []byte)) {
	b := make([]byte, 4096)
	for {
		l, from, err := c.ReadFromUDP(b)
		if err != nil {
			return
		}
		fn(from, b[:l])
	}
}

// rebind speaks from another port from now on.
func (n *nat) rebind() {
	c := n.socket("127.0.0.5")
	if old := n.outer.Swap(c); old != nil {
		_ = old.Close()
	}
	go n.relay(c, func(_ *net.UDPAddr, b []byte) {
		if to := n.inside.Load(); to != nil {
			_, _ = n.inner.Load().WriteToUDP(b, to)
		}
	})
}

// TestPeerMoves: a NAT forgets the initiator's port. Once a message has proven where the peer is, data goes there.
func TestPeerMoves(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	lns := run(t, answering(nsA, `"the secret"`, port[0]))
	between := newNAT(t, port[0])
	a := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), between.inner.Load().LocalAddr().String(), "the secret", 0))
	allUp(t, lns.socket, 3)
	mustPing(t, nsB, "-I", "line0", "10.77.0.1")
	before := tunnelsOf(t, lns.socket)[0]

	between.rebind()
	eventually(t, "the peer's new port", func() bool { return tunnelsOf(t, lns.socket)[0].Peer != before.Peer }) // its HELLO
	after := tunnelsOf(t, lns.socket)
	if len(after) != 1 || after[0].TID != before.TID || after[0].Sessions != 3 || after[0].Peer != between.outer.Load().LocalAddr().String() {
		t.Fatalf("tunnels %+v, before %+v", after, before)
	}
	for _, line := range []string{"line0", "line1"} {
		mustPing(t, nsB, "-I", line, "10.77.0.1")
	}
	ip(t, "-n", nsA, "addr", "add", "fd78:0::1/64", "dev", "lan0", "nodad")
	eventually(t, "Ethernet", func() bool { return ping(nsB, "fd78:0::1") == nil })
	if m := a.tunnel("up"); m.Control == nil || m.Control.Role != "initiator" || m.Control.HostName != "lns" || m.Control.Sent == 0 {
		t.Errorf("tunnel %+v, control %+v", m, m.Control)
	}
}

// tunnel asks the daemon's API about one tunnel.
func (i *instance) tunnel(name string) mgmt.Tunnel {
	i.t.Helper()
	m, err := client.New(i.socket).Tunnel(context.Background(), name)
	if err != nil {
		i.t.Fatal(err)
	}
	return m
}
