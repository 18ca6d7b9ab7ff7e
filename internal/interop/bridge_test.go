//go:build interop

package interop

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"culvert/client"
)

// TestSharedTAP: two of the kernel's sessions, made by `ip l2tp`, on one TAP. One has addresses and talks to the TAP in every
// size; the other one sees what is flooded from the TAP, and nothing else.
func TestSharedTAP(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			count(t, "Ethernet, shared TAP", tr.name)
			lab := useLab(t)
			l := newLink(tr, 0, false, false)
			mtu := l.mtu(false)
			config := strings.Replace(l.toml("eth"), fmt.Sprintf("interface_name = %q", l.device()), `interface = "shared:tap"`, 1) + fmt.Sprintf(`
[tunnel.t1.session.s2]
pseudowire = "eth"
sid = %d
psid = %d
interface = "shared:tap"

[shared.tap]
pseudowire = "eth"
interface_name = %q
mtu = %d
%s
`, l.sid()+500, l.kernelSID+500, l.device(), mtu, ethernetAddresses)
			l.kernelEthernet(t, lab.peer)
			lab.peer.run(t, "ip l2tp add session name l2f tunnel_id %d session_id %d peer_session_id %d l2spec_type none",
				l.kernelTID(), l.kernelSID+500, l.sid()+500)
			c := startCulvert(t, lab, config)
			lab.peer.run(t, "ip link set l2f up")
			kernelUp(t, lab.peer, kernelAddresses...)
			other := func() int {
				n, err := strconv.Atoi(lab.peer.run(t, "cat /sys/class/net/l2f/statistics/rx_packets"))
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			// The peer says who it is, by IPv6's neighbour discovery at the latest.
			lab.peer.run(t, "until_ok 40 ping -n -q -c 1 -W 1 %s", innerHost4)
			eventually(t, 3*time.Second, func() string {
				if other() == 0 {
					return "nothing was flooded to the other session"
				}
				return ""
			})
			flooded, before := floodedBy(t, c), other()
			everySize(t, lab, innerPeer4, 0, mtu)
			everySize(t, lab, innerPeer6, 0, mtu)
			peerPings(t, lab, innerHost4.String(), mtu)
			peerPings(t, lab, innerHost6.String(), mtu)
			l.agree(t, c, false)
			// Some 2,900 answers and as many requests have passed.
			if more, n := floodedBy(t, c)-flooded, other()-before; n > 20 || uint64(n) > more {
				t.Errorf("%d frames were flooded, the other session got %d", more, n)
			}
			macs := c.show(t, "macs", "tap")
			if !strings.Contains(macs, `{"address":"`+kernelMAC+`","vlan":0,"session":"t1/s1"`) {
				t.Errorf("addresses: %s", macs)
			}
			c.noDrops(t, "no_route") // what the TAP says before there is a session
			c.stop(t)
		})
	}
}

func floodedBy(t *testing.T, c *culvert) uint64 {
	t.Helper()
	all, err := query(c, (*client.Client).Shared)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	return all[0].Flooded
}
