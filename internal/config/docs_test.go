package config

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keyLists gives the keys of each kind of table under its heading in the reference.
func keyLists() map[string][]string {
	return map[string][]string{
		"Top level":                  slices.Sorted(maps.Keys(fileKeys)),
		"[api]":                      slices.Sorted(maps.Keys(apiKeys)),
		"[devices]":                  slices.Sorted(maps.Keys(devicesKeys)),
		"[hooks]":                    slices.Sorted(maps.Keys(hooksKeys)),
		"[pool.NAME]":                slices.Sorted(maps.Keys(poolKeys)),
		"[tunnel.NAME]":              slices.Sorted(maps.Keys(tunnelKeys)),
		"[tunnel.NAME.session.NAME]": slices.Sorted(maps.Keys(sessionKeys)),
		"[ppp.NAME]":                 slices.Sorted(maps.Keys(pppKeys)),
		"[listen.NAME]":              slices.Sorted(maps.Keys(listenKeys)),
		"[shared.NAME]":              slices.Sorted(maps.Keys(sharedKeys)),
		"[peer.NAME]":                slices.Sorted(maps.Keys(peerKeys)),
		"[profile.session.NAME]":     slices.Sorted(maps.Keys(profileKeys)),
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section gives the lines between a heading and the next one of any level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("no heading %q", heading)
	}
	if i := regexp.MustCompile(`(?m)^#+ `).FindStringIndex(rest); i != nil {
		rest = rest[:i[0]]
	}
	return rest
}

// TestReferenceIsComplete: the tables of docs/configuration.md list the keys we read, no more and no fewer.
func TestReferenceIsComplete(t *testing.T) {
	text := readFile(t, "../../docs/configuration.md")
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|(?:[^|\n]*\\|){4}$")
	for heading, want := range keyLists() {
		var got []string
		for _, m := range row.FindAllStringSubmatch(section(t, text, "## "+heading), -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: keys differ (-code +docs/configuration.md):\n%s", heading, diff)
		}
	}
}

// TestReferenceHasPPPDOptions: the same for the options of pppd.
func TestReferenceHasPPPDOptions(t *testing.T) {
	text := section(t, readFile(t, "../../docs/configuration.md"), "### pppd options")
	var got []string
	for _, line := range strings.Split(text, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if m[1] != "LOCAL:REMOTE" {
				got = append(got, m[1])
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(pppdOptions)), got); diff != "" {
		t.Errorf("options differ (-code +docs/configuration.md):\n%s", diff)
	}
}

// TestFullExample: full.toml has every key, and what it sets to a default is the default.
func TestFullExample(t *testing.T) {
	text := readFile(t, "../../examples/full.toml")
	// What a key of each kind of table must stand in: from one line to the next one given.
	parts := map[string][2]string{
		"Top level":                  {"", "\n["},
		"[api]":                      {"\n[api]", "\n["},
		"[devices]":                  {"\n[devices]", "\n["},
		"[hooks]":                    {"\n# [hooks]", "\n# A tunnel"},
		"[tunnel.NAME]":              {"\n[tunnel.t1]", "\n["},
		"[tunnel.NAME.session.NAME]": {"\n[tunnel.t1.session.s1]", "\n[listen.udp]"},
		"[listen.NAME]":              {"\n[listen.udp]", "\n["},
		"[peer.NAME]":                {"\n[peer.access]", "\n["},
		"[profile.session.NAME]":     {"\n[profile.session.subscribers]", "\n["},
		"[ppp.NAME]":                 {"\n[ppp.p0]", "\n["},
		"[shared.NAME]":              {"\n[shared.subscribers]", "\n["},
		"[pool.NAME]":                {"\n[pool.lan]", "\n["},
	}
	tables := []string{"api", "devices", "hooks", "tunnel", "ppp", "session", "pool", "listen", "peer", "profile", "shared"}
	for heading, keys := range keyLists() {
		_, part, _ := strings.Cut(text, parts[heading][0])
		part, _, _ = strings.Cut(part, parts[heading][1])
		for _, k := range keys {
			if (!slices.Contains(tables, k) || heading == "[ppp.NAME]") && !regexp.MustCompile(`(?m)^(# )?`+k+` += `).MatchString(part) {
				t.Errorf("%s: no key %s", heading, k)
			}
		}
	}

	full, err := Load("../../examples/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	bare := mustParse(t, `
[tunnel.t1]
local = "192.0.2.1:1701"
peer = "192.0.2.2:1701"
tid = 1
ptid = 2
[tunnel.t1.session.s1]
pseudowire = "eth"
sid = 1001
psid = 2001
[tunnel.t1.session.s2]
pseudowire = "ppp"
sid = 1002
psid = 2002
ppp_profile = "p0"
[ppp.p0]
[listen.udp]
local = "192.0.2.1:1702"
[peer.access]
secret = "shared secret"
max_sessions = 65536
[profile.session.subscribers]
pseudowire = "ppp"
remote_end_id = "sreid_{n}"
n = "0-999"
interface_name = "sub{n}"
ppp_profile = "p0"
[shared.subscribers]
addresses = ["10.77.0.1/32"]
routes = ["10.77.0.0/16"]
[pool.customers]
ranges = ["10.64.0.0/16", "192.0.2.10-192.0.2.99"]
exclude = ["10.64.0.1"]
[pool.links]
ranges = ["2001:db8:1000::/36"]
prefix_length = 64
[pool.lan]
ranges = ["2001:db8:8000::/33"]
prefix_length = 56
exclude = ["2001:db8:8000::/56"]
`)
	for _, c := range []*Config{full, bare} {
		c.File, c.Tunnels[0].Line = "", 0
		c.Listens[0].Line, c.Peers[0].Line, c.Profiles[0].Line = 0, 0, 0
		c.Shared[0].Line = 0
		for i := range c.Pools {
			c.Pools[i].Line = 0
		}
		for i := range c.Tunnels[0].Sessions {
			c.Tunnels[0].Sessions[i].Line = 0
		}
	}
	compare(t, bare, full)
}

// TestExamplesLoad: every example is a good file, and the demonstration's two ends are each other's mirror.
func TestExamplesLoad(t *testing.T) {
	entries, err := os.ReadDir("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") {
			if _, err := Load("../../examples/" + e.Name()); err != nil {
				t.Error(err)
			}
		}
	}
	lac, err := Load("../../examples/lac.toml")
	if err != nil {
		t.Fatal(err)
	}
	lns, err := Load("../../examples/lns.toml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range lns.Tunnels { // the LAC has a dynamic one more
		a, b := lac.Tunnels[i], lns.Tunnels[i]
		if a.Local != b.Peer || a.Peer != b.Local || a.TID != b.PTID || a.PTID != b.TID || a.Transport != b.Transport {
			t.Errorf("tunnel %s is not mirrored", a.Name)
		}
		for j := range a.Sessions {
			x, y := a.Sessions[j], b.Sessions[j]
			if x.SID != y.PSID || x.PSID != y.SID || x.Cookie != y.PeerCookie || x.PeerCookie != y.Cookie ||
				x.Pseudowire != y.Pseudowire || x.Sublayer != y.Sublayer || x.Cookie.Len() != 8 {
				t.Errorf("session %s is not mirrored", x.Name)
			}
		}
	}
}
