package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"culvert/control"
)

// everyControlKey sets all that tunnels and peers have in common.
const everyControlKey = `
secret = "long enough"
digest = "off"
challenge = true
router_id = "192.0.2.9"
vendor_name = "us"
ack = "message"
strict = true
setup_timeout = 1500
max_sessions = 7
`

func TestPeering(t *testing.T) {
	c := mustParse(t, dial+everyControlKey+"tie_breaker = true\n[tunnel.t1.session.s]\npseudowire = \"eth\"\n"+
		"l2spec_type = \"default\"\nl2spec_force = true\ntie_breaker = true\ncall = \"outgoing\"\n"+respond+"l2spec_force = true\n[peer.q]"+everyControlKey)
	tunnel, peer := *c.Tunnels[0].Control, c.Peers[1].Control
	if !tunnel.TieBreaker || peer.TieBreaker {
		t.Errorf("tie breakers %v, %v", tunnel.TieBreaker, peer.TieBreaker)
	}
	for _, p := range []control.Profile{tunnel, peer} {
		if len(p.Secrets) != 1 || p.Digest != control.DigestOff || !p.Challenge || p.RouterID != 0xc0000209 || p.VendorName != "us" ||
			p.Ack != control.AckMessage || !p.Strict || p.SetupTimeout != 1500*time.Millisecond || p.MaxSessions != 7 {
			t.Errorf("profile %+v", p)
		}
	}
	if s := c.Tunnels[0].Sessions[0]; !s.ForceSublayer || !s.TieBreaker || !s.Outgoing {
		t.Errorf("session %+v", s)
	}
	if s := c.Profiles[0]; !s.ForceSublayer {
		t.Errorf("profile %+v", s)
	}
	number := mustParse(t, dial+"router_id = 4294967295\nack = \"zlb\"\nsecret = \"\"\ndigest = \"md5\"\n").Tunnels[0].Control
	if number.RouterID != 1<<32-1 || number.Ack != control.AckZLB || len(number.Secrets) != 0 || number.Digest != control.DigestModeMD5 {
		t.Errorf("profile %+v", number)
	}
}

// TestWho: every condition counts, and what is not said fits all.
func TestWho(t *testing.T) {
	c := mustParse(t, respond+`
[peer.exact]
addresses = ["192.0.2.0/24"]
name = "lac"
peer_router_id = 9
allow = false
profiles = ["s"]
[peer.none]
addresses = ["2001:db8::/32"]
profiles = []
`)
	all, exact, none := c.Peers[0], c.Peers[1], c.Peers[2]
	near, far := netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("198.51.100.1")
	for _, tc := range []struct {
		from netip.Addr
		name string
		id   uint32
		want bool
	}{
		{near, "lac", 9, true},
		{far, "lac", 9, false},
		{near, "lac2", 9, false},
		{near, "lac", 0, false},
	} {
		if got := exact.Fits(tc.from, tc.name, tc.id); got != tc.want || !all.Fits(tc.from, tc.name, tc.id) {
			t.Errorf("%s, %q, %d fits: %v", tc.from, tc.name, tc.id, got)
		}
	}
	if all.Refused || !exact.Refused || !all.May("x") || !exact.May("s") || exact.May("x") || none.May("s") {
		t.Errorf("may: %+v", c.Peers)
	}
}

// TestShadows: a peer that no connection can lead to is worth a word; one that differs in anything is not.
func TestShadows(t *testing.T) {
	secret := "secret = \"long enough\"\n"
	c := mustParse(t, strings.Replace(respond, "[peer.p]", "[peer.p]\naddresses = [\"192.0.2.0/24\", \"192.0.3.0/24\"]\nname = \"lac\"", 1)+ // 8 lines
		"[peer.q]\nname = \"lac\"\naddresses = [\"192.0.3.7\", \"192.0.2.128/25\"]\npeer_router_id = 3\n"+secret+
		"[peer.r]\nname = \"lac\"\naddresses = [\"192.0.3.7\", \"192.0.4.1\"]\n"+secret+
		"[peer.s]\naddresses = [\"192.0.3.7\"]\n"+secret+
		"[peer.u]\nname = \"lac\"\n"+secret+
		"[peer.v]\nallow = false\n"+
		"[peer.w]\nname = \"x\"\n"+secret)
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := "f.toml:9: peer.q: has no effect: peer.p (line 3) fits all it fits, and comes first\n" +
		"f.toml:26: peer.w: has no effect: peer.v (line 24) fits all it fits, and comes first"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got:\n%s\nwant:\n%s", s, want)
	}
}

// TestEmptySecret: it is taken as what it is, an integrity check, with a warning.
func TestEmptySecret(t *testing.T) {
	c := mustParse(t, dial+"secret = \"\"\ndigest = \"sha1\"\n")
	if len(c.Warnings) != 1 || c.Warnings[0].Error() != "f.toml:4: tunnel.t1.secret: an empty secret authenticates nobody: digests find damage only" {
		t.Errorf("got %v", c.Warnings)
	}
}
