package daemon

import (
	"fmt"
	"strings"
	"testing"
)

// TestNumberedAddresses: sessions of a template have addresses of their own, by their number.
func TestNumberedAddresses(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	lns := run(t, strings.NewReplacer(
		"remote_end_id = \"sub_{n}\"", "remote_end_id = \"sub_{n}\"\npeer_address = \"10.77.1.0+{n}\"\nroutes = [\"10.80.0.0/24+{n}\"]",
		"remote_end_id = \"lan_{n}\"", "remote_end_id = \"lan_{n}\"\naddresses = [\"fd78::1/32+{n}\"]\nmac = \"02:00:00:00:00:10+{n}\"",
	).Replace(answering(nsA, `"the secret"`, port[0])))
	lac := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 3))
	allUp(t, lac.socket, 3)
	allUp(t, lns.socket, 3)
	for i, want := range map[int]string{3: "10.77.1.3", 4: "10.77.1.4"} {
		mustPing(t, nsB, "-I", fmt.Sprintf("line%d", i), "10.77.0.1")
		if got := ip(t, "-n", nsB, "-4", "addr", "show", "dev", fmt.Sprintf("line%d", i)); !strings.Contains(got, "inet "+want+" peer 10.77.0.1/32") {
			t.Errorf("line%d has %s", i, got)
		}
		if got := ip(t, "-n", nsA, "route", "show", "dev", fmt.Sprintf("sub%d", i)); !strings.Contains(got, fmt.Sprintf("10.80.%d.0/24", i)) {
			t.Errorf("sub%d has %s", i, got)
		}
	}
	if got := ip(t, "-n", nsA, "addr", "show", "dev", "lan3"); !strings.Contains(got, "fd78:3::1/32") || !strings.Contains(got, "02:00:00:00:00:13") {
		t.Errorf("lan3 has %s", got)
	}
	eventually(t, "Ethernet", func() bool { return ping(nsB, "fd78:3::1") == nil })
}
