package pool

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func ranges(t testing.TB, texts ...string) []Range {
	t.Helper()
	all := make([]Range, 0, len(texts))
	for _, s := range texts {
		r, err := ParseRange(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func newPool(t testing.TB, length int, in, out []string) *Pool {
	t.Helper()
	p, err := New(Config{Name: "p", Ranges: ranges(t, in...), Exclude: ranges(t, out...), PrefixLength: length})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drain allocates until nothing is left.
func drain(t testing.TB, p *Pool) (all []string) {
	t.Helper()
	for {
		l, err := p.Allocate("")
		if err != nil {
			if !errors.Is(err, ErrExhausted) {
				t.Fatal(err)
			}
			return all
		}
		all = append(all, p.Prefix(l).String())
	}
}

// TestContents: what a pool consists of, in the order in which it is given out.
func TestContents(t *testing.T) {
	for _, tc := range []struct {
		name    string
		length  int
		in, out []string
		want    []string
	}{
		{"address", 0, []string{"10.0.0.7"}, nil, []string{"10.0.0.7/32"}},
		{"range", 0, []string{"10.0.0.254-10.0.1.1"}, nil, []string{"10.0.0.254/32", "10.0.0.255/32", "10.0.1.0/32", "10.0.1.1/32"}},
		{"CIDR, all of it", 0, []string{"10.0.0.0/30"}, nil, []string{"10.0.0.0/32", "10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"}},
		{"sorted", 0, []string{"10.0.0.9", "10.0.0.1-10.0.0.2"}, nil, []string{"10.0.0.1/32", "10.0.0.2/32", "10.0.0.9/32"}},
		{
			"exclusions at the ends and inside", 0,
			[]string{"10.0.0.0/29"},
			[]string{"10.0.0.0", "10.0.0.3-10.0.0.4", "10.0.0.7"},
			[]string{"10.0.0.1/32", "10.0.0.2/32", "10.0.0.5/32", "10.0.0.6/32"},
		},
		{"exclusion over two ranges", 0, []string{"10.0.0.1-10.0.0.2", "10.0.0.4-10.0.0.5"}, []string{"10.0.0.2-10.0.0.4"}, []string{"10.0.0.1/32", "10.0.0.5/32"}},
		{"last address there is", 0, []string{"223.255.255.255"}, nil, []string{"223.255.255.255/32"}},
		{"prefixes", 64, []string{"2001:db8::/62"}, []string{"2001:db8:0:1::/64"}, []string{"2001:db8::/64", "2001:db8:0:2::/64", "2001:db8:0:3::/64"}},
		{"an address excludes its prefix", 56, []string{"2001:db8::/55"}, []string{"2001:db8:0:1ff::1"}, []string{"2001:db8::/56"}},
		{"one prefix", 64, []string{"2001:db8::/64"}, nil, []string{"2001:db8::/64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPool(t, tc.length, tc.in, tc.out)
			if s := p.Stats(); s.Size != uint64(len(tc.want)) {
				t.Errorf("size %d, want %d", s.Size, len(tc.want))
			}
			if got := drain(t, p); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if s := p.Stats(); s.Used != s.Size || s.Exhausted != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestBadConfig: what cannot be a pool, and which key and element is to blame.
func TestBadConfig(t *testing.T) {
	for _, tc := range []struct {
		length  int
		in, out []string
		want    string
		index   int
	}{
		{0, nil, nil, "ranges: the pool is empty", -1},
		{0, []string{"10.0.0.0/30"}, []string{"10.0.0.0/24"}, "exclude: the pool is empty: all of it is excluded", -1},
		{0, []string{"10.0.0.0/30", "10.0.0.3-10.0.0.9"}, nil, "ranges: 10.0.0.3-10.0.0.9 overlaps with 10.0.0.0/30", 1},
		{0, []string{"10.0.0.0/30", "fd00::/64"}, nil, "ranges: fd00::/64 mixes IPv4 and IPv6 in one pool", 1},
		{0, []string{"10.0.0.0/30"}, []string{"10.0.0.1", "10.0.1.1"}, "exclude: 10.0.1.1 is not in ranges", 1},
		{0, []string{"10.0.0.0/30"}, []string{"fd00::1"}, "exclude: fd00::1 is not in ranges", 0},
		{0, []string{"0.0.0.1"}, nil, "ranges: 0.0.0.1 has addresses in 0.0.0.0/8, which cannot be anybody's", 0},
		{0, []string{"126.0.0.0-128.0.0.0"}, nil, "ranges: 126.0.0.0-128.0.0.0 has addresses in 127.0.0.0/8, which cannot be anybody's", 0},
		{0, []string{"255.255.255.255"}, nil, "ranges: 255.255.255.255 has addresses in 224.0.0.0/3, which cannot be anybody's", 0},
		{24, []string{"10.0.0.0/8"}, nil, "prefix_length: only for IPv6: of an IPv4 pool single addresses are given out", -1},
		{0, []string{"2001:db8::/48"}, nil, "prefix_length: missing: the length of the prefixes that are given out, 1 to 64", -1},
		{65, []string{"2001:db8::/48"}, nil, "prefix_length: must be 1 to 64, not 65", -1},
		{56, []string{"2001:db8::/64"}, nil, "ranges: 2001:db8::/64 is not made of whole prefixes of length 56", 0},
		{56, []string{"2001:db8::/56", "2001:db8:1::-2001:db8:1::ff"}, nil, "ranges: 2001:db8:1::/120 is not made of whole prefixes of length 56", 1},
		{64, []string{"fe80::/64"}, nil, "ranges: fe80::/64 has addresses in fe80::/10, which cannot be anybody's", 0},
		{8, []string{"::/0"}, nil, "ranges: ::/0 has addresses in ::/127, which cannot be anybody's", 0},
	} {
		_, err := New(Config{Name: "p", Ranges: ranges(t, tc.in...), Exclude: ranges(t, tc.out...), PrefixLength: tc.length})
		var e *ConfigError
		if !errors.As(err, &e) || e.Error() != tc.want || e.Index != tc.index {
			t.Errorf("%v without %v: %v, want %s (%d)", tc.in, tc.out, err, tc.want, tc.index)
		}
	}
}

func TestParseRange(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "10.0.0.1-10.0.0.1": "10.0.0.1", "10.0.0.0 - 10.0.0.255": "10.0.0.0/24",
		"10.0.0.1-10.0.0.3": "10.0.0.1-10.0.0.3", "2001:db8::/32": "2001:db8::/32", "0.0.0.0/0": "0.0.0.0/0",
		"10.0.0.1/24": "", "10.0.0.9-10.0.0.1": "", "10.0.0.1-fd00::1": "", "x": "", "": "", "-": "", "10.0.0.1-": "",
		"::ffff:10.0.0.1": "", "::ffff:10.0.0.0/120": "", "fe80::1%eth0": "", "10.0.0.0/33": "", "1-2-3": "",
	} {
		r, err := ParseRange(in)
		if err != nil {
			if want != "" {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		if r.String() != want {
			t.Errorf("%q is %s, want %q", in, r, want)
		}
	}
}

// FuzzParseRange: what is read is written so that it reads the same.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "10.0.0.1-10.0.0.9", "10.0.0.0/24", "2001:db8::/32", "::-ff::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			return
		}
		again, err := ParseRange(r.String())
		if err != nil || again != r || r.Last.Less(r.First) {
			t.Fatalf("%q is %s, and that %s: %v", s, r, again, err)
		}
	})
}

func TestContains(t *testing.T) {
	c := Config{Ranges: ranges(t, "10.0.0.0/24"), Exclude: ranges(t, "10.0.0.1")}
	d := Config{Ranges: ranges(t, "2001:db8::/48"), Exclude: ranges(t, "2001:db8:0:1::/64"), PrefixLength: 56}
	for a, want := range map[string]bool{
		"10.0.0.2": true, "10.0.0.1": false, "10.0.1.0": false, "2001:db8:0:100::": true, "2001:db8:0:2::1": false, "2001:db9::": false,
	} {
		ip := netip.MustParseAddr(a)
		if got := c.Contains(ip) || d.Contains(ip); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}

// TestSticky: who comes back gets what it had; the oldest is given away first; a key in use is one lease only.
func TestSticky(t *testing.T) {
	p := newPool(t, 0, []string{"10.0.0.1-10.0.0.3"}, nil)
	get := func(key string) *Lease {
		t.Helper()
		l, err := p.Allocate(key)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	is := func(l *Lease, want string) {
		t.Helper()
		if got := p.Prefix(l).Addr().String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	a, b := get("anna"), get("ben")
	is(a, "10.0.0.1")
	is(b, "10.0.0.2")
	p.Free(a)
	p.Free(a) // again does nothing
	p.Free(nil)
	c := get("carl") // a new one rather than anna's
	is(c, "10.0.0.3")
	a = get("anna")
	is(a, "10.0.0.1")
	p.Free(b)
	twin := get("anna") // none of her own left: ben's
	is(twin, "10.0.0.2")
	if _, err := p.Allocate("dora"); err == nil || err.Error() != "pool p: no address left" {
		t.Errorf("full pool: %v", err)
	}
	p.Free(twin)
	p.Free(c)
	p.Free(a)
	is(get("ben"), "10.0.0.2") // not remembered any more: the one that is free for the longest
	is(get("anna"), "10.0.0.1")
	is(get("carl"), "10.0.0.3")
	if s := p.Stats(); s.Used != 3 || s.Exhausted != 1 {
		t.Errorf("%+v", s)
	}
}

// naive is a pool that does everything by looking at all there is.
type naive struct {
	fresh []netip.Prefix
	free  []held
	used  []held
	limit int
}

type held struct {
	unit netip.Prefix
	key  string
}

func (n *naive) allocate(key string) (netip.Prefix, bool) {
	mine := func(h held) bool { return key != "" && h.key == key }
	h := held{key: key}
	if slices.ContainsFunc(n.used, mine) {
		h.key = ""
	}
	i := slices.IndexFunc(n.free, mine)
	switch {
	case i >= 0:
		h.unit = n.free[i].unit
		n.free = slices.Delete(n.free, i, i+1)
	case len(n.fresh) > 0 && len(n.free) < n.limit:
		h.unit, n.fresh = n.fresh[0], n.fresh[1:]
	case len(n.free) > 0:
		h.unit, n.free = n.free[0].unit, n.free[1:]
	default:
		return netip.Prefix{}, false
	}
	n.used = append(n.used, h)
	return h.unit, true
}

// TestAgainstNaive runs random histories through the pool and through one that looks at everything each time.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length, in, out := 0, []string{"10.0.0.0/28", "10.0.1.4"}, []string{"10.0.0.3-10.0.0.5"}
		if rapid.Bool().Draw(t, "v6") {
			length, in, out = 60, []string{"2001:db8::/56", "2001:db8:0:a00::/60"}, []string{"2001:db8:0:20::1"}
		}
		mk := func() *Pool {
			c := Config{Name: "p", PrefixLength: length}
			for _, s := range in {
				r, _ := ParseRange(s)
				c.Ranges = append(c.Ranges, r)
			}
			for _, s := range out {
				r, _ := ParseRange(s)
				c.Exclude = append(c.Exclude, r)
			}
			p, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p, n := mk(), naive{limit: rapid.IntRange(1, 6).Draw(t, "limit")}
		p.limit = n.limit
		for all := mk(); ; {
			l, err := all.Allocate("")
			if err != nil {
				break
			}
			n.fresh = append(n.fresh, all.Prefix(l))
		}
		leases := map[netip.Prefix]*Lease{}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			if len(n.used) > 0 && rapid.Bool().Draw(t, "free") {
				i := rapid.IntRange(0, len(n.used)-1).Draw(t, "which")
				h := n.used[i]
				n.used, n.free = slices.Delete(n.used, i, i+1), append(n.free, h)
				p.Free(leases[h.unit])
				delete(leases, h.unit)
				continue
			}
			key := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "key")
			want, ok := n.allocate(key)
			l, err := p.Allocate(key)
			if ok != (err == nil) || ok && p.Prefix(l) != want {
				t.Fatalf("key %q: got %v %v, want %v %v", key, l, err, want, ok)
			}
			if ok {
				leases[want] = l
			}
			if s := p.Stats(); s.Used != uint64(len(n.used)) || p.free.len != len(n.free) || len(p.keys) > len(n.used)+len(n.free) {
				t.Fatalf("%+v, %d free, %d keys; want %d used, %d free", s, p.free.len, len(p.keys), len(n.used), len(n.free))
			}
		}
	})
}

// TestMemoryFollowsUse: the largest pool there is costs what a small one does, and those who never come back are
// forgotten.
func TestMemoryFollowsUse(t *testing.T) {
	p := newPool(t, 64, []string{"2000::/3"}, nil)
	if s := p.Stats(); s.Size != 1<<61 {
		t.Errorf("size %d", s.Size)
	}
	before := heap()
	for i := range 3 * remembered {
		l, err := p.Allocate(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		p.Free(l)
	}
	if len(p.keys) > remembered || p.free.len > remembered || p.next-p.spans[0].first > remembered {
		t.Errorf("%d keys, %d free, %d units touched", len(p.keys), p.free.len, p.next-p.spans[0].first)
	}
	if used := heap() - before; used > 24<<20 {
		t.Errorf("%d bytes for %d remembered units", used, remembered)
	}
	runtime.KeepAlive(p)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkAllocateFree takes a unit and gives it back while 100,000 are in use.
func BenchmarkAllocateFree(b *testing.B) {
	p := newPool(b, 0, []string{"10.0.0.0/8"}, nil)
	for i := range 100_000 {
		if _, err := p.Allocate(fmt.Sprint("user", i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		l, err := p.Allocate("one more")
		if err != nil {
			b.Fatal(err)
		}
		p.Free(l)
	}
}
