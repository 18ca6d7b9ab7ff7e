//go:build interop

package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Addresses inside the pseudowires.
var (
	innerHost4 = netip.MustParseAddr("192.0.2.1")
	innerPeer4 = netip.MustParseAddr("192.0.2.2")
	innerHost6 = netip.MustParseAddr("2001:db8::1")
	innerPeer6 = netip.MustParseAddr("2001:db8::2")
)

// ethernetAddresses gives our device its addresses; the kernel's get kernelAddresses.
var (
	ethernetAddresses = fmt.Sprintf("addresses = [\"%s/24\", \"%s/64\"]", innerHost4, innerHost6)
	kernelAddresses   = []string{innerPeer4.String() + "/24", innerPeer6.String() + "/64"}
)

// TestEthernet is {UDP, IP} x {IPv4, IPv6} x cookie {0, 4, 8} x {no sublayer, sublayer, sublayer with numbers}.
func TestEthernet(t *testing.T) {
	for _, tr := range transports {
		for _, cookie := range []int{0, 4, 8} {
			for _, form := range []struct{ sublayer, seq bool }{{false, false}, {true, false}, {true, true}} {
				l := newLink(tr, cookie, form.sublayer, form.seq)
				if tr.encap == "udp" && cookie == 4 { // the port need not be 1701 at either end
					l.hostPort, l.peerPort = 17010+l.n, 27010+l.n
				}
				t.Run(tr.name+"/"+l.shape(), func(t *testing.T) { testEthernet(t, l) })
			}
		}
	}
}

func testEthernet(t *testing.T, l *link) {
	count(t, "Ethernet", l.name)
	lab := useLab(t)
	c := l.ethernet(t, lab, l.n%2 == 0, l.toml("eth", ethernetAddresses))
	s := c.session(t, l.sid())
	if s.State != "up" || s.Pseudowire != "eth" || s.Interface != l.device() {
		t.Errorf("session: %+v", s)
	}
	if !lab.host.carrier(t, l.device()) {
		t.Error("our device has no carrier")
	}
	mtu := l.mtu(false)
	ours := lab.host.device(t, l.device()).Attrs().MTU
	theirs := lab.peer.run(t, "cat /sys/class/net/l2e/mtu")
	if ours != mtu || s.MTU != mtu || theirs != fmt.Sprint(mtu) {
		t.Errorf("MTU: device %d, API %d, kernel's device %s, want %d", ours, s.MTU, theirs, mtu)
	}
	everySize(t, lab, innerPeer4, 0, mtu)
	everySize(t, lab, innerPeer6, 0, mtu)
	peerPings(t, lab, innerHost4.String(), mtu)
	peerPings(t, lab, innerHost6.String(), mtu)
	l.agree(t, c, true)
	c.noDrops(t)
	c.stop(t)
}

// everySize sends a request of every size up to the MTU from our end, each answered in the same size, and asserts that
// one byte more is refused by our device already.
func everySize(t *testing.T, lab *lab, to netip.Addr, ifindex, mtu int) {
	t.Helper()
	p, err := newPinger(lab.host, to, ifindex)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.sweep(0, mtu); err != nil {
		t.Fatalf("ping %s: %v", to, err)
	}
	if err := p.send(mtu + 1); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("ping %s with %d bytes: %v, want EMSGSIZE", to, mtu+1, err)
	}
}

// peerPings has the kernel send requests of some sizes, the smallest Ethernet frame and the MTU among them.
func peerPings(t *testing.T, lab *lab, to string, mtu int) {
	t.Helper()
	header := ip4Header + icmpHeader
	if strings.Contains(to, ":") {
		header = ip6Header + icmpHeader
	}
	var sizes []string
	for _, packet := range []int{46, 47, 128, 576, 1000, mtu - 1, mtu} {
		if packet >= header {
			sizes = append(sizes, fmt.Sprint(packet-header))
		}
	}
	lab.peer.run(t, "pings %s %s", to, strings.Join(sizes, " "))
}

// TestEthernetPeerRestart: the kernel's session is made anew and numbers its packets from 0 again. We must believe
// it after a few packets (RFC 3931 Appendix C), and not before.
func TestEthernetPeerRestart(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			count(t, "Ethernet, peer restarts", tr.name)
			lab := useLab(t)
			l := newLink(tr, 8, true, true)
			c := l.ethernet(t, lab, true, l.toml("eth", ethernetAddresses))
			lab.peer.run(t, "ping -n -q -c 50 -i 0.002 -W 2 %s", innerHost4)
			c.noDrops(t)
			l.removeKernelEthernet(t, lab.peer)
			l.kernelEthernet(t, lab.peer)
			kernelUp(t, lab.peer, kernelAddresses...)
			lab.peer.run(t, "until_ok 40 ping -n -q -c 1 -W 1 %s", innerHost4)
			lab.peer.run(t, "pings %s 100 1000", innerHost4)
			moved := c.drops(t)
			if n := moved["sequence"]; n < 1 || n > 10 {
				t.Errorf("drops: %v, want a few under \"sequence\"", moved)
			}
			c.noDrops(t, "sequence")
			everySize(t, lab, innerPeer4, 0, l.mtu(false))
		})
	}
}

// TestFragments: with `df = false` and an MTU of 1500 inside, the outer packets exceed the path and both kernels
// fragment and reassemble them (RFC 3931 section 4.1.4).
func TestFragments(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			count(t, "Ethernet, outer fragments", tr.name)
			lab := useLab(t)
			l := newLink(tr, 8, true, false)
			config := strings.Replace(l.toml("eth", ethernetAddresses, "mtu = 1500"), "\ntid = ", "\ndf = false\ntid = ", 1)
			c := l.ethernet(t, lab, true, config)
			lab.peer.run(t, "ip link set l2e mtu 1500")
			everySize(t, lab, innerPeer4, 0, 1500)
			everySize(t, lab, innerPeer6, 0, 1500)
			peerPings(t, lab, innerHost4.String(), 1500)
			peerPings(t, lab, innerHost6.String(), 1500)
			l.agree(t, c, true)
			c.noDrops(t)
			c.stop(t)
		})
	}
}

// TestCommandLine: what a person asks for with `culvert show` is what the API says.
func TestCommandLine(t *testing.T) {
	tr := transports[0]
	count(t, "culvert show", tr.name)
	lab := useLab(t)
	l := newLink(tr, 8, true, true)
	c := l.ethernet(t, lab, true, l.toml("eth", ethernetAddresses))
	lab.peer.run(t, "pings %s 100", innerHost4)
	time.Sleep(100 * time.Millisecond)
	for what, want := range map[string]string{
		"tunnels":  `"t1"`,
		"sessions": fmt.Sprint(l.sid()),
		"workers":  `"rx_batches"`,
		"drops":    `"cookie"`,
	} {
		if out := c.show(t, what); !strings.Contains(out, want) {
			t.Errorf("show %s: no %s in\n%s", what, want, out)
		}
	}
}
