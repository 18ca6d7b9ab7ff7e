package config

import (
	"fmt"
	"strings"
	"testing"
)

// growing is a template with its n, in six lines.
const growing = "[listen.l]\nlocal = \"192.0.2.1\"\n[peer.p]\nsecret = \"long enough\"\n[profile.session.t]\nremote_end_id = \"a{n}\"\n"

func TestSteps(t *testing.T) {
	c := mustParse(t, growing+`n = "1-45999"
pseudowire = "ppp"
ppp_profile = "p"
peer_address = "10.64.0.0+{n}"
addresses = ["10.1.0.1/32", "2001:db8::1/64+{n}", "10.2.0.0+{n}/32"]
routes = ["10.80.0.0/24+{n}", "2001:db8:1::+{n}/128 via 2001:db8::+{n}", "10.255.0.0/16"]
[profile.session.e]
n = "0-258"
remote_end_id = "e{n}"
pseudowire = "eth"
mac = "02:00:00:00:00:00+{n}"
[ppp.p]
local_address = "10.1.0.1"
pool = "x"
[pool.x]
ranges = ["10.3.0.0/16"]
`)
	for n, want := range map[int]string{
		1: "10.1.0.1 10.64.0.1 [10.1.0.1/32 2001:db8:0:1::1/64 10.2.0.1/32] [{10.80.1.0/24 invalid IP} {2001:db8:1::1/128 2001:db8::1} {10.255.0.0/16 invalid IP}]",
		258: "10.1.0.1 10.64.1.2 [10.1.0.1/32 2001:db8:0:102::1/64 10.2.1.2/32] [{10.81.2.0/24 invalid IP} " +
			"{2001:db8:1::102/128 2001:db8::102} {10.255.0.0/16 invalid IP}]",
	} {
		s := c.Profiles[0].At(n)
		got := fmt.Sprint(s.PPP.Link.LocalAddress, s.PPP.Link.PeerAddress, s.Addresses, s.Routes)
		if got = strings.Replace(got, "10.1.0.110", "10.1.0.1 10", 1); strings.ReplaceAll(got, "  ", " ") != want || s.PPP.Pool != "" {
			t.Errorf("%d has\n%s, want\n%s", n, got, want)
		}
	}
	if a := c.Profiles[0].PPP.Link.PeerAddress.String(); a != "10.64.0.0" {
		t.Errorf("the template itself has changed: %s", a)
	}
	if m := c.Profiles[1].At(258).HardwareAddr.String(); m != "02:00:00:00:01:02" {
		t.Errorf("mac %s", m)
	}
}

// TestOwnAddresses: those of a session go before those of its profile.
func TestOwnAddresses(t *testing.T) {
	c := mustParse(t, minimal+strings.Replace(goodSession, "eth", "ppp", 1)+"ppp_profile = \"p\"\npeer_address = \"10.0.0.7\"\nlocal_address = \"0.0.0.0\"\n"+
		"[ppp.p]\nlocal_address = \"10.0.0.1\"\npool = \"x\"\n[pool.x]\nranges = [\"10.3.0.0/16\"]\n")
	if p := c.Tunnels[0].Sessions[0].PPP; p.Link.LocalAddress.IsValid() || p.Link.PeerAddress.String() != "10.0.0.7" || p.Pool != "" {
		t.Errorf("%+v", p)
	}
}

func TestBadSteps(t *testing.T) {
	ppp, eth := growing+"n = \"10-300\"\npseudowire = \"ppp\"\n", growing+"n = \"10-300\"\npseudowire = \"eth\"\n" // line 9 follows
	pool := "[pool.x]\nranges = [\"10.0.0.0/16\"]\nexclude = [\"10.0.0.0/24\"]\n"
	key := "f.toml:9: profile.session.t."
	for _, tc := range []struct{ name, text, want string }{
		{"beyond", ppp + "peer_address = \"255.255.254.211+{n}\"\n", key + "peer_address: number 300 gives 255.255.255.255, which is not the address of one host"},
		{"beyond the last", eth + "addresses = [\"255.255.255.0/24+{n}\"]\n", key + "addresses: number 300 is beyond the last address"},
		{"everything", eth + "routes = [\"::/0+{n}\"]\n", key + "routes: number 300 is beyond the last address"},
		{"broadcast", ppp + "peer_address = \"223.255.255.0+{n}\"\n", key + "peer_address: number 256 gives 224.0.0.0, which is not the address of one host"},
		{"in a pool", ppp + "peer_address = \"10.0.0.0+{n}\"\n" + pool, key + "peer_address: number 256 gives 10.0.1.0, which is inside pool.x (line 10): exclude 10.0.0.10-10.0.1.44 there"},
		{"networks in a pool", ppp + "addresses = [\"9.1.1.1/16+{n}\"]\n" + pool, key + "addresses: number 255 gives 10.0.1.1, which is inside pool.x (line 10): exclude 9.11.1.1-10.45.1.1 there"},
		{"not an address", ppp + "peer_address = \"::1+{n}\"\n", key + "peer_address: must be like \"10.64.0.0+{n}\", not \"::1+{n}\""},
		{"mark in the middle", ppp + "peer_address = \"10.{n}.0.1\"\n", key + "peer_address: \"10.{n}.0.1\" is not an IPv4 address"},
		{"our own", ppp + "peer_address = \"10.0.0.1+{n}\"\nlocal_address = \"10.0.0.0+{n}\"\n", key + "peer_address: 10.0.0.11 is an address of ours in this template, too"},
		{"our fixed one", ppp + "local_address = \"10.0.0.20\"\npeer_address = \"10.0.0.1+{n}\"\n", "f.toml:10: profile.session.t.peer_address: 10.0.0.20 is an address of ours in this template, too"},
		{"both ends", ppp + "local_address = \"10.0.0.1+{n}\"\npeer_address = \"10.0.0.1+{n}\"\n", "f.toml:10: profile.session.t.peer_address: 10.0.0.1 is the address of both ends\n" +
			"f.toml:10: profile.session.t.peer_address: 10.0.0.11 is an address of ours in this template, too"},
		{"route by addresses", eth + "routes = [\"10.0.0.0+{n}/24\"]\n", key + "routes: must have +{n} behind the prefix length, to count networks: \"10.0.0.0/24+{n}\""},
		{"via", eth + "routes = [\"10.0.0.0/24 via ff01::+{n}\"]\n", key + "routes: via must be followed by the address of one host, not \"ff01::+{n}\""},
		{"via beyond", eth + "routes = [\"10.0.0.0/24 via 255.255.255.200+{n}\"]\n", key + "routes: number 300 is beyond the last address"},
		{"mac", eth + "mac = \"02:ff:ff:ff:ff:00+{n}\"\n", key + "mac: number 300 gives 03:00:00:00:00:2c, which is another vendor's or a group's"},
		{"zero mac", strings.Replace(eth, "10-", "0-", 1) + "mac = \"00:00:00:00:00:00+{n}\"\n", key + "mac: must not be zero"},
		{"for ppp", eth + "peer_address = \"10.0.0.1\"\nlocal_address = \"10.0.0.2\"\n", key + "peer_address: only for pseudowire = \"ppp\"\n" +
			"f.toml:10: profile.session.t.local_address: only for pseudowire = \"ppp\""},
		{"no IPv4", ppp + "ppp_profile = \"p\"\npeer_address = \"10.0.0.1+{n}\"\n[ppp.p]\nipv4 = false\n", "f.toml:10: profile.session.t.peer_address: IPv4 is off in the profile"},
		{"one prefix", ppp + "ppp_profile = \"p\"\n[ppp.p]\nipv6_prefix = \"2001:db8::/64\"\n", key + "ppp_profile: ipv6_prefix 2001:db8::/64 of the profile can be on one link only, and there are 291: use ipv6_pool"},
		{"no n", respond + "mac = \"02:00:00:00:00:00+{n}\"\naddresses = [\"10.0.0.0/24+{n}\"]\n", "f.toml:7: profile.session.s.mac: has {n}, but there is no n\nf.toml:8: profile.session.s.addresses: has {n}, but there is no n"},
		{"no template", minimal + goodSession + "mac = \"02:00:00:00:00:00+{n}\"\naddresses = [\"10.0.0.0/24+{n}\"]\n", "f.toml:10: tunnel.t1.session.s1.mac: +{n} is only for a template, a table with n\n" +
			"f.toml:11: tunnel.t1.session.s1.addresses: +{n} is only for a template, a table with n"},
		{"own address in a pool", minimal + strings.Replace(goodSession, "eth", "ppp", 1) + "peer_address = \"10.0.7.7\"\n" + pool, "f.toml:10: tunnel.t1.session.s1.peer_address: 10.0.7.7 is inside pool.x (line 11): exclude it there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseText(t, tc.text)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tc.want)
			}
		})
	}
}

// TestFixedWarnings: what all sessions of a template would have, and only one can; unnumbered devices are none of it.
func TestFixedWarnings(t *testing.T) {
	c := mustParse(t, growing+"n = \"0-9\"\npseudowire = \"eth\"\nmac = \"02:00:00:00:00:01\"\naddresses = [\"10.0.0.1/24\", \"10.0.0.1/32\"]\nroutes = [\"10.9.0.0/16\"]\n"+
		"[profile.session.u]\nremote_end_id = \"u{n}\"\nn = \"0-9\"\npseudowire = \"ppp\"\nppp_profile = \"p\"\n"+
		"[profile.session.one]\nremote_end_id = \"one{n}\"\nn = \"9-9\"\npseudowire = \"ppp\"\npeer_address = \"10.1.0.9\"\n"+
		"[ppp.p]\npeer_address = \"10.0.0.2\"\n")
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := "f.toml:9: profile.session.t.mac: 02:00:00:00:00:01 for all 10 sessions of the template: with +{n} behind it each has its own\n" +
		"f.toml:10: profile.session.t.addresses: 10.0.0.1/24 for all 10 sessions of the template: with +{n} behind it each has its own\n" +
		"f.toml:11: profile.session.t.routes: 10.9.0.0/16 for all 10 sessions of the template: with +{n} behind it each has its own\n" +
		"f.toml:12: profile.session.u: peer address 10.0.0.2 for all 10 sessions of the template: with +{n} behind it each has its own"
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got:\n%s\nwant:\n%s", s, want)
	}
}
