package config

import (
	"strings"
	"testing"
)

const dialed = `[tunnel.up]
local = "192.0.2.1:1701"
peer = "192.0.2.2:1701"
[tunnel.up.session.s]
pseudowire = "ppp"
`

// TestSessionTemplate: one table stands for many sessions, each with its names and addresses.
func TestSessionTemplate(t *testing.T) {
	c, err := Parse("f.toml", []byte(dialed+`n = "7-100006"
remote_end_id = "sreid_{n}"
interface_name = "lac{n}"
local_address = "10.64.0.0+{n}"
`))
	if err != nil {
		t.Fatal(err)
	}
	all := c.Tunnels[0].Sessions
	if len(all) != 100_000 {
		t.Fatalf("%d sessions", len(all))
	}
	for i, want := range map[int][4]string{
		0: {"s-7", "sreid_7", "lac7", "10.64.0.7"}, 99_999: {"s-100006", "sreid_100006", "lac100006", "10.65.134.166"},
	} {
		s := all[i]
		got := [4]string{s.Name, s.RemoteEndID, s.InterfaceName, s.PPP.Link.LocalAddress.String()}
		if got != want || s.CookieSize != 8 || s.Line != 4 {
			t.Errorf("%d: %v, not %v: %+v", i, got, want, s)
		}
	}
	if c, err = Parse("f.toml", []byte(dialed+"peer_address = \"192.0.2.9\"\nn = \"0-2\"\nremote_end_id = \"{n}\"\n")); err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("one access server at the other end of all: %v", c.Warnings)
	}
	if s := c.Tunnels[0].Sessions[2]; s.InterfaceName != "up-s-2" {
		t.Errorf("made name %q", s.InterfaceName)
	}
}

func TestBadSessionTemplate(t *testing.T) {
	static := strings.Replace(dialed, "[tunnel.up.session.s]\n", "tid = 1\nptid = 2\n[tunnel.up.session.s]\nsid = 1\npsid = 2\n", 1)
	const end = "remote_end_id = \"x{n}\"\n"
	for _, c := range []struct{ name, text, want string }{
		{"no mark", dialed + "n = \"0-9\"\ninterface_name = \"a\"\n", "f.toml:4: tunnel.up.session.s: remote_end_id must have {n} in it once, because n is set\n" +
			"f.toml:7: tunnel.up.session.s.interface_name: interface_name must have {n} in it once, because n is set"},
		{"no n", dialed + end, "f.toml:6: tunnel.up.session.s.remote_end_id: has {n}, but there is no n"},
		{"not a range", dialed + "n = \"9-0\"\n" + end, `f.toml:6: tunnel.up.session.s.n: must be like "0-999", not "9-0"`},
		{"static", static + "n = \"0-9\"\n", "f.toml:10: tunnel.up.session.s.n: only for a dynamic tunnel, one without tid and ptid"},
		{"too many", dialed + "n = \"0-1048576\"\n" + end, "f.toml:6: tunnel.up.session.s.n: stands for 1048577 sessions, at most 1048576 are possible"},
		{"long name", dialed + "n = \"0-99999\"\ninterface_name = \"subscriber-{n}\"\n" + end, `f.toml:7: tunnel.up.session.s.interface_name: "subscriber-99999" has 16 bytes, at most 15 fit`},
		{
			"names twice", dialed + "n = \"0-9\"\ninterface_name = \"a{n}\"\n" + end +
				"[tunnel.up.session.t]\npseudowire = \"eth\"\nn = \"5-20\"\ninterface_name = \"a{n}\"\nremote_end_id = \"y{n}\"\n",
			`f.toml:12: tunnel.up.session.t.interface_name: "a5" is already the interface of tunnel.up.session.s (line 4)`,
		},
	} {
		if _, err := Parse("f.toml", []byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s: got:\n%v\nwant:\n%s", c.name, err, c.want)
		}
	}
}
