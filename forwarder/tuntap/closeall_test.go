package tuntap

import (
	"fmt"
	"testing"
	"time"
)

func TestCloseAll(t *testing.T) {
	ns1, h1 := newNetNS(t)
	ns2, h2 := newNetNS(t)
	before := files(t)
	var devices []*Device
	for i := range 40 {
		ns := ns1
		if i%4 == 0 {
			ns = ns2
		}
		d, err := Create(Config{Name: fmt.Sprintf("all%d", i), Kind: Kind(i % 2), Group: testGroup, NetNS: ns})
		must(t, err)
		devices = append(devices, d)
	}
	other := mustCreate(t, Config{Name: "other0", Group: testGroup, NetNS: ns1})
	must(t, devices[3].Close())                      // closed already
	ip(t, "-n", ns1, "link", "del", devices[5].name) // deleted by somebody else
	ip(t, "-n", ns1, "link", "del", devices[7].name) // and its name taken again
	ip(t, "-n", ns1, "tuntap", "add", devices[7].name, "mode", "tun")
	start := time.Now()
	must(t, CloseAll(devices))
	t.Logf("38 devices closed in %v", time.Since(start))
	if n := countLinks(t, h1); n != 3 {
		t.Errorf("%d links left, want lo, the device of others and the one that took a name", n)
	}
	if n := countLinks(t, h2); n != 1 {
		t.Errorf("%d links left, want lo", n)
	}
	must(t, CloseAll(devices)) // nothing left to do
	must(t, CloseAll(nil))
	must(t, other.Close())
	if n := files(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}
