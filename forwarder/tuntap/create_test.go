package tuntap

import (
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestCreateTUN(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "sub00001", Kind: TUN, MTU: 1400, TxQueueLen: 77, Group: testGroup, NetNS: ns})
	if d.Name() != "sub00001" || d.Kind() != TUN || d.Kind().String() != "tun" || d.Queue().FD() < 0 {
		t.Errorf("device %+v", d)
	}
	l := link(t, h, "sub00001")
	a := l.Attrs()
	if a.Index != d.Index() || a.MTU != 1400 || a.TxQLen != 77 || a.Group != testGroup || a.Flags&net.FlagUp == 0 || a.RawFlags&unix.IFF_LOWER_UP != 0 {
		t.Errorf("link %+v", a)
	}
	tt := l.(*netlink.Tuntap)
	if tt.Mode != netlink.TUNTAP_MODE_TUN || !tt.NonPersist || tt.Flags != netlink.TUNTAP_NO_PI|netlink.TUNTAP_VNET_HDR {
		t.Errorf("tun %+v", tt)
	}
	if n, err := unix.IoctlGetInt(d.Queue().FD(), unix.TUNGETVNETHDRSZ); err != nil || n != HeaderLen {
		t.Errorf("header size %d, %v", n, err)
	}
	if fl, err := unix.FcntlInt(uintptr(d.Queue().FD()), unix.F_GETFL, 0); err != nil || fl&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %x, %v", fl, err)
	}
	if fl, err := unix.FcntlInt(uintptr(d.Queue().FD()), unix.F_GETFD, 0); err != nil || fl&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %x, %v", fl, err)
	}
	must(t, d.Close())
	if l := link(t, h, "sub00001"); l != nil {
		t.Errorf("still there after Close: %+v", l)
	}
	wantErr(t, d.Close(), ErrClosed)
	wantErr(t, d.SetMTU(1300), ErrClosed)
	wantErr(t, d.SetCarrier(true), ErrClosed)
}

// TestCloseWhileHeld: a second descriptor, as a child between fork and exec has it, does not keep the device.
func TestCloseWhileHeld(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "held0", NetNS: ns})
	fd, err := unix.FcntlInt(uintptr(d.Queue().FD()), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	defer func() { _ = unix.Close(fd) }()
	must(t, d.Close())
	if link(t, h, "held0") != nil {
		t.Error("still there after Close")
	}
}

func TestCreateTAPInBridge(t *testing.T) {
	ns, h := newNetNS(t)
	must(t, h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", TxQLen: -1}}))
	mac := net.HardwareAddr{2, 0, 0x5e, 1, 2, 3}
	d := mustCreate(t, Config{Name: "eth-c1", Kind: TAP, MTU: 9000, Group: testGroup, NetNS: "/run/netns/" + ns, Bridge: "br0", HardwareAddr: mac})
	l := link(t, h, "eth-c1")
	a := l.Attrs()
	if a.MTU != 9000 || a.TxQLen != DefaultTxQueueLen || a.MasterIndex != link(t, h, "br0").Attrs().Index || a.HardwareAddr.String() != mac.String() {
		t.Errorf("link %+v", a)
	}
	if tt := l.(*netlink.Tuntap); tt.Mode != netlink.TUNTAP_MODE_TAP || d.Kind().String() != "tap" {
		t.Errorf("tap %+v", tt)
	}
}

// TestCreateRefused has every refusal, and that none leaves a device or a descriptor behind.
func TestCreateRefused(t *testing.T) {
	ns, h := newNetNS(t)
	must(t, h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "brx", Group: testGroup, TxQLen: -1}}))
	ip(t, "-n", ns, "tuntap", "add", "foreign0", "mode", "tun")
	ip(t, "-n", ns, "tuntap", "add", "ours-tap", "mode", "tap")
	ip(t, "-n", ns, "link", "set", "ours-tap", "group", "407393") // testGroup
	ip(t, "-n", ns, "link", "property", "add", "dev", "brx", "altname", "other0")
	mustCreate(t, Config{Name: "live0", Group: testGroup, NetNS: ns})
	before, links := files(t), countLinks(t, h)
	tests := []struct {
		name string
		c    Config
		want error
	}{
		{"empty name", Config{}, ErrName},
		{"16 bytes", Config{Name: "abcdefghijklmnop"}, ErrName},
		{"slash", Config{Name: "a/b"}, ErrName},
		{"pattern", Config{Name: "tun%d"}, ErrName},
		{"bridge", Config{Name: "brx"}, ErrExists},
		{"alternative name", Config{Name: "other0"}, ErrExists},
		{"tun of another group", Config{Name: "foreign0"}, ErrExists},
		{"other kind", Config{Name: "ours-tap"}, ErrExists},
		{"attached", Config{Name: "live0"}, ErrExists},
		{"no bridge", Config{Name: "x0", Kind: TAP, Bridge: "nobr"}, ErrBridge},
		{"not a bridge", Config{Name: "x0", Kind: TAP, Bridge: "foreign0"}, ErrBridge},
		{"tun in a bridge", Config{Name: "x0", Bridge: "foreign0"}, ErrBridge},
		{"no namespace", Config{Name: "x0", NetNS: "cv-none"}, ErrNetNS},
		{"not a namespace", Config{Name: "x0", NetNS: "/dev/null"}, ErrNetNS},
		{"other namespace kind", Config{Name: "x0", NetNS: "/proc/self/ns/mnt"}, ErrNetNS},
		{"mtu", Config{Name: "x0", MTU: 67}, ErrConfig},
		{"mtu of a tap", Config{Name: "x0", Kind: TAP, MTU: 65535}, ErrConfig},
		{"queue", Config{Name: "x0", TxQueueLen: -1}, ErrConfig},
		{"kind", Config{Name: "x0", Kind: 7}, ErrConfig},
		{"mac of a tun", Config{Name: "x0", HardwareAddr: make(net.HardwareAddr, 6)}, ErrConfig},
		{"multicast mac", Config{Name: "x0", Kind: TAP, HardwareAddr: net.HardwareAddr{1, 0, 0, 0, 0, 0}}, ErrConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.c.NetNS == "" {
				tt.c.NetNS = ns
			}
			tt.c.Group = testGroup
			_, err := Create(tt.c)
			wantErr(t, err, tt.want)
		})
	}
	if n := countLinks(t, h); n != links {
		t.Errorf("%d links, %d before", n, links)
	}
	if n := files(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}

func countLinks(tb testing.TB, h *netlink.Handle) int {
	tb.Helper()
	l, err := h.LinkList()
	must(tb, err)
	return len(l)
}

// TestBridgeFailsLate: the bridge vanishes between the look-up and joining.
func TestBridgeFailsLate(t *testing.T) {
	ns, h := newNetNS(t)
	s, err := acquire(ns)
	must(t, err)
	defer s.release()
	c := Config{Name: "late0", Kind: TAP, Bridge: "br0", NetNS: ns}
	fd := -1
	must(t, s.do(func() (err error) { fd, err = openDevice(s, c); return err }))
	d := &Device{name: c.Name, kind: c.Kind, ns: s, queue: NewQueue(fd)}
	wantErr(t, d.configure(c, maxIndex), ErrBridge)
	must(t, d.queue.Close())
	if link(t, h, "late0") != nil {
		t.Error("left behind")
	}
}

func TestLeftoverIsReplaced(t *testing.T) {
	ns, h := newNetNS(t)
	for _, kind := range []Kind{TUN, TAP} {
		ip(t, "-n", ns, "tuntap", "add", "left0", "mode", kind.String())
		ip(t, "-n", ns, "link", "set", "left0", "group", "407393", "mtu", "1300")
		old := link(t, h, "left0").Attrs().Index
		_, err := Create(Config{Name: "left0", Kind: kind, NetNS: ns}) // group 0: nothing is ours
		wantErr(t, err, ErrExists)
		d, err := Create(Config{Name: "left0", Kind: kind, Group: testGroup, NetNS: ns})
		must(t, err)
		if a := link(t, h, "left0").Attrs(); a.Index == old || a.MTU != 1500 {
			t.Errorf("not made anew: %+v", a)
		}
		must(t, d.Close())
	}
}

// TestCallersNamespace creates in the namespace of a locked thread, and from there in another one.
func TestCallersNamespace(t *testing.T) {
	ns, h := newNetNS(t)
	other, oh := newNetNS(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(t, err)
	defer func() { must(t, netns.Set(home)); _ = home.Close() }()
	here, err := netns.GetFromName(ns)
	must(t, err)
	must(t, netns.Set(here))
	must(t, here.Close())
	mustCreate(t, Config{Name: "own0"})
	mustCreate(t, Config{Name: "other0", NetNS: other})
	if link(t, h, "own0") == nil || link(t, h, "other0") != nil || link(t, oh, "other0") == nil || link(t, oh, "own0") != nil {
		t.Error("devices are in the wrong namespace")
	}
}

// TestNoLeaks creates and closes from several goroutines in two namespaces.
func TestNoLeaks(t *testing.T) {
	a, h := newNetNS(t)
	b, _ := newNetNS(t)
	before := files(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			d, err := Create(Config{Name: "leak" + string(rune('0'+i)), NetNS: []string{a, b}[i%2], Group: testGroup})
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := files(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
	if n := countLinks(t, h); n != 1 {
		t.Errorf("%d links beside lo", n-1)
	}
	if len(spaces.open) != 0 {
		t.Errorf("namespaces held: %d", len(spaces.open))
	}
	if self, err := os.Readlink(threadNS); err != nil || !strings.HasPrefix(self, "net:") {
		t.Errorf("%q, %v", self, err)
	}
}
