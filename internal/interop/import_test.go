//go:build interop

package interop

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestImportKernel: what the kernel tells of the tunnels that `ip l2tp` made is what they were made of. The configuration
// loads, and a culvert that takes the kernel's place with it is heard by the other end as before.
func TestImportKernel(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			count(t, "import of the kernel's tunnels", tr.name)
			p := useLab(t).peer
			l := newLink(tr, 8, tr.encap == "udp", tr.encap == "udp")
			l.kernelEthernet(t, p)
			p.run(t, "ip link set l2e mtu 1300 up && ip addr add 10.88.0.2/24 dev l2e && ip addr add 2001:db8:88::2/64 dev l2e nodad && ip route add 10.89.0.0/16 via 10.88.0.1 dev l2e")
			config := p.run(t, "/job/culvert import kernel 2>/tmp/import.err || { cat /tmp/import.err; false; }")
			want := l.toml("eth") // of the other end
			for _, line := range []string{
				`interface_name = "l2e"`, "mtu            = 1300", `addresses      = ["10.88.0.2/24", "2001:db8:88::2/64"]`,
				`routes         = ["10.89.0.0/16 via 10.88.0.1"]`,
			} {
				if !strings.Contains(config, line) {
					t.Errorf("no %s", line)
				}
			}
			if sublayer := strings.Contains(want, "l2spec_type"); strings.Contains(config, `l2spec_type    = "default"`) != sublayer {
				t.Errorf("the sublayer is wrong, want %v", sublayer)
			}
			if t.Failed() {
				t.Log(config)
			}
			p.run(t, "ip l2tp del tunnel tunnel_id %d; until_ok 40 [ ! -e /sys/class/net/l2e ]", l.kernelTID())
			p.run(t, "echo %s | base64 -d >/tmp/import.toml && /job/culvert check -c /tmp/import.toml", base64.StdEncoding.EncodeToString([]byte(config)))

			c := startCulvert(t, useLab(t), l.toml("eth", `addresses = ["10.88.0.1/24"]`))
			startGuest(t, p, "imported", "", strings.ReplaceAll(config, `"l2e"`, `"`+peerDevice+`"`))
			p.run(t, "until_ok 40 ping -n -q -c 1 -W 1 10.88.0.1 && pings 10.88.0.1 46 1272")
			c.stop(t)
		})
	}
}
