package daemon

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/client"
	"culvert/internal/mgmt"
)

// TestReloadShared: a shared device that changes is made anew, and its sessions come back on it; one that is not used goes
// and comes alone.
func TestReloadShared(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 1)[0]
	text := sharing(nsA, port)
	lns := runFile(t, text)
	run(t, subscribing(nsB, port, 3, 0))
	up := func() int {
		t.Helper()
		n := 0
		all, err := client.Collect(client.New(lns.socket).Sessions(context.Background(), client.Filter{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if s.State == "up" && s.Interface == "subs" {
				n++
			}
		}
		return n
	}
	eventually(t, "sessions up", func() bool { return up() >= 3 })

	other := text + "\n[shared.more]\ninterface_name = \"more\"\nnetns = \"" + nsA + "\"\n"
	r := lns.reload(other)
	if diff := cmp.Diff([]mgmt.Change{{Kind: mgmt.KindShared, Added: []string{"more"}, Kept: 1}}, differences(r)); diff != "" || len(r.Failed) != 0 {
		t.Errorf("failed %q (-want +got):\n%s", r.Failed, diff)
	}
	if n := up(); n < 3 || !sameNames(links(t, nsA), []string{"more", "subs"}) {
		t.Errorf("%d sessions, links %v", n, links(t, nsA))
	}

	r = lns.reload(strings.Replace(text, "[shared.subs]", "[shared.subs]\nmtu = 1400", 1))
	want := []mgmt.Change{
		{Kind: mgmt.KindSessionProfile, Changed: []string{"sub", "office", "rival"}},
		{Kind: mgmt.KindShared, Changed: []string{"subs"}, Removed: []string{"more"}},
	}
	if diff := cmp.Diff(want, differences(r)); diff != "" || len(r.Failed) != 0 {
		t.Errorf("failed %q (-want +got):\n%s", r.Failed, diff)
	}
	eventually(t, "sessions up again", func() bool { return up() >= 3 })
	if out := ip(t, "-n", nsA, "link", "show", "subs"); !strings.Contains(out, "mtu 1400") || !sameNames(links(t, nsA), []string{"subs"}) {
		t.Errorf("links %v: %s", links(t, nsA), out)
	}
}
