package lpm

import (
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// key is an address, or the bits of one that a mask leaves; IPv4 is in the lower half of lo.
type key struct{ hi, lo uint64 }

func (k key) masked(m key) key { return key{k.hi & m.hi, k.lo & m.lo} }

// maskOf is the bits that count in p.
func maskOf(p netip.Prefix) key {
	n := p.Bits()
	if p.Addr().Is4() {
		return key{lo: ^uint64(0) << (32 - n)}
	}
	if n <= 64 {
		return key{hi: ^uint64(0) << (64 - n)}
	}
	return key{^uint64(0), ^uint64(0) << (128 - n)}
}

// level is the prefixes of one length: a hash table with open addressing. Everything but get is the writers'.
type level[V any] struct {
	bits  int
	mask  key
	slots atomic.Pointer[slots[V]]
	live  int // entries that somebody has
	used  int // slots that are not empty, those left behind by deletions included
}

// slots are one array of a level, whose length is a power of two. Who reads it may have it long after it was replaced.
type slots[V any] struct {
	seed  key // so that nobody can choose addresses that collide
	shift int
	entry []atomic.Pointer[entry[V]]
}

// entry is a prefix and who has it; nil: it was deleted. It is immutable.
type entry[V any] struct {
	key
	v *V
}

const minSlots = 8

func newLevel[V any](length int, mask key) *level[V] {
	l := &level[V]{bits: length, mask: mask}
	l.slots.Store(newSlots[V](minSlots))
	return l
}

func newSlots[V any](n int) *slots[V] {
	return &slots[V]{
		seed:  key{rand.Uint64(), rand.Uint64()},
		shift: 64 - bits.TrailingZeros(uint(n)),
		entry: make([]atomic.Pointer[entry[V]], n),
	}
}

// home is where the search for k begins.
func (s *slots[V]) home(k key) int {
	hi, lo := bits.Mul64(k.lo^s.seed.lo, k.hi^s.seed.hi)
	return int((hi ^ lo) * 0x9e3779b97f4a7c15 >> s.shift)
}

// get gives who has k, nil for nobody.
func (l *level[V]) get(k key) *V {
	s := l.slots.Load()
	for i := s.home(k); ; i++ {
		e := s.entry[i&(len(s.entry)-1)].Load()
		switch {
		case e == nil:
			return nil
		case e.key == k:
			return e.v
		}
	}
}

// find gives the place of k: where it is, or else where it belongs, which is the first empty one.
func (s *slots[V]) find(k key) *atomic.Pointer[entry[V]] {
	for i := s.home(k); ; i++ {
		at := &s.entry[i&(len(s.entry)-1)]
		if e := at.Load(); e == nil || e.key == k {
			return at
		}
	}
}

// insert gives k to v unless somebody has it.
func (l *level[V]) insert(k key, v *V) (owner *V) {
	at := l.slots.Load().find(k)
	e := at.Load()
	switch {
	case e != nil && e.v != nil:
		return e.v
	case e == nil:
		if l.makeRoom() {
			at = l.slots.Load().find(k)
		}
		l.used++
	}
	l.live++
	at.Store(&entry[V]{k, v})
	return nil
}

// change gives k, which old must have, to v. A deleted entry keeps its place: a search for others goes on behind it.
func (l *level[V]) change(k key, old, v *V) bool {
	at := l.slots.Load().find(k)
	e := at.Load()
	if e == nil || e.v != old {
		return false
	}
	at.Store(&entry[V]{k, v})
	if v == nil {
		l.live--
	}
	return true
}

// makeRoom replaces slots that three quarters are used of, so that searches are short and end. It tells whether it did.
func (l *level[V]) makeRoom() bool {
	s := l.slots.Load()
	if 4*(l.used+1) <= 3*len(s.entry) {
		return false
	}
	n := minSlots
	for 2*(l.live+1) > n { // half full at most
		n *= 2
	}
	fresh := newSlots[V](n)
	for i := range s.entry {
		if e := s.entry[i].Load(); e != nil && e.v != nil {
			fresh.find(e.key).Store(e)
		}
	}
	l.used = l.live
	l.slots.Store(fresh)
	return true
}
