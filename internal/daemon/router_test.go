package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/vishvananda/netns"

	"culvert/client"
	"culvert/internal/mgmt"
)

// subscribers are the two ends of two PPP sessions: an access server with one IPv4 address for both, prefixes for each, and
// a client that asks for everything.
func subscribers(nsA, nsB string, ports []int) (server, client string) {
	const text = `
[tunnel.t]
local = "127.0.0.1:%[1]d"
peer = "127.0.0.1:%[2]d"
path_mtu = 1500
tid = %[4]d
ptid = %[5]d
[tunnel.t.session.line1]
pseudowire = "ppp"
sid = 1%[4]d
psid = 1%[5]d
interface_name = "line1"
netns = "%[3]s"
ppp_profile = "p"
[tunnel.t.session.line2]
pseudowire = "ppp"
sid = 2%[4]d
psid = 2%[5]d
interface_name = "line2"
netns = "%[3]s"
ppp_profile = "p"
[ppp.p]
lcp_restart = 1
`
	const pools = `local_address = "10.77.0.1"
pool = "one"
ipv6_pool = "links"
pd_pool = "lan"
ipv6_dns = ["2001:db8::53"]
[pool.one]
ranges = ["10.77.1.0/31"]
exclude = ["10.77.1.0"]
[pool.links]
ranges = ["2001:db8:7::/48"]
prefix_length = 64
[pool.lan]
ranges = ["2001:db8:8000::/33"]
prefix_length = 56
`
	return fmt.Sprintf(text, ports[0], ports[1], nsA, 1, 2) + pools, fmt.Sprintf(text, ports[1], ports[0], nsB, 2, 1)
}

// pools asks for the pools by name.
func (i *instance) pools() map[string]mgmt.Pool {
	all, err := client.New(i.socket).Pools(context.Background())
	if err != nil {
		i.t.Fatal(err)
	}
	byName := map[string]mgmt.Pool{}
	for _, p := range all {
		byName[p.Name] = p
	}
	return byName
}

// inNS runs fn on a thread in a namespace.
func inNS(t *testing.T, name string, fn func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = home.Close() }()
	ns, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	if err := netns.Set(ns); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // a thread in the wrong namespace must not go on
		}
	}()
	if err := fn(); err != nil {
		t.Fatal(err)
	}
}

// TestAddressFromSecret: a peer whose secret allows one address has that, and nothing of the pool; prefixes are
// remembered by its name.
func TestAddressFromSecret(t *testing.T) {
	server, client := subscribers(newNS(t), newNS(t), freePorts(t, 2))
	server = strings.Replace(server, "pool = \"one\"", secretsFile(t, "joe lns x 10.88.0.5\n")+"auth = ['chap']\nname = 'lns'\npool = \"one\"", 1)
	a := run(t, server)
	run(t, client+"user = 'joe'\npassword = 'x'\n")
	eventually(t, "the address", func() bool {
		one, two := a.session("line1").PPP, a.session("line2").PPP
		return one.PeerAddress == "10.88.0.5" && two.PeerAddress == "" && two.Prefix != "" ||
			two.PeerAddress == "10.88.0.5" && one.PeerAddress == "" && one.Prefix != ""
	})
	if p := a.pools(); p["one"].Used != 0 || p["links"].Used != 2 {
		t.Errorf("pools: %+v", p)
	}
}

// dhcp sends a message from a device of a namespace and gives the answer.
func dhcp(t *testing.T, ns, device string, m *dhcpv6.Message) *dhcpv6.Message {
	t.Helper()
	var answer *dhcpv6.Message
	inNS(t, ns, func() error {
		c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6zero, Port: 546})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		to := &net.UDPAddr{IP: dhcpv6.AllDHCPRelayAgentsAndServers, Port: 547, Zone: device}
		b := make([]byte, 1500)
		for range 5 {
			if _, err := c.WriteTo(m.ToBytes(), to); err != nil {
				return err
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			n, _, err := c.ReadFrom(b)
			if err != nil {
				continue
			}
			answer, err = dhcpv6.MessageFromBytes(b[:n])
			return err
		}
		return fmt.Errorf("no answer to %s", m.MessageType)
	})
	return answer
}

// TestPoolsAndRouter: pools from both ends' view. The IPv4 address is one session's, the other one is told so; both get
// a prefix, form addresses of it and can be reached there; a delegated prefix is routed until it is released.
func TestPoolsAndRouter(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	server, client := subscribers(nsA, nsB, freePorts(t, 2))
	a, b := run(t, server), run(t, client)
	lines := []string{"line1", "line2"}
	for _, line := range lines {
		eventually(t, line+" up", func() bool { return a.session(line).PPP.Prefix != "" && b.session(line).PPP.IPv6CP == "Opened" })
	}
	var with, without string
	eventually(t, "one of two has the address", func() bool {
		with, without = "", ""
		for _, line := range lines {
			if b.session(line).PPP.LocalAddress == "10.77.1.1" {
				with = line
			} else if strings.Contains(b.session(line).PPP.IPCPReason, "pool one: no address left") {
				without = line
			}
		}
		return with != "" && without != ""
	})
	if r := a.session(without).PPP; r.IPCPReason != "pool one: no address left" || r.PeerAddress != "" {
		t.Errorf("refused session: %+v", r)
	}
	mustPing(t, nsB, "10.77.0.1")
	if p := a.pools(); p["one"].Size != 1 || p["one"].Used != 1 || p["one"].Free != 0 || p["one"].Exhausted == 0 ||
		p["links"].Used != 2 || p["links"].Size != 1<<16 || p["lan"].Used != 0 || p["lan"].PrefixLength != 56 {
		t.Errorf("pools: %+v", p)
	}

	// The host behind the client's device is a kernel: it takes our advertisement.
	for _, line := range lines {
		prefix := netip.MustParsePrefix(a.session(line).PPP.Prefix)
		var own string
		eventually(t, "address of "+prefix.String(), func() bool {
			for f := range strings.FieldsSeq(ip(t, "-n", nsB, "-6", "-o", "addr", "show", "dev", line, "scope", "global")) {
				if x, err := netip.ParsePrefix(f); err == nil && prefix.Contains(x.Addr()) {
					own = x.Addr().String()
					return true
				}
			}
			return false
		})
		mustPing(t, nsA, own)
		if out := ip(t, "-n", nsB, "-6", "route", "show", "default", "dev", line); !strings.Contains(out, "via fe80::") || !strings.Contains(out, "proto ra") {
			t.Errorf("%s: default route %q", line, out)
		}
	}

	// Delegation, up to a host in a network behind the client.
	id := dhcpv6.DUIDOpaque{Type: dhcpv6.DUID_LL, Data: []byte{0, 1, 2, 0, 0, 0, 0, 1}}
	ask := func(kind dhcpv6.MessageType, options ...dhcpv6.Option) *dhcpv6.Message {
		m := &dhcpv6.Message{MessageType: kind, TransactionID: dhcpv6.TransactionID{byte(kind), 2, 3}}
		m.AddOption(dhcpv6.OptClientID(&id))
		m.AddOption(&dhcpv6.OptIAPD{IaId: [4]byte{3: 1}})
		for _, o := range options {
			m.AddOption(o)
		}
		return dhcp(t, nsB, "line1", m)
	}
	adv := ask(dhcpv6.MessageTypeSolicit, dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer))
	if dns := adv.Options.DNS(); adv.MessageType != dhcpv6.MessageTypeAdvertise || len(dns) != 1 || dns[0].String() != "2001:db8::53" {
		t.Fatalf("advertise: %s", adv.Summary())
	}
	us := dhcpv6.OptServerID(adv.Options.ServerID())
	rep := ask(dhcpv6.MessageTypeRequest, us)
	if got := rep.Options.OneIAPD(); got == nil || len(got.Options.Prefixes()) != 1 || got.Options.Prefixes()[0].Prefix.String() != "2001:db8:8000::/56" {
		t.Fatalf("reply: %s", rep.Summary())
	}
	ip(t, "-n", nsB, "addr", "add", "2001:db8:8000:5::1/128", "dev", "lo")
	if s := a.session("line1").PPP.Delegated; s != "2001:db8:8000::/56" {
		t.Errorf("session shows %q", s)
	}
	mustPing(t, nsA, "2001:db8:8000:5::1")
	ask(dhcpv6.MessageTypeRelease, us)
	if routes := ip(t, "-n", nsA, "-6", "route"); strings.Contains(routes, "2001:db8:8000") || a.pools()["lan"].Used != 0 {
		t.Errorf("after Release: %s, %+v", routes, a.pools())
	}

	// The client leaves with a prefix: routes and leases go with it.
	ask(dhcpv6.MessageTypeRequest, us)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything given back", func() bool {
		p := a.pools()
		return p["one"].Used == 0 && p["links"].Used == 0 && p["lan"].Used == 0
	})
	if routes := ip(t, "-n", nsA, "-6", "route"); strings.Contains(routes, "2001:db8") {
		t.Errorf("routes left: %s", routes)
	}
}

// TestPeersChoice: a peer without an address of ours chooses its own, but not one that is ours or another session's.
func TestPeersChoice(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	server, client := subscribers(nsA, nsB, freePorts(t, 2))
	server, _, _ = strings.Cut(server, "local_address")
	server += "local_address = \"10.77.0.1\"\n"
	client += "local_address = \"10.77.9.1\"\npeer_address = \"10.77.0.1\"\n"
	a := run(t, server)
	run(t, client)
	eventually(t, "one of two up", func() bool {
		up := 0
		for _, line := range []string{"line1", "line2"} {
			if s := a.session(line); s.PPP.PeerAddress == "10.77.9.1" {
				up++
			}
		}
		return up == 1
	})
	// while negotiating, or when both were at it at the same time, after
	eventually(t, "the other one refused", func() bool {
		for _, line := range []string{"line1", "line2"} {
			p := a.session(line).PPP
			if p.IPCP != "Opened" &&
				(p.IPCPReason == "no peer IPv4 address" || p.IPCPReason == "the peer of another session has the address 10.77.9.1") && p.IPv6CP == "Opened" {
				return true
			}
		}
		return false
	})
}
