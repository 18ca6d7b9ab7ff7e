package pool

import (
	"math/big"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestNth(t *testing.T) {
	for _, tc := range []struct {
		from  string
		n     uint64
		shift int
		want  string
	}{
		{"10.0.0.0", 0, 0, "10.0.0.0"},
		{"10.0.0.250", 260, 0, "10.0.1.254"},
		{"10.0.0.1", 3, 8, "10.0.3.1"},
		{"255.255.255.0", 255, 0, "255.255.255.255"},
		{"255.255.255.0", 256, 0, ""},
		{"0.0.0.0", 1, 32, ""},
		{"2001:db8::1", 0xffff, 64, "2001:db8:0:ffff::1"},
		{"2001:db8::1", 0x1ffff, 64, "2001:db8:1:ffff::1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, 0, ""},
		{"::1", 1 << 63, 64, "8000::1"},
		{"::1", 1 << 63, 65, ""},
	} {
		got, ok := Nth(netip.MustParseAddr(tc.from), tc.n, tc.shift)
		if ok != (tc.want != "") || ok && got.String() != tc.want {
			t.Errorf("%s + %d << %d is %s, %v", tc.from, tc.n, tc.shift, got, ok)
		}
	}
}

// TestMeets compares with looking at every number.
func TestMeets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := netip.MustParseAddr("10.0.0.0")
		c := Config{}
		perUnit := 0
		if rapid.Bool().Draw(t, "v6") {
			base, c.PrefixLength, perUnit = netip.MustParseAddr("2001:db8::"), 62, 62
		}
		at := func(name string) netip.Addr {
			a, _ := Nth(base, rapid.Uint64Range(0, 60).Draw(t, name), perUnit)
			return a
		}
		draw := func(name string) (all []Range) {
			for range rapid.IntRange(0, 3).Draw(t, name) {
				if a, b := at("first"), at("last"); !b.Less(a) {
					all = append(all, Range{a, b})
				}
			}
			return all
		}
		c.Ranges, c.Exclude = append(draw("ranges"), Range{at("one"), at("one")}), draw("exclude")
		if last := &c.Ranges[len(c.Ranges)-1]; last.Last.Less(last.First) {
			last.Last = last.First
		}
		a, shift := at("a"), perUnit+rapid.IntRange(0, 3).Draw(t, "shift")
		first := rapid.Uint64Range(0, 20).Draw(t, "from")
		last := first + rapid.Uint64Range(0, 20).Draw(t, "more")
		want, wantOK := uint64(0), false
		for n := first; n <= last && !wantOK; n++ {
			if x, ok := Nth(a, n, shift); ok && c.Contains(x) {
				want, wantOK = n, true
			}
		}
		if got, ok := c.Meets(a, shift, first, last); got != want || ok != wantOK {
			t.Fatalf("%+v from %s << %d, %d to %d: %d, %v; want %d, %v", c, a, shift, first, last, got, ok, want, wantOK)
		}
	})
	if number(netip.MustParseAddr("0.0.1.0")).Cmp(big.NewInt(256)) != 0 {
		t.Error("addresses are big-endian")
	}
}
