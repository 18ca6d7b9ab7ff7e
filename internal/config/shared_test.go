package config

import (
	"net/netip"
	"testing"
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
		{"Ethernet", sharing + "[profile.session.s]\npseudowire = \"eth\"\ninterface = \"shared:subs\"\n", "f.toml:9: profile.session.s.interface: only for pseudowire = \"ppp\""},
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
		{"unknown key", sharing + "bridge = \"b\"\n", "f.toml:7: shared.subs.bridge: unknown key"},
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
