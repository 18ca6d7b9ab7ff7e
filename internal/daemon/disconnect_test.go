package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/client"
	"culvert/internal/mgmt"
)

// TestDisconnect ends sessions by name and address and a whole tunnel: the peers hear why, and what is dialed comes back.
func TestDisconnect(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	lns := run(t, answering(nsA, `"the secret"`, port[0]))
	a := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 0))
	allUp(t, a.socket, 3)
	allUp(t, lns.socket, 3)
	order := func(r mgmt.DisconnectRequest) mgmt.DisconnectReport {
		t.Helper()
		report, err := client.New(lns.socket).Disconnect(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	tunnel := tunnelsOf(t, lns.socket)[0].Name
	id := lns.session("lan-0").SID
	if diff := cmp.Diff(mgmt.DisconnectReport{Sessions: []string{tunnel + "/lan-0"}}, order(mgmt.DisconnectRequest{Session: tunnel + "/lan-0"})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	eventually(t, "the session again", func() bool {
		all := states(t, lns.socket)
		return all["lan0"] == "up" && lns.session("lan-0").SID != id
	})
	s := lns.session("sub-1")
	if got := order(mgmt.DisconnectRequest{Address: s.PPP.PeerAddress}); len(got.Sessions) != 1 || got.Sessions[0] != tunnel+"/sub-1" {
		t.Errorf("%+v", got)
	}
	eventually(t, "the line again", func() bool {
		all := states(t, lns.socket)
		return all["sub1"] == "up" && lns.session("sub-1").SID != s.SID
	})
	if got := order(mgmt.DisconnectRequest{Tunnel: tunnel}); got.Tunnel != tunnel || len(got.Sessions) != 3 {
		t.Errorf("%+v", got)
	}
	eventually(t, "the reason", func() bool { return strings.Contains(a.tunnel("up").Control.Reason, disconnected) })
	allUp(t, a.socket, 3)
	_, err := client.New(lns.socket).Disconnect(context.Background(), mgmt.DisconnectRequest{User: "nobody"})
	if err == nil || err.Error() != "no session: not found" {
		t.Errorf("error %v", err)
	}
}
