package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"culvert/control"
)

// dial begins a dynamic tunnel, in three lines; respond is all that peers need to dial us, in six.
const (
	dial    = "[tunnel.t1]\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n"
	respond = "[listen.l]\nlocal = \"192.0.2.1\"\n[peer.p]\nsecret = \"long enough\"\n[profile.session.s]\npseudowire = \"eth\"\n"
)

func TestDynamic(t *testing.T) {
	c := mustParse(t, dial+`
host_name = "lac"
hello_timeout = 5000
retry_timeout = 250
max_retries = 7
window_size = 12
secret = ["the old one", "the new one"]
digest = "sha1"
hide_avps = true
[tunnel.t1.session.a]
pseudowire = "ppp"
remote_end_id = "line 1"
cookie_size = 0
[tunnel.t1.session.b]
pseudowire = "eth"
`)
	tun := c.Tunnels[0]
	p := tun.Control
	if p == nil || tun.TID != 0 || tun.PTID != 0 {
		t.Fatalf("not dynamic: %+v", tun)
	}
	if p.HostName != "lac" || p.HelloTimeout != 5*time.Second || p.RetryTimeout != 250*time.Millisecond || p.MaxRetries != 7 ||
		p.WindowSize != 12 || p.Digest != control.DigestModeSHA1 || !p.HideAVPs || len(p.Secrets) != 2 || string(p.Secrets[1]) != "the new one" {
		t.Errorf("profile %+v", p)
	}
	if a := tun.Sessions[0]; a.RemoteEndID != "line 1" || a.CookieSize != 0 || a.SID != 0 {
		t.Errorf("session %+v", a)
	}
	if b := tun.Sessions[1]; b.RemoteEndID != "b" || b.CookieSize != 8 || b.InterfaceName != "t1-b" {
		t.Errorf("session %+v", b)
	}
	// Without them the protocol's defaults hold, which are not go-l2tp's.
	if p := mustParse(t, dial).Tunnels[0].Control; p.HostName == "" || p.MaxRetries != 0 || p.WindowSize != 0 || p.Check() != nil {
		t.Errorf("profile %+v", p)
	}
	if mustParse(t, minimal).Tunnels[0].Control != nil {
		t.Error("a static tunnel is dynamic")
	}
}

func TestResponder(t *testing.T) {
	c := mustParse(t, `
[listen.six]
encap = "ip"
local = "2001:db8::1"
[peer.near]
addresses = ["192.0.2.0/24", "2001:db8::7"]
name = "lac"
max_tunnels = 2
[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sreid_{n}.x"
n = "8-120"
interface_name = "sub{n}"
[profile.session.sub9]
pseudowire = "ppp"
remote_end_id = "sreid_9.x"
`)
	if l := c.Listens[0]; l.Local.Addr() != netip.MustParseAddr("2001:db8::1") || l.Local.Port() != 0 || l.Name != "six" || !l.DF {
		t.Errorf("listen %+v", l)
	}
	p := c.Peers[0]
	for a, want := range map[string]bool{"192.0.2.77": true, "2001:db8::7": true, "2001:db8::8": false, "198.51.100.1": false} {
		if p.From(netip.MustParseAddr(a)) != want {
			t.Errorf("from %s: not %v", a, want)
		}
	}
	if p.HostName != "lac" || p.MaxTunnels != 2 || (&Peer{}).From(netip.MustParseAddr("::1")) != true {
		t.Errorf("peer %+v", p)
	}
	s := c.Profiles[0]
	for id, want := range map[string]int{
		"sreid_8.x": 8, "sreid_120.x": 120, "sreid_7.x": -1, "sreid_121.x": -1, "sreid_09.x": -1, "sreid_+9.x": -1, "sreid_.x": -1,
		"sreid_9": -1, "": -1, "sreid_.": -1, "xsreid_9.x": -1,
	} {
		if n, ok := s.Number(id); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q is %d, %v", id, n, ok)
		}
	}
	if got := s.At(99); got.InterfaceName != "sub99" || got.RemoteEndID != "sreid_99.x" || got.Name != "sub-99" {
		t.Errorf("session 99 is %+v", got)
	}
	if got := c.Profiles[1].At(0); got.Name != "sub9" || got.RemoteEndID != "sreid_9.x" {
		t.Errorf("exact one is %+v", got)
	}
}

func TestBadDynamic(t *testing.T) {
	session := dial + "[tunnel.t1.session.s]\npseudowire = \"eth\"\n"
	template := respond + "[profile.session.t]\npseudowire = \"eth\"\n" // 8 lines
	only := "only for a dynamic tunnel, one without tid and ptid"
	assigned := "the control connection assigns it: only for a tunnel with tid and ptid"
	for _, tc := range []struct{ name, text, want string }{
		{"static", minimal + "secret = \"x\"\ndigest = \"md5\"\nhide_avps = true\n", "f.toml:6: tunnel.t1.secret: " + only +
			"\nf.toml:7: tunnel.t1.digest: " + only + "\nf.toml:8: tunnel.t1.hide_avps: " + only},
		{"static session", minimal + goodSession + "remote_end_id = \"x\"\ncookie_size = 4\nl2spec_force = true\ntie_breaker = true\ncall = \"outgoing\"\n", "f.toml:10: tunnel.t1.session.s1.remote_end_id: " +
			only + "\nf.toml:11: tunnel.t1.session.s1.cookie_size: " + only + "\nf.toml:12: tunnel.t1.session.s1.l2spec_force: " + only +
			"\nf.toml:13: tunnel.t1.session.s1.tie_breaker: " + only + "\nf.toml:14: tunnel.t1.session.s1.call: " + only},
		{"call", session + "call = \"both\"\n", "f.toml:6: tunnel.t1.session.s.call: must be \"incoming\" or \"outgoing\", not \"both\""},
		{"half static", dial + "tid = 1\n", "f.toml:1: tunnel.t1.ptid: missing"},
		{"assigned", session + "sid = 1\npsid = 2\ncookie = [1, 2, 3, 4]\npeer_cookie = []\n", "f.toml:6: tunnel.t1.session.s.sid: " + assigned +
			"\nf.toml:7: tunnel.t1.session.s.psid: " + assigned + "\nf.toml:8: tunnel.t1.session.s.cookie: " + assigned +
			"\nf.toml:9: tunnel.t1.session.s.peer_cookie: " + assigned},
		{"cookie size", session + "cookie_size = 5\n", "f.toml:6: tunnel.t1.session.s.cookie_size: must be 0, 4 or 8, not 5"},
		{"end id", session + "remote_end_id = \"\"\n", "f.toml:6: tunnel.t1.session.s.remote_end_id: must have 1 to 255 bytes"},
		{"no secret", dial + "secret = []\n", "f.toml:4: tunnel.t1.secret: must be one secret or two, not 0"},
		{"three", dial + "secret = [\"sesame 1\", \"sesame 2\", \"sesame 3\"]\n", "f.toml:4: tunnel.t1.secret: must be one secret or two, not 3"},
		{"empty secret", dial + "secret = \"\"\n", "f.toml:4: tunnel.t1.secret: must not be empty, but with digest = \"md5\" or \"sha1\", which then find damage only"},
		{"an empty secret of two", dial + "secret = [\"long enough\", \"\"]\n", "f.toml:4: tunnel.t1.secret: must not be empty"},
		{"digest without secret", dial + "digest = \"sha1\"\n", "f.toml:4: tunnel.t1.digest: needs a secret (with secret = \"\" digests find damage, and authenticate nobody)"},
		{"peer's digest without secret", respond + "[peer.q]\naddresses = [\"192.0.2.1\"]\ndigest = \"md5\"\n", "f.toml:9: peer.q.digest: needs a secret (with secret = \"\" digests find damage, and authenticate nobody)"},
		{"challenge without secret", dial + "challenge = true\n", "f.toml:4: tunnel.t1.challenge: needs a secret"},
		{"hide with the empty secret", dial + "secret = \"\"\ndigest = \"md5\"\nhide_avps = true\n", "f.toml:6: tunnel.t1.hide_avps: needs a secret"},
		{
			"hide without digests", dial + "secret = \"long enough\"\ndigest = \"off\"\nchallenge = true\nhide_avps = true\n",
			"f.toml:5: tunnel.t1.digest: \"off\" leaves nothing to hide AVPs with: hide_avps needs digests",
		},
		{
			"control values", dial + "router_id = \"::1\"\nack = \"x\"\nsetup_timeout = -1\nmax_sessions = 0\ntie_breaker = 1\nstrict = \"\"\n",
			"f.toml:4: tunnel.t1.router_id: must be a number or like \"192.0.2.1\", not \"::1\"\nf.toml:5: tunnel.t1.ack: must be \"auto\", \"message\" or \"zlb\", not \"x\"\n" +
				"f.toml:6: tunnel.t1.setup_timeout: must be 0 to 4294967295, not -1\nf.toml:7: tunnel.t1.max_sessions: must be 1 to 1048576, not 0\n" +
				"f.toml:8: tunnel.t1.tie_breaker: must be true or false, not an integer\nf.toml:9: tunnel.t1.strict: must be true or false, not a string",
		},
		{"router id", respond + "[peer.q]\nsecret = \"long enough\"\npeer_router_id = \"0.0.0.0\"\nallow = 1\n", "f.toml:9: peer.q.peer_router_id: must not be zero\nf.toml:10: peer.q.allow: must be true or false, not an integer"},
		{"peer's profiles", respond + "[peer.q]\nsecret = \"long enough\"\nprofiles = [\"s\",\n\"t\"]\n", "f.toml:10: peer.q.profiles: no table [profile.session.t]"},
		{"peer's tie breaker", respond + "[peer.q]\nsecret = \"long enough\"\ntie_breaker = true\n", "f.toml:9: peer.q.tie_breaker: unknown key"},
		{"digest off", dial + "secret = \"long enough\"\ndigest = \"off\"\n", "f.toml:5: tunnel.t1.digest: \"off\" makes the secret useless without challenge = true"},
		{"nothing to hide with", dial + "hide_avps = true\n", "f.toml:4: tunnel.t1.hide_avps: needs a secret"},
		{"any address", strings.Replace(dial, "192.0.2.1", "0.0.0.0", 1), "f.toml:2: tunnel.t1.local: must be one address of this host in a dynamic tunnel, not 0.0.0.0"},
		{"nobody", "[listen.l]\nlocal = \"192.0.2.1\"\n", "f.toml:1: listen: nobody may connect: a table [peer.NAME] is needed"},
		{"nowhere", minimal + "[peer.p]\n", "f.toml:6: peer: nobody can connect: a table [listen.NAME] is needed"},
		{"listen anywhere", strings.Replace(respond, "192.0.2.1", "::", 1), "f.toml:2: listen.l.local: must be one address of this host, not ::: answers come from the address that was asked"},
		{"listen twice", respond + "[listen.m]\nlocal = \"192.0.2.1:1701\"\n", "f.toml:7: listen.m: has the address of listen.l"},
		{"no address", strings.Replace(respond, "local", "# local", 1), "f.toml:1: listen.l.local: missing"},
		{"prefix", respond + "[peer.q]\naddresses = [\"192.0.2.1/24\", \"x\"]\n", "f.toml:8: peer.q.addresses: 192.0.2.1/24 has bits set behind its prefix length: 192.0.2.0/24?\n" +
			"f.toml:8: peer.q.addresses: must be an address or a prefix such as \"192.0.2.0/24\", not \"x\""},
		{"no mark", template + "n = \"0-9\"\nremote_end_id = \"a\"\ninterface_name = \"b\"\n", "f.toml:10: profile.session.t.remote_end_id: remote_end_id must have {n} in it once, because n is set\n" +
			"f.toml:11: profile.session.t.interface_name: interface_name must have {n} in it once, because n is set"},
		{"no end id", template + "n = \"0-9\"\n", "f.toml:7: profile.session.t: remote_end_id must have {n} in it once, because n is set"},
		{"no n", template + "remote_end_id = \"a{n}\"\n", "f.toml:9: profile.session.t.remote_end_id: has {n}, but there is no n"},
		{"numbers", template + "n = \"9-0\"\nremote_end_id = \"a{n}\"\n", "f.toml:9: profile.session.t.n: must be like \"0-999\", not \"9-0\""},
		{"long name", template + "n = \"0-999\"\nremote_end_id = \"a{n}\"\ninterface_name = \"abcdefghijklm{n}\"\n", "f.toml:11: profile.session.t.interface_name: \"abcdefghijklm{n}\" has 16 bytes, at most 15 fit"},
		{"too long with its number", template + "n = \"0-9999\"\nremote_end_id = \"a{n}\"\ninterface_name = \"abcdefghijkl{n}\"\n", "f.toml:11: profile.session.t.interface_name: \"abcdefghijkl9999\" has 16 bytes, at most 15 fit"},
		{"same end id", template + "remote_end_id = \"s\"\n", "f.toml:9: profile.session.t.remote_end_id: \"s\" is already that of profile.session.s (line 5)"},
		{
			"overlap", template + "n = \"0-9\"\nremote_end_id = \"a{n}\"\n[profile.session.u]\npseudowire = \"eth\"\nn = \"9-10\"\nremote_end_id = \"a{n}\"\n",
			"f.toml:14: profile.session.u.remote_end_id: \"a9\" is already that of profile.session.t (line 7)",
		},
		{"sid", respond + "sid = 1\n", "f.toml:7: profile.session.s.sid: unknown key"},
		{"not a profile", minimal + "[profile.x]\n", "f.toml:6: profile.x: unknown key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseText(t, tc.text)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tc.want)
			}
		})
	}
}

// TestDynamicWarnings: what may not be meant so, without the secret itself.
func TestDynamicWarnings(t *testing.T) {
	c := mustParse(t, dial+"secret = \"sesame\"\n"+strings.Replace(respond, "secret = \"long enough\"\n", "", 1))
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := "f.toml:4: tunnel.t1.secret: a secret of less than 8 bytes can be guessed\n" +
		"f.toml:7: peer.p: anybody may connect: neither secret nor addresses"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got:\n%s\nwant:\n%s", s, want)
	}
}
