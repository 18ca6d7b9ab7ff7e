package daemon

import (
	"fmt"
	"strings"
	"testing"

	"culvert/client"
)

// TestSessionsWithoutDevice: of sessions that are set up together, the one that cannot have its device is refused and
// counted, its peer is told, and the others run. It comes as soon as it can.
func TestSessionsWithoutDevice(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	ip(t, "-n", nsB, "link", "add", "sub1", "type", "bridge")
	port := freePorts(t, 2)
	b := run(t, answering(nsB, `"the secret"`, port[0]))
	a := run(t, fmt.Sprintf(`
[tunnel.up]
local = "127.0.0.2:%d"
peer = "127.0.0.1:%d"
path_mtu = 1500
secret = "the secret"
digest = "sha1"
hide_avps = true
host_name = "lac"
window_size = 64
retry_timeout = 200
[tunnel.up.session.line]
pseudowire = "ppp"
n = "0-7"
remote_end_id = "sub_{n}"
interface_name = "line{n}"
netns = %q
ppp_profile = "p"
txqueuelen = 16
[ppp.p]
lcp_restart = 1
`, port[1], port[0], nsA))
	up := func(want int) func() bool {
		return func() bool {
			n := 0
			all, err := client.Collect(client.New(a.socket).Sessions(t.Context(), client.Filter{}))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				if s.State == "up" {
					n++
				}
			}
			return n == want
		}
	}
	eventually(t, "seven of eight sessions", up(7))
	if s := a.session("line-1"); s.State == "up" || !strings.Contains(s.Reason, "no device") {
		t.Errorf("session %+v", s)
	}
	if b.drops(t)["session_refused"] == 0 {
		t.Error("the refusal is not counted")
	}
	ip(t, "-n", nsB, "link", "del", "sub1")
	eventually(t, "all sessions", up(8))
	for _, n := range []int{0, 1, 7} {
		mustPing(t, nsA, "-I", fmt.Sprintf("line%d", n), "10.77.0.1")
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "responder let go", func() bool { return len(links(t, nsB)) == 0 })
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
}
