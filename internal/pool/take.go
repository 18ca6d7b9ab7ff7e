package pool

import (
	"net/netip"
	"slices"
)

// Take gives out a certain unit, which somebody had from a pool that p replaces. It fails when p has no such unit. All
// units are taken before the first Allocate.
func (p *Pool) Take(unit netip.Prefix, key string) (*Lease, bool) {
	if unit.Bits() != p.bits || unit.Addr().Is6() != p.v6 {
		return nil, false
	}
	n := unitOf(unit.Addr(), p.bits)
	in := slices.ContainsFunc(p.spans, func(s span) bool { return s.first <= n && n <= s.last })
	if _, dup := p.taken[n]; dup || !in {
		return nil, false
	}
	if p.taken == nil {
		p.taken = make(map[uint64]struct{})
	}
	p.taken[n] = struct{}{}
	l := &Lease{unit: n, used: true}
	p.assign(l, p.own(key))
	p.used++
	return l, true
}

// skip moves the counter past units that were taken.
func (p *Pool) skip() {
	for len(p.taken) > 0 && p.at < len(p.spans) {
		if _, ok := p.taken[p.next]; !ok {
			return
		}
		delete(p.taken, p.next)
		p.advance()
	}
}

// advance moves the counter to the next unit.
func (p *Pool) advance() {
	if p.next < p.spans[p.at].last {
		p.next++
		return
	}
	if p.at++; p.at < len(p.spans) {
		p.next = p.spans[p.at].first
	}
}
