package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// listening are four lines.
const listening = "[listen.l]\nlocal = \"192.0.2.1\"\n[peer.p]\nsecret = \"long enough\"\n"

const sharing = listening + `[shared.subs]
addresses = ["10.77.0.1/32", "10.77.0.2/32", "2001:db8::1/64"]
`

func TestShared(t *testing.T) {
	c := mustParse(t, `
[shared.subs]
interface_name = "subs0"
netns = "blue"
addresses = ["2001:db8::1/64", "10.77.0.1/32", "10.77.0.2/32"]
routes = ["10.77.0.0/16 via 10.77.0.9"]
`+minimal+`
[tunnel.t1.session.s1]
pseudowire = "ppp"
sid = 1
psid = 2
interface = "shared:subs"
routes = ["10.80.0.0/16"]
[tunnel.t1.session.s2]
pseudowire = "ppp"
sid = 2
psid = 3
interface = "shared:subs"
ppp_profile = "two"
[tunnel.t1.session.s3]
pseudowire = "ppp"
sid = 3
psid = 4
[listen.l]
local = "192.0.2.3"
[peer.p]
secret = "12345678"
[profile.session.many]
pseudowire = "ppp"
remote_end_id = "{n}"
n = "0-9"
interface = "shared:subs"
[ppp.two]
local_address = "10.77.0.2"
`)
	d := c.Shared[0]
	if d.Name != "subs" || d.InterfaceName != "subs0" || d.NetNS != "blue" || d.MTU != DefaultSharedMTU || d.TxQueueLen != DefaultTxQueueLen ||
		len(d.Addresses) != 3 || len(d.Routes) != 1 {
		t.Errorf("device %+v", d)
	}
	all := c.Tunnels[0].Sessions
	many := c.Profiles[0].At(7)
	for _, s := range []Session{all[0], all[1], many} {
		if s.Shared != "subs" || s.InterfaceName != "subs0" || s.NetNS != "blue" {
			t.Errorf("session %s is not on it: %+v", s.Name, s)
		}
	}
	for s, want := range map[*Session]string{&all[0]: "10.77.0.1", &all[1]: "10.77.0.2", &many: "10.77.0.1"} {
		if s.PPP.Link.LocalAddress != netip.MustParseAddr(want) {
			t.Errorf("%s: our end is %s, not %s", s.Name, s.PPP.Link.LocalAddress, want)
		}
	}
	if s := all[2]; s.Shared != "" || s.InterfaceName != "t1-s3" {
		t.Errorf("own device: %+v", s)
	}
}

// TestSharedTemplate: all sessions of a template that dials are on the device, each with its own networks.
func TestSharedTemplate(t *testing.T) {
	c := mustParse(t, dial+`[tunnel.t1.session.s]
pseudowire = "ppp"
n = "1-3"
remote_end_id = "s{n}"
interface = "shared:subs"
routes = ["10.80.0.0/24+{n}"]
[shared.subs]
addresses = ["10.77.0.1/32"]
`)
	all := c.Tunnels[0].Sessions
	if len(all) != 3 || all[2].Shared != "subs" || all[2].InterfaceName != "subs" || all[2].Routes[0].To.String() != "10.80.3.0/24" {
		t.Errorf("sessions %+v", all)
	}
}

func TestBadShared(t *testing.T) {
	session := sharing + "[profile.session.s]\npseudowire = \"ppp\"\ninterface = \"shared:subs\"\n" // 9 lines
	own := "only for a session with a device of its own: this one is on shared:subs"
	for _, tt := range []struct{ name, text, want string }{
		{"unknown", sharing + "[profile.session.s]\npseudowire = \"ppp\"\ninterface = \"shared:sub\"\n", "f.toml:9: profile.session.s.interface: there is no table [shared.sub]"},
		{"own name", sharing + "[profile.session.s]\npseudowire = \"ppp\"\ninterface = \"subs\"\n", "f.toml:9: profile.session.s.interface: must be \"shared:NAME\", not \"subs\": a device of its own has interface_name"},
		{"Ethernet", sharing + "[profile.session.s]\npseudowire = \"eth\"\ninterface = \"shared:subs\"\n", "f.toml:9: profile.session.s.interface: shared.subs is for \"ppp\" sessions, not for \"eth\" (pseudowire = \"eth\" there makes it a TAP)"},
		{"keys of a device", session + "interface_name = \"a\"\nnetns = \"b\"\naddresses = [\"10.0.0.1/8\"]\n", "f.toml:10: profile.session.s.interface_name: " + own +
			"\nf.toml:11: profile.session.s.netns: " + own + "\nf.toml:12: profile.session.s.addresses: " + own},
		{"route via", session + "routes = [\"10.80.0.0/16 via 10.77.0.3\"]\n", "f.toml:10: profile.session.s.routes: 10.80.0.0/16 via 10.77.0.3: on a shared device routes lead to the session's peer"},
		{"defaultroute", session + "ppp_profile = \"p\"\n[ppp.p]\ndefaultroute = true\naccept_local_address = true\n", "f.toml:9: profile.session.s.interface: defaultroute of profile p is only for a session with a device of its own\n" +
			"f.toml:9: profile.session.s.interface: accept_local_address of profile p is only for a session with a device of its own"},
		{"address by number", session + "n = \"1-9\"\nremote_end_id = \"s{n}\"\nlocal_address = \"10.77.0.0+{n}\"\n", "f.toml:12: profile.session.s.local_address: our end is the same for all sessions of a shared device"},
		{"number in the device", listening + "[shared.subs]\naddresses = [\"10.77.0.0+{n}/32\"]\n", "f.toml:6: shared.subs.addresses: +{n} is only for a template, a table with n"},
		{"other address", session + "ppp_profile = \"p\"\n[ppp.p]\nlocal_address = \"10.77.0.3\"\n", "f.toml:9: profile.session.s.interface: local_address 10.77.0.3 of profile p must be among the addresses of shared.subs"},
		{"no address", listening + "[shared.subs]\n[profile.session.s]\npseudowire = \"ppp\"\ninterface = \"shared:subs\"\n", "f.toml:8: profile.session.s.interface: shared.subs needs an IPv4 address, which is our end of all its sessions (or ipv4 = false in the profile)"},
		{"no name", listening + "[shared.\"a b\"]\n", "f.toml:5: shared.\"a b\": interface_name is needed: \"a b\" has a character that names of interfaces cannot have"},
		{"low MTU", sharing + "mtu = 1279\n", "f.toml:7: shared.subs.mtu: must be at least 1280 because the device has an IPv6 address"},
		{"unknown key", sharing + "vlan = 7\n", "f.toml:7: shared.subs.vlan: unknown key"},
		{"name twice", sharing + "[shared.b]\ninterface_name = \"subs\"\n", "f.toml:8: shared.b.interface_name: \"subs\" is already the interface of shared.subs (line 5)"},
		{
			"name of a session", sharing + minimal + "[tunnel.t1.session.s]\npseudowire = \"eth\"\nsid = 1\npsid = 1\ninterface_name = \"subs\"\n",
			"f.toml:16: tunnel.t1.session.s.interface_name: \"subs\" is already the interface of shared.subs (line 5)",
		},
		{"not a table", "shared = 1\n" + listening, "f.toml:1: shared: must be a table, not an integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse("f.toml", []byte(tt.text)); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// access is a shared TAP with a template, 13 lines.
const access = listening + `[shared.tap]
pseudowire = "eth"
mac_limit = 5
[profile.session.s]
pseudowire = "eth"
n = "0-99"
remote_end_id = "s{n}"
interface = "shared:tap"
`

func TestSharedTAP(t *testing.T) {
	c := mustParse(t, access+`mtu = 1400
[profile.session.up]
pseudowire = "eth-vlan"
vlan = 7
interface = "shared:big"
isolated = false
mac_limit = 100
[shared.big]
pseudowire = "eth"
interface_name = "big0"
mtu = 65521
mac = "02:00:00:00:00:01"
bridge = "br0"
addresses = ["10.78.0.1/24"]
mac_table_size = 2000
mac_aging_time = 10
forward_reserved = true
flood_limit = 0
`)
	tap, big := c.Shared[0], c.Shared[1]
	if !reflect.DeepEqual(*tap.TAP, SharedTAP{MaxMACs: DefaultMaxMACs, MACAging: DefaultMACAging, Floods: DefaultFloods}) || tap.MTU != DefaultSharedMTU {
		t.Errorf("defaults: %+v of %+v", tap.TAP, tap)
	}
	if b := big.TAP; b.Bridge != "br0" || b.HardwareAddr.String() != "02:00:00:00:00:01" || b.MaxMACs != 2000 || b.MACAging != 10*time.Second || !b.Reserved || b.Floods != 0 {
		t.Errorf("device: %+v", b)
	}
	s, up := c.Profiles[0].At(42), c.Profiles[1].At(0)
	if s.Shared != "tap" || s.InterfaceName != "tap" || !s.Isolated || s.MACLimit != 5 || s.MTU != 1400 {
		t.Errorf("session of the template: %+v", s)
	}
	if up.Shared != "big" || up.InterfaceName != "big0" || up.Isolated || up.MACLimit != 100 || up.VLAN != 7 {
		t.Errorf("other session: %+v", up)
	}
	d := mustParse(t, dial+`[tunnel.t1.session.s]
pseudowire = "eth"
n = "1-3"
remote_end_id = "s{n}"
interface = "shared:tap"
[shared.tap]
pseudowire = "eth"
`)
	if all := d.Tunnels[0].Sessions; len(all) != 3 || all[2].Shared != "tap" || !all[2].Isolated || all[2].MACLimit != DefaultMACLimit {
		t.Errorf("dialed sessions: %+v", all)
	}
}

func TestBadSharedTAP(t *testing.T) {
	own := "only for a session with a device of its own"
	for _, tt := range []struct{ name, text, want string }{
		{
			"PPP", access + "[profile.session.p]\npseudowire = \"ppp\"\ninterface = \"shared:tap\"\n",
			"f.toml:15: profile.session.p.interface: shared.tap is for \"eth\" and \"eth-vlan\" sessions, not for \"ppp\"",
		},
		{
			"keys of a device", access + "addresses = [\"10.0.0.1/8\"]\nroutes = [\"10.0.0.0/8\"]\nbridge = \"b\"\nmac = \"02:00:00:00:00:01\"\n",
			"f.toml:13: profile.session.s.addresses: " + own + ": this one is on shared:tap\nf.toml:14: profile.session.s.routes: " + own +
				": addresses and routes are shared.tap's\nf.toml:15: profile.session.s.bridge: " + own + ": this one is on shared:tap\n" +
				"f.toml:16: profile.session.s.mac: " + own + ": this one is on shared:tap",
		},
		{"other type", access + "[shared.x]\npseudowire = \"eth-vlan\"\n", "f.toml:14: shared.x.pseudowire: must be \"eth\" or \"ppp\", not \"eth-vlan\""},
		{"MTU", access + "[shared.x]\npseudowire = \"eth\"\nmtu = 65522\n", "f.toml:15: shared.x.mtu: must be at most 65521 for pseudowire = \"eth\", not 65522"},
		{"session's MTU", access + "mtu = 65530\n", "f.toml:13: profile.session.s.mtu: must be at most 65477 here, not 65530"},
		{"aging", access + "[shared.x]\npseudowire = \"eth\"\nmac_aging_time = 9\n", "f.toml:15: shared.x.mac_aging_time: must be 10 to 1000000, not 9"},
		{"limit", access + "mac_limit = 0\n", "f.toml:13: profile.session.s.mac_limit: must be 1 to 4194304, not 0"},
		{"keys of a TAP", sharing + "mac_limit = 5\nforward_reserved = true\n", "f.toml:7: shared.subs.mac_limit: only for pseudowire = \"eth\"\n" +
			"f.toml:8: shared.subs.forward_reserved: only for pseudowire = \"eth\""},
		{
			"keys of a port", sharing + "[profile.session.s]\npseudowire = \"ppp\"\ninterface = \"shared:subs\"\nisolated = false\n[profile.session.t]\npseudowire = \"eth\"\nmac_limit = 5\n",
			"f.toml:10: profile.session.s.isolated: only for a session on a shared device with pseudowire = \"eth\"\n" +
				"f.toml:13: profile.session.t.mac_limit: only for a session on a shared device with pseudowire = \"eth\"",
		},
		{"number in the device", access + "[shared.x]\npseudowire = \"eth\"\nmac = \"02:00:00:00:00:00+{n}\"\n", "f.toml:15: shared.x.mac: +{n} is only for a template, a table with n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.toml", []byte(tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
