package pool

import (
	"math/big"
	"net/netip"
)

// Nth gives the address that is n units of 1<<shift addresses behind a; false: there is none of that family.
func Nth(a netip.Addr, n uint64, shift int) (netip.Addr, bool) {
	x := new(big.Int).SetUint64(n)
	x.Lsh(x, uint(shift))
	x.Add(x, number(a))
	if x.BitLen() > a.BitLen() {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(x.FillBytes(make([]byte, a.BitLen()/8)))
}

// Meets finds the least n from first to last for which the pool may give Nth(a, n, shift), or a prefix with it in, to
// somebody. It asks nobody's ranges address by address.
func (c *Config) Meets(a netip.Addr, shift int, first, last uint64) (n uint64, ok bool) {
	for _, r := range c.Ranges {
		s, in := r.numbers(a, shift, first, last)
		if !in {
			continue
		}
		left := []span{s}
		for _, x := range c.Exclude {
			if out, has := c.whole(x).numbers(a, shift, first, last); has {
				left = without(left, out)
			}
		}
		for _, s := range left {
			if !ok || s.first < n {
				n, ok = s.first, true
			}
		}
	}
	return n, ok
}

// whole extends an excluded range to the units that it touches, all of which are excluded.
func (c *Config) whole(r Range) Range {
	first, err1 := r.First.Prefix(c.bits())
	last, err2 := r.Last.Prefix(c.bits())
	if !c.Is6() || err1 != nil || err2 != nil {
		return r
	}
	return Range{first.Addr(), RangeOf(last).Last}
}

// numbers gives the n from first to last for which Nth(a, n, shift) is in the range.
func (r Range) numbers(a netip.Addr, shift int, first, last uint64) (span, bool) {
	if a.Is4() != r.First.Is4() {
		return span{}, false
	}
	unit := new(big.Int).Lsh(big.NewInt(1), uint(shift))
	low, over := new(big.Int).DivMod(new(big.Int).Sub(number(r.First), number(a)), unit, new(big.Int))
	if over.Sign() > 0 {
		low.Add(low, big.NewInt(1))
	}
	high := new(big.Int).Div(new(big.Int).Sub(number(r.Last), number(a)), unit) // rounds down, below zero too
	if f := new(big.Int).SetUint64(first); low.Cmp(f) < 0 {
		low = f
	}
	if l := new(big.Int).SetUint64(last); high.Cmp(l) > 0 {
		high = l
	}
	if low.Cmp(high) > 0 {
		return span{}, false
	}
	return span{low.Uint64(), high.Uint64()}, true
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }
