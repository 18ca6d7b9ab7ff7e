package tuntap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestCreateAll: devices made together are as Create makes them, and what cannot be made does not keep the others.
func TestCreateAll(t *testing.T) {
	ns, h := newNetNS(t)
	must(t, h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "taken", TxQLen: -1}}))
	configs := []Config{
		{Name: "taken", Kind: TUN, NetNS: ns, Group: testGroup},
		{Name: "bad/name", Kind: TUN, NetNS: ns},
		{Name: "tap0", Kind: TAP, NetNS: ns, Group: testGroup},
		{Name: "small", Kind: TUN, NetNS: ns, MTU: 1000, Group: testGroup},
		{Name: "twice", Kind: TUN, NetNS: ns, Group: testGroup},
		{Name: "twice", Kind: TUN, NetNS: ns, Group: testGroup},
	}
	for i := range 100 {
		configs = append(configs, Config{Name: fmt.Sprintf("many%d", i), Kind: TUN, MTU: 1400, TxQueueLen: 16, Group: testGroup, NetNS: ns})
	}
	devices, errs := CreateAll(configs)
	for i, want := range []error{ErrExists, ErrName, nil, nil, nil, ErrExists} {
		if !errors.Is(errs[i], want) || (devices[i] == nil) != (want != nil) {
			t.Errorf("%s: %v, not %v", configs[i].Name, errs[i], want)
		}
	}
	single := mustCreate(t, Config{Name: "single", Kind: TUN, MTU: 1400, TxQueueLen: 16, Group: testGroup, NetNS: ns})
	want := link(t, h, "single").(*netlink.Tuntap)
	var all []*Device
	for i, d := range devices {
		if d == nil {
			continue
		}
		all = append(all, d)
		if i < 6 {
			continue
		}
		l := link(t, h, d.Name()).(*netlink.Tuntap)
		a, b := l.Attrs(), want.Attrs()
		same := a.Index == d.Index() && a.MTU == b.MTU && a.TxQLen == b.TxQLen && a.Group == b.Group && a.RawFlags == b.RawFlags &&
			a.OperState == b.OperState && a.EncapType == b.EncapType && l.Flags == want.Flags && l.NonPersist && l.Mode == want.Mode
		if !same || a.Flags&net.FlagUp == 0 || a.RawFlags&unix.IFF_LOWER_UP != 0 {
			t.Fatalf("%s: %+v, not like %+v", d.Name(), l, want)
		}
	}
	testBatch(t, h, all)
	must(t, CloseAll(append(all, single)))
	links, err := h.LinkList()
	must(t, err)
	if len(links) > 2 { // lo and taken
		t.Errorf("%d links are left", len(links))
	}
}

// testBatch: requests of many devices are carried out in their order, and each is told what became of it.
func testBatch(t *testing.T, h *netlink.Handle, all []*Device) {
	t.Helper()
	closed := all[len(all)-1]
	must(t, closed.Close())
	var b Batch
	var errs []error
	told := func(err error) { errs = append(errs, err) }
	local := netip.MustParsePrefix("10.77.0.1/32")
	for i, d := range all {
		b.AddAddress(d, local, netip.AddrFrom4([4]byte{10, 128, 0, byte(i)}), told)
		b.SetCarrier(d, true, told)
	}
	b.AddAddress(all[0], local, netip.MustParseAddr("::1"), told)
	b.RemoveAddress(all[0], netip.MustParsePrefix("10.9.9.9/32"), netip.Addr{}, told) // not there: no error
	b.AddAddress(all[0], netip.MustParsePrefix("fe80::77/64"), netip.Addr{}, told)
	b.SetMTU(all[1], 1300, told)
	b.SetMTU(all[1], 5, told)
	if b.Len() != 2*len(all)+5 {
		t.Errorf("%d wait", b.Len())
	}
	b.Flush()
	if len(errs) != 2*len(all)+5 || b.Len() != 0 {
		t.Fatalf("%d answers, %d wait", len(errs), b.Len())
	}
	last := 2 * (len(all) - 1)
	for i, err := range errs {
		var want error
		switch i {
		case last, last + 1:
			want = ErrClosed
		case last + 2:
			want = ErrAddress
		case last + 6:
			want = ErrConfig
		}
		if !errors.Is(err, want) {
			t.Errorf("request %d: %v, not %v", i, err, want)
		}
	}
	if n := link(t, h, all[1].Name()).Attrs().MTU; n != 1300 {
		t.Errorf("MTU %d", n)
	}
	for i, d := range all[:3] {
		l := link(t, h, d.Name())
		addrs, err := h.AddrList(l, netlink.FAMILY_ALL)
		must(t, err)
		if want := 1 + boolInt(i == 0); len(addrs) != want || addrs[0].IP.String() != "10.77.0.1" || addrs[0].Peer.IP.String() != fmt.Sprintf("10.128.0.%d", i) {
			t.Errorf("%s: %v", d.Name(), addrs)
		}
		if l.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 {
			t.Errorf("%s has no carrier", d.Name())
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestCreateAllNoDescriptors: what the descriptor limit leaves room for is made, the rest is refused with a reason.
func TestCreateAllNoDescriptors(t *testing.T) {
	ns, _ := newNetNS(t)
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	_ = unix.Close(fd)
	lower := old
	lower.Cur = uint64(fd + 40)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &lower))
	var configs []Config
	for i := range 60 {
		configs = append(configs, Config{Name: fmt.Sprintf("few%d", i), Kind: TUN, Group: testGroup, NetNS: ns})
	}
	devices, errs := CreateAll(configs)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	var made []*Device
	for i, d := range devices {
		if d != nil {
			made = append(made, d)
		} else if !errors.Is(errs[i], ErrTooManyFiles) {
			t.Errorf("%s: %v", configs[i].Name, errs[i])
		}
	}
	if len(made) < 10 || len(made) > 40 {
		t.Errorf("%d devices of 60 were made", len(made))
	}
	must(t, CloseAll(made))
}
