//go:build interop

package interop

import (
	"fmt"
	"testing"
	"time"
)

// TestPPPEnds: how a PPP link ends, and begins again. Every case does so over every transport.
func TestPPPEnds(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, l *link, c *culvert)
	}{
		{"pppd-closes-first", pppdCloses},
		{"culvert-closes-first", culvertCloses},
		{"peer-vanishes", peerVanishes},
	}
	for _, tr := range transports {
		for _, k := range cases {
			t.Run(tr.name+"/"+k.name, func(t *testing.T) {
				count(t, "PPP, ends", tr.name)
				lab := useLab(t)
				// with numbers: a peer that begins again begins them again too
				l := newLink(tr, 8, true, true)
				c := l.ppp(t, lab, false, "", "")
				l.pppUp(t, c)
				lab.peer.run(t, "ping -n -q -c 30 -i 0.002 -W 2 %s", pppHost)
				k.run(t, l, c)
			})
		}
	}
}

// pppdCloses: pppd says goodbye. Our session leaves "up", the device loses its carrier and its addresses, and a new
// pppd is welcome.
func pppdCloses(t *testing.T, l *link, c *culvert) {
	p := c.lab.peer
	p.run(t, "kill -TERM $pid; wait $pid; echo pppd ended with $?")
	p.run(t, "grep -q 'sent .LCP TermReq' /tmp/pppd.log && grep -q 'rcvd .LCP TermAck' /tmp/pppd.log")
	eventually(t, 5*time.Second, func() string {
		if s := c.session(t, l.sid()); s.State == "up" || s.PPP.LCP == "Opened" || s.PPP.IPCP == "Opened" || s.PPP.IPv6CP == "Opened" {
			return fmt.Sprintf("session %s, %+v", s.State, *s.PPP)
		}
		if c.lab.host.carrier(t, l.device()) {
			return "our device still has carrier"
		}
		if a := c.lab.host.addresses(t, l.device()); len(a) != 0 {
			return fmt.Sprintf("our device still has addresses %q", a)
		}
		return ""
	})
	if l.device() == "" || c.lab.host.device(t, l.device()) == nil {
		t.Fatal("our device is gone")
	}
	l.startPPPD(t, p, "")
	l.pppUp(t, c)
	l.pppTraffic(t, c, l.mtu(true))
	// numbers from 0 again: old ones at first
	c.pppDrops(t, "sequence")
	c.stop(t)
}

// culvertCloses: SIGTERM makes us say goodbye, and pppd hears it.
func culvertCloses(t *testing.T, l *link, c *culvert) {
	l.agree(t, c, false)
	c.pppDrops(t)
	begin := time.Now()
	c.stop(t)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the stop took %v though pppd answers at once", took)
	}
	c.lab.peer.run(t, "until_ok 60 grep -q 'rcvd .LCP TermReq' /tmp/pppd.log && grep -q 'sent .LCP TermAck' /tmp/pppd.log")
	// 16: the link was terminated by the modem hanging up (pppd(8), EXIT STATUS), which is the plugin's word for it
	c.lab.peer.run(t, "wait $pid; [ $? = 16 ] || { echo pppd ended with $?; false; }")
}

// peerVanishes: the kernel's end dies without a word and comes back with the same ids.
func peerVanishes(t *testing.T, l *link, c *culvert) {
	p := c.lab.peer
	p.run(t, `kill -9 $pid; wait $pid; until_ok 40 [ ! -e /sys/class/net/pppk ] && until_ok 40 sh -c '! grep -q "^TUNNEL [0-9]" /sys/kernel/debug/l2tp/tunnels'`)
	p.run(t, "! grep Term /tmp/pppd.log")
	if s := c.session(t, l.sid()); s.State != "up" {
		t.Errorf("session is %s though nobody said a word", s.State)
	}
	l.startPPPD(t, p, "")
	l.pppUp(t, c)
	l.pppTraffic(t, c, l.mtu(true))
	moved := c.drops(t)
	if n := moved["sequence"]; n < 1 || n > 10 {
		t.Errorf("drops: %v, want a few under \"sequence\"", moved)
	}
	c.pppDrops(t, "sequence")
	c.stop(t)
}
