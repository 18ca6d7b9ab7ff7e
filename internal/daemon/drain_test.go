package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"culvert/client"
	"culvert/internal/mgmt"
)

func (i *instance) drain(off bool) mgmt.DrainReport {
	i.t.Helper()
	r, err := client.New(i.socket).Drain(context.Background(), mgmt.DrainRequest{Off: off})
	if err != nil {
		i.t.Fatal(err)
	}
	return r
}

// TestDrain: what is up stays, what is new is refused at either end, and --off brings it.
func TestDrain(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	listening := fmt.Sprintf("127.0.0.1:%d", port[0])
	lns := run(t, answering(nsA, `"the secret"`, port[0]))
	lac := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), listening, "the secret", 0))
	allUp(t, lac.socket, 3)
	allUp(t, lns.socket, 3)
	if r := lns.drain(false); !r.Draining || r.Tunnels != 1 || r.Sessions != 3 {
		t.Fatalf("%+v", r)
	}
	late := run(t, dialing(newNS(t), "ip", "127.0.0.4", "127.0.0.1", "the secret", 4))
	eventually(t, "refusal", func() bool {
		c := late.tunnel("up").Control
		return c != nil && strings.HasPrefix(c.Reason, "peer: ") && strings.Contains(c.Reason, "shutting down")
	})
	mustPing(t, nsB, "-I", "line0", "10.77.0.1")
	if r := lns.drain(true); r.Draining || r.Sessions != 3 {
		t.Fatalf("%+v", r)
	}
	allUp(t, lns.socket, 6)

	// We do not ask for what ends meanwhile.
	if r := lac.drain(false); !r.Draining || r.Tunnels != 1 {
		t.Fatalf("%+v", r)
	}
	if err := lns.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end", func() bool { return lac.drain(false).Tunnels == 0 })
	lns = run(t, answering(nsA, `"the secret"`, port[0]))
	allUp(t, lns.socket, 3) // the other one dials again, and by then we would have
	if r := lac.drain(false); r.Tunnels != 0 || r.Sessions != 0 {
		t.Fatalf("%+v", r)
	}
	lac.drain(true)
	allUp(t, lac.socket, 3)
}
