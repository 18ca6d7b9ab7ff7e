package daemon

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"culvert/client"
	"culvert/internal/mgmt"
)

// sharing is an access server with one device for all subscribers.
func sharing(ns string, port int) string {
	return fmt.Sprintf(`
[listen.udp]
local = "127.0.0.1:%[2]d"
path_mtu = 1500
[peer.any]
secret = "long enough"
retry_timeout = 300
[shared.subs]
interface_name = "subs"
netns = %[1]q
addresses = ["10.77.0.1/32", "2001:db8:7:ffff::1/64"]
routes = ["10.77.0.0/16", "10.90.0.0/16", "2001:db8:7::/48"]
[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sub_{n}"
n = "1-9999"
interface = "shared:subs"
ppp_profile = "p"
[profile.session.office]
pseudowire = "ppp"
interface = "shared:subs"
l2spec_type = "default"
seqnum = true
routes = ["10.90.1.0/24"]
ppp_profile = "p"
[profile.session.rival]
pseudowire = "ppp"
interface = "shared:subs"
routes = ["10.90.1.0/24", "10.90.2.0/24"]
ppp_profile = "p"
[ppp.p]
pool = "subs"
ipv6_pool = "links"
lcp_restart = 1
[pool.subs]
ranges = ["10.77.1.0/24"]
[pool.links]
ranges = ["2001:db8:7::/49"]
prefix_length = 64
`, ns, port)
}

// subscribing dials for n lines with devices of their own, of which those up to churn hang up each second.
func subscribing(ns string, port, n, churn int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
[tunnel.up]
local = "127.0.0.2:1701"
peer = "127.0.0.1:%d"
path_mtu = 1500
secret = "long enough"
retry_timeout = 300
[ppp.p]
lcp_restart = 1
[ppp.churn]
lcp_restart = 1
maxconnect = 1
`, port)
	for i := 1; i <= n; i++ {
		profile, id, more := "p", fmt.Sprint("sub_", i), ""
		switch {
		case i <= churn:
			profile = "churn"
		case i == n-1:
			id, more = "office", "l2spec_type = \"default\"\nseqnum = true\n"
		case i == n:
			id = "rival"
		}
		fmt.Fprintf(&b, "[tunnel.up.session.line%d]\npseudowire = \"ppp\"\nremote_end_id = %q\ninterface_name = \"line%d\"\nnetns = %q\nppp_profile = %q\n%s",
			i, id, i, ns, profile, more)
	}
	return b.String()
}

// numbers talk from one namespace to another through all lines: each datagram has the number and the address of the line
// it is sent on, and wherever it arrives, this is compared.
type numbers struct {
	sent, echoed, wrong atomic.Uint64
	stop                atomic.Bool
	lines               sync.Map // line by interface index
	seen                sync.Map // line: true, what came back
	done                sync.WaitGroup
	first               atomic.Value // what was wrong first
}

const numbersPort = 7007

func (n *numbers) fail(format string, args ...any) {
	if n.wrong.Add(1) == 1 {
		n.first.Store(fmt.Sprintf(format, args...))
	}
}

// talk begins to send from nsB to the server at addr in nsA.
func talk(t *testing.T, nsA, nsB, addr string) *numbers {
	t.Helper()
	n := &numbers{}
	var server, client *net.UDPConn
	listen := func(c **net.UDPConn, a string) func() error {
		return func() (err error) {
			*c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(a), Port: numbersPort})
			return err
		}
	}
	inside(t, nsA, listen(&server, addr))
	inside(t, nsB, listen(&client, "0.0.0.0"))
	p := ipv4.NewPacketConn(client)
	if err := p.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true); err != nil {
		t.Fatal(err)
	}
	n.done.Add(3)
	go n.echo(server)
	go n.receive(p)
	go func() {
		defer n.done.Done()
		inside(t, nsB, func() error {
			for ; !n.stop.Load(); time.Sleep(20 * time.Millisecond) {
				n.round(p, &net.UDPAddr{IP: net.ParseIP(addr), Port: numbersPort})
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		n.stop.Store(true)
		_ = server.Close()
		_ = client.Close()
		n.done.Wait()
	})
	return n
}

// echo answers, after a look at whether the sender is who it says.
func (n *numbers) echo(c *net.UDPConn) {
	defer n.done.Done()
	b := make([]byte, 1500)
	for {
		k, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if k != 8 || netip.AddrFrom4([4]byte(b[4:8])) != from.Addr().Unmap() {
			n.fail("the server got % x from %s", b[:k], from)
			continue
		}
		_, _ = c.WriteToUDPAddrPort(b[:k], from)
	}
}

func (n *numbers) receive(p *ipv4.PacketConn) {
	defer n.done.Done()
	b := make([]byte, 1500)
	for {
		k, cm, _, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		line, _ := n.lines.Load(cm.IfIndex)
		if k != 8 || line != binary.BigEndian.Uint32(b) || !cm.Dst.Equal(net.IP(b[4:8])) {
			n.fail("line %v at %s got % x", line, cm.Dst, b[:k])
			continue
		}
		n.echoed.Add(1)
		n.seen.Store(line, true)
	}
}

// round sends one datagram on each line that has an address just now.
func (n *numbers) round(p *ipv4.PacketConn, to *net.UDPAddr) {
	all, err := net.Interfaces()
	if err != nil {
		return
	}
	for _, i := range all {
		var line uint32
		if _, err := fmt.Sscanf(i.Name, "line%d", &line); err != nil {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			ip, _, _ := net.ParseCIDR(a.String())
			if ip = ip.To4(); ip == nil {
				continue
			}
			n.lines.Store(i.Index, line)
			b := append(binary.BigEndian.AppendUint32(nil, line), ip...)
			if _, err := p.WriteTo(b, &ipv4.ControlMessage{IfIndex: i.Index, Src: ip}, to); err == nil {
				n.sent.Add(1)
			}
		}
	}
}

func (n *numbers) heard() (lines int) {
	n.seen.Range(func(any, any) bool { lines++; return true })
	return lines
}

// sharedDevice asks for the only shared device.
func (i *instance) sharedDevice() mgmt.Shared {
	all, err := client.New(i.socket).Shared(context.Background())
	if err != nil || len(all) != 1 {
		i.t.Fatalf("shared devices %v, error %v", all, err)
	}
	return all[0]
}

// TestShared: 200 subscribers on one device of the server, a fifth of whom come and go all the time. Each talks through
// its own session, and nobody ever gets what is another one's.
func TestShared(t *testing.T) {
	const lines, churn = 200, 40
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 1)[0]
	a := run(t, sharing(nsA, port))
	b := run(t, subscribing(nsB, port, lines, churn))
	n := talk(t, nsA, nsB, "10.77.0.1")
	eventually(t, "all lines talk", func() bool { return n.heard() == lines })
	if got := links(t, nsA); len(got) != 1 || got[0] != "subs" {
		t.Errorf("links of the server: %v", got)
	}
	if got := strings.Count(ip(t, "-n", nsA, "route"), "\n"); got > 3 {
		t.Errorf("%d routes of the server", got)
	}
	time.Sleep(2 * time.Second) // of coming and going
	sharedLines(t, a, b, nsA, nsB)
	sharedTransfers(t, b, nsA, nsB)
	if n.wrong.Load() > 0 || n.heard() != lines {
		t.Errorf("%d of %d datagrams were wrong, the first: %v", n.wrong.Load(), n.sent.Load(), n.first.Load())
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing left of them", func() bool {
		sh := a.sharedDevice()
		return sh.Sessions == 0 && sh.Destinations == 0 && a.pools()["subs"].Used == 0
	})
	t.Logf("%d datagrams, %d came back", n.sent.Load(), n.echoed.Load())
}

// sharedLines looks at single lines: both protocols, networks behind a peer, and who lies about its address.
func sharedLines(t *testing.T, a, b *instance, nsA, nsB string) {
	t.Helper()
	office, rival, plain := b.session("line199"), b.session("line200"), b.session("line150")
	for _, s := range []mgmt.Session{office, rival, plain} {
		// Else the answer leaves by any line, and is spoofed there.
		ip(t, "-n", nsB, "rule", "add", "from", s.PPP.LocalAddress, "lookup", s.Interface[4:])
		ip(t, "-n", nsB, "route", "add", "default", "dev", s.Interface, "table", s.Interface[4:])
		mustPing(t, nsA, s.PPP.LocalAddress)
		prefix := netip.MustParsePrefix(serverSession(t, a, s).PPP.Prefix)
		var own string
		eventually(t, "IPv6 address on "+s.Interface, func() bool {
			for f := range strings.FieldsSeq(ip(t, "-n", nsB, "-6", "-o", "addr", "show", "dev", s.Interface, "scope", "global")) {
				if x, err := netip.ParsePrefix(f); err == nil && prefix.Contains(x.Addr()) {
					own = x.Addr().String()
				}
			}
			return own != ""
		})
		ip(t, "-n", nsB, "-6", "rule", "add", "from", own, "lookup", s.Interface[4:])
		ip(t, "-n", nsB, "-6", "route", "add", "default", "dev", s.Interface, "table", s.Interface[4:])
		mustPing(t, nsA, own)
	}
	ip(t, "-n", nsB, "addr", "add", "10.90.1.1/32", "dev", "lo")
	ip(t, "-n", nsB, "addr", "add", "10.90.2.1/32", "dev", "lo")
	for addr, line := range map[string]string{"10.90.1.1": "199", "10.90.2.1": "200"} { // who came first has 10.90.1.0/24
		ip(t, "-n", nsB, "rule", "add", "from", addr, "lookup", line)
	}
	mustPing(t, nsA, "10.90.2.1")
	if sh := a.sharedDevice(); sh.Refused != 1 || sh.Sessions == 0 {
		t.Errorf("device: %+v", sh)
	}
	// Whoever of the two has the network, the other one's packets with its addresses don't pass.
	before := serverSession(t, a, plain).Drops["spoofed"]
	if err := ping(nsB, "-I", "line150", "-I", office.PPP.LocalAddress, "10.77.0.1"); err == nil {
		t.Error("a line can use the address of another one")
	}
	if s := serverSession(t, a, plain); s.Drops["spoofed"] <= before {
		t.Errorf("drops of the liar: %v", s.Drops)
	}
	if err := ping(nsA, "10.77.200.1"); err == nil || a.sharedDevice().Drops["no_route"] == 0 {
		t.Errorf("nobody's address: %v, %+v", err, a.sharedDevice())
	}
}

// serverSession is the server's end of a client's session.
func serverSession(t *testing.T, a *instance, s mgmt.Session) mgmt.Session {
	t.Helper()
	all, err := client.Collect(client.New(a.socket).Sessions(context.Background(), client.Filter{Interface: "subs"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if o.SID == s.PSID && o.PSID == s.SID {
			return o
		}
	}
	t.Fatalf("the server has no session %d", s.PSID)
	return mgmt.Session{}
}

// sharedTransfers moves data over TCP to lines of either kind, with super-packets.
func sharedTransfers(t *testing.T, b *instance, nsA, nsB string) {
	t.Helper()
	for _, line := range []string{"150", "199"} {
		s := b.session("line" + line)
		transfer(t, nsA, nsB, s.PPP.LocalAddress+":7008", 4<<20)
	}
}

// TestSharedConflict: two static sessions whose peers have one address. The second is refused, both by name; IPv6 goes on.
func TestSharedConflict(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	ports := freePorts(t, 2)
	text := func(local, peer, id, pid int, session, more string) string {
		s := fmt.Sprintf("[tunnel.t]\nlocal = \"127.0.0.1:%d\"\npeer = \"127.0.0.1:%d\"\npath_mtu = 1500\ntid = %d\nptid = %d\n", local, peer, id, pid)
		for i := 1; i <= 2; i++ {
			s += fmt.Sprintf("[tunnel.t.session.s%[1]d]\npseudowire = \"ppp\"\nsid = %[1]d%[2]d\npsid = %[1]d%[3]d\nppp_profile = \"p\"\n", i, id, pid) +
				strings.ReplaceAll(session, "{n}", fmt.Sprint(i))
		}
		return s + more
	}
	a := run(t, text(ports[0], ports[1], 1, 2, "interface = \"shared:sh\"\n",
		"[ppp.p]\npeer_address = \"10.77.0.2\"\n[shared.sh]\naddresses = [\"10.77.0.1/32\"]\nnetns = \""+nsA+"\"\n"))
	run(t, text(ports[1], ports[0], 2, 1, "interface_name = \"c{n}\"\nnetns = \""+nsB+"\"\n", "[ppp.p]\n"))
	eventually(t, "one of two", func() bool {
		one, two := a.session("s1"), a.session("s2")
		if one.PPP.PeerAddress == "" {
			one, two = two, one
		}
		want := fmt.Sprintf("another session has this destination: %s has 10.77.0.2/32", one.Name)
		return one.PPP.PeerAddress == "10.77.0.2" && two.PPP.PeerAddress == "" && two.PPP.IPCPReason == want && two.PPP.IPv6CP == "Opened" &&
			a.sharedDevice().Refused == 1
	})
	ip(t, "-n", nsA, "link", "del", "sh")
	eventually(t, "both lost", func() bool {
		return a.session("s1").State == "lost" && a.session("s2").State == "lost" && a.sharedDevice().Lost
	})
	if out, err := exec.Command("ip", "-n", nsA, "link", "show", "sh").CombinedOutput(); err == nil {
		t.Errorf("device is back: %s", out)
	}
}
