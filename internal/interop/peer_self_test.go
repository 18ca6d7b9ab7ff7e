//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"
)

// TestPeer lets two kernels talk with each other inside the guest, so that a failure of the peer can be told from one
// of ours.
func TestPeer(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			count(t, "the kernel with itself", tr.name)
			lab := useLab(t)
			p := lab.peer
			t.Cleanup(func() { p.quiet(t, "ip netns del A; ip netns del B") })
			p.run(t, "ip netns add A && ip netns add B && ip link add va netns A type veth peer name vb netns B")
			l := newLink(tr, 8, true, true)
			inNamespace(t, p, "A", "va", l, false)
			inNamespace(t, p, "B", "vb", l, true)
			p.run(t, "until_ok 40 ip netns exec A ping -n -q -c 1 -W 1 %s", innerPeer4)
			p.run(t, "ip netns exec A ping -n -q -c 3 -i 0.002 -W 1 -M do -s %d %s", l.mtu(false)-ip4Header-icmpHeader, innerPeer4)
		})
	}
}

// inNamespace makes one end of the link inside a namespace of the guest.
func inNamespace(t *testing.T, p *peer, ns, device string, l *link, far bool) {
	t.Helper()
	local, remote, inner := l.host, l.peer, innerHost4
	if far {
		local, remote, inner = l.peer, l.host, innerPeer4
	}
	address := local.String() + "/24"
	if local.Is6() {
		address = local.String() + "/64 nodad"
	}
	tunnel := fmt.Sprintf("ip -n %s l2tp add tunnel tunnel_id %d peer_tunnel_id %d encap %s local %s remote %s",
		ns, l.tid(), l.tid(), l.encap, local, remote)
	if l.encap == "udp" {
		tunnel += " udp_sport 1701 udp_dport 1701"
	}
	p.run(t, "%s", strings.Join([]string{
		fmt.Sprintf("ip -n %s addr add %s dev %s && ip -n %s link set %s up", ns, address, device, ns, device),
		tunnel,
		fmt.Sprintf("ip -n %s l2tp add session name l2x tunnel_id %d session_id %d peer_session_id %d cookie 0011223344556677 peer_cookie 0011223344556677 l2spec_type default seq both",
			ns, l.tid(), l.sid(), l.sid()),
		fmt.Sprintf("ip -n %s addr add %s/24 dev l2x && ip -n %s link set l2x up", ns, inner, ns),
	}, " && "))
}
