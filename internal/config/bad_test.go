package config

import (
	"errors"
	"strings"
	"testing"
)

// goodSession goes behind minimal, whose five lines make it begin at line 6.
const goodSession = `[tunnel.t1.session.s1]
pseudowire = "eth"
sid = 1
psid = 2
`

// badFiles: what is wrong with a file, and every word we say about it. Places are counted in the text as given.
var badFiles = []struct{ name, text, want string }{
	// The document.
	{"empty", "", "f.toml:1: no tunnel: at least one table [tunnel.NAME] is needed"},
	{"only a comment", "# nothing\n", "f.toml:1: no tunnel: at least one table [tunnel.NAME] is needed"},
	{"empty tunnel table", "[tunnel]\n", "f.toml:1: no tunnel: at least one table [tunnel.NAME] is needed"},
	{"not UTF-8", "# a\n# \xff\n", "f.toml:2: not UTF-8 text (byte 0xff)"},
	{"syntax", minimal + "max_retries 5\n", "f.toml:6: tunnel.t1: expected '=' after key"},
	{"header not closed", minimal + "[tunnel.t1.session.s1\n", "f.toml:6: tunnel.t1: expected ']' to close table name"},
	{"duplicate key", minimal + "tid = 3\n", "f.toml:6: tunnel.t1.tid: already defined in line 4"},
	{
		"duplicate keys and more", minimal + "tid = 3\nttl = 300\nptid = 4\n",
		"f.toml:6: tunnel.t1.tid: already defined in line 4\nf.toml:7: tunnel.t1.ttl: must be 0 to 255, not 300\n" +
			"f.toml:8: tunnel.t1.ptid: already defined in line 5",
	},
	{"duplicate table", minimal + "[ppp.p]\n[tunnel.t1]\ntid = 0\n", "f.toml:7: tunnel.t1: already defined in line 1"},
	{
		"value over table", goodSession + minimal + "session = 1\n",
		"f.toml:10: tunnel.t1.session: already defined in line 1",
	},
	{
		"table over value", "ppp = 1\n" + minimal + "[ppp.x]\nmru = 1\n",
		"f.toml:1: ppp: must be a table, not an integer\nf.toml:7: ppp: already defined in line 1",
	},
	{
		"table over dotted key", "tunnel.t1.tid = 1\n[tunnel.t1]\n",
		"f.toml:1: tunnel.t1.local: missing\nf.toml:1: tunnel.t1.peer: missing\nf.toml:1: tunnel.t1.ptid: missing\n" +
			"f.toml:2: tunnel.t1: already defined in line 1",
	},
	{"table in inline table", "api = {}\n" + minimal + "[api.x]\n", "f.toml:7: api: already defined in line 1"},
	{"dotted key into table", minimal + "[tunnel]\nt1.ttl = 1\n", "f.toml:7: tunnel.t1: already defined in line 1"},
	{
		"duplicate key in inline table", minimal + "[ppp]\np = { mru = 1400, mru = 1300 }\n",
		"f.toml:7: ppp.p.mru: already defined in line 7",
	},
	{
		"array of tables over table", minimal + "[[tunnel]]\n",
		"f.toml:1: tunnel: must be a table, not an array of tables\nf.toml:6: tunnel: already defined in line 1",
	},
	{
		"too deep", "a = " + strings.Repeat("[", 20000),
		"f.toml:1: arrays and inline tables are nested more than the maximum of 10000 levels deep",
	},

	// Hooks.
	{"relative hook", minimal + "[hooks]\ndrain = \"hook\"\n", `f.toml:7: hooks.drain: must be an absolute path, such as "/etc/ppp/ip-up"`},
	{"unknown hook", minimal + "[hooks]\nsession_ups = \"/hook\"\n", `f.toml:7: hooks.session_ups: unknown key (did you mean "session_up"?)`},
	{"nobody's hook", minimal + "[hooks]\nuser = \"no such user\"\n", `f.toml:7: hooks.user: "no such user" is no user of this system`},
	{"root's hook", minimal + "[hooks]\nuser = \"root\"\n", `f.toml:7: hooks.user: is root: leave it out, scripts of a culvert that root runs are root's`},
	{"a hook's group", minimal + "[hooks]\ngroup = \"root\"\n", "f.toml:7: hooks.group: needs user"},
	{"no such group", minimal + "[hooks]\nuser = \"nobody\"\ngroup = \"no such group\"\n", `f.toml:8: hooks.group: "no such group" is no group of this system`},
	{
		"too much for a hook", minimal + "[hooks]\ncapabilities = [\"net_admin\", \"setuid\", 3]\n",
		`f.toml:7: hooks.capabilities: must be "net_admin", "net_bind_service", "net_raw" or "sys_admin", not "setuid"` + "\n" +
			`f.toml:7: hooks.capabilities: must be an array in which each value is a string, not an integer`,
	},

	// Tables that must have names.
	{"tunnel not a table", `tunnel = "t1"`, "f.toml:1: tunnel: must be a table, not a string"},
	{
		"tunnel without name", "[tunnel]\nversion = \"l2tpv3\"\n",
		"f.toml:2: tunnel.version: must be a table with a name, [tunnel.NAME], not a string",
	},
	{"tunnel with empty name", "[tunnel.\"\"]\n", `f.toml:1: tunnel."": the name must not be empty`},
	{
		"array of tunnels", "[[tunnel.t1]]\ntid = 1\n",
		"f.toml:1: tunnel.t1: must be a table with a name, [tunnel.NAME], not an array of tables",
	},
	{
		"session without name", minimal + "[tunnel.t1.session]\nsid = 1\n",
		"f.toml:7: tunnel.t1.session.sid: must be a table with a name, [tunnel.t1.session.NAME], not an integer",
	},
	{"session not a table", minimal + "session = 42\n", "f.toml:6: tunnel.t1.session: must be a table, not an integer"},
	{"api not a table", "api = 1\n" + minimal, "f.toml:1: api: must be a table, not an integer"},
	{
		"quoted names", "[tunnel.\"a b\"]\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\ntid = 1\nptid = 0\n",
		`f.toml:5: tunnel."a b".ptid: must be 1 to 4294967295, not 0`,
	},

	// Unknown keys.
	{"unknown top level key", "nonsense = 1\n" + minimal, "f.toml:1: nonsense: unknown key"},
	{"unknown tunnel key", minimal + "monkey = \"banana\"\n", "f.toml:6: tunnel.t1.monkey: unknown key"},
	{
		"unknown session key, near", minimal + goodSession + "cokie = [1]\n",
		`f.toml:10: tunnel.t1.session.s1.cokie: unknown key (did you mean "cookie"?)`,
	},
	{"unknown profile key", minimal + "[ppp.p]\nnonsense = \"x\"\n", "f.toml:7: ppp.p.nonsense: unknown key"},
	{"unknown table", minimal + "[tunnels.t1]\n", `f.toml:6: tunnels: unknown key (did you mean "tunnel"?)`},

	// Types.
	{"integer for string", minimal + "encap = 42\n", "f.toml:6: tunnel.t1.encap: must be a string, not an integer"},
	{"float for string", minimal + "encap = 42.21\n", "f.toml:6: tunnel.t1.encap: must be a string, not a float"},
	{"array for string", minimal + "version = [1]\n", "f.toml:6: tunnel.t1.version: must be a string, not an array"},
	{"boolean for string", minimal + "encap = false\n", "f.toml:6: tunnel.t1.encap: must be a string, not true or false"},
	{"string for integer", minimal + "ttl = \"64\"\n", "f.toml:6: tunnel.t1.ttl: must be an integer, not a string"},
	{"date for integer", minimal + "ttl = 2020-01-01\n", "f.toml:6: tunnel.t1.ttl: must be an integer, not a date or time"},
	{"table for integer", minimal + "[tunnel.t1.ttl]\n", "f.toml:6: tunnel.t1.ttl: must be an integer, not a table"},
	{"integer for boolean", minimal + "df = 1\n", "f.toml:6: tunnel.t1.df: must be true or false, not an integer"},
	{
		"string for array", minimal + goodSession + "cookie = \"01020304\"\n",
		"f.toml:10: tunnel.t1.session.s1.cookie: must be an array, not a string",
	},
	{
		"string in array of integers", minimal + goodSession + "cookie = [\n 1,\n \"2\",\n 3, 4]\n",
		"f.toml:12: tunnel.t1.session.s1.cookie: must be an array in which each value is an integer, not a string",
	},

	// Top level.
	{"offload", "offload = \"on\"\n" + minimal, `f.toml:1: offload: must be "auto" or "off", not "on"`},
	{"workers", "workers = 257\n" + minimal, "f.toml:1: workers: must be 0 to 256, not 257"},
	{
		"log level", "log_level = \"loud\"\n" + minimal,
		`f.toml:1: log_level: must be "debug", "error", "info" or "warn", not "loud"`,
	},
	{"relative socket", minimal + "[api]\nsocket = \"x.sock\"\n", `f.toml:7: api.socket: must be an absolute path, not "x.sock"`},
	{
		"long socket", minimal + "[api]\nsocket = \"/" + strings.Repeat("x", 107) + "\"\n",
		"f.toml:7: api.socket: must be a path of at most 107 bytes",
	},
	{
		"metrics", minimal + "[api]\nmetrics = \"9115\"\n",
		`f.toml:7: api.metrics: must be an address and a port such as "127.0.0.1:9115", not "9115"`,
	},
	{"no such group", minimal + "[api]\nadmin_group = \"no-such-group\"\n", `f.toml:7: api.admin_group: "no-such-group" is no group of this system`},
	{"group of everybody", minimal + "[devices]\ngroup = 0\n", "f.toml:7: devices.group: must be 1 to 4294967295, not 0"},

	// Tunnels.
	{"everything missing", "[tunnel.t1]\n", "f.toml:1: tunnel.t1.local: missing\nf.toml:1: tunnel.t1.peer: missing"},
	{
		"l2tpv2", "[tunnel.t1]\nversion = \"l2tpv2\"\npeer = \"192.0.2.1:1701\"\nencap = \"udp\"\n[tunnel.t1.session.s1]\n" +
			"pseudowire = \"pppac\"\npppd_args = \"/etc/args\"\n",
		`f.toml:2: tunnel.t1.version: L2TPv2 is not supported, only "l2tpv3"`,
	},
	{"version", minimal + "version = \"2001\"\n", `f.toml:6: tunnel.t1.version: must be "l2tpv3", not "2001"`},
	{"encap", minimal + "encap = \"sausage\"\n", `f.toml:6: tunnel.t1.encap: must be "ip" or "udp", not "sausage"`},
	{
		"tid out of range", strings.Replace(minimal, "tid = 1", "tid = 4294967297", 1),
		"f.toml:4: tunnel.t1.tid: must be 1 to 4294967295, not 4294967297",
	},
	{
		"negative tid", strings.Replace(minimal, "tid = 1", "tid = -1", 1),
		"f.toml:4: tunnel.t1.tid: must be 1 to 4294967295, not -1",
	},
	{
		"tid beyond 64 bits", strings.Replace(minimal, "tid = 1", "tid = 0xffff_ffff_ffff_ffff_f", 1),
		"f.toml:4: tunnel.t1.tid: must be 1 to 4294967295, not 0xffff_ffff_ffff_ffff_f",
	},
	{
		"duplicate tid", minimal + strings.Replace(minimal, "t1", "t2", 1),
		"f.toml:9: tunnel.t2.tid: 1 is already the tid of tunnel.t1 (line 1)",
	},
	{
		"families", strings.Replace(minimal, "192.0.2.2", "2001:db8::2", 1),
		"f.toml:3: tunnel.t1.peer: is IPv6 but local is IPv4",
	},
	{
		"mistyped address", strings.Replace(minimal, "192.0.2.2", "192.0.2.256", 1),
		`f.toml:3: tunnel.t1.peer: "192.0.2.256" is not an address or host name`,
	},
	{
		"empty address", strings.Replace(minimal, "192.0.2.2", "", 1),
		`f.toml:3: tunnel.t1.peer: "" is not an address or host name`,
	},
	{
		"only a port", strings.Replace(minimal, "192.0.2.1", ":1701", 1),
		`f.toml:2: tunnel.t1.local: "" is not an address or host name`,
	},
	{
		"no port behind colon", strings.Replace(minimal, "192.0.2.1", "192.0.2.1:", 1),
		`f.toml:2: tunnel.t1.local: "" is not a port`,
	},
	{
		"large port", strings.Replace(minimal, "192.0.2.1", "192.0.2.1:65536", 1),
		`f.toml:2: tunnel.t1.local: "65536" is not a port`,
	},
	{
		"port 0", strings.Replace(minimal, "192.0.2.1", "192.0.2.1:0", 1),
		"f.toml:2: tunnel.t1.local: port 0 is not a port",
	},
	{
		"unknown host", strings.Replace(minimal, "192.0.2.2", "nobody.example", 1),
		"f.toml:3: tunnel.t1.peer: cannot resolve host name: lookup nobody.example: no such host",
	},
	{
		"host without address", strings.Replace(minimal, "192.0.2.2", "none.example", 1),
		"f.toml:3: tunnel.t1.peer: cannot resolve host name: none.example has no address",
	},
	{
		"unknown service", strings.Replace(minimal, "192.0.2.2", "192.0.2.2:nix", 1),
		"f.toml:3: tunnel.t1.peer: unknown service: lookup udp/nix: unknown port",
	},
	{
		"zone", strings.Replace(minimal, "192.0.2.1", "fe80::1%eth0", 1),
		"f.toml:2: tunnel.t1.local: an address with a zone (%eth0) cannot be used",
	},
	{
		"multicast local", strings.Replace(minimal, "192.0.2.1", "224.0.0.1", 1),
		"f.toml:2: tunnel.t1.local: 224.0.0.1 is not an address a host can have",
	},
	{
		"unspecified peer", strings.Replace(minimal, "192.0.2.2", "0.0.0.0", 1),
		"f.toml:3: tunnel.t1.peer: 0.0.0.0 is not the address of one host",
	},
	{"ttl", minimal + "ttl = 256\n", "f.toml:6: tunnel.t1.ttl: must be 0 to 255, not 256"},
	{"dscp", minimal + "dscp = 64\n", "f.toml:6: tunnel.t1.dscp: must be 0 to 63, not 64"},
	{"dscp word", minimal + "dscp = \"ef\"\n", `f.toml:6: tunnel.t1.dscp: must be 0 to 63 or "copy"`},
	{
		"udp_csum without UDP", minimal + "encap = \"ip\"\nudp_csum = true\n",
		`f.toml:7: tunnel.t1.udp_csum: only for encap = "udp"`,
	},
	{"path_mtu", minimal + "path_mtu = 65536\n", "f.toml:6: tunnel.t1.path_mtu: must be 0 to 65535, not 65536"},
	{
		"low path_mtu", minimal + "path_mtu = 600\nunderlay_overhead = 40\n",
		"f.toml:6: tunnel.t1.path_mtu: must be at least 576 plus underlay_overhead, not 600",
	},
	{
		"low path_mtu of IPv6", strings.ReplaceAll(minimal, "192.0.2.", "2001:db8::") + "path_mtu = 1279\n",
		"f.toml:6: tunnel.t1.path_mtu: must be at least 1280 plus underlay_overhead, not 1279",
	},
	{
		"underlay_overhead", minimal + "underlay_overhead = 513\n",
		"f.toml:6: tunnel.t1.underlay_overhead: must be 0 to 512, not 513",
	},
	{"hello_timeout", minimal + "hello_timeout = -1\n", "f.toml:6: tunnel.t1.hello_timeout: must be 0 to 4294967295, not -1"},
	{"window_size", minimal + "window_size = 65536\n", "f.toml:6: tunnel.t1.window_size: must be 0 to 65535, not 65536"},
	{
		"framing_caps", minimal + "framing_caps = [\"sync\", \"bizzle\"]\n",
		`f.toml:6: tunnel.t1.framing_caps: must be "async" or "sync", not "bizzle"`,
	},

	// Sessions.
	{"session of nothing", minimal + "[tunnel.t1.session.s1]\n", "f.toml:6: tunnel.t1.session.s1.pseudowire: missing\n" +
		"f.toml:6: tunnel.t1.session.s1.sid: missing\nf.toml:6: tunnel.t1.session.s1.psid: missing"},
	{
		"pppac", minimal + "[tunnel.t1.session.s1]\npseudowire = \"pppac\"\npppoe_session_id = 1\n",
		`f.toml:7: tunnel.t1.session.s1.pseudowire: "pppac" (PPPoE access concentrator) is not supported, only "eth", "eth-vlan" or "ppp"`,
	},
	{
		"pseudowire", minimal + strings.Replace(goodSession, "eth", "monkey", 1),
		`f.toml:7: tunnel.t1.session.s1.pseudowire: must be "eth", "eth-vlan" or "ppp", not "monkey"`,
	},
	{"pppd_args", minimal + goodSession + "pppd_args = \"/x\"\n", "f.toml:10: tunnel.t1.session.s1.pppd_args: not supported: " +
		"put the options into pppd_options of a table [ppp.NAME] and name that with ppp_profile"},
	{
		"sid 0", minimal + strings.Replace(goodSession, "sid = 1", "sid = 0", 1),
		"f.toml:8: tunnel.t1.session.s1.sid: must be 1 to 4294967295, not 0",
	},
	{
		"psid 0", minimal + strings.Replace(goodSession, "psid = 2", "psid = 0", 1),
		"f.toml:9: tunnel.t1.session.s1.psid: must be 1 to 4294967295, not 0",
	},
	{
		"duplicate sid", minimal + goodSession + strings.Replace(goodSession, "s1", "s2", 1),
		"f.toml:12: tunnel.t1.session.s2.sid: 1 is already the sid of tunnel.t1.session.s1 (line 6) on the same local address",
	},
	{
		"duplicate sid in two tunnels", minimal + goodSession + strings.NewReplacer("t1", "t2", "tid = 1", "tid = 7").
			Replace(minimal+goodSession),
		"f.toml:17: tunnel.t2.session.s1.sid: 1 is already the sid of tunnel.t1.session.s1 (line 6) on the same local address",
	},
	{
		"duplicate sid over IP, second unspecified", "" +
			overIP("t1", "192.0.2.1", 1) + overIP("t2", "0.0.0.0", 2),
		"f.toml:19: tunnel.t2.session.s1.sid: 1 is already the sid of tunnel.t1.session.s1 (line 7) on the same local address",
	},
	{
		"duplicate sid over IP, first unspecified", "" +
			overIP("t1", "0.0.0.0", 1) + overIP("t2", "192.0.2.1", 2),
		"f.toml:19: tunnel.t2.session.s1.sid: 1 is already the sid of tunnel.t1.session.s1 (line 7) on the same local address",
	},
	{
		"cookie of 3", minimal + goodSession + "cookie = [1, 2, 3]\n",
		"f.toml:10: tunnel.t1.session.s1.cookie: must have 4 or 8 bytes, not 3",
	},
	{
		"peer_cookie of 9", minimal + goodSession + "peer_cookie = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n",
		"f.toml:10: tunnel.t1.session.s1.peer_cookie: must have 4 or 8 bytes, not 9",
	},
	{
		"cookie byte", minimal + goodSession + "cookie = [1, 2,\n 0x1fe, 4]\n",
		"f.toml:11: tunnel.t1.session.s1.cookie: each value must be 0 to 255",
	},
	{
		"l2spec_type", minimal + goodSession + "l2spec_type = \"whizzoo\"\n",
		`f.toml:10: tunnel.t1.session.s1.l2spec_type: must be "default" or "none", not "whizzoo"`,
	},
	{
		"seqnum without sublayer", minimal + goodSession + "seqnum = true\n",
		`f.toml:10: tunnel.t1.session.s1.seqnum: needs l2spec_type = "default": sequence numbers are in that sublayer`,
	},
	{
		"pppoe_peer_mac", minimal + goodSession + "pppoe_peer_mac = [1]\n",
		"f.toml:10: tunnel.t1.session.s1.pppoe_peer_mac: must have 6 bytes, not 1",
	},
	{
		"long interface_name", minimal + goodSession + "interface_name = \"abcdefghijklmnop\"\n",
		`f.toml:10: tunnel.t1.session.s1.interface_name: "abcdefghijklmnop" has 16 bytes, at most 15 fit`,
	},
	{
		"interface_name with slash", minimal + goodSession + "interface_name = \"a/b\"\n",
		`f.toml:10: tunnel.t1.session.s1.interface_name: "a/b" has a character that names of interfaces cannot have`,
	},
	{
		"interface_name dots", minimal + goodSession + "interface_name = \"..\"\n",
		`f.toml:10: tunnel.t1.session.s1.interface_name: ".." cannot be the name of an interface`,
	},
	{
		"empty interface_name", minimal + goodSession + "interface_name = \"\"\n",
		"f.toml:10: tunnel.t1.session.s1.interface_name: must not be empty",
	},
	{
		"duplicate interface_name", minimal + goodSession + "interface_name = \"x\"\n" +
			"[tunnel.t1.session.s2]\npseudowire = \"eth\"\nsid = 2\npsid = 2\ninterface_name = \"x\"\n",
		`f.toml:15: tunnel.t1.session.s2.interface_name: "x" is already the interface of tunnel.t1.session.s1 (line 6)`,
	},
	{
		"duplicate interface_name, netns by path", minimal + goodSession + "interface_name = \"x\"\nnetns = \"n\"\n" +
			"[tunnel.t1.session.s2]\npseudowire = \"eth\"\nsid = 2\npsid = 2\ninterface_name = \"x\"\nnetns = \"/run/netns/n\"\n",
		`f.toml:16: tunnel.t1.session.s2.interface_name: "x" is already the interface of tunnel.t1.session.s1 (line 6)`,
	},
	{
		"unknown profile", minimal + strings.Replace(goodSession, "eth", "ppp", 1) + "ppp_profile = \"nix\"\n",
		"f.toml:10: tunnel.t1.session.s1.ppp_profile: no table [ppp.nix]",
	},
	{
		"profile for Ethernet", minimal + goodSession + "ppp_profile = \"p\"\n[ppp.p]\n",
		`f.toml:10: tunnel.t1.session.s1.ppp_profile: only for pseudowire = "ppp"`,
	},
	{
		"mac and bridge for PPP", minimal + strings.Replace(goodSession, "eth", "ppp", 1) +
			"mac = \"02:00:00:00:00:01\"\nbridge = \"br0\"\n",
		"f.toml:10: tunnel.t1.session.s1.mac: only for pseudowire = \"eth\" and \"eth-vlan\"\n" +
			"f.toml:11: tunnel.t1.session.s1.bridge: only for pseudowire = \"eth\" and \"eth-vlan\"",
	},
	{
		"mac", minimal + goodSession + "mac = \"02:00\"\n",
		`f.toml:10: tunnel.t1.session.s1.mac: must be like "02:00:00:00:00:01", not "02:00"`,
	},
	{
		"group mac", minimal + goodSession + "mac = \"01:00:5e:00:00:01\"\n",
		"f.toml:10: tunnel.t1.session.s1.mac: 01:00:5e:00:00:01 is a group address",
	},
	{
		"zero mac", minimal + goodSession + "mac = \"00:00:00:00:00:00\"\n",
		"f.toml:10: tunnel.t1.session.s1.mac: must not be zero",
	},
	{"mtu", minimal + goodSession + "mtu = 67\n", "f.toml:10: tunnel.t1.session.s1.mtu: must be 68 to 65535, not 67"},
	{
		"mtu beyond a packet", minimal + goodSession + "mtu = 65535\n",
		"f.toml:10: tunnel.t1.session.s1.mtu: must be at most 65485 here, not 65535",
	},
	{
		"mtu below IPv6", minimal + goodSession + "mtu = 1279\naddresses = [\"fd00::1/64\"]\n",
		"f.toml:10: tunnel.t1.session.s1.mtu: must be at least 1280 because the session has an IPv6 address",
	},
	{
		"mtu below IPv6 of PPP", minimal + strings.Replace(goodSession, "eth", "ppp", 1) + "mtu = 1000\n",
		"f.toml:10: tunnel.t1.session.s1.mtu: must be at least 1280 because IPv6 is on (ipv6 = false in the profile turns it off)",
	},
	{
		"mtu of profile", minimal + strings.Replace(goodSession, "eth", "ppp", 1) +
			"ppp_profile = \"p\"\n[ppp.p]\npppd_options = \"mtu 1000\"\n",
		"f.toml:6: tunnel.t1.session.s1: mtu of profile p must be at least 1280 because IPv6 is on (ipv6 = false in the " +
			"profile turns it off)",
	},
	{
		"txqueuelen", minimal + goodSession + "txqueuelen = 0\n",
		"f.toml:10: tunnel.t1.session.s1.txqueuelen: must be 1 to 100000, not 0",
	},
	{
		"addresses", minimal + goodSession + "addresses = [\n \"10.0.0.1/24\",\n \"10.0.0.1\",\n \"10.0.0.1/24\", \"224.0.0.1/4\"]\n",
		"f.toml:12: tunnel.t1.session.s1.addresses: must be an address with a prefix length such as \"10.78.0.1/24\", " +
			"not \"10.0.0.1\"\nf.toml:13: tunnel.t1.session.s1.addresses: 10.0.0.1/24 is there twice\n" +
			"f.toml:13: tunnel.t1.session.s1.addresses: 224.0.0.1/4 cannot be the address of an interface",
	},
	{
		"routes", minimal + goodSession + "routes = [\n\"default\",\n\"10.0.0.1/8\",\n\"10.0.0.0/8 via ::1\",\n\"10.0.0.0/8 via x\"," +
			"\n\"10.0.0.0/8\",\n\"10.0.0.0/8 via 192.0.2.1\"]\n",
		"f.toml:11: tunnel.t1.session.s1.routes: must be \"prefix\" or \"prefix via address\", not \"default\"\n" +
			"f.toml:12: tunnel.t1.session.s1.routes: 10.0.0.1/8 has bits set behind its prefix length: 10.0.0.0/8?\n" +
			"f.toml:13: tunnel.t1.session.s1.routes: 10.0.0.0/8 via ::1 mixes IPv4 and IPv6\n" +
			"f.toml:14: tunnel.t1.session.s1.routes: via must be followed by the address of one host, not \"x\"\n" +
			"f.toml:16: tunnel.t1.session.s1.routes: 10.0.0.0/8 is there twice",
	},
	{
		"bridge", minimal + goodSession + "bridge = \"a b\"\n",
		`f.toml:10: tunnel.t1.session.s1.bridge: "a b" has a character that names of interfaces cannot have`,
	},
	{
		"netns", minimal + goodSession + "netns = \"a/b\"\n",
		`f.toml:10: tunnel.t1.session.s1.netns: must be a name as in /run/netns or an absolute path, not "a/b"`,
	},

	// Profiles.
	{"local_address", minimal + "[ppp.p]\nlocal_address = \"::1\"\n", `f.toml:7: ppp.p.local_address: "::1" is not an IPv4 address`},
	{
		"peer_address", minimal + "[ppp.p]\npeer_address = \"224.0.0.1\"\n",
		"f.toml:7: ppp.p.peer_address: 224.0.0.1 is not the address of one host",
	},
	{
		"same addresses", minimal + "[ppp.p]\nlocal_address = \"10.0.0.1\"\npeer_address = \"10.0.0.1\"\n",
		"f.toml:8: ppp.p.peer_address: 10.0.0.1 is the local address too",
	},
	{"mru", minimal + "[ppp.p]\nmru = 127\n", "f.toml:7: ppp.p.mru: must be 128 to 16384, not 127"},
	{
		"mru below IPv6", minimal + "[ppp.p]\nmru = 1000\n",
		"f.toml:7: ppp.p.mru: must be at least 1280 while IPv6 is on (ipv6 = false turns it off)",
	},
	{
		"dns", minimal + "[ppp.p]\ndns = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\"]\n",
		"f.toml:7: ppp.p.dns: must have at most 2 addresses, not 3",
	},
	{
		"no protocol", minimal + "[ppp.p]\nipv4 = false\nipv6 = false\n",
		"f.toml:8: ppp.p.ipv6: IPv4 and IPv6 are both off: nothing could be carried",
	},
	{
		"interface ids", minimal + "[ppp.p]\nlocal_interface_id = \"::\"\npeer_interface_id = \"2001:db8::1\"\n",
		"f.toml:7: ppp.p.local_interface_id: must be like \"::1:2\", 16 hexadecimal digits or an Ethernet address, and not zero, not \"::\"\n" +
			"f.toml:8: ppp.p.peer_interface_id: must be like \"::1:2\", 16 hexadecimal digits or an Ethernet address, and not zero, not \"2001:db8::1\"",
	},
	{
		"same interface ids", minimal + "[ppp.p]\nlocal_interface_id = \"::1\"\npeer_interface_id = \"0:0:0:1\"\n",
		"f.toml:8: ppp.p.peer_interface_id: is the local identifier too",
	},
	{
		"ppp_framing", minimal + "[ppp.p]\nppp_framing = \"x\"\n",
		`f.toml:7: ppp.p.ppp_framing: must be "auto", "bare" or "hdlc", not "x"`,
	},
	{"lcp_restart", minimal + "[ppp.p]\nlcp_restart = 0\n", "f.toml:7: ppp.p.lcp_restart: must be 1 to 86400, not 0"},
	{
		"unknown pppd option", minimal + "[ppp.p]\npppd_options = \"noauth frobnicate\"\n",
		`f.toml:7: ppp.p.pppd_options: unknown pppd option "frobnicate"`,
	},
	{
		"pppd number", minimal + "[ppp.p]\npppd_options = \"mru x lcp-restart 0\"\n",
		"f.toml:7: ppp.p.pppd_options: pppd option \"mru\": must be 128 to 16384, not \"x\"\n" +
			"f.toml:7: ppp.p.pppd_options: pppd option \"lcp-restart\": must be 1 to 86400, not \"0\"",
	},
	{
		"pppd argument missing", minimal + "[ppp.p]\npppd_options = \"noauth mru\"\n",
		`f.toml:7: ppp.p.pppd_options: pppd option "mru" needs an argument`,
	},
	{
		"pppd address pair", minimal + "[ppp.p]\npppd_options = \"10.0.0.1:10.0.0.256\"\n",
		`f.toml:7: ppp.p.pppd_options: pppd option "10.0.0.1:10.0.0.256": "10.0.0.256" is not an IPv4 address`,
	},
	{
		"pppd servers", minimal + "[ppp.p]\npppd_options = \"ms-dns 10.0.0.1 ms-dns 10.0.0.2 ms-dns 10.0.0.3\"\n",
		`f.toml:7: ppp.p.pppd_options: pppd option "ms-dns": given more than twice`,
	},
	{
		"pppd interface id", minimal + "[ppp.p]\npppd_options = \"ipv6 1,::2\"\n",
		`f.toml:7: ppp.p.pppd_options: pppd option "ipv6": "1" is not an interface identifier`,
	},
	// Several.
	{
		"file order", "[ppp.p]\nmru = 1\n" + minimal + "ttl = 999\n" + goodSession + "mtu = 1\n[devices]\ngroup = 0\nworkers = 1\n",
		"f.toml:2: ppp.p.mru: must be 128 to 16384, not 1\nf.toml:8: tunnel.t1.ttl: must be 0 to 255, not 999\n" +
			"f.toml:13: tunnel.t1.session.s1.mtu: must be 68 to 65535, not 1\n" +
			"f.toml:15: devices.group: must be 1 to 4294967295, not 0\nf.toml:16: devices.workers: unknown key",
	},
}

// overIP is a tunnel over IP 115 with session 1, in 10 lines of which the ninth has the sid.
func overIP(name, local string, tid int) string {
	return strings.NewReplacer("t1", name, "192.0.2.1", local, "tid = 1", "tid = "+string(rune('0'+tid))).
		Replace(strings.Replace(minimal, "tid = 1\n", "tid = 1\nencap = \"ip\"\n", 1) + goodSession)
}

func TestBadFiles(t *testing.T) {
	for _, tc := range badFiles {
		t.Run(tc.name, func(t *testing.T) {
			c, err := parseText(t, tc.text)
			if err == nil {
				t.Fatalf("no error in:\n%s", tc.text)
			}
			if c != nil {
				t.Error("both a configuration and an error")
			}
			if err.Error() != tc.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tc.want)
			}
		})
	}
}

// TestErrorFields: the parts of an error are there for programs too.
func TestErrorFields(t *testing.T) {
	_, err := parseText(t, minimal+goodSession+"  cookie = [1]\n")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *Error", err)
	}
	want := Error{File: "f.toml", Line: 10, Column: 3, Key: "tunnel.t1.session.s1.cookie", Msg: "must have 4 or 8 bytes, not 1"}
	if *e != want {
		t.Errorf("got %+v, want %+v", *e, want)
	}
}

// TestNoSecrets: whatever is wrong with a cookie, its bytes are not in the error.
func TestNoSecrets(t *testing.T) {
	_, err := parseText(t, minimal+goodSession+"cookie = [171, 172, 173]\npeer_cookie = [1711, 0x171]\n")
	if err == nil || strings.Contains(err.Error(), "17") {
		t.Errorf("got %v", err)
	}
}
