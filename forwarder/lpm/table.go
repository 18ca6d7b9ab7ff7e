package lpm

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Table maps prefixes to the *V that has them. The zero value is empty and ready for use. It must not be copied.
type Table[V any] struct {
	mu     sync.Mutex // of those who change it
	v4, v6 family[V]
	size   atomic.Int64
}

// family is all prefixes of one IP version.
type family[V any] struct {
	levels atomic.Pointer[[]*level[V]] // the longest first; none is empty
}

// Insert gives p to v, unless somebody has exactly p: who that is comes back, v itself included. Bits of p behind its
// length mean nothing. An invalid prefix is nobody's.
func (t *Table[V]) Insert(p netip.Prefix, v *V) (owner *V) {
	if !p.IsValid() || v == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f, k := t.split(p)
	l := f.level(p, true)
	if owner = l.insert(k.masked(l.mask), v); owner == nil {
		t.size.Add(1)
	}
	return owner
}

// Delete takes p away from v, and tells whether v had exactly p.
func (t *Table[V]) Delete(p netip.Prefix, v *V) bool {
	return t.change(p, v, nil)
}

// Replace gives p, which old has, to v, without a moment in which nobody has it. It tells whether old had exactly p.
func (t *Table[V]) Replace(p netip.Prefix, old, v *V) bool {
	return v != nil && t.change(p, old, v)
}

func (t *Table[V]) change(p netip.Prefix, old, v *V) bool {
	if !p.IsValid() || old == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f, k := t.split(p)
	l := f.level(p, false)
	if l == nil || !l.change(k.masked(l.mask), old, v) {
		return false
	}
	if v == nil {
		t.size.Add(-1)
		if l.live == 0 {
			f.remove(l)
		}
	}
	return true
}

// Len is the number of prefixes.
func (t *Table[V]) Len() int { return int(t.size.Load()) }

// Lookup4 gives who has the longest prefix of an IPv4 address, four bytes in network order; nil for nobody.
func (t *Table[V]) Lookup4(addr []byte) *V {
	return t.v4.lookup(key{lo: uint64(binary.BigEndian.Uint32(addr))})
}

// Lookup6 does so for the 16 bytes of an IPv6 address.
func (t *Table[V]) Lookup6(addr []byte) *V {
	return t.v6.lookup(key{binary.BigEndian.Uint64(addr), binary.BigEndian.Uint64(addr[8:])})
}

func (t *Table[V]) split(p netip.Prefix) (*family[V], key) {
	if a := p.Addr(); a.Is4() {
		b := a.As4()
		return &t.v4, key{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := p.Addr().As16()
	f := &t.v6
	return f, key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (f *family[V]) lookup(k key) *V {
	levels := f.levels.Load()
	if levels == nil {
		return nil
	}
	for _, l := range *levels {
		if v := l.get(k.masked(l.mask)); v != nil {
			return v
		}
	}
	return nil
}

// level finds or makes the level of a length.
func (f *family[V]) level(p netip.Prefix, create bool) *level[V] {
	bits := p.Bits()
	var all []*level[V]
	if p := f.levels.Load(); p != nil {
		all = *p
	}
	at := 0
	for at < len(all) && all[at].bits > bits {
		at++
	}
	switch {
	case at < len(all) && all[at].bits == bits:
		return all[at]
	case !create:
		return nil
	}
	l := newLevel[V](bits, maskOf(p))
	all = slices.Insert(slices.Clone(all), at, l)
	f.levels.Store(&all)
	return l
}

func (f *family[V]) remove(l *level[V]) {
	all := slices.Clone(*f.levels.Load())
	all = slices.DeleteFunc(all, func(o *level[V]) bool { return o == l })
	f.levels.Store(&all)
}
