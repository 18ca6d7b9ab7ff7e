package config

import (
	"slices"
	"testing"

	"culvert/control"
)

// TestPseudowires: what is offered to a peer, and by which number.
func TestPseudowires(t *testing.T) {
	c := mustParse(t, dial+respond)
	for _, offered := range [][]control.PseudowireType{c.Tunnels[0].Control.Pseudowires, c.Peers[0].Control.Pseudowires} {
		if !slices.Equal(offered, []control.PseudowireType{7, 5, 4}) {
			t.Errorf("offered by default: %v", offered)
		}
	}
	keys := "pseudowires = [\"eth-vlan\", \"ppp\"]\nppp_pw_type = 0x8007\n"
	c = mustParse(t, dial+keys+"[tunnel.t1.session.s]\npseudowire = \"eth-vlan\"\nvlan = 4094\nbridge = \"b\"\n"+respond+"[peer.q]\nsecret = \"long enough\"\n"+keys)
	dialed, peer := &c.Tunnels[0], &c.Peers[len(c.Peers)-1]
	for _, offered := range [][]control.PseudowireType{dialed.Control.Pseudowires, peer.Control.Pseudowires} {
		if !slices.Equal(offered, []control.PseudowireType{4, 0x8007}) {
			t.Errorf("offered: %v", offered)
		}
	}
	if s := dialed.Sessions[0]; s.Pseudowire != PseudowireVLAN || s.VLAN != 4094 || s.Pseudowire.Type(dialed.PPPType) != 4 {
		t.Errorf("session %+v", s)
	}
	if n := PseudowirePPP.Type(peer.PPPType); n != 0x8007 {
		t.Errorf("PPP has number %d", n)
	}
}

func TestBadPseudowires(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{
			"values", dial + "pseudowires = [\"eth\", \"eth\", \"tdm\"]\nppp_pw_type = 5\n",
			"f.toml:4: tunnel.t1.pseudowires: \"eth\" is there twice\n" +
				"f.toml:4: tunnel.t1.pseudowires: must be \"eth\", \"eth-vlan\" or \"ppp\", not \"tdm\"\n" +
				"f.toml:5: tunnel.t1.ppp_pw_type: 5 is that of an Ethernet pseudowire",
		},
		{"none", dial + "pseudowires = []\n", "f.toml:4: tunnel.t1.pseudowires: must name one at least"},
		{
			"not offered", dial + "pseudowires = [\"eth\"]\n[tunnel.t1.session.s]\npseudowire = \"eth-vlan\"\nvlan = 4095\n",
			"f.toml:6: tunnel.t1.session.s.pseudowire: \"eth-vlan\" is not among the pseudowires of the tunnel\n" +
				"f.toml:7: tunnel.t1.session.s.vlan: must be 1 to 4094, not 4095",
		},
		{
			"vlan of others", minimal + goodSession + "vlan = 1\n",
			"f.toml:10: tunnel.t1.session.s1.vlan: only for pseudowire = \"eth-vlan\"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseText(t, tt.text); err == nil || err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
		})
	}
}
