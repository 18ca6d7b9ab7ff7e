package lpm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

type owner struct{ n int }

func (t *Table[V]) lookup(a netip.Addr) *V {
	if a.Is4() {
		b := a.As4()
		return t.Lookup4(b[:])
	}
	b := a.As16()
	return t.Lookup6(b[:])
}

// naive is a list of routes: a lookup goes through all.
type naive map[netip.Prefix]*owner

func (n naive) lookup(a netip.Addr) (best *owner) {
	bits := -1
	for p, v := range n {
		if p.Contains(a) && p.Bits() > bits {
			best, bits = v, p.Bits()
		}
	}
	return best
}

// addrs draws from few addresses, so that prefixes meet.
func addrs(t *rapid.T) netip.Addr {
	pick := func(what string) byte {
		return rapid.SampledFrom([]byte{0, 1, 2, 0x7f, 0x80, 0xfe, 0xff}).Draw(t, what)
	}
	if rapid.Bool().Draw(t, "v4") {
		return netip.AddrFrom4([4]byte{pick("a"), 0, pick("b"), pick("c")})
	}
	return netip.AddrFrom16([16]byte{0: 0x20, 3: pick("a"), 7: pick("b"), 8: pick("c"), 15: pick("d")})
}

// TestAgainstNaive: whatever is inserted, moved and deleted, each lookup gives what a look through all routes does.
func TestAgainstNaive(t *testing.T) {
	owners := []*owner{{0}, {1}, {2}}
	rapid.Check(t, func(t *rapid.T) {
		table, ref := &Table[owner]{}, naive{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			a := addrs(t)
			p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			v, w := rapid.SampledFrom(owners).Draw(t, "v"), rapid.SampledFrom(owners).Draw(t, "w")
			m := p.Masked()
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				if got := table.Insert(p, v); got != ref[m] {
					t.Fatalf("Insert(%s) met %v, want %v", p, got, ref[m])
				}
				if ref[m] == nil {
					ref[m] = v
				}
			case 2:
				if got, want := table.Delete(p, v), ref[m] == v; got != want {
					t.Fatalf("Delete(%s) = %v", p, got)
				} else if want {
					delete(ref, m)
				}
			case 3:
				if got, want := table.Replace(p, v, w), ref[m] == v; got != want {
					t.Fatalf("Replace(%s) = %v", p, got)
				} else if want {
					ref[m] = w
				}
			}
			for range 5 {
				if a := addrs(t); table.lookup(a) != ref.lookup(a) {
					t.Fatalf("Lookup(%s) = %v, want %v", a, table.lookup(a), ref.lookup(a))
				}
			}
		}
		if table.Len() != len(ref) {
			t.Fatalf("Len() = %d, want %d", table.Len(), len(ref))
		}
	})
}

func host(i int) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(i))
	return netip.PrefixFrom(netip.AddrFrom4(b), 32)
}

// TestGrowsAndShrinks: as many entries as make it grow several times, all found, and nothing left of them behind.
func TestGrowsAndShrinks(t *testing.T) {
	var table Table[owner]
	const n = 50_000
	owners := make([]owner, n)
	for round := range 3 {
		for i := range owners {
			if other := table.Insert(host(i), &owners[i]); other != nil {
				t.Fatalf("%s is %v's", host(i), other)
			}
		}
		for i := range owners {
			if got := table.lookup(host(i).Addr()); got != &owners[i] {
				t.Fatalf("round %d: %s is %v's", round, host(i), got)
			}
		}
		for i := range owners {
			if !table.Delete(host(i), &owners[i]) {
				t.Fatalf("%s is not there", host(i))
			}
		}
		if table.Len() != 0 || len(*table.v4.levels.Load()) != 0 {
			t.Fatalf("%d prefixes are left", table.Len())
		}
	}
}

// TestReadersNeverMiss: while others come and go, and the table is replaced many times, who stays is always found, and
// who is found has the address.
func TestReadersNeverMiss(t *testing.T) {
	const stay, churn = 500, 4000
	var table Table[owner]
	owners := make([]owner, stay+churn)
	for i := range owners {
		owners[i].n = i
		if i < stay {
			table.Insert(host(i), &owners[i])
		}
	}
	everybody := &owner{-1}
	table.Insert(netip.MustParsePrefix("10.0.0.0/8"), everybody)
	var stop atomic.Bool
	done := make(chan error, 2)
	for range cap(done) {
		go func() {
			for i := 0; !stop.Load(); i++ {
				n := i % len(owners)
				got := table.lookup(host(n).Addr())
				if got == nil || got.n != n && (n < stay || got != everybody) {
					done <- fmt.Errorf("%s: %+v", host(n), got)
					return
				}
			}
			done <- nil
		}()
	}
	for range 20 {
		for i := stay; i < len(owners); i++ {
			table.Insert(host(i), &owners[i])
		}
		for i := stay; i < len(owners); i++ {
			table.Delete(host(i), &owners[i])
		}
	}
	stop.Store(true)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// TestLookupAllocatesNothing: it is on the path of every packet.
func TestLookupAllocatesNothing(t *testing.T) {
	table := filled(1000)
	a := netip.MustParseAddr("2001:db8::1").As16()
	if n := testing.AllocsPerRun(100, func() {
		if table.Lookup4([]byte{10, 0, 0, 7}) == nil || table.Lookup6(a[:]) != nil {
			t.Fatal("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNobody(t *testing.T) {
	var table Table[owner]
	if table.Lookup4([]byte{10, 0, 0, 1}) != nil || table.Insert(netip.Prefix{}, &owner{}) != nil || table.Len() != 0 ||
		table.Delete(host(1), &owner{}) || table.Delete(host(1), nil) || table.Replace(host(1), &owner{}, nil) {
		t.Error("an empty table has something")
	}
}

func filled(n int) *Table[owner] {
	t, owners := &Table[owner]{}, make([]owner, n)
	for i := range owners {
		t.Insert(host(i), &owners[i])
	}
	return t
}

// BenchmarkTable looks up and changes /32 routes in random order.
func BenchmarkTable(b *testing.B) {
	for _, n := range []int{1, 1000, 1_000_000} {
		table := filled(n)
		rng := rand.New(rand.NewPCG(1, 2))
		var addr [4]byte
		b.Run(fmt.Sprint("lookup/", n), func(b *testing.B) {
			for b.Loop() {
				binary.BigEndian.PutUint32(addr[:], 10<<24+uint32(rng.IntN(n)))
				if table.Lookup4(addr[:]) == nil {
					b.Fatal("missed")
				}
			}
		})
		b.Run(fmt.Sprint("change/", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := host(rng.IntN(n))
				v := table.lookup(p.Addr())
				table.Delete(p, v)
				table.Insert(p, v)
			}
		})
	}
}
