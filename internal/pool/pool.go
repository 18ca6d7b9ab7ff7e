package pool

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrExhausted is Allocate's only error.
var ErrExhausted = errors.New("no address left")

// remembered bounds the unused units that are kept for who had them.
const remembered = 1 << 16

// Pool is one pool.
type Pool struct {
	name  string
	bits  int
	v6    bool
	spans []span // sorted, disjoint
	size  uint64

	// span at from unit next on has never been given out, nor have the spans behind it.
	at   int
	next uint64
	// taken are units behind that which Take has given out.
	taken map[uint64]struct{}

	keys      map[string]*Lease
	free      list // of unused leases, the one freed first in front
	limit     int  // of free, before units that were used are used again
	used      uint64
	exhausted uint64
}

// Lease is one unit that is in use, or was.
type Lease struct {
	unit       uint64
	key        string // empty: nobody's when free
	prev, next *Lease // in Pool.free
	used       bool
}

// Stats is a snapshot of a pool.
type Stats struct {
	Size, Used uint64 // units
	Exhausted  uint64 // allocations that failed
}

// New makes a pool. Errors are *ConfigError.
func New(c Config) (*Pool, error) {
	spans, err := c.spans()
	if err != nil {
		return nil, err
	}
	p := &Pool{
		name: c.Name, bits: c.bits(), v6: c.Is6(), spans: spans, next: spans[0].first,
		keys: make(map[string]*Lease), limit: remembered,
	}
	for _, s := range spans {
		p.size = saturated(p.size, s.last-s.first, 1)
	}
	return p, nil
}

// saturated adds without going past the largest number: ::/0 has 2^64 prefixes of length 64.
func saturated(sum uint64, more ...uint64) uint64 {
	for _, n := range more {
		if sum+n < sum {
			return 1<<64 - 1
		}
		sum += n
	}
	return sum
}

// Name is the configured name.
func (p *Pool) Name() string { return p.name }

// Bits is the prefix length of the units; 32 for IPv4 addresses.
func (p *Pool) Bits() int { return p.bits }

// Is6 tells whether the units are IPv6 prefixes.
func (p *Pool) Is6() bool { return p.v6 }

// Stats gives the present figures.
func (p *Pool) Stats() Stats { return Stats{Size: p.size, Used: p.used, Exhausted: p.exhausted} }

// Allocate gives out a unit: the one that key had, if that is free and remembered, else another one. An empty key is
// nobody's. The error is ErrExhausted with the pool's name.
func (p *Pool) Allocate(key string) (*Lease, error) {
	p.skip()
	l := p.keys[key]
	switch {
	case l != nil && !l.used:
		p.free.remove(l)
	case p.at < len(p.spans) && p.free.len < p.limit:
		l = p.fresh(p.own(key))
	case p.free.first != nil:
		l = p.oldest(p.own(key))
	default:
		p.exhausted++
		return nil, fmt.Errorf("pool %s: %w", p.name, ErrExhausted)
	}
	l.used = true
	p.used++
	return l, nil
}

// own is key while it stands for no lease, else nobody's.
func (p *Pool) own(key string) string {
	if p.keys[key] != nil {
		return ""
	}
	return key
}

// fresh takes the next unit that was never given out.
func (p *Pool) fresh(key string) *Lease {
	l := &Lease{unit: p.next}
	p.assign(l, key)
	p.advance()
	return l
}

// oldest takes the unit that has been free for the longest from who had it.
func (p *Pool) oldest(key string) *Lease {
	l := p.free.first
	p.free.remove(l)
	delete(p.keys, l.key)
	p.assign(l, key)
	return l
}

// assign makes key, unless it is nobody's, stand for l.
func (p *Pool) assign(l *Lease, key string) {
	l.key = key
	if key != "" {
		p.keys[key] = l
	}
}

// Free gives a unit back. Freeing what is free does nothing.
func (p *Pool) Free(l *Lease) {
	if l == nil || !l.used {
		return
	}
	l.used = false
	p.used--
	p.free.push(l)
}

// Prefix is the unit of a lease of this pool: /32 for IPv4.
func (p *Pool) Prefix(l *Lease) netip.Prefix { return prefixOf(l.unit, p.bits, p.v6) }

// list is a doubly linked list of leases.
type list struct {
	first, last *Lease
	len         int
}

func (f *list) push(l *Lease) {
	l.prev, l.next = f.last, nil
	if f.last == nil {
		f.first = l
	} else {
		f.last.next = l
	}
	f.last = l
	f.len++
}

func (f *list) remove(l *Lease) {
	if l.prev == nil {
		f.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		f.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
	f.len--
}
