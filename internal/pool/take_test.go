package pool

import (
	"net/netip"
	"testing"
)

// TestTake moves units to a pool that has some of them: those are given to nobody else, all others once.
func TestTake(t *testing.T) {
	r := func(s string) Range {
		t.Helper()
		r, err := ParseRange(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	p, err := New(Config{Name: "p", Ranges: []Range{r("192.0.2.4-192.0.2.9"), r("192.0.2.20-192.0.2.21")}, Exclude: []Range{r("192.0.2.6")}})
	if err != nil {
		t.Fatal(err)
	}
	unit := func(s string) netip.Prefix { return netip.MustParsePrefix(s) }
	seen := map[netip.Prefix]bool{}
	var first *Lease
	for _, u := range []string{"192.0.2.4/32", "192.0.2.5/32", "192.0.2.9/32", "192.0.2.20/32", "192.0.2.21/32"} {
		l, ok := p.Take(unit(u), "who has "+u)
		if !ok || p.Prefix(l) != unit(u) {
			t.Fatalf("%s cannot be taken", u)
		}
		seen[unit(u)] = true
		if first == nil {
			first = l
		}
	}
	for _, u := range []string{"192.0.2.4/32", "192.0.2.6/32", "192.0.2.3/32", "192.0.2.10/32", "192.0.2.7/31", "2001:db8::/64"} {
		if _, ok := p.Take(unit(u), ""); ok {
			t.Errorf("%s taken", u)
		}
	}
	for range 2 { // .7 and .8 are left
		l, err := p.Allocate("")
		if err != nil {
			t.Fatal(err)
		}
		if seen[p.Prefix(l)] {
			t.Fatalf("%s given out twice", p.Prefix(l))
		}
		seen[p.Prefix(l)] = true
	}
	if st := p.Stats(); st.Used != 7 || st.Size != 7 {
		t.Errorf("%+v", st)
	}
	if _, err := p.Allocate("somebody"); err == nil {
		t.Error("more than there is")
	}
	p.Free(first)
	if l, err := p.Allocate("who has 192.0.2.4/32"); err != nil || l != first {
		t.Errorf("%v: who comes back gets another one", err)
	}
}
