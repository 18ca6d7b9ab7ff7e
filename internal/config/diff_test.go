package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const diffBase = `
workers = 2
log_level = "info"

[tunnel.static]
local = "192.0.2.1:1701"
peer  = "192.0.2.2:1701"
tid   = 1
ptid  = 2
[tunnel.static.session.a]
pseudowire  = "ppp"
sid  = 1
psid = 2
ppp_profile = "p"
[tunnel.static.session.b]
pseudowire = "eth"
sid  = 3
psid = 4

[hooks]
session_up   = "/up"
session_down = "/down"

[tunnel.dials]
local  = "192.0.2.1:1702"
peer   = "192.0.2.2:1702"
secret = "first secret"
[tunnel.dials.session.c]
pseudowire = "eth"

[listen.udp]
local = "192.0.2.1:1703"

[peer.access]
addresses = ["192.0.2.0/24"]
secret    = "first secret"

[profile.session.sub]
pseudowire    = "ppp"
remote_end_id = "sub_{n}"
n             = "0-9"
ppp_profile   = "p"

[ppp.p]
pool          = "subs"
auth          = ["chap"]
name          = "us"
user          = "me"
password      = "ours"
peer_password = "theirs"

[pool.subs]
ranges = ["198.51.100.0/24"]
`

// kept is what stays of diffBase in each kind.
func keptAll() Diff {
	return Diff{
		Tunnels: Changes[string]{Kept: 2}, Sessions: Changes[SessionName]{Kept: 3}, Listens: Changes[string]{Kept: 1},
		Peers: Changes[string]{Kept: 1}, Profiles: Changes[string]{Kept: 1}, PPP: Changes[string]{Kept: 1}, Pools: Changes[string]{Kept: 1},
		Hooks: Changes[string]{Kept: 2},
	}
}

func TestCompare(t *testing.T) {
	names := func(n ...string) []string { return n }
	session := func(tunnel, name string) []SessionName { return []SessionName{{tunnel, name}} }
	bothPPP := func(c *Changes[string]) *Changes[string] { c.Kept = 0; return c }
	tests := []struct {
		name     string
		from, to string // of diffBase
		want     func(d *Diff)
	}{
		{"nothing", "", "", func(*Diff) {}},
		{"lines alone", "[tunnel.static]", "\n\n# a comment\n\n[tunnel.static]", func(*Diff) {}},
		{"log level", `log_level = "info"`, `log_level = "warn"`, func(d *Diff) { d.LogLevel = true }},
		{"workers and group", "workers = 2", "workers = 3\ndevices.group = 7", func(d *Diff) { d.Restart = names("devices.group", "workers") }},
		{"tunnel", "ptid  = 2", "ptid  = 3", func(d *Diff) {
			d.Tunnels = Changes[string]{Changed: names("static"), Kept: 1}
			d.Sessions = Changes[SessionName]{Changed: []SessionName{{"static", "a"}, {"static", "b"}}, Kept: 1}
		}},
		{"tunnel by another name", "[tunnel.dials", "[tunnel.calls", func(d *Diff) {
			d.Tunnels = Changes[string]{Added: names("calls"), Removed: names("dials"), Kept: 1}
			d.Sessions = Changes[SessionName]{Added: session("calls", "c"), Removed: session("dials", "c"), Kept: 2}
		}},
		{"session", "psid = 4", "psid = 5", func(d *Diff) {
			d.Sessions = Changes[SessionName]{Changed: session("static", "b"), Kept: 2}
		}},
		{"tunnel's secret", "peer   = \"192.0.2.2:1702\"\nsecret = \"first secret\"", "peer   = \"192.0.2.2:1702\"\nsecret = [\"second secret\", \"first secret\"]", func(d *Diff) {
			d.Tunnels = Changes[string]{Updated: names("dials"), Kept: 1}
		}},
		{"tunnel's secret gone", "peer   = \"192.0.2.2:1702\"\nsecret = \"first secret\"", "peer   = \"192.0.2.2:1702\"", func(d *Diff) {
			d.Tunnels = Changes[string]{Changed: names("dials"), Kept: 1}
			d.Sessions = Changes[SessionName]{Changed: session("dials", "c"), Kept: 2}
		}},
		{"peer's secret", "secret    = \"first secret\"", "secret    = \"second secret\"", func(d *Diff) {
			d.Peers = Changes[string]{Updated: names("access")}
		}},
		{"peer's limits", "[peer.access]", "[peer.access]\nmax_tunnels = 3\nmax_sessions = 4\nprofiles = [\"sub\"]", func(d *Diff) {
			d.Peers = Changes[string]{Updated: names("access")}
		}},
		{"peer's timers", "[peer.access]", "[peer.access]\nretry_timeout = 3000", func(d *Diff) {
			d.Peers = Changes[string]{Changed: names("access")}
		}},
		{"listen", `local = "192.0.2.1:1703"`, `local = "192.0.2.1:1704"`, func(d *Diff) {
			d.Listens = Changes[string]{Changed: names("udp")}
		}},
		{"session profile", `n             = "0-9"`, `n             = "0-99"`, func(d *Diff) {
			d.Profiles = Changes[string]{Changed: names("sub")}
		}},
		{"ppp profile", "[ppp.p]", "[ppp.p]\nmru = 1400", func(d *Diff) {
			bothPPP(&d.PPP).Changed = names("p")
			bothPPP(&d.Profiles).Changed = names("sub")
			d.Sessions = Changes[SessionName]{Changed: session("static", "a"), Kept: 2}
		}},
		{"the peers' password", `"theirs"`, `"others"`, func(d *Diff) {
			bothPPP(&d.PPP).Updated = names("p")
			bothPPP(&d.Profiles).Updated = names("sub")
			d.Sessions = Changes[SessionName]{Updated: session("static", "a"), Kept: 2}
		}},
		{"our password", `"ours"`, `"others"`, func(d *Diff) {
			bothPPP(&d.PPP).Updated = names("p")
			bothPPP(&d.Profiles).Updated = names("sub")
			d.Sessions = Changes[SessionName]{Updated: session("static", "a"), Kept: 2}
		}},
		{"hooks", "session_up   =", "drain =", func(d *Diff) {
			d.Hooks = Changes[string]{Added: names("drain"), Removed: names("session_up"), Kept: 1}
		}},
		{"hook", "/up", "/other", func(d *Diff) { d.Hooks = Changes[string]{Updated: names("session_up"), Kept: 1} }},
		{"whom hooks run as", "[hooks]", "[hooks]\ncapabilities = [\"net_raw\"]", func(d *Diff) {
			d.Hooks = Changes[string]{Updated: names("session_up", "session_down")}
		}},
		{"pool", "198.51.100.0/24", "198.51.100.0/25", func(d *Diff) {
			d.Pools = Changes[string]{Changed: names("subs")}
		}},
	}
	base := mustParse(t, diffBase)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.from != "" && !strings.Contains(diffBase, tt.from) {
				t.Fatal("nothing to replace")
			}
			next := mustParse(t, strings.ReplaceAll(diffBase, tt.from, tt.to))
			want := keptAll()
			tt.want(&want)
			got := base.Compare(next, nil)
			if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Any() != (tt.name != "nothing" && tt.name != "lines alone" && tt.name != "workers and group") {
				t.Errorf("Any is %v", got.Any())
			}
		})
	}
}

// TestCompareAbsent: what does not run is added again, by itself or with its tunnel.
func TestCompareAbsent(t *testing.T) {
	base, next := mustParse(t, diffBase), mustParse(t, diffBase)
	d := base.Compare(next, map[SessionName]bool{{"static", "b"}: true, {"dials", ""}: true})
	want := keptAll()
	want.Tunnels = Changes[string]{Added: []string{"dials"}, Kept: 1}
	want.Sessions = Changes[SessionName]{Added: []SessionName{{"static", "b"}, {"dials", "c"}}, Kept: 1}
	if diff := cmp.Diff(&want, d, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCompareIsAntisymmetric: what one direction adds, the other one removes, and the rest is the same.
func TestCompareIsAntisymmetric(t *testing.T) {
	base := mustParse(t, diffBase)
	next := mustParse(t, strings.NewReplacer("[tunnel.dials", "[tunnel.calls", "psid = 4", "psid = 5", `"theirs"`, `"others"`,
		"[pool.subs]", "[pool.more]\nranges = [\"203.0.113.0/24\"]\n[pool.subs]").Replace(diffBase))
	there, back := base.Compare(next, nil), next.Compare(base, nil)
	turn := func(c *Changes[string]) { c.Added, c.Removed = c.Removed, c.Added }
	turn(&back.Tunnels)
	turn(&back.Pools)
	back.Sessions.Added, back.Sessions.Removed = back.Sessions.Removed, back.Sessions.Added
	if diff := cmp.Diff(there, back, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-there +back):\n%s", diff)
	}
	if len(there.Pools.Added) != 1 || len(there.Tunnels.Added) != 1 || len(there.Sessions.Changed) != 1 {
		t.Errorf("%+v", there)
	}
}
