package daemon

import (
	"fmt"
	"strings"
	"testing"
)

// TestVLAN: VLAN pseudowires of a static and of a dynamic tunnel, with another tag at either end, and one without a tag of
// ours, whose tags are the devices'. PPP goes by another number. Untagged frames are counted where there must be a tag.
func TestVLAN(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 4)
	end := func(ns string, host, me, other int) string {
		return fmt.Sprintf(`
[tunnel.st]
local = "127.0.0.1:%[3]d"
peer = "127.0.0.1:%[4]d"
path_mtu = 1500
tid = %[2]d
ptid = %[5]d
[tunnel.st.session.served]
pseudowire = "eth-vlan"
vlan = 10%[2]d
sid = %[2]d
psid = %[5]d
interface_name = "served"
addresses = ["fd79:1::%[2]d/64"]
netns = %[1]q
[tunnel.st.session.kept]
pseudowire = "eth-vlan"
sid = 1%[2]d
psid = 1%[5]d
interface_name = "kept"
addresses = ["fd79:2::%[2]d/64"]
netns = %[1]q
`, ns, host, me, other, 3-host)
	}
	answer := strings.ReplaceAll(answering(nsB, `"the secret"`, port[2]), `pseudowire = "eth"`+"\nremote_end_id", "pseudowire = \"eth-vlan\"\nvlan = 4094\nremote_end_id")
	answer = strings.Replace(answer, "[peer.access]", "[peer.access]\nppp_pw_type = 32775", 1)
	dial := dialing(nsA, "udp", fmt.Sprintf("127.0.0.2:%d", port[3]), fmt.Sprintf("127.0.0.1:%d", port[2]), "the secret", 0)
	dial = strings.Replace(dial, `pseudowire = "eth"`, "pseudowire = \"eth-vlan\"\nvlan = 1", 1)
	dial = strings.Replace(dial, "[tunnel.up]", "[tunnel.up]\nppp_pw_type = 32775", 1)
	a := run(t, end(nsA, 1, port[0], port[1])+dial)
	b := run(t, end(nsB, 2, port[1], port[0])+answer)
	allUp(t, a.socket, 5)
	allUp(t, b.socket, 5)
	ip(t, "-n", nsB, "addr", "add", "fd78:0::1/64", "dev", "lan0", "nodad")
	mustPing(t, nsA, "-I", "line0", "10.77.0.1")
	eventually(t, "static tunnel", func() bool { return ping(nsA, "fd79:1::2") == nil })
	eventually(t, "dynamic tunnel", func() bool { return ping(nsA, "fd78:0::1") == nil })
	transfer(t, nsA, nsB, "[fd79:1::2]:5001", 8<<20) // super-packets of a real device
	for _, s := range []struct {
		i    *instance
		name string
	}{{a, "served"}, {a, "e"}, {b, "served"}, {b, "lan-0"}, {a, "kept"}} {
		m := s.i.session(s.name)
		dropped := m.Drops["untagged"]
		if m.Pseudowire != "eth-vlan" || (dropped > 0) != (s.name == "kept") || s.name == "served" && m.MTU != 1500-20-8-8-14-4 {
			t.Errorf("session %+v", m)
		}
	}
	if s := a.session("kept"); s.TxPackets != 0 {
		t.Errorf("untagged frames left: %+v", s)
	}
}
