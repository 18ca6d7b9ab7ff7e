package migrate

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/internal/config"
	"culvert/internal/l2tpnl"
)

// TestKernel: what a kernel tells becomes a file that loads; what it does not tell, or is not ours, is said.
func TestKernel(t *testing.T) {
	udp := l2tpnl.Tunnel{
		Version: 3, ID: 7, PeerID: 8, Local: netip.MustParseAddrPort("192.0.2.1:1701"), Remote: netip.MustParseAddrPort("192.0.2.2:1702"),
		Sessions: []l2tpnl.Session{
			{
				ID: 11, PeerID: 22, PWType: l2tpnl.Ethernet, Cookie: []byte{1, 2, 3, 4}, PeerCookie: []byte{5, 6, 7, 8}, SendSeq: true, RecvSeq: true,
				Interface: "vpn0", Sublayer: l2tpnl.SublayerDefault,
				Device: &l2tpnl.Device{MTU: 1400, TxQueueLen: 500, MAC: "02:00:00:00:00:01", Addresses: []string{"10.1.0.1/24"}, Routes: []string{"10.2.0.0/16 via 10.1.0.2"}},
			},
			{ID: 12, PeerID: 23, PWType: l2tpnl.Ethernet, Interface: "vpn1", Sublayer: l2tpnl.SublayerNone, Device: &l2tpnl.Device{MTU: 1446, Bridge: "br0"}},
			{ID: 13, PeerID: 24, PWType: l2tpnl.Ethernet, Interface: "vpn2"},
			{ID: 14, PeerID: 25, PWType: l2tpnl.PPP, Sublayer: l2tpnl.SublayerDefault},
			{ID: 15, PeerID: 26, PWType: 4},
		},
	}
	ip := l2tpnl.Tunnel{Version: 3, ID: 9, PeerID: 10, IP: true, Local: netip.MustParseAddrPort("[2001:db8::1]:0"), Remote: netip.MustParseAddrPort("[2001:db8::2]:0")}
	got, err := Kernel([]l2tpnl.Tunnel{{Version: 2, ID: 5, PeerID: 6}, udp, ip})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("result", got)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Tunnels) != 2 || len(c.Tunnels[0].Sessions) != 4 || c.Tunnels[0].UDPChecksum || c.Tunnels[0].Peer.Port() != 1702 {
		t.Errorf("%+v", c.Tunnels)
	}
	s := c.Tunnels[0].Sessions[0]
	if s.InterfaceName != "vpn0" || s.MTU != 1400 || !s.SeqNum || len(s.Addresses) != 1 || len(s.Routes) != 1 {
		t.Errorf("%+v", s)
	}
	if s = c.Tunnels[0].Sessions[1]; s.Bridge != "br0" || s.Sublayer != 0 {
		t.Errorf("%+v", s)
	}
	var notes []string
	for line := range strings.Lines(string(got)) {
		if rest, ok := strings.CutPrefix(line, "# not carried over: "); ok {
			notes = append(notes, strings.TrimSpace(rest))
		}
	}
	want := []string{
		"tunnel 5: L2TPv2",
		"tunnel 7, session 11: packets without a number are taken, too",
		"tunnel 7, session 13: its L2-Specific Sublayer, which the kernel tells in debugfs alone (modprobe l2tp_debugfs): this is the default of `ip l2tp`",
		`tunnel 7, session 13: addresses and the like of its interface "vpn2", which is not in this network namespace`,
		"tunnel 7, session 14: pppd's options: see pppd_options",
		"tunnel 7, session 15: its pseudowire type, 4",
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if _, err := Kernel(nil); !errors.Is(err, errNoTunnels) {
		t.Errorf("no tunnels: %v", err)
	}
	udp.Sessions[0].Device.MTU = 67
	if _, err := Kernel([]l2tpnl.Tunnel{udp}); err == nil || !strings.HasPrefix(err.Error(), "the kernel's tunnels: tunnel.t7.session.s11.mtu: ") {
		t.Errorf("an impossible MTU: %v", err)
	}
}
