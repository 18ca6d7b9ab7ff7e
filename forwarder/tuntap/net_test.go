package tuntap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TestCarrier: up without carrier after Create, and operstate follows SetCarrier (RFC 2863 section 3.1.12).
func TestCarrier(t *testing.T) {
	for _, kind := range []Kind{TUN, TAP} {
		ns, h := newNetNS(t)
		d := mustCreate(t, Config{Name: "car0", Kind: kind, NetNS: ns})
		state := func(on bool) func() bool {
			return func() bool {
				a := link(t, h, "car0").Attrs()
				lower, oper := a.RawFlags&unix.IFF_LOWER_UP != 0, a.OperState
				return a.Flags&net.FlagUp != 0 && lower == on &&
					(on && (oper == netlink.OperUp || oper == netlink.OperUnknown) || !on && oper == netlink.OperDown)
			}
		}
		eventually(t, "up without carrier", state(false))
		must(t, d.SetCarrier(true))
		eventually(t, "carrier", state(true))
		must(t, d.SetCarrier(true))
		must(t, d.SetCarrier(false))
		eventually(t, "no carrier again", state(false))
		must(t, d.SetUp(false))
		if a := link(t, h, "car0").Attrs(); a.Flags&net.FlagUp != 0 {
			t.Error("still up")
		}
		must(t, d.SetUp(true))
		if a := link(t, h, "car0").Attrs(); a.Flags&net.FlagUp == 0 {
			t.Error("not up")
		}
	}
}

func TestAddresses(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "adr0", NetNS: ns})
	must(t, d.SetCarrier(true))
	tests := []struct{ local, peer, want string }{
		{"10.77.0.1/32", "10.77.0.2", "10.77.0.1/32 peer 10.77.0.2/32"},
		{"192.0.2.1/24", "", "192.0.2.1/24"},
		{"2001:db8::1/64", "", "2001:db8::1/64"},
		{"fe80::1/128", "fe80::2", "fe80::1/128 peer fe80::2/128"},
	}
	for _, tt := range tests {
		t.Run(tt.local, func(t *testing.T) {
			local := netip.MustParsePrefix(tt.local)
			peer, _ := netip.ParseAddr(tt.peer)
			must(t, d.AddAddress(local, peer))
			must(t, d.AddAddress(local, peer))
			l, err := h.AddrList(link(t, h, "adr0"), netlink.FAMILY_ALL)
			must(t, err)
			if len(l) != 1 || describe(l[0]) != tt.want || l[0].Flags&unix.IFA_F_TENTATIVE != 0 || l[0].Flags&unix.IFA_F_PERMANENT == 0 {
				t.Errorf("addresses %+v", l)
			}
			must(t, d.RemoveAddress(local, peer))
			must(t, d.RemoveAddress(local, peer))
			if l, err := h.AddrList(link(t, h, "adr0"), netlink.FAMILY_ALL); err != nil || len(l) != 0 {
				t.Errorf("not removed: %+v, %v", l, err)
			}
		})
	}
	wantErr(t, d.AddAddress(netip.Prefix{}, netip.Addr{}), ErrAddress)
	wantErr(t, d.AddAddress(netip.MustParsePrefix("10.0.0.1/32"), netip.MustParseAddr("fe80::1")), ErrAddress)
	wantErr(t, d.RemoveAddress(netip.MustParsePrefix("::ffff:10.0.0.1/128"), netip.Addr{}), ErrAddress)
	must(t, d.SetMTU(1000))
	wantErr(t, d.AddAddress(netip.MustParsePrefix("2001:db8::1/64"), netip.Addr{}), ErrNoIPv6)
	must(t, d.SetMTU(1500))
	ip(t, "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.adr0.disable_ipv6=1")
	wantErr(t, d.AddAddress(netip.MustParsePrefix("2001:db8::1/64"), netip.Addr{}), ErrNoIPv6)
	wantErr(t, d.AddRoute(netip.MustParsePrefix("2001:db8::/32"), netip.Addr{}), ErrNoIPv6)
}

// describe writes an address as ip(8) does.
func describe(a netlink.Addr) string {
	ones, _ := a.Mask.Size()
	s := fmt.Sprintf("%s/%d", a.IP, ones)
	if a.Peer != nil && !a.Peer.IP.Equal(a.IP) {
		s += " peer " + a.Peer.String()
	}
	if a.Peer != nil && a.Peer.IP.Equal(a.IP) {
		return a.Peer.String()
	}
	return s
}

func TestRoutes(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "rt0", NetNS: ns})
	other := mustCreate(t, Config{Name: "rt1", NetNS: ns})
	must(t, d.SetCarrier(true))
	must(t, other.SetCarrier(true))
	must(t, d.AddAddress(netip.MustParsePrefix("10.77.0.1/32"), netip.MustParseAddr("10.77.0.2")))
	must(t, d.AddAddress(netip.MustParsePrefix("2001:db8:1::1/64"), netip.Addr{}))
	tests := []struct{ to, via string }{
		{"198.51.100.0/24", ""},
		{"198.51.100.128/25", "10.77.0.2"},
		{"0.0.0.0/0", ""},
		{"203.0.113.7/32", ""},
		{"2001:db8:2::/48", ""},
		{"2001:db8:3::/48", "2001:db8:1::2"},
		{"::/0", ""},
	}
	for _, tt := range tests {
		t.Run(tt.to+" "+tt.via, func(t *testing.T) {
			to := netip.MustParsePrefix(tt.to)
			via, _ := netip.ParseAddr(tt.via)
			must(t, d.AddRoute(to, via))
			must(t, d.AddRoute(to, via))
			if n := countRoutes(t, h, d.Index(), to, tt.via); n != 1 {
				t.Errorf("%d routes", n)
			}
			wantErr(t, other.AddRoute(to, netip.Addr{}), ErrRoute)
			must(t, d.RemoveRoute(to, via))
			must(t, d.RemoveRoute(to, via))
			if n := countRoutes(t, h, d.Index(), to, tt.via); n != 0 {
				t.Errorf("%d routes left", n)
			}
		})
	}
	wantErr(t, d.AddRoute(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("::1")), ErrRoute)
	wantErr(t, d.AddRoute(netip.Prefix{}, netip.Addr{}), ErrRoute)
	wantErr(t, d.AddRoute(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("172.16.0.1")), ErrRoute)
}

func countRoutes(t *testing.T, h *netlink.Handle, index int, to netip.Prefix, via string) int {
	t.Helper()
	family := netlink.FAMILY_V4
	if to.Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	l, err := h.RouteListFiltered(family, &netlink.Route{LinkIndex: index, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	must(t, err)
	n := 0
	for _, r := range l {
		dst := "0.0.0.0/0"
		if to.Addr().Is6() {
			dst = "::/0"
		}
		if r.Dst != nil {
			dst = r.Dst.String()
		}
		scope := r.Scope == netlink.SCOPE_LINK == (via == "" && to.Addr().Is4())
		if dst == to.String() && (via == "" && r.Gw == nil || via != "" && r.Gw.String() == via) && r.Protocol == unix.RTPROT_STATIC && scope {
			n++
		}
	}
	return n
}

// TestQuietIPv6: a device that comes up has no address and says nothing; one with address generation on, beside it,
// shows that the test would notice.
func TestQuietIPv6(t *testing.T) {
	for _, kind := range []Kind{TUN, TAP} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			ns, h := newNetNS(t)
			quiet := mustCreate(t, Config{Name: "quiet0", Kind: kind, NetNS: ns})
			raised := mustCreate(t, Config{Name: "quiet1", Kind: kind, MTU: 1000, NetNS: ns})
			loud := mustCreate(t, Config{Name: "loud0", Kind: kind, NetNS: ns})
			if kind == TUN { // as if it were no PPP link
				must(t, loud.SetUp(false))
				must(t, unix.IoctlSetInt(loud.Queue().FD(), unix.TUNSETLINK, unix.ARPHRD_NONE))
				must(t, loud.SetUp(true))
			}
			must(t, h.LinkSetIP6AddrGenMode(link(t, h, "loud0"), nl.IN6_ADDR_GEN_MODE_RANDOM))
			ip(t, "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.loud0.accept_dad=0") // which would take 2 s
			for _, d := range []*Device{quiet, raised, loud} {
				must(t, d.SetCarrier(true))
			}
			eventually(t, "operational", func() bool { return link(t, h, "quiet1").Attrs().OperState == netlink.OperUp })
			must(t, raised.SetMTU(1400))
			if s := link(t, h, "quiet1").Attrs().OperState; s != netlink.OperUp {
				t.Errorf("operstate %s after SetMTU", s)
			}
			read(t, loud.Queue(), func(f []byte) bool { return isRouterSolicitation(kind, f) })
			time.Sleep(1200 * time.Millisecond) // rtr_solicitation_delay is 1 s
			for _, d := range []*Device{quiet, raised} {
				b := make([]byte, 2048)
				if n, err := d.Queue().Read(b); !errors.Is(err, ErrWouldBlock) {
					t.Errorf("%s said % x, %v", d.Name(), b[:n], err)
				}
				if l, err := h.AddrList(link(t, h, d.Name()), netlink.FAMILY_ALL); err != nil || len(l) != 0 {
					t.Errorf("%s has addresses %+v, %v", d.Name(), l, err)
				}
			}
			must(t, raised.AddAddress(netip.MustParsePrefix("2001:db8::1/64"), netip.Addr{})) // IPv6 is back
		})
	}
}

// isRouterSolicitation looks for ICMPv6 type 133 (RFC 4861 section 4.1).
func isRouterSolicitation(kind Kind, f []byte) bool {
	if kind == TAP {
		f = f[14:]
	}
	return f[0]>>4 == 6 && f[6] == 58 && f[40] == 133
}

func TestMTU(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "mtu0", NetNS: ns})
	must(t, d.AddAddress(netip.MustParsePrefix("10.77.0.1/32"), netip.MustParseAddr("10.77.0.2")))
	must(t, d.SetCarrier(true))
	must(t, d.AddRoute(netip.MustParsePrefix("198.51.100.0/24"), netip.Addr{}))
	for _, n := range []int{1280, 68, 1000, 1279, 65535, 1500} {
		must(t, d.SetMTU(n))
		if got := link(t, h, "mtu0").Attrs().MTU; got != n {
			t.Errorf("mtu %d, want %d", got, n)
		}
	}
	if n := countRoutes(t, h, d.Index(), netip.MustParsePrefix("198.51.100.0/24"), ""); n != 1 {
		t.Error("the route went with the MTU")
	}
	wantErr(t, d.SetMTU(67), ErrConfig)
	wantErr(t, d.SetMTU(65536), ErrConfig)
}

func TestDeleteGroup(t *testing.T) {
	ns, h := newNetNS(t)
	before := files(t)
	devices := make([]*Device, 0, 50)
	for i := range 50 {
		d, err := Create(Config{Name: fmt.Sprintf("grp%d", i), Kind: Kind(i % 2), Group: testGroup, NetNS: ns})
		must(t, err)
		devices = append(devices, d)
	}
	spare := mustCreate(t, Config{Name: "spare0", Group: testGroup + 1, NetNS: ns})
	start := time.Now()
	must(t, DeleteGroup(testGroup, ns))
	t.Logf("50 devices deleted in %v", time.Since(start))
	if n := countLinks(t, h); n != 2 {
		t.Errorf("%d links left beside lo and spare0", n-2)
	}
	buf := make([]byte, 64)
	_, err := devices[0].Queue().Read(buf)
	wantErr(t, err, ErrGone)
	wantErr(t, devices[0].Queue().Write(buf), ErrGone)
	wantErr(t, devices[0].SetCarrier(true), ErrGone)
	wantErr(t, devices[0].SetMTU(1300), ErrGone)
	wantErr(t, devices[0].SetUp(false), ErrGone)
	start = time.Now()
	for _, d := range devices {
		must(t, d.Close())
	}
	t.Logf("50 files closed in %v", time.Since(start))
	must(t, spare.Close())
	if n := files(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
	must(t, DeleteGroup(testGroup, ns)) // nothing there
	wantErr(t, DeleteGroup(0, ns), ErrGroup)
	wantErr(t, DeleteGroup(testGroup, "cv-none"), ErrNetNS)
}
