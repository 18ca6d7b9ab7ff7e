package daemon

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// TestReloadResponder changes what peers may have: a larger pool keeps what was given out, sessions of a profile that
// differs end and come back with it, a smaller pool takes addresses back, and a peer that is refused now is gone.
func TestReloadResponder(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	text := answering(nsA, `"the secret"`, port[0])
	lns := runFile(t, text)
	a := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 0))
	allUp(t, a.socket, 3)
	allUp(t, lns.socket, 3)
	addresses := func() [2]string {
		return [2]string{lns.session("sub-0").PPP.PeerAddress, lns.session("sub-1").PPP.PeerAddress}
	}
	had, ids := addresses(), [2]uint32{lns.session("sub-0").SID, lns.session("lan-0").SID}
	change := func(from, to string, want ...mgmt.Change) {
		t.Helper()
		if !strings.Contains(text, from) {
			t.Fatalf("no %q", from)
		}
		text = strings.Replace(text, from, to, 1)
		r := lns.reload(text)
		if diff := cmp.Diff(want, differences(r)); diff != "" || len(r.Failed) != 0 {
			t.Errorf("failed %q, report (-want +got):\n%s", r.Failed, diff)
		}
	}

	change("10.77.0.16/28", "10.77.0.16-10.77.0.63", mgmt.Change{Kind: mgmt.KindPool, Changed: []string{"subs"}})
	if now := addresses(); now != had {
		t.Errorf("addresses %v, had %v", now, had)
	}
	mustPing(t, nsB, "-I", "line0", "10.77.0.1")

	change("[profile.session.lan]", "[profile.session.lan]\nmtu = 1300", mgmt.Change{Kind: mgmt.KindSessionProfile, Changed: []string{"lan"}, Kept: 2})
	eventually(t, "the session again", func() bool {
		return states(t, lns.socket)["lan0"] == "up" && lns.session("lan-0").SID != ids[1]
	})
	if s := lns.session("lan-0"); s.MTU != 1300 {
		t.Errorf("session %+v", s)
	}
	if s := lns.session("sub-0"); s.SID != ids[0] || addresses() != had {
		t.Errorf("session %+v, addresses %v", s, addresses())
	}

	change("10.77.0.16-10.77.0.63", "10.77.0.40-10.77.0.63", mgmt.Change{Kind: mgmt.KindPool, Changed: []string{"subs"}})
	eventually(t, "other addresses", func() bool {
		all := states(t, lns.socket)
		if all["sub0"] != "up" || all["sub1"] != "up" {
			return false
		}
		now := addresses()
		return now[0] >= "10.77.0.40" && now[1] >= "10.77.0.40" && now[0] != now[1]
	})

	change("[peer.access]", "[peer.access]\nallow = false", mgmt.Change{Kind: mgmt.KindPeer, Updated: []string{"access"}})
	if n := len(tunnelsOf(t, lns.socket)); n != 0 {
		t.Errorf("%d tunnels", n)
	}
	eventually(t, "the initiator hears of it", func() bool { return a.tunnel("up").State != "established" })
	if l := links(t, nsA); len(l) != 0 {
		t.Errorf("left behind: %v", l)
	}
	change("allow = false", "", mgmt.Change{Kind: mgmt.KindPeer, Updated: []string{"access"}})
	allUp(t, lns.socket, 3)
}

// TestReloadSignal: SIGHUP does what the order does.
func TestReloadSignal(t *testing.T) {
	ns := newNS(t)
	p := freePorts(t, 2)
	text := static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, staticSession("t1", "wire", "eth", ns, [2]int{1, 2}))
	path := t.TempDir() + "/culvert.toml"
	writeFile(t, path, text)
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	levels := make(chan string, 1)
	runWith(t, cfg, Options{Reload: signals, SetLogLevel: func(l string) { levels <- l }})
	writeFile(t, path, "log_level = \"debug\"\n"+text+staticSession("t1", "more", "eth", ns, [2]int{3, 4}))
	signals <- syscall.SIGHUP
	eventually(t, "the new session", func() bool { return sameNames(links(t, ns), []string{"more", "wire"}) })
	if l := <-levels; l != "debug" {
		t.Errorf("log level %q", l)
	}
}
