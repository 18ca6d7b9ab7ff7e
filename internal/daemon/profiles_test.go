package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/client"
	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// TestProfilesAndConfig: what runs is shown, also after a reload, and the secret is not.
func TestProfilesAndConfig(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	text := answering(nsA, `"the secret"`, port[0])
	lns := runFile(t, text)
	lac := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 0))
	allUp(t, lns.socket, 3)
	allUp(t, lac.socket, 3)
	profiles := func(socket string) []mgmt.Profile {
		all, err := client.New(socket).Profiles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	want := []mgmt.Profile{
		{Kind: "ppp", Name: "p", Sessions: 2, Up: 2},
		{Kind: "session", Name: "lan", Sessions: 1, Up: 1},
		{Kind: "session", Name: "office"},
		{Kind: "session", Name: "sub", Sessions: 2, Up: 2},
	}
	if diff := cmp.Diff(want, profiles(lns.socket)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:1], profiles(lac.socket)); diff != "" {
		t.Error(diff)
	}
	lns.reload(text + "[ppp.more]\n")
	c, err := client.New(lns.socket).Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(c.Text, "the secret") || !strings.Contains(c.Text, "secret = \"(hidden)\"\n") || !strings.Contains(c.Text, "[ppp.more]\n") || c.File != lns.path {
		t.Errorf("%s\n%s", c.File, c.Text)
	}
	if _, err := config.Parse("shown.toml", []byte(c.Text)); err != nil {
		t.Error(err)
	}
}
