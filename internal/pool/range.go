package pool

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Range is all addresses from First to Last, both of them included, of one family.
type Range struct{ First, Last netip.Addr }

// ParseRange reads "192.0.2.7", "192.0.2.10-192.0.2.20" or "192.0.2.0/24", and the same of IPv6.
func ParseRange(s string) (Range, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return Range{}, fmt.Errorf("%q is not a prefix such as \"192.0.2.0/24\"", s)
		}
		if p != p.Masked() {
			return Range{}, fmt.Errorf("%s has bits set behind its prefix length: %s?", p, p.Masked())
		}
		return RangeOf(p), nil
	}
	first, last, both := strings.Cut(s, "-")
	if !both {
		last = first
	}
	a, err := netip.ParseAddr(strings.TrimSpace(first))
	b, errLast := netip.ParseAddr(strings.TrimSpace(last))
	switch {
	case err != nil || errLast != nil || a.Zone()+b.Zone() != "" || a.Is4In6() || b.Is4In6():
		return Range{}, fmt.Errorf("%q is not an address, a prefix or \"first-last\"", s)
	case a.Is4() != b.Is4():
		return Range{}, fmt.Errorf("%s mixes IPv4 and IPv6", s)
	case b.Less(a):
		return Range{}, fmt.Errorf("%s ends before it begins", s)
	}
	return Range{a, b}, nil
}

// RangeOf is the range of a prefix's addresses.
func RangeOf(p netip.Prefix) Range {
	p = p.Masked()
	last := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end := netip.AddrFrom16(last)
	if p.Addr().Is4() {
		end = end.Unmap()
	}
	return Range{p.Addr(), end}
}

// Overlaps tells whether the two have an address in common.
func (r Range) Overlaps(o Range) bool {
	return r.First.Is4() == o.First.Is4() && !r.Last.Less(o.First) && !o.Last.Less(r.First)
}

// Contains tells whether a is in the range.
func (r Range) Contains(a netip.Addr) bool { return r.Overlaps(Range{a, a}) }

// String writes a range as ParseRange reads it.
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	for bits := range r.First.BitLen() {
		if p, err := r.First.Prefix(bits); err == nil && RangeOf(p) == r {
			return p.String()
		}
	}
	return r.First.String() + "-" + r.Last.String()
}

// span is a run of units by number, both ends included.
type span struct{ first, last uint64 }

// unitOf is the number of the unit that holds an address, when units have a prefix length of bits.
func unitOf(a netip.Addr, bits int) uint64 {
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:])) >> (32 - bits)
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]) >> (64 - bits)
}

// prefixOf is the unit of a number.
func prefixOf(unit uint64, bits int, v6 bool) netip.Prefix {
	var b [16]byte
	if v6 {
		binary.BigEndian.PutUint64(b[:8], unit<<(64-bits))
		return netip.PrefixFrom(netip.AddrFrom16(b), bits)
	}
	binary.BigEndian.PutUint32(b[:4], uint32(unit)<<(32-bits))
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), bits)
}
