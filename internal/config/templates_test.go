package config

import (
	"fmt"
	"strings"
	"testing"
)

// template is a table of a session profile for Ethernet, in five lines, with more behind it.
func template(name, endID, n, more string) string {
	return fmt.Sprintf("[profile.session.%s]\npseudowire = \"eth\"\nremote_end_id = %q\nn = %q\n%s\n", name, endID, n, more)
}

func TestBadTemplates(t *testing.T) {
	named := func(s string) string { return "interface_name = \"" + s + "\"" }
	many := strings.Builder{}
	for i := range maxTemplates + 1 {
		many.WriteString(template(fmt.Sprintf("t%d", i), fmt.Sprintf("t%d_{n}", i), "0-9", "mtu = 1400"))
	}
	line := func(n int, key, text string) string {
		return fmt.Sprintf("f.toml:%d: profile.session.%s: %s", n, key, text)
	}
	session := "[tunnel.t1.session.sub5]\npseudowire = \"eth\"\n" // its interface is t1-sub5
	for _, tc := range []struct{ name, text, want string }{       // respond has 6 lines
		{"same Remote End IDs", template("a", "a{n}", "10-19", "") + template("b", "a1{n}", "0-9", ""), line(14, "b.remote_end_id", "\"a10\" is already that of profile.session.a (line 7)")},
		{"in huge ranges", template("a", "a{n}", "0-999999999", "") + template("b", "a9{n}9", "9999999-9999999", ""), line(14, "b.remote_end_id", "\"a999999999\" is already that of profile.session.a (line 7)")},
		{"behind one another", template("a", "a{n}1", "20-29", "") + template("b", "a{n}", "290-299", ""), line(14, "b.remote_end_id", "\"a291\" is already that of profile.session.a (line 7)")},
		{
			"same interfaces", template("a", "a{n}", "0-99", named("i{n}")) + template("b", "b{n}", "0-9", named("i7{n}")),
			line(16, "b.interface_name", "\"i70\" is already that of profile.session.a (line 7)"),
		},
		{
			"a tunnel's interface", template("a", "a{n}", "0-99", named("t1-sub{n}")) + dial + session,
			line(11, "a.interface_name", "\"t1-sub5\" is already that of tunnel.t1.session.sub5 (line 15)"),
		},
		{
			"a tunnel's interface, exactly", "[profile.session.x]\npseudowire = \"eth\"\n" + named("t1-sub5") + "\n" + dial + session,
			line(9, "x.interface_name", "\"t1-sub5\" is already that of tunnel.t1.session.sub5 (line 13)"),
		},
		{
			"an exact profile's", "[profile.session.x]\npseudowire = \"eth\"\n" + named("i7") + "\n" + template("a", "a{n}", "0-9", named("i{n}")),
			line(14, "a.interface_name", "\"i7\" is already that of profile.session.x (line 7)"),
		},
		{
			"a shared device's", "[shared.subs]\naddresses = [\"10.77.0.1/32\"]\n" + named("i7") + "\n" + template("a", "a{n}", "0-9", named("i{n}")),
			line(14, "a.interface_name", "\"i7\" is already that of shared.subs (line 7)"),
		},
		{"too many", many.String(), line(7+5*maxTemplates, fmt.Sprintf("t%d", maxTemplates), "more than 1000 templates")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseText(t, respond+tc.text)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tc.want)
			}
		})
	}
}

// TestGoodTemplates: what only looks alike, and what an exact profile takes out of a template.
func TestGoodTemplates(t *testing.T) {
	mustParse(t, respond+
		template("a", "a{n}", "0-9", "interface_name = \"i{n}\"")+
		template("b", "a1{n}", "0-9", "interface_name = \"i{n}\"\nnetns = \"blue\"")+
		template("c", "a0{n}", "0-9", "interface_name = \"i0{n}\"")+
		"[profile.session.a7]\npseudowire = \"eth\"\ninterface_name = \"i7\"\n"+
		"[shared.subs]\naddresses = [\"10.77.0.1/32\"]\n"+
		"[profile.session.d]\npseudowire = \"ppp\"\nremote_end_id = \"d{n}\"\nn = \"0-9\"\ninterface = \"shared:subs\"\n"+
		"[profile.session.e]\npseudowire = \"ppp\"\ninterface = \"shared:subs\"\n")
}

func TestTemplateWarnings(t *testing.T) {
	ppp := func(name, n, more string) string {
		return fmt.Sprintf("[profile.session.%[1]s]\npseudowire = \"ppp\"\nremote_end_id = \"%[1]s{n}\"\nn = %[2]q\n%[3]s\n", name, n, more)
	}
	c := mustParse(t, respond+ // 6 lines
		ppp("a", "0-99", "peer_address = \"10.1.0.0+{n}\"")+
		ppp("b", "0-99", "peer_address = \"10.1.0.99+{n}\"")+
		ppp("c", "0-99", "peer_address = \"10.2.0.0+{n}\"")+
		ppp("d", "0-9", "peer_address = \"10.1.0.0+{n}\"\nnetns = \"blue\"")+
		ppp("e", "1-17", "ppp_profile = \"p\"")+
		ppp("f", "1-2", "ppp_profile = \"p\"")+
		dial+"[tunnel.t1.session.x]\npseudowire = \"ppp\"\npeer_address = \"10.2.0.50\"\n"+ // 38, 41
		"[tunnel.t1.session.y]\npseudowire = \"ppp\"\npeer_address = \"10.2.0.50\"\nnetns = \"blue\"\n"+
		"[ppp.p]\npool = \"small\"\nipv6_pool = \"six\"\n[pool.small]\nranges = [\"10.3.0.0/28\"]\nexclude = [\"10.3.0.1\"]\n"+ // 48, 51
		"[pool.six]\nranges = [\"2001:db8::/48\"]\nprefix_length = 64\n")
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := "f.toml:16: profile.session.b.peer_address: 10.1.0.99 is that of profile.session.a (line 7), too\n" +
		"f.toml:21: profile.session.c.peer_address: 10.2.0.50 is that of tunnel.t1.session.x (line 41), too\n" +
		"f.toml:51: pool.small: has room for 15 sessions, and the templates that use it have 19"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got:\n%s\nwant:\n%s", s, want)
	}
}
