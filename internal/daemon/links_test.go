package daemon

import (
	"fmt"
	"strings"
	"testing"

	"culvert/internal/mgmt"
)

// TestCircuitOfOurs: a device that is set down, up again, and removed at one end takes the carrier at the other end along,
// from whichever of them asked for the session. PPP sessions have no part in that.
func TestCircuitOfOurs(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	b := run(t, answering(nsB, `"the secret"`, port[0]))
	a := run(t, dialing(nsA, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 0))
	allUp(t, a.socket, 3)
	allUp(t, b.socket, 3)
	for _, end := range []struct {
		ns, dev string
		far     func() mgmt.Session
		farNS   string
		farDev  string
	}{
		{nsA, "wire0", func() mgmt.Session { return b.session("lan-0") }, nsB, "lan0"},
		{nsB, "lan0", func() mgmt.Session { return a.session("e") }, nsA, "wire0"},
	} {
		for range 2 {
			ip(t, "-n", end.ns, "link", "set", end.dev, "down")
			eventually(t, "peer of "+end.dev+" down", func() bool {
				return end.far().State == "down" && strings.Contains(ip(t, "-n", end.farNS, "link", "show", end.farDev), "NO-CARRIER")
			})
			ip(t, "-n", end.ns, "link", "set", end.dev, "up")
			eventually(t, "peer of "+end.dev+" up", func() bool {
				return end.far().State == "up" && !strings.Contains(ip(t, "-n", end.farNS, "link", "show", end.farDev), "NO-CARRIER")
			})
		}
	}
	ip(t, "-n", nsA, "link", "del", "wire0")
	eventually(t, "peer of what is gone down", func() bool { return b.session("lan-0").State == "down" })
	ip(t, "-n", nsA, "link", "set", "line0", "down")
	ip(t, "-n", nsA, "link", "set", "line0", "up")
	if s := b.session("sub-0"); s.State != "up" {
		t.Errorf("PPP session %+v", s)
	}
}
