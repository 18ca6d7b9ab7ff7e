package config

import (
	"net/netip"
	"testing"
	"time"

	"culvert/pppfsm"
)

// withOptions gives what a session gets from a profile with pppd_options and more keys.
func withOptions(t *testing.T, options, more string) *Session {
	t.Helper()
	c := mustParse(t, minimal+`
[tunnel.t1.session.s1]
pseudowire = "ppp"
sid = 1
psid = 2
ppp_profile = "p"
[ppp.p]
`+more+"pppd_options = '''"+options+"'''\n")
	return &c.Tunnels[0].Sessions[0]
}

func defaultLink() pppfsm.Config { return newProfile("").Link }

func TestPPPDOptions(t *testing.T) {
	addr := netip.MustParseAddr
	for _, tc := range []struct {
		name, options string
		change        func(p *PPP)
	}{
		{"none", "", func(*PPP) {}},
		{"harmless", "noauth noccp novj novjccomp nobsdcomp nodeflate nodetach debug nomp asyncmap 0 default-asyncmap " +
			"noipdefault nodefaultroute \nlocal lock refuse-pap", func(*PPP) {}},
		{"accept", "ipcp-accept-local ipcp-accept-remote", func(p *PPP) { p.Link.AcceptLocal, p.Link.AcceptPeer = true, true }},
		{"sizes", "mru 1400", func(p *PPP) { p.MRU, p.Link.MRU = 1400, 1400 }},
		{"hexadecimal", "mru 0x5a0", func(p *PPP) { p.MRU, p.Link.MRU = 1440, 1440 }},
		{"compression", "noaccomp nopcomp nomagic", func(p *PPP) {
			p.Link.NoACFC, p.Link.NoPFC, p.Link.NoMagic = true, true, true
		}},
		{"lcp", "lcp-echo-interval 30 lcp-echo-failure 4 lcp-restart 1 lcp-max-configure 20 lcp-max-terminate 3 " +
			"lcp-max-failure 7", func(p *PPP) {
			p.Link.EchoInterval, p.Link.EchoFailures, p.Link.RestartTimer = 30*time.Second, 4, time.Second
			p.Link.MaxConfigure, p.Link.MaxTerminate, p.Link.MaxFailure = 20, 3, 7
		}},
		{"servers", "ms-dns 10.0.0.53 ms-dns 10.0.0.54 ms-wins 10.0.0.55 usepeerdns usepeerwins", func(p *PPP) {
			p.Link.DNS = [2]netip.Addr{addr("10.0.0.53"), addr("10.0.0.54")}
			p.Link.NBNS = [2]netip.Addr{addr("10.0.0.55")}
			p.Link.UsePeerDNS, p.Link.UsePeerNBNS = true, true
		}},
		{"both addresses", "10.0.0.1:10.0.0.2", func(p *PPP) {
			p.Link.LocalAddress, p.Link.PeerAddress = addr("10.0.0.1"), addr("10.0.0.2")
		}},
		{"local address", "10.0.0.1:", func(p *PPP) { p.Link.LocalAddress = addr("10.0.0.1") }},
		{"remote address", "0.0.0.0:10.0.0.2", func(p *PPP) { p.Link.PeerAddress = addr("10.0.0.2") }},
		{"only IPv4", "noipv6", func(p *PPP) { p.Link.IPv6 = false }},
		{"only IPv6", "noip +ipv6 ipv6 ::1:2,::3", func(p *PPP) {
			p.Link.IPv4 = false
			p.Link.LocalID, p.Link.PeerID = [8]byte{5: 1, 7: 2}, [8]byte{7: 3}
		}},
		{"remote id", "ipv6 ,::3", func(p *PPP) { p.Link.PeerID = [8]byte{7: 3} }},
		{"route and life", "defaultroute nopersist silent passive", func(p *PPP) {
			p.DefaultRoute, p.Persist, p.Link.Silent, p.Link.Passive = true, false, true, true
		}},
		{"the last one wins", "defaultroute nodefaultroute nopersist persist mru 1300 mru 1400", func(p *PPP) {
			p.MRU, p.Link.MRU = 1400, 1400
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := &PPP{Profile: "p", Persist: true, Link: defaultLink()}
			tc.change(want)
			compare(t, want, withOptions(t, tc.options, "").PPP)
		})
	}
}

func TestPPPDMTU(t *testing.T) {
	if got := withOptions(t, "mtu 1300", "").MTU; got != 1300 {
		t.Errorf("MTU %d, want 1300", got)
	}
	c := mustParse(t, minimal+`
[tunnel.t1.session.s1]
pseudowire = "ppp"
sid = 1
psid = 2
mtu = 1400
ppp_profile = "p"
[ppp.p]
pppd_options = "mtu 1300"
`)
	if got := c.Tunnels[0].Sessions[0].MTU; got != 1400 {
		t.Errorf("MTU %d, want the session's own, 1400", got)
	}
}

// TestKeysWin: explicit keys win over pppd_options, wherever these stand.
func TestKeysWin(t *testing.T) {
	got := withOptions(t, "mru 1300 noaccomp nopersist ms-dns 10.0.0.1 10.0.0.2: noipv6 defaultroute lcp-restart 9",
		"mru = 1400\naccomp = true\npersist = true\ndns = []\nlocal_address = \"0.0.0.0\"\nipv6 = true\n"+
			"defaultroute = false\nlcp_restart = 3\n").PPP
	want := &PPP{Profile: "p", Persist: true, MRU: 1400, Link: defaultLink()}
	want.Link.MRU, want.Link.RequestACFC = 1400, true
	compare(t, want, got)
}

func TestInterfaceID(t *testing.T) {
	for _, tc := range []struct {
		text string
		want [8]byte
		ok   bool
	}{
		{"::1:2", [8]byte{5: 1, 7: 2}, true},
		{"0:0:1:2", [8]byte{5: 1, 7: 2}, true},
		{"0000000000010002", [8]byte{5: 1, 7: 2}, true},
		{"a:b:c:d", [8]byte{1: 0xa, 3: 0xb, 5: 0xc, 7: 0xd}, true},
		{"02AAFFFFFE000001", [8]byte{2, 0xaa, 0xff, 0xff, 0xfe, 0, 0, 1}, true},
		{"::192.0.2.1", [8]byte{4: 192, 5: 0, 6: 2, 7: 1}, true},
		{"::", [8]byte{}, false},
		{"0000000000000000", [8]byte{}, false},
		{"1:2:3", [8]byte{}, false},
		{"1::2:3:4:5", [8]byte{}, false},
		{"fe80::1", [8]byte{}, false},
		{"::1%eth0", [8]byte{}, false},
		{"12345", [8]byte{}, false},
		{"", [8]byte{}, false},
	} {
		if got, ok := parseInterfaceID(tc.text); ok != tc.ok || ok && got != tc.want {
			t.Errorf("%q: got %x, %v, want %x, %v", tc.text, got, ok, tc.want, tc.ok)
		}
	}
}
