//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// addressPools go behind the profile of an access server.
const addressPools = `
[pool.customers]
ranges = ["10.78.0.0/30"]
exclude = ["10.78.0.0-10.78.0.2"]
[pool.links]
ranges = ["2001:db8:7::/48"]
prefix_length = 64
[pool.lan]
ranges = ["2001:db8:8000::/33"]
prefix_length = 56
`

// accessProfile gives a peer everything.
const accessProfile = `
[ppp.p0]
local_address = "10.77.0.1"
pool = "customers"
dns = ["192.0.2.53"]
ipv6_pool = "links"
pd_pool = "lan"
ipv6_dns = ["2001:db8::53"]
ipv6_preferred_lifetime = 10
ipv6_valid_lifetime = 7200
lcp_restart = 1
`

// asSubscriber is pppd's options to take what the access server says. It asks for 10.77.0.2 all the same.
const asSubscriber = "ipcp-accept-local ipcp-accept-remote usepeerdns"

// TestAddresses: what an access server gives to pppd, the kernel and a DHCPv6 client behind it, and what pppd gives us.
func TestAddresses(t *testing.T) {
	for _, tr := range transports {
		for _, k := range []struct {
			name string
			run  func(t *testing.T, lab *lab, tr transport)
		}{{"from-pools", fromPools}, {"pool-exhausted", poolExhausted}, {"from-pppd", fromPPPD}} {
			if k.name != "from-pools" && tr.name != "udp4" {
				continue // what differs is in PPP alone
			}
			t.Run(tr.name+"/"+k.name, func(t *testing.T) {
				count(t, "addresses and IPv6", tr.name)
				k.run(t, useLab(t), tr)
			})
		}
	}
}

// fromPools: an IPv4 address other than the one asked for, DNS, a prefix by advertisement, a delegated one by DHCPv6,
// until it is released; all of it used, and taken back with the link.
func fromPools(t *testing.T, lab *lab, tr transport) {
	l, p := newLink(tr, 8, false, false), lab.peer
	p.run(t, "echo 1 >/proc/sys/net/ipv6/conf/default/accept_ra")
	c := startCulvert(t, lab, l.toml("ppp", `ppp_profile = "p0"`)+accessProfile+addressPools)
	l.startPPPD(t, p, asSubscriber)
	for _, want := range []string{"local  IP address 10.78.0.3", "remote IP address 10.77.0.1", "primary   DNS address 192.0.2.53"} {
		p.run(t, "until_ok %d grep -q '%s' /tmp/pppd.log", pppWait/(50*time.Millisecond), want)
	}
	p.run(t, `grep -q 'rcvd .IPCP ConfNak .*<addr 10.78.0.3>' /tmp/pppd.log`)
	p.run(t, "pings 10.77.0.1 100")

	eventually(t, pppWait, func() string {
		if s := c.session(t, l.sid()); s.PPP.Prefix == "" {
			return fmt.Sprintf("no prefix: %+v", s.PPP)
		}
		return ""
	})
	link := netip.MustParsePrefix(c.session(t, l.sid()).PPP.Prefix)
	own := guestAddress(t, p, "pppk", link)
	hostPings(t, lab, own)
	p.run(t, "ip -6 route show default | grep -q 'via fe80.* dev pppk proto ra'")

	delegation(t, c, l)

	c.pppDrops(t)
	p.quiet(t, "kill $pid; wait $pid")
	eventually(t, 5*time.Second, func() string {
		if r := hostRoutes(t, lab); strings.Contains(r, "2001:db8") {
			return "routes left: " + r
		}
		if out := c.show(t, "pools"); strings.Count(out, `"used":0`) != 3 {
			return "not given back: " + out
		}
		return ""
	})
	c.stop(t)
}

// delegation runs a DHCPv6 client in the guest, which puts an address of its prefix on another interface.
func delegation(t *testing.T, c *culvert, l *link) {
	t.Helper()
	p := c.lab.peer
	t.Cleanup(func() {
		if t.Failed() && p.broken == nil {
			out, _, _ := p.try(10*time.Second, "cat /tmp/dhcp6c.log; ip -6 addr; ip -6 route")
			t.Logf("dhcp6c said:\n%s", out)
		}
		p.quiet(t, `kill -9 $dhcp 2>/dev/null; wait $dhcp; dhcp=; ip link del dm0`)
	})
	p.run(t, "modprobe dummy; ip link add dm0 type dummy && ip link set dm0 up")
	p.run(t, `printf 'interface pppk { send ia-pd 0; request domain-name-servers; }; id-assoc pd 0 { prefix-interface dm0 { sla-id 5; sla-len 8; }; };\n' >/tmp/dhcp6c.conf`)
	p.run(t, "dhcp6c -f -D -c /tmp/dhcp6c.conf -p /tmp/dhcp6c.pid pppk >/tmp/dhcp6c.log 2>&1 & dhcp=$!")
	const prefix = "2001:db8:8000::/56"
	inside := guestAddress(t, p, "dm0", netip.MustParsePrefix("2001:db8:8000:5::/64"))
	if got := c.session(t, l.sid()).PPP.Delegated; got != prefix {
		t.Errorf("the session shows %q", got)
	}
	if r := hostRoutes(t, c.lab); !strings.Contains(r, prefix+" dev "+l.device()) {
		t.Errorf("no route to %s in\n%s", prefix, r)
	}
	hostPings(t, c.lab, inside)
	p.run(t, "grep -q '2001:db8::53' /tmp/dhcp6c.log")

	if l.transport.name == "udp4" { // once is enough: dhcp6c waits 18 seconds at least
		p.run(t, "until_ok 400 grep -q 'send renew' /tmp/dhcp6c.log")
		p.run(t, "until_ok 40 sh -c 'sed 1,/send.renew/d /tmp/dhcp6c.log | grep -q \"update a prefix 2001:db8:8000::/56\"'")
		if got := c.session(t, l.sid()).PPP.Delegated; got != prefix {
			t.Errorf("the session shows %q after Renew", got)
		}
	}
	p.run(t, "kill -TERM $dhcp; wait $dhcp; dhcp=")
	eventually(t, 5*time.Second, func() string {
		if r := hostRoutes(t, c.lab); strings.Contains(r, prefix) {
			return "still routed after Release:\n" + r
		}
		return ""
	})
	if got := c.session(t, l.sid()).PPP.Delegated; got != "" {
		t.Errorf("the session shows %q after Release", got)
	}
}

// guestAddress waits for an address of a prefix on a device of the guest.
func guestAddress(t *testing.T, p *peer, device string, prefix netip.Prefix) string {
	t.Helper()
	var own string
	eventually(t, 20*time.Second, func() string {
		out := p.run(t, "ip -6 -o addr show dev %s scope global", device)
		for f := range strings.FieldsSeq(out) {
			if a, err := netip.ParsePrefix(f); err == nil && prefix.Contains(a.Addr()) && !strings.Contains(out, "tentative") {
				own = a.Addr().String()
				return ""
			}
		}
		return fmt.Sprintf("no address of %s on %s: %s", prefix, device, out)
	})
	return own
}

func hostRoutes(t *testing.T, lab *lab) string {
	t.Helper()
	out, err := exec.Command("ip", "-n", lab.host.name, "-6", "route").CombinedOutput()
	if err != nil {
		t.Fatalf("ip route: %v: %s", err, out)
	}
	return string(out)
}

// hostPings pings an address from culvert's namespace.
func hostPings(t *testing.T, lab *lab, to string) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "exec", lab.host.name, "ping", "-n", "-q", "-c", "3", "-i", "0.1", "-W", "3", to).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0% packet loss") {
		t.Errorf("ping %s: %v\n%s", to, err, out)
	}
}

// poolExhausted: the second pppd hears why it gets no address, and has IPv6 all the same.
func poolExhausted(t *testing.T, lab *lab, tr transport) {
	l, second, p := newLink(tr, 8, false, false), newLink(tr, 8, false, false), lab.peer
	second.hostPort, second.peerPort = 2701, 2702
	third := strings.ReplaceAll(second.toml("ppp", `ppp_profile = "p0"`), "tunnel.t1", "tunnel.t2")
	c := startCulvert(t, lab, l.toml("ppp", `ppp_profile = "p0"`)+third+accessProfile+addressPools)
	l.startPPPD(t, p, asSubscriber)
	p.run(t, "until_ok %d grep -q 'local  IP address 10.78.0.3' /tmp/pppd.log", pppWait/(50*time.Millisecond))

	t.Cleanup(func() {
		if t.Failed() && p.broken == nil {
			out, _, _ := p.try(10*time.Second, "cat /tmp/pppd2.log")
			t.Logf("the second pppd said:\n%s", out)
		}
		p.quiet(t, `kill -9 $pid2 2>/dev/null; wait $pid2; pid2=; until_ok 40 [ ! -e /sys/class/net/pppl ]`)
	})
	options := strings.NewReplacer("pppk", "pppl", "/tmp/pppd.log", "/tmp/pppd2.log").Replace(pppdOptions(asSubscriber))
	p.run(t, "rm -f /tmp/pppd2.log; %s >/tmp/l2tpppp2.out 2>&1 & pid2=$!", second.l2tpppp(options))
	for _, want := range []string{"rcvd .IPCP TermReq .*customers: no address left", "^remote LL address"} {
		p.run(t, "until_ok %d grep -q '%s' /tmp/pppd2.log", pppWait/(50*time.Millisecond), want)
	}
	p.run(t, "! grep 'local  IP address' /tmp/pppd2.log")
	s := c.session(t, second.sid())
	if s.PPP.IPCPReason != "pool customers: no address left" || s.PPP.IPv6CP != "Opened" || s.State != "up" {
		t.Errorf("session %s, %+v", s.State, s.PPP)
	}
	if out := c.show(t, "pools"); !strings.Contains(out, `"used":1,"free":0,"exhausted":1`) {
		t.Errorf("pools: %s", out)
	}
	guestAddress(t, p, "pppl", netip.MustParsePrefix(s.PPP.Prefix))
	c.stop(t)
}

// fromPPPD: we are the subscriber.
func fromPPPD(t *testing.T, lab *lab, tr transport) {
	l := newLink(tr, 8, false, false)
	c := startCulvert(t, lab, l.toml("ppp", `ppp_profile = "p0"`)+"\n[ppp.p0]\nlcp_restart = 1\nuse_peer_dns = true\ndefaultroute = true\n")
	l.startPPPD(t, lab.peer, "ms-dns 192.0.2.53 ms-dns 192.0.2.54")
	l.pppUp(t, c)
	if s := c.session(t, l.sid()); fmt.Sprint(s.PPP.DNS) != "[192.0.2.53 192.0.2.54]" {
		t.Errorf("DNS %q", s.PPP.DNS)
	}
	l.pppTraffic(t, c, l.mtu(true))
	c.pppDrops(t)
	c.stop(t)
}
