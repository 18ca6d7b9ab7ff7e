package l2tpnl

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"culvert/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.OwnNetNS()
	os.Exit(m.Run())
}

// TestReadNone: in a new network namespace the kernel has no tunnels, be its module loaded or not.
func TestReadNone(t *testing.T) {
	testenv.RequireNetns(t)
	if all, err := Read(); len(all) != 0 || err != nil && !errors.Is(err, ErrNone) {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestReadDevice: what somebody has set on an interface is read, what the kernel or a router made is not.
func TestReadDevice(t *testing.T) {
	testenv.RequireNetns(t)
	link := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "x0"}, Mode: netlink.TUNTAP_MODE_TAP}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	for _, l := range []netlink.Link{link, bridge} {
		if err := netlink.LinkAdd(l); err != nil {
			t.Fatal(err)
		}
	}
	mac, _ := net.ParseMAC("02:00:00:00:00:07")
	_, far, _ := net.ParseCIDR("10.9.0.0/16")
	own, _ := netlink.ParseAddr("10.1.0.1/24")
	peer, _ := netlink.ParseAddr("10.2.0.1/32")
	peer.Peer = &net.IPNet{IP: net.IPv4(10, 2, 0, 2).To4(), Mask: net.CIDRMask(32, 32)}
	x, err := netlink.LinkByName("x0")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.LinkSetMTU(x, 1300), netlink.LinkSetHardwareAddr(x, mac), netlink.LinkSetMaster(x, bridge), netlink.LinkSetUp(x),
		netlink.AddrAdd(x, own), netlink.AddrAdd(x, peer),
		netlink.RouteAdd(&netlink.Route{LinkIndex: x.Attrs().Index, Dst: far, Gw: net.IPv4(10, 1, 0, 2)})); err != nil {
		t.Fatal(err)
	}
	got, err := readDevice("x0")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got.Addresses)
	slices.Sort(got.Routes)
	want := &Device{
		MTU: 1300, TxQueueLen: x.Attrs().TxQLen, MAC: mac.String(), Bridge: "br0",
		Addresses: []string{"10.1.0.1/24", "10.2.0.1/32"}, Routes: []string{"10.2.0.2/32", "10.9.0.0/16 via 10.1.0.2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if d, err := readDevice("none"); d != nil || err != nil {
		t.Errorf("%+v, %v", d, err)
	}
}
