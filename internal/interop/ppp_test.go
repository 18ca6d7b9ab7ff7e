//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// Addresses that IPCP agrees on.
var (
	pppHost = netip.MustParseAddr("10.77.0.1")
	pppPeer = netip.MustParseAddr("10.77.0.2")
)

// pppWait bounds how long a link may take to come up: several Restart timers of one second at either end.
const pppWait = 15 * time.Second

// silent is pppd's option to wait for our first packet. It saves the second in which either end would repeat what it
// sent before the other was there.
const silent = "silent"

// pppProfile is our end's [ppp.p0] table; extra lines go into it.
func pppProfile(extra ...string) string { return pppProfileOf(pppHost, pppPeer, extra...) }

func pppProfileOf(local, peer netip.Addr, extra ...string) string {
	return fmt.Sprintf("\n[ppp.p0]\nlocal_address = %q\npeer_address = %q\nlcp_restart = 1\n%s\n",
		local, peer, strings.Join(extra, "\n"))
}

// pppdOptions are pppd's in every case; a case may add some.
func pppdOptions(extra string) string {
	return fmt.Sprintf("noauth nodefaultroute debug lcp-restart 1 ipcp-restart 1 +ipv6 %s %s:%s ifname pppk logfile /tmp/pppd.log", extra, pppPeer, pppHost)
}

// startPPPD starts l2tpppp with pppd in the guest. When the test ends they go.
func (l *link) startPPPD(t *testing.T, p *peer, extra string) {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() && p.broken == nil {
			out, _, _ := p.try(10*time.Second, "cat /tmp/l2tpppp.out /tmp/pppd.log; ip addr show dev pppk; dmesg | tail -5")
			t.Logf("pppd said:\n%s", out)
		}
		p.quiet(t, `kill -9 $pid 2>/dev/null; wait $pid; pid=; until_ok 40 [ ! -e /sys/class/net/pppk ]; until_ok 40 sh -c '! grep -q "^TUNNEL [0-9]" /sys/kernel/debug/l2tp/tunnels'`)
	})
	p.run(t, "rm -f /tmp/pppd.log; %s >/tmp/l2tpppp.out 2>&1 & pid=$!", l.l2tpppp(pppdOptions(extra)))
}

// ppp starts both ends, in either order. What one sends before the other is there gets lost.
func (l *link) ppp(t *testing.T, lab *lab, kernelFirst bool, pppd, profile string) (c *culvert) {
	t.Helper()
	config := l.toml("ppp", `ppp_profile = "p0"`) + pppProfile(profile)
	if kernelFirst {
		l.startPPPD(t, lab.peer, pppd)
		first := "sent .LCP ConfReq"
		if strings.Contains(pppd, silent) {
			first = "^Connect: "
		}
		lab.peer.run(t, "until_ok 60 grep -q '%s' /tmp/pppd.log", first)
		l.lost.theirsMin = l.kernelStats(t, lab.peer).tx
		c = startCulvert(t, lab, config)
		l.lost.theirsMax = l.kernelStats(t, lab.peer).tx
		return c
	}
	c = startCulvert(t, lab, config)
	if lab.host.carrier(t, l.device()) {
		t.Error("our device has carrier before there is a peer")
	}
	l.lost.oursMin = c.session(t, l.sid()).TxPackets
	l.startPPPD(t, lab.peer, pppd)
	lab.peer.run(t, "until_ok 60 test -s /tmp/pppd.log")
	l.lost.oursMax = c.session(t, l.sid()).TxPackets
	return c
}

// pppUp waits until both ends have both network protocols open, and checks that they agree about everything. The
// present pppd is asked first: our end may have been open with the one before.
func (l *link) pppUp(t *testing.T, c *culvert) {
	t.Helper()
	for _, want := range []string{"^remote LL address", "^remote IP address"} {
		c.lab.peer.run(t, "until_ok %d grep -q '%s' /tmp/pppd.log", pppWait/(50*time.Millisecond), want)
	}
	eventually(t, pppWait, func() string {
		s := c.session(t, l.sid())
		if s.PPP == nil {
			t.Fatalf("no PPP state: %+v", s)
		}
		if s.State != "up" || s.PPP.LCP != "Opened" || s.PPP.IPCP != "Opened" || s.PPP.IPv6CP != "Opened" {
			return fmt.Sprintf("session %s, LCP %s, IPCP %s, IPV6CP %s (%s)", s.State, s.PPP.LCP, s.PPP.IPCP, s.PPP.IPv6CP, s.PPP.Reason)
		}
		return ""
	})
	s := c.session(t, l.sid())
	if s.PPP.LocalAddress != pppHost.String() || s.PPP.PeerAddress != pppPeer.String() {
		t.Errorf("API: addresses %s and %s", s.PPP.LocalAddress, s.PPP.PeerAddress)
	}
	l.pppAddresses(t, c)
	if !c.lab.host.carrier(t, l.device()) {
		t.Error("our device has no carrier")
	}
}

// pppAddresses compares the addresses on both devices, and gives the link-local ones.
func (l *link) pppAddresses(t *testing.T, c *culvert) (host, peer netip.Addr) {
	t.Helper()
	theirs := c.lab.peer.run(t, "ip -o addr show dev pppk | sed 's/.* inet/inet/'")
	want := fmt.Sprintf("inet %s peer %s/32", pppPeer, pppHost)
	if !strings.Contains(theirs, want) {
		t.Errorf("pppd's addresses: want %q in\n%s", want, theirs)
	}
	var local, remote string
	for _, line := range strings.Split(theirs, "\n") {
		if f := strings.Fields(line); len(f) > 3 && f[0] == "inet6" && f[2] == "peer" {
			local, remote = f[1], strings.TrimSuffix(f[3], "/128")
		}
	}
	host, err1 := netip.ParseAddr(remote)
	peer, err2 := netip.ParseAddr(local)
	if err1 != nil || err2 != nil {
		t.Fatalf("pppd has no pair of link-local addresses:\n%s", theirs)
	}
	ours := c.lab.host.addresses(t, l.device())
	for _, want := range []string{pppHost.String() + " peer " + pppPeer.String() + "/32", host.String() + "/"} {
		if !slices.ContainsFunc(ours, func(a string) bool {
			return strings.HasPrefix(a, want) || strings.HasPrefix(a, strings.TrimSuffix(want, "/")+" peer")
		}) {
			t.Errorf("our device has %q, want %q among them", ours, want)
		}
	}
	return host, peer
}

// pppTraffic sends packets of every size in both directions, IPv4 and IPv6.
func (l *link) pppTraffic(t *testing.T, c *culvert, mtu int) {
	t.Helper()
	host6, peer6 := l.pppAddresses(t, c)
	index := c.lab.host.device(t, l.device()).Attrs().Index
	everySize(t, c.lab, pppPeer, 0, mtu)
	everySize(t, c.lab, peer6, index, mtu)
	peerPings(t, c.lab, pppHost.String(), mtu)
	peerPings(t, c.lab, host6.String()+"%pppk", mtu)
}

// mtus asserts the MTU at both ends.
func (l *link) mtus(t *testing.T, c *culvert, want int) {
	t.Helper()
	ours := c.lab.host.device(t, l.device()).Attrs().MTU
	theirs := c.lab.peer.run(t, "cat /sys/class/net/pppk/mtu")
	if ours != want || theirs != fmt.Sprint(want) {
		t.Errorf("MTU: ours %d, pppd's %s, want %d", ours, theirs, want)
	}
}

// TestPPP is {UDP, IP} x {IPv4, IPv6} x cookie and sublayer varied against pppd.
func TestPPP(t *testing.T) {
	for _, tr := range transports {
		for _, form := range []struct {
			cookie        int
			sublayer, seq bool
		}{{0, false, false}, {4, true, false}, {8, false, false}, {8, true, true}} {
			l := newLink(tr, form.cookie, form.sublayer, form.seq)
			t.Run(tr.name+"/"+l.shape(), func(t *testing.T) {
				count(t, "PPP", tr.name)
				lab := useLab(t)
				c := l.ppp(t, lab, l.n%2 == 0, "", "")
				l.pppUp(t, c)
				l.mtus(t, c, l.mtu(true))
				l.pppTraffic(t, c, l.mtu(true))
				l.agree(t, c, false)
				c.pppDrops(t)
				c.stop(t)
			})
		}
	}
}

// TestPPPOptions: what the two ends may want differently. log and noLog are looked for in pppd's log.
func TestPPPOptions(t *testing.T) {
	cases := []struct {
		name, pppd, profile string
		mtu                 int // 0: the computed one
		log, noLog          []string
	}{
		{
			name: "pppd-refuses-compression", pppd: "noaccomp nopcomp",
			noLog: []string{"accomp", "pcomp", "Protocol-Reject"},
		},
		{
			name: "we-offer-compression", profile: "accomp = true\npcomp = true",
			log: []string{`rcvd \[LCP ConfReq .*<pcomp> <accomp>`, `sent \[LCP ConfAck .*<pcomp> <accomp>`},
		},
		{
			name: "we-offer-pppd-refuses", pppd: "noaccomp nopcomp", profile: "accomp = true\npcomp = true",
			log: []string{`sent \[LCP ConfRej .*<pcomp> <accomp>`},
		},
		{
			name: "bare-framing", profile: `ppp_framing = "bare"`,
		},
		{
			name: "pppd-offers-CCP", pppd: "deflate 15 bsdcomp 15",
			log: []string{`sent \[CCP ConfReq`, `rcvd \[LCP ProtRej .*80 fd`},
		},
		{
			name: "small-MRU", pppd: "mru 1300 mtu 1300", profile: "mru = 1320",
			mtu: 1300, log: []string{`sent \[LCP ConfReq .*<mru 1300>`, `rcvd \[LCP ConfReq .*<mru 1320>`},
		},
		{
			name: "addresses-from-us", pppd: "noipdefault ipcp-accept-local ipcp-accept-remote usepeerdns",
			profile: `dns = ["192.0.2.53", "192.0.2.54"]`,
			log:     []string{"primary   DNS address 192.0.2.53", "secondary DNS address 192.0.2.54"},
		},
	}
	for _, tr := range transports {
		for _, k := range cases {
			t.Run(tr.name+"/"+k.name, func(t *testing.T) {
				count(t, "PPP, options", tr.name)
				lab := useLab(t)
				l := newLink(tr, 8, false, false)
				c := l.ppp(t, lab, true, silent+" "+k.pppd, k.profile)
				l.pppUp(t, c)
				mtu := k.mtu
				if mtu == 0 {
					mtu = l.mtu(true)
				}
				l.mtus(t, c, mtu)
				l.pppTraffic(t, c, mtu)
				for _, want := range k.log {
					lab.peer.run(t, "until_ok 20 grep -q '%s' /tmp/pppd.log || { echo no '%s' in pppd.log; false; }", want, want)
				}
				for _, bad := range k.noLog {
					lab.peer.run(t, "! grep '%s' /tmp/pppd.log", bad)
				}
				l.agree(t, c, false)
				c.pppDrops(t)
				c.stop(t)
			})
		}
	}
}
