//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"culvert/client"
)

// TestPPPLine: what a subscriber's line lives through, over UDP and IPv4 and over IP and IPv6.
func TestPPPLine(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, lab *lab, l *link)
	}{
		{"peer-begins-anew", peerBeginsAnew},
		{"echo-fails", echoFails},
		{"idle", idleEnds},
	}
	for _, tr := range transports {
		if tr.name != "udp4" && tr.name != "ip6" {
			continue
		}
		for _, k := range cases {
			t.Run(tr.name+"/"+k.name, func(t *testing.T) {
				count(t, "PPP, line", tr.name)
				k.run(t, useLab(t), newLink(tr, 8, false, false))
			})
		}
	}
}

// detail asks for all that is known of the link's session.
func (c *culvert) detail(t *testing.T) client.Session {
	t.Helper()
	s, err := query(c, func(c *client.Client, ctx context.Context) (client.Session, error) { return c.Session(ctx, "t1/s1") })
	if err != nil || s.PPP == nil || s.Link == nil {
		t.Fatalf("session: %+v, %v", s, err)
	}
	return s
}

// peerBeginsAnew: pppd dies without a goodbye and begins again on a link that is open here. Everything goes down once
// and up once, as scripts hear it with pppd's arguments.
func peerBeginsAnew(t *testing.T, lab *lab, l *link) {
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	var keys []string
	for _, name := range []string{"ip_up", "ip_down", "ipv6_up", "ipv6_down"} {
		path := filepath.Join(dir, name)
		text := fmt.Sprintf("#!/bin/sh\necho \"%s $* $IFNAME $IPLOCAL $IPREMOTE$LLLOCAL $LLREMOTE\" >>%s\n", name, file)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, fmt.Sprintf("%s = %q", name, path))
	}
	keys = append(keys, `ipparam = "blue"`)
	c := l.ppp(t, lab, false, "", strings.Join(keys, "\n"))
	l.pppUp(t, c)
	host6, peer6 := l.pppAddresses(t, c)
	lab.peer.run(t, `kill -9 $pid; wait $pid; until_ok 40 [ ! -e /sys/class/net/pppk ] && until_ok 40 sh -c '! grep -q "^TUNNEL [0-9]" /sys/kernel/debug/l2tp/tunnels'`)
	l.startPPPD(t, lab.peer, "")
	l.pppUp(t, c)
	c.stop(t)

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		got[name]++
	}
	for _, name := range []string{"ip_up", "ip_down", "ipv6_up", "ipv6_down"} { // twice, the end included
		if got[name] != 2 {
			t.Errorf("%s ran %d times", name, got[name])
		}
	}
	for _, want := range []string{
		fmt.Sprintf("ip_up %s t1/s1 0 %s %s blue %s %s %s \n", l.device(), pppHost, pppPeer, l.device(), pppHost, pppPeer),
		fmt.Sprintf("ip_down %s t1/s1 0 %s %s blue %s %s %s \n", l.device(), pppHost, pppPeer, l.device(), pppHost, pppPeer),
		fmt.Sprintf("ipv6_up %s t1/s1 0 %s %s blue %s  %s %s\n", l.device(), host6, peer6, l.device(), host6, peer6),
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q among\n%s", want, b)
		}
	}
}

// echoFails: the kernel's end vanishes, and after three unanswered Echo-Requests the line is down. Before that their
// round-trip times are shown.
func echoFails(t *testing.T, lab *lab, l *link) {
	c := l.ppp(t, lab, false, "", "lcp_echo_interval = 1\nlcp_echo_failure = 3")
	l.pppUp(t, c)
	eventually(t, 5*time.Second, func() string {
		if e := c.detail(t).Link.Echo; e.Sent < 2 || e.Lost != 0 || e.RTTMin <= 0 || e.RTTMax > 1000 {
			return fmt.Sprintf("%+v", e)
		}
		return ""
	})
	if out := c.show(t, "drops"); !strings.Contains(out, "punt") {
		t.Errorf("show drops: %s", out)
	}
	lab.peer.run(t, "kill -9 $pid; wait $pid; true")
	begin := time.Now()
	eventually(t, 10*time.Second, func() string {
		if s := c.detail(t); s.State == "up" || s.PPP.LCP == "Opened" || lab.host.carrier(t, l.device()) {
			return fmt.Sprintf("session %s, %+v", s.State, s.Link.Echo)
		}
		return ""
	})
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("down after %v already", took)
	}
	if !strings.Contains(c.output.String(), "no reply to 3 Echo-Requests") {
		eventually(t, 8*time.Second, func() string {
			if r := c.detail(t).PPP.Reason; r != "no reply to 3 Echo-Requests" {
				return "reason: " + r
			}
			return ""
		})
	}
	c.stop(t)
}

// idleEnds: a line that carries pings stays, one that carries nothing ends, and pppd is told why.
func idleEnds(t *testing.T, lab *lab, l *link) {
	// without IPv6, whose router solicitations are data
	c := l.ppp(t, lab, false, "noipv6", "ipv6 = false\nidle = 2\npersist = false\nlcp_echo_interval = 1\nlcp_echo_adaptive = true")
	lab.peer.run(t, "until_ok 200 grep -q '^remote IP address' /tmp/pppd.log")
	lab.peer.run(t, "ping -n -q -c 10 -i 0.5 -W 2 %s", pppHost)
	if s := c.detail(t); s.State != "up" || s.Link.RxDataPackets < 10 || s.Link.TxDataPackets < 10 {
		t.Errorf("session %s, %+v", s.State, s.Link)
	}
	begin := time.Now()
	lab.peer.run(t, `until_ok 100 grep -q 'rcvd .LCP TermReq id=.* "Link inactive"' /tmp/pppd.log`)
	if took := time.Since(begin); took < time.Second || took > 10*time.Second {
		t.Errorf("idle for %v", took)
	}
	eventually(t, 3*time.Second, func() string {
		if s := c.detail(t); s.State != "down" || s.PPP.Reason != "Link inactive" {
			return fmt.Sprintf("session %s, reason %q", s.State, s.PPP.Reason)
		}
		return ""
	})
	c.stop(t)
}

// TestPPPMRU: both ends ask for the same MRU, from the least that pppd takes to the largest that fits, and 1500 where
// the kernels fragment the outer packets.
func TestPPPMRU(t *testing.T) {
	tr := transports[0]
	for _, mru := range []int{128, 296, 576, 1006, 1280, 1452, 1500} {
		t.Run(fmt.Sprintf("%s/%d", tr.name, mru), func(t *testing.T) {
			count(t, "PPP, MRU", tr.name)
			lab := useLab(t)
			l := newLink(tr, 8, false, false)
			config := l.toml("ppp", `ppp_profile = "p0"`, fmt.Sprintf("mtu = %d", mru)) + pppProfile("ipv6 = false", fmt.Sprintf("mru = %d", mru))
			if mru > l.mtu(true) {
				config = strings.Replace(config, "[tunnel.t1]\n", "[tunnel.t1]\ndf = false\n", 1)
			}
			l.startPPPD(t, lab.peer, fmt.Sprintf("silent noipv6 mru %d mtu %d", mru, mru))
			lab.peer.run(t, "until_ok 60 grep -q '^Connect: ' /tmp/pppd.log")
			c := startCulvert(t, lab, config)
			lab.peer.run(t, "until_ok 200 grep -q '^remote IP address' /tmp/pppd.log")
			eventually(t, 3*time.Second, func() string {
				if s := c.detail(t); s.State != "up" || s.PPP.PeerMRU != mru || s.PPP.LocalMRU != mru {
					return fmt.Sprintf("session %s, %+v", s.State, s.PPP)
				}
				return ""
			})
			l.mtus(t, c, mru)
			everySize(t, lab, pppPeer, 0, mru)
			lab.peer.run(t, "pings %s 18 %d %d", pppHost, mru-1-ip4Header-icmpHeader, mru-ip4Header-icmpHeader)
			c.pppDrops(t)
			c.stop(t)
		})
	}
}
