package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"culvert/internal/ipv6link"
	"culvert/internal/pool"
)

// pools goes in front of minimal: three tables in sixteen lines.
const pools = `[pool.v4]
ranges = ["10.0.0.0/24", "10.0.1.10-10.0.1.20"]
exclude = ["10.0.0.1", "10.0.0.255"]

[pool.wan]
ranges = ["2001:db8::/48"]
prefix_length = 64
exclude = ["2001:db8::/64"]

[pool.lan]
ranges = ["2001:db8:100::/40"]
prefix_length = 56




`

func TestPools(t *testing.T) {
	got := mustParse(t, pools+minimal+`
[tunnel.t1.session.s1]
pseudowire = "ppp"
sid = 1
psid = 2
ppp_profile = "p"
addresses = ["10.0.0.1/24", "2001:db8::1/64"]
[ppp.p]
local_address = "10.0.0.1"
pool = "v4"
ipv6_pool = "wan"
pd_pool = "lan"
ipv6_dns = ["2001:db8::53", "2001:db8::54"]
ra_interval = 100
ra_mtu = 1400
ipv6_preferred_lifetime = 600
ipv6_valid_lifetime = 4294967295
local_interface_id = "02:00:5e:10:00:01"
`)
	ranges := func(texts ...string) (all []pool.Range) {
		for _, s := range texts {
			r, err := pool.ParseRange(s)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all
	}
	compare(t, []Pool{
		{pool.Config{Name: "v4", Ranges: ranges("10.0.0.0/24", "10.0.1.10-10.0.1.20"), Exclude: ranges("10.0.0.1", "10.0.0.255")}, 1},
		{pool.Config{Name: "wan", Ranges: ranges("2001:db8::/48"), Exclude: ranges("2001:db8::/64"), PrefixLength: 64}, 5},
		{pool.Config{Name: "lan", Ranges: ranges("2001:db8:100::/40"), PrefixLength: 56}, 10},
	}, got.Pools)
	ppp := got.Tunnels[0].Sessions[0].PPP
	compare(t, &ipv6link.Config{
		MTU: 1400, Interval: 100 * time.Second, RouterLifetime: 300 * time.Second, Preferred: 10 * time.Minute,
		Valid: ipv6link.Infinite, DNS: []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("2001:db8::54")},
	}, ppp.Router)
	if ppp.Pool != "v4" || ppp.IPv6Pool != "wan" || ppp.PDPool != "lan" || ppp.Link.AcceptPeer {
		t.Errorf("%+v", ppp)
	}
	if want := [8]byte{0, 0, 0x5e, 0xff, 0xfe, 0x10, 0, 1}; ppp.Link.LocalID != want { // RFC 4291 appendix A
		t.Errorf("identifier %x", ppp.Link.LocalID)
	}
}

// TestRouterDefaults: one key makes us a router with the RFC's values; without any we are none.
func TestRouterDefaults(t *testing.T) {
	const session = "[tunnel.t1.session.s1]\npseudowire = \"ppp\"\nsid = 1\npsid = 2\nppp_profile = \"p\"\n[ppp.p]\n"
	if r := mustParse(t, minimal+session).Tunnels[0].Sessions[0].PPP.Router; r != nil {
		t.Errorf("router without a key: %+v", r)
	}
	got := mustParse(t, minimal+session+"ipv6_prefix = \"2001:db8:0:1::/64\"\n").Tunnels[0].Sessions[0].PPP
	want := &ipv6link.Config{
		Interval: 600 * time.Second, RouterLifetime: 1800 * time.Second, Preferred: 604800 * time.Second, Valid: 2592000 * time.Second,
	}
	if diff := cmp.Diff(want, got.Router); diff != "" || got.IPv6Prefix != netip.MustParsePrefix("2001:db8:0:1::/64") {
		t.Errorf("prefix %s:\n%s", got.IPv6Prefix, diff)
	}
}

// TestAcceptAddresses: keys and pppd's options say the same.
func TestAcceptAddresses(t *testing.T) {
	const session = "[tunnel.t1.session.s1]\npseudowire = \"ppp\"\nsid = 1\npsid = 2\nppp_profile = \"p\"\n[ppp.p]\nlocal_address = \"10.0.0.1\"\npeer_address = \"10.0.0.2\"\n"
	for text, want := range map[string][2]bool{
		"":                            {false, false},
		"accept_local_address = true": {true, false},
		"accept_peer_address = true":  {false, true},
		"pppd_options = \"ipcp-accept-local ipcp-accept-remote\"":                              {true, true},
		"pppd_options = \"ipcp-accept-local ipcp-accept-remote\"\naccept_peer_address = false": {true, false},
	} {
		l := mustParse(t, minimal+session+text+"\n").Tunnels[0].Sessions[0].PPP.Link
		if got := [2]bool{l.AcceptLocal, l.AcceptPeer}; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestBadPools: what is wrong with pools and with profiles that use them; minimal begins at line 17 and has five lines.
func TestBadPools(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no ranges":     {minimal + "[pool.p]\n", "f.toml:6: pool.p.ranges: missing"},
		"unknown key":   {minimal + "[pool.p]\nrange = [\"10.0.0.1\"]\n", "f.toml:6: pool.p.ranges: missing\nf.toml:7: pool.p.range: unknown key (did you mean \"ranges\"?)"},
		"not a table":   {"pool = 1\n" + minimal, "f.toml:1: pool: must be a table, not an integer"},
		"empty":         {minimal + "[pool.p]\nranges = []\n", "f.toml:7: pool.p.ranges: the pool is empty"},
		"all excluded":  {minimal + "[pool.p]\nranges = [\"10.0.0.1\"]\nexclude = [\"10.0.0.0/24\"]\n", "f.toml:8: pool.p.exclude: the pool is empty: all of it is excluded"},
		"not a range":   {minimal + "[pool.p]\nranges = [\n\"10.0.0.1\",\n\"x\"]\n", "f.toml:9: pool.p.ranges: \"x\" is not an address, a prefix or \"first-last\""},
		"within itself": {minimal + "[pool.p]\nranges = [\"10.0.0.0/24\", \"10.0.0.9\"]\n", "f.toml:7: pool.p.ranges: 10.0.0.9 overlaps with 10.0.0.0/24"},
		"with another": {
			pools + minimal + "[pool.p]\nranges = [\"10.0.2.0/24\", \"10.0.1.0/24\"]\n",
			"f.toml:23: pool.p.ranges: 10.0.1.0/24 overlaps with 10.0.1.10-10.0.1.20 of pool.v4 (line 1)",
		},
		"length missing":      {minimal + "[pool.p]\nranges = [\"2001:db8::/48\"]\n", "f.toml:6: pool.p.prefix_length: missing: the length of the prefixes that are given out, 1 to 64"},
		"length of IPv4":      {minimal + "[pool.p]\nranges = [\"10.0.0.0/8\"]\nprefix_length = 24\n", "f.toml:8: pool.p.prefix_length: only for IPv6: of an IPv4 pool single addresses are given out"},
		"length out of range": {minimal + "[pool.p]\nranges = [\"10.0.0.0/8\"]\nprefix_length = 65\n", "f.toml:8: pool.p.prefix_length: must be 1 to 64, not 65"},
		"no such pool":        {minimal + "[ppp.p]\npool = \"q\"\n", "f.toml:7: ppp.p.pool: no table [pool.q]"},
		"wrong family": {
			pools + minimal + "[ppp.p]\npool = \"wan\"\nipv6_pool = \"v4\"\n",
			"f.toml:23: ppp.p.pool: pool \"wan\" has IPv6 addresses\nf.toml:24: ppp.p.ipv6_pool: pool \"v4\" has IPv4 addresses",
		},
		"not for hosts": {
			pools + minimal + "[ppp.p]\nipv6_pool = \"lan\"\n",
			"f.toml:23: ppp.p.ipv6_pool: prefix_length of pool \"lan\" must be 64: hosts form addresses in these prefixes",
		},
		"one pool for both": {
			pools + minimal + "[ppp.p]\nipv6_pool = \"wan\"\npd_pool = \"wan\"\n",
			"f.toml:24: ppp.p.pd_pool: is ipv6_pool too: one prefix is for the link, the other for networks behind the peer",
		},
		"two peer addresses": {
			pools + minimal + "[ppp.p]\npool = \"v4\"\npeer_address = \"192.0.2.9\"\n",
			"f.toml:23: ppp.p.pool: the peer cannot have peer_address and one of a pool: leave out one of them",
		},
		"IPv4 off": {pools + minimal + "[ppp.p]\npool = \"v4\"\nipv4 = false\n", "f.toml:23: ppp.p.pool: IPv4 is off"},
		"IPv6 off": {pools + minimal + "[ppp.p]\npd_pool = \"lan\"\nipv6 = false\n", "f.toml:23: ppp.p.pd_pool: IPv6 is off"},
		"address inside": {
			pools + minimal + "[ppp.p]\nlocal_address = \"10.0.0.2\"\npeer_address = \"10.0.1.11\"\n[ppp.q]\npppd_options = \"10.0.0.3:\"\n",
			"f.toml:23: ppp.p.local_address: 10.0.0.2 is inside pool.v4 (line 1): exclude it there\n" +
				"f.toml:24: ppp.p.peer_address: 10.0.1.11 is inside pool.v4 (line 1): exclude it there\n" +
				"f.toml:26: ppp.q.pppd_options: 10.0.0.3 is inside pool.v4 (line 1): exclude it there",
		},
		"session's address inside": {
			pools + minimal + goodSession + "addresses = [\"10.0.0.2/24\", \"2001:db8:0:1::1/64\"]\n",
			"f.toml:26: tunnel.t1.session.s1.addresses: 10.0.0.2 is inside pool.v4 (line 1): exclude it there\n" +
				"f.toml:26: tunnel.t1.session.s1.addresses: 2001:db8:0:1::1 is inside pool.wan (line 5): exclude it there",
		},
		"no address at all": {minimal + "[ppp.p]\naccept_peer_address = false\n", "f.toml:7: ppp.p.accept_peer_address: without peer_address and pool the peer would have no address"},
		"prefix": {
			minimal + "[ppp.a]\nipv6_prefix = \"2001:db8::/56\"\n[ppp.b]\nipv6_prefix = \"2001:db8::1/64\"\n[ppp.c]\nipv6_prefix = \"fe80::/64\"\n",
			"f.toml:7: ppp.a.ipv6_prefix: must be an IPv6 prefix of length 64, not \"2001:db8::/56\"\n" +
				"f.toml:9: ppp.b.ipv6_prefix: 2001:db8::1/64 has bits set behind its prefix length: 2001:db8::/64?\n" +
				"f.toml:11: ppp.c.ipv6_prefix: fe80::/64 is not a prefix that hosts can have addresses in",
		},
		"prefix and pool": {
			pools + minimal + "[ppp.p]\nipv6_pool = \"wan\"\nipv6_prefix = \"2001:db8:0:7::/64\"\n",
			"f.toml:24: ppp.p.ipv6_prefix: the link cannot have ipv6_prefix and one of a pool: leave out one of them\n" +
				"f.toml:24: ppp.p.ipv6_prefix: 2001:db8:0:7:: is inside pool.wan (line 5): exclude it there",
		},
		"prefix twice": {
			minimal + "[ppp.a]\nipv6_prefix = \"2001:db8::/64\"\n[ppp.b]\nipv6_prefix = \"2001:db8::/64\"\n",
			"f.toml:9: ppp.b.ipv6_prefix: 2001:db8::/64 is that of ppp.a too",
		},
		"prefix on two links": {
			minimal + "[ppp.p]\nipv6_prefix = \"2001:db8::/64\"\n" + "[tunnel.t1.session.a]\npseudowire = \"ppp\"\nsid = 1\npsid = 2\nppp_profile = \"p\"\n" +
				"[tunnel.t1.session.b]\npseudowire = \"ppp\"\nsid = 2\npsid = 2\nppp_profile = \"p\"\n",
			"f.toml:17: tunnel.t1.session.b.ppp_profile: tunnel.t1.session.a has this profile already (line 8), and its ipv6_prefix can be on one link only: use ipv6_pool",
		},
		"name servers": {
			minimal + "[ppp.p]\nipv6_dns = [\"10.0.0.1\", \"fe80::1\"]\n[ppp.q]\nipv6_dns = [\"2001:db8::1\", \"2001:db8::2\", \"2001:db8::3\", \"2001:db8::4\", \"2001:db8::5\"]\n",
			"f.toml:7: ppp.p.ipv6_dns: \"10.0.0.1\" is not the IPv6 address of one host\n" +
				"f.toml:7: ppp.p.ipv6_dns: \"fe80::1\" is not the IPv6 address of one host\n" +
				"f.toml:9: ppp.q.ipv6_dns: must have at most 4 addresses, not 5",
		},
		"lifetimes": {
			minimal + "[ppp.p]\nipv6_dns = []\nra_lifetime = 599\nipv6_preferred_lifetime = 100\nipv6_valid_lifetime = 99\nra_mtu = 1279\nra_interval = 3\n",
			"f.toml:8: ppp.p.ra_lifetime: must be 0 or at least ra_interval, 600\n" +
				"f.toml:9: ppp.p.ipv6_preferred_lifetime: must be at most ipv6_valid_lifetime, 99\n" +
				"f.toml:11: ppp.p.ra_mtu: must be 1280 to 65535, not 1279\n" +
				"f.toml:12: ppp.p.ra_interval: must be 4 to 1800, not 3",
		},
		"preferred for longer": {
			minimal + "[ppp.p]\nipv6_dns = []\nipv6_preferred_lifetime = 100\nipv6_valid_lifetime = 99\n",
			"f.toml:8: ppp.p.ipv6_preferred_lifetime: must be at most ipv6_valid_lifetime, 99",
		},
		"nothing to say": {
			minimal + "[ppp.p]\nra_mtu = 1400\n",
			"f.toml:7: ppp.p.ra_mtu: nothing to say: ipv6_pool, ipv6_prefix, pd_pool and ipv6_dns are all absent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseText(t, tc.text)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got:\n%v\nwant:\n%s\nin:\n%s", err, tc.want, tc.text)
			}
		})
	}
}
