//go:build interop

package interop

import (
	"fmt"
	"testing"
	"time"
)

// refusal is something wrong about one end, and where it must be noticed.
type refusal struct {
	name   string
	bend   func(l *link) // makes the kernel's end differ from what ours was told
	reason string        // the drop that we must count for what the kernel sends; empty: ours goes to the kernel
	// noErrors: the kernel hands what it does not know to a user's socket and counts nothing.
	noErrors bool
}

var refusals = []refusal{
	{name: "cookie-to-us", reason: "cookie", bend: func(l *link) { l.kernelSends = flip(l.kernelSends) }},
	{name: "cookie-length-to-us", reason: "cookie", bend: func(l *link) { l.kernelSends = flip(l.kernelSends)[:4] }},
	{name: "session-to-us", reason: "session", bend: func(l *link) { l.kernelPID += 500_000 }},
	{name: "source-to-us", reason: "source", bend: func(l *link) { l.kernelLocal = l.stranger }},
	{name: "cookie-to-kernel", bend: func(l *link) { l.kernelExpects = flip(l.kernelExpects) }},
	{name: "session-to-kernel", noErrors: true, bend: func(l *link) { l.kernelSID += 500_000 }},
}

// flip changes the last bit: nothing may look at less than the whole cookie.
func flip(cookie []byte) []byte {
	c := append([]byte{}, cookie...)
	c[len(c)-1] ^= 1
	return c
}

// TestMustFail: wrong cookie either way, unknown session either way, wrong source address. Nothing may be delivered,
// the counter of just this reason moves, and the way back is not disturbed.
func TestMustFail(t *testing.T) {
	for _, tr := range transports {
		for _, r := range refusals {
			t.Run(tr.name+"/"+r.name, func(t *testing.T) {
				count(t, "must fail", tr.name)
				l := newLink(tr, 8, false, false)
				r.bend(l)
				testMustFail(t, l, r)
			})
		}
	}
}

func testMustFail(t *testing.T, l *link, r refusal) {
	lab := useLab(t)
	c := l.ethernet(t, lab, true, l.toml("eth", ethernetAddresses))
	const sent = 20
	if r.reason != "" {
		lab.peer.run(t, "ip neigh replace %s lladdr 02:00:00:00:00:01 dev l2e; ping -n -q -c %d -i 0.002 -W 1 %s >/tmp/ping; grep -q ' 0 received' /tmp/ping", innerHost4, sent, innerHost4)
		eventually(t, 2*time.Second, func() string {
			if n := c.drops(t)[r.reason]; n < sent {
				return fmt.Sprintf("%d dropped under %q, want at least %d of %v", n, r.reason, sent, c.drops(t))
			}
			return ""
		})
		c.noDrops(t, r.reason)
		s := c.session(t, l.sid())
		if s.RxPackets != 0 || s.RxBytes != 0 {
			t.Errorf("the session counts %d packets received", s.RxPackets)
		}
		if rx := lab.host.device(t, l.device()).Attrs().Statistics.RxPackets; rx != 0 {
			t.Errorf("our device delivered %d packets", rx)
		}
		return
	}
	p, err := newPinger(lab.host, innerPeer4, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := ip("-n", lab.host.name, "neigh", "replace", innerPeer4.String(), "lladdr", kernelMAC, "dev", l.device()); err != nil {
		t.Fatal(err)
	}
	if err := p.none(100, sent, 300*time.Millisecond); err != nil {
		t.Error(err)
	}
	eventually(t, 2*time.Second, func() string {
		k, s := l.kernelStats(t, lab.peer), c.session(t, l.sid())
		switch {
		case s.TxPackets < sent:
			return fmt.Sprintf("only %d packets sent", s.TxPackets)
		case k.rx != 0:
			t.Fatalf("the kernel took %d packets", k.rx)
		case !r.noErrors && k.rxErrors != s.TxPackets:
			return fmt.Sprintf("the kernel refused %d packets of %d", k.rxErrors, s.TxPackets)
		}
		return ""
	})
	c.noDrops(t)
}
