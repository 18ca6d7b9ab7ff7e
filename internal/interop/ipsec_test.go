//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// espOverhead is what ESP in transport mode takes of a path of 1500 bytes with AES-GCM and an ICV of 16 bytes (RFC 4303
// section 2, RFC 4106 section 3): SPI 4, sequence number 4, IV 8, pad length 1, next header 1, ICV 16. What it covers is
// padded to 4 bytes, of which a packet of that size needs none, over either IP version.
const espOverhead = 4 + 4 + 8 + 1 + 1 + 16

// ipsecBytes is what goes each way over TCP.
const ipsecBytes = 64 << 10

// udpSelector is what IKE makes of a tunnel over UDP.
const udpSelector = "proto udp sport 1701 dport 1701"

// TestIPsec: L2TPv3 in ESP transport mode, between two namespaces of the guest, whose kernel encrypts. The MTU is right, so
// that nothing is fragmented; nothing leaves in the clear, and nothing in the clear is taken.
func TestIPsec(t *testing.T) {
	cases := []struct {
		name       string
		transport  int // in transports
		pseudowire string
		kernel     bool   // at the other end, not culvert
		selector   string // of the policies; none: all between the hosts
		options    string // of our tunnel
		learned    bool   // the MTU, from the first packet that is too big
	}{
		{"udp4/learned", 0, "eth", true, udpSelector, "", true},
		{"udp4/all", 0, "ppp", false, "", "", false},
		{"udp6/path_mtu", 1, "eth", false, udpSelector, "path_mtu = 1466\n", false},
		{"ip4/known", 2, "eth", true, "proto 115", "", false},
		{"ip6/known", 3, "ppp", false, "proto 115", "", false},
	}
	for _, c := range cases {
		tr := transports[c.transport]
		t.Run(c.name, func(t *testing.T) {
			count(t, "IPsec, transport mode", tr.name)
			p := useLab(t).peer
			l := newLink(tr, 8, true, false)
			l.twoNamespaces(t, p)
			l.encrypt(t, p, c.selector)
			p.run(t, "rm -f /tmp/wire.err; ip netns exec B tcpdump -nn -U -s 96 --immediate-mode -i vb -w /tmp/wire.pcap 2>/tmp/wire.err & dump=$!; until_ok 100 grep -q listening /tmp/wire.err")
			configA, configB := l.bothTOML(c.pseudowire)
			withOptions := func(config string) string {
				return strings.Replace(config, "\ntid = ", "\n"+c.options+"tid = ", 1)
			}
			if c.kernel {
				l.kernelIn(t, p)
				p.run(t, "ip netns exec B ping -n -q -c 1 -W 0.1 %s >/dev/null; true", innerHost4) // nobody listens: an ICMP error
			}
			a := startGuest(t, p, "a", "ip netns exec A", withOptions(configA))
			if !c.kernel {
				startGuest(t, p, "b", "ip netns exec B", withOptions(configB))
			}
			ours, theirs, mtu := innerHost4, innerPeer4, l.mtu(c.pseudowire == "ppp")-espOverhead
			if c.pseudowire == "ppp" {
				ours, theirs = pppHost, pppPeer
			}
			p.run(t, "until_ok 100 ip netns exec A ping -n -q -c 1 -W 1 %s", theirs)
			if c.learned {
				p.run(t, "! ip netns exec A ping -n -q -c 1 -W 1 -M do -s %d %s >/dev/null", mtu+1-ip4Header-icmpHeader, theirs)
				eventually(t, 5*time.Second, func() string { return l.mtuInA(t, p, mtu) })
			}
			if why := l.mtuInA(t, p, mtu); why != "" {
				t.Error(why)
			}
			for _, way := range []struct {
				ns string
				to netip.Addr
			}{{"A", theirs}, {"B", ours}} {
				p.run(t, "for s in 1 %d; do ip netns exec %s ping -n -q -c 2 -i 0.01 -W 2 -M do -s $s %s >/tmp/ping || { cat /tmp/ping; false; break; }; done",
					mtu-ip4Header-icmpHeader, way.ns, way.to)
			}
			bothWays(t, p, ours, theirs, ipsecBytes)
			l.onTheWire(t, p)
			l.onlyEncrypted(t, p, a, ours)
		})
	}
}

// encrypt sets up what an IKE daemon would: an association and a policy for each direction, for this tunnel's packets and
// for ICMP errors about them, which quote them.
func (l *link) encrypt(t *testing.T, p *peer, selector string) {
	t.Helper()
	var all strings.Builder
	for _, ns := range []string{"A", "B"} {
		for i, way := range [][2]netip.Addr{{l.host, l.peer}, {l.peer, l.host}} {
			dir := "out"
			if (ns == "A") != (i == 0) {
				dir = "in"
			}
			fmt.Fprintf(&all, "ip -n %[1]s xfrm state add src %[2]s dst %[3]s proto esp spi %[4]d reqid 1 mode transport replay-window 32 aead 'rfc4106(gcm(aes))' 0x%040[4]x 128 && "+
				"ip -n %[1]s xfrm policy add src %[2]s dst %[3]s %[5]s dir %[6]s flag icmp tmpl src %[2]s dst %[3]s proto esp reqid 1 mode transport && ",
				ns, way[0], way[1], 0x1001+i, selector, dir)
		}
	}
	p.run(t, "%strue", all.String())
}

// kernelIn makes the kernel's end of the link in B, with the device l2e.
func (l *link) kernelIn(t *testing.T, p *peer) {
	t.Helper()
	ports := ""
	if l.encap == "udp" {
		ports = fmt.Sprintf(" udp_sport %d udp_dport %d", l.peerPort, l.hostPort)
	}
	p.run(t, "ip -n B l2tp add tunnel tunnel_id %d peer_tunnel_id %d encap %s local %s remote %s%s", l.kernelTID(), l.tid(), l.encap, l.peer, l.host, ports)
	p.run(t, "ip -n B l2tp add session name l2e tunnel_id %d session_id %d peer_session_id %d cookie %x peer_cookie %x l2spec_type default",
		l.kernelTID(), l.kernelSID, l.kernelPID, l.kernelSends, l.kernelExpects)
	p.run(t, "ip -n B link set l2e up && ip -n B addr add %s/24 dev l2e", innerPeer4)
}

// mtuInA says how the MTU of culvert's device in A is not this.
func (l *link) mtuInA(t *testing.T, p *peer, want int) string {
	t.Helper()
	if got := p.run(t, "ip netns exec A cat /sys/class/net/%s/mtu", l.device()); got != strconv.Itoa(want) {
		return fmt.Sprintf("the device's MTU is %s, want %d", got, want)
	}
	return ""
}

// onTheWire looks at what tcpdump has seen on the veth.
func (l *link) onTheWire(t *testing.T, p *peer) {
	t.Helper()
	p.run(t, "kill -INT $dump; wait $dump")
	seen := func(filter string) int {
		n, err := strconv.Atoi(p.run(t, "tcpdump -nn -r /tmp/wire.pcap '%s' 2>/dev/null | wc -l", filter))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	esp := seen("ip proto 50 or ip6 proto 50")
	fragments := seen("ip[6:2] & 0x3fff != 0 or ip6 proto 44")
	largest := seen("(ip proto 50 or ip6 proto 50) and greater 1514") // with the Ethernet header
	inClear := fmt.Sprintf("host %s and host %s and not (ip proto 50 or ip6 proto 50) and not arp and not icmp6", l.host, l.peer)
	clear := seen(inClear)
	// either way of TCP has its data in packets of 1400 bytes or so, and acknowledgements
	t.Logf("on the wire: %d packets of ESP, %d of the full size, %d fragments, %d in the clear", esp, largest, fragments, clear)
	if esp < 2*ipsecBytes/1500 || largest == 0 || fragments+clear > 0 {
		t.Errorf("in the clear: %s", p.run(t, "tcpdump -nn -v -r /tmp/wire.pcap '%s' 2>/dev/null | head", inClear))
	}
}

// onlyEncrypted lets the other end send in the clear, of which the kernel gives culvert nothing.
func (l *link) onlyEncrypted(t *testing.T, p *peer, a *guestCulvert, ours netip.Addr) {
	t.Helper()
	p.run(t, "ip -n B xfrm policy flush")
	before := a.session(t).RxPackets
	p.run(t, "! ip netns exec B ping -n -q -c 3 -i 0.01 -W 0.2 %s >/dev/null", ours)
	if got := a.session(t).RxPackets; got != before {
		t.Errorf("%d packets in the clear were taken", got-before)
	}
	p.run(t, `ip netns exec A awk '$1 ~ /^XfrmIn(NoPols|TmplMismatch)$/ {n += $2} END {exit n == 0}' /proc/net/xfrm_stat`)
	p.run(t, "ip -n A xfrm policy flush") // so that PPP can say goodbye
}
