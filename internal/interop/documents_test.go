//go:build interop

package interop

import (
	"encoding/base64"
	"strings"
	"testing"

	"culvert/internal/testenv"
)

// documentHosts makes the documentation's hosts in the guest: 192.0.2.1 in namespace A, 192.0.2.2 in B.
func documentHosts(t *testing.T, p *peer) {
	t.Helper()
	t.Cleanup(func() { p.quiet(t, "ip netns del A; ip netns del B") })
	p.run(t, "ip netns add A && ip netns add B && ip link add va netns A type veth peer name vb netns B && "+
		"ip -n A addr add 192.0.2.1/24 dev va && ip -n A link set va up && ip -n B addr add 192.0.2.2/24 dev vb && ip -n B link set vb up")
}

// script runs the text of a document in a namespace of the guest.
func script(t *testing.T, p *peer, ns, text string) {
	t.Helper()
	p.run(t, "echo %s | base64 -d >/tmp/doc.sh && ip netns exec %s sh -e /tmp/doc.sh", base64.StdEncoding.EncodeToString([]byte(text)), ns)
}

// TestDocuments: what docs/quickstart.md says about a Linux kernel at the other end works as it is printed, and so does
// docs/ipsec.md's `ip xfrm`, below the same tunnel over IP protocol 115.
func TestDocuments(t *testing.T) {
	section := testenv.Section(t, "../../docs/quickstart.md", "Site to site Ethernet, with a Linux kernel")
	here, there := testenv.Blocks(section, "toml")[0], testenv.Blocks(section, "sh")[0]
	t.Run("quickstart", func(t *testing.T) {
		count(t, "documents", "udp4")
		p := useLab(t).peer
		documentHosts(t, p)
		g := startGuest(t, p, "doc", "ip netns exec A", here)
		script(t, p, "B", there)
		p.run(t, "until_ok 40 ip netns exec A ping -n -q -c 1 -W 1 10.78.0.2")
		p.run(t, "ip netns exec B ping -n -q -c 3 -i 0.01 -W 1 10.78.0.1")
		if s := g.session(t); s.RxPackets == 0 {
			t.Errorf("%+v", s)
		}
		p.quiet(t, "ip -n B l2tp del tunnel tunnel_id 2")
	})
	t.Run("ipsec", func(t *testing.T) {
		count(t, "documents", "ip4")
		p := useLab(t).peer
		documentHosts(t, p)
		blocks := testenv.Blocks(testenv.Section(t, "../../docs/ipsec.md", "With ip xfrm"), "sh")
		script(t, p, "A", blocks[0]+blocks[1])
		script(t, p, "B", blocks[0]+strings.NewReplacer("dir in", "dir out", "dir out", "dir in").Replace(blocks[1]))
		overIP := func(text string) string {
			return strings.NewReplacer(`"udp"`, `"ip"`, ":1701", "", "encap udp", "encap ip", " udp_sport 1701 udp_dport 1701", "").Replace(text)
		}
		startGuest(t, p, "doc", "ip netns exec A", overIP(here))
		script(t, p, "B", overIP(there))
		// docs/ipsec.md: 1420 of a path of 1466 bytes
		p.run(t, "until_ok 40 ip netns exec A ping -n -q -c 1 -W 1 10.78.0.2")
		p.run(t, "ip netns exec A ping -n -q -c 3 -i 0.01 -W 1 -M do -s %d 10.78.0.2", 1420-ip4Header-icmpHeader)
		if out := p.run(t, "ip netns exec A cat /sys/class/net/vpn0/mtu"); out != "1420" {
			t.Errorf("the MTU is %s", out)
		}
		p.run(t, "ip -n A -s xfrm state | grep -q '[1-9][0-9]* *(packets)'")
		p.quiet(t, "ip -n B l2tp del tunnel tunnel_id 2")
	})
}
