package tuntap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// linkMessage is one netlink message about a link.
func linkMessage(kind uint16, family byte, index int32, flags uint32, attrs int) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(32+attrs))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, make([]byte, 10)...)
	b = append(b, family, 0, 1, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	b = append(b, make([]byte, 4+attrs)...)
	return append(b, make([]byte, -attrs&3)...)
}

func TestLinkMessages(t *testing.T) {
	all := slices.Concat(
		linkMessage(unix.RTM_NEWLINK, unix.AF_UNSPEC, 7, unix.IFF_UP, 5),
		linkMessage(unix.RTM_NEWLINK, unix.AF_UNSPEC, 8, unix.IFF_BROADCAST, 0),
		linkMessage(unix.RTM_NEWADDR, unix.AF_UNSPEC, 9, unix.IFF_UP, 0),
		linkMessage(unix.RTM_DELLINK, unix.AF_BRIDGE, 9, unix.IFF_UP, 0),
		linkMessage(unix.RTM_DELLINK, unix.AF_UNSPEC, 7, unix.IFF_UP, 0),
	)
	var got []string
	linkMessages(all, func(index int32, up bool) { got = append(got, fmt.Sprint(index, up)) })
	if !slices.Equal(got, []string{"7 true", "8 false", "7 false"}) {
		t.Errorf("%q", got)
	}
}

// FuzzLinkMessages: every link that is told of has a whole message of its own.
func FuzzLinkMessages(f *testing.F) {
	one := linkMessage(unix.RTM_NEWLINK, unix.AF_UNSPEC, 7, unix.IFF_UP, 5)
	for n := range one {
		f.Add(one[:n])
	}
	f.Add(append(bytes.Clone(one), one...))
	f.Add(binary.NativeEndian.AppendUint32(nil, 1<<32-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		linkMessages(b, func(int32, bool) { n++ })
		if n > len(b)/32 {
			t.Fatalf("%d links in %d bytes", n, len(b))
		}
	})
}

// TestWatcher: down, up, removal; and a device that was down before.
func TestWatcher(t *testing.T) {
	ns, h := newNetNS(t)
	w := NewWatcher()
	create := func(name string) *Device {
		d, err := Create(Config{Name: name, Kind: TAP, MTU: 1500, NetNS: ns})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			w.Remove(d)
			_ = d.Close()
		})
		return d
	}
	next := func() map[*Device]bool {
		t.Helper()
		select {
		case <-w.Wake():
			return w.Changed()
		case <-time.After(10 * time.Second):
			t.Fatal("no news in 10 s")
			return nil
		}
	}
	expect := func(d *Device, up bool) {
		t.Helper()
		if got := next(); len(got) != 1 || got[d] != up {
			t.Fatalf("%v, want %s %v", got, d.name, up)
		}
	}
	a, b := create("wa"), create("wb")
	if err := w.Add(a); err != nil {
		t.Fatal(err)
	}
	for _, up := range []bool{false, true} {
		if err := a.SetUp(up); err != nil {
			t.Fatal(err)
		}
		expect(a, up)
	}
	if err := b.SetUp(false); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(b); err != nil {
		t.Fatal(err)
	}
	expect(b, false)
	a.ns.links.lookAll(a.ns) // as after lost messages: nothing is new
	if got := w.Changed(); len(got) != 0 {
		t.Errorf("news %v", got)
	}
	l := a.ns.links
	l.mu.Lock()
	l.devices[int32(a.index)].up = false // it was set up, and nobody has told
	l.mu.Unlock()
	l.lookAll(a.ns)
	expect(a, true)
	link, err := h.LinkByName("wa")
	if err == nil {
		err = h.LinkDel(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	expect(a, false)
}
