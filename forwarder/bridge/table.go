package bridge

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// entry is an address and where it is.
type entry[O any] struct {
	key        uint64
	port       atomic.Pointer[Port[O]] // nil: it was forgotten
	seen       atomic.Uint32           // tick
	prev, next *entry[O]               // of the same port; the writers'
}

// slots are one array of the table, whose length is a power of two. Who reads it may have it long after it was replaced.
type slots[O any] struct {
	seed  uint64 // so that nobody can choose addresses that collide
	shift int
	entry []atomic.Pointer[entry[O]]
}

const minSlots = 64

func newSlots[O any](n int) *slots[O] {
	return &slots[O]{
		seed:  rand.Uint64(),
		shift: 64 - bits.TrailingZeros(uint(n)),
		entry: make([]atomic.Pointer[entry[O]], n),
	}
}

// home is where the search for k begins.
func (s *slots[O]) home(k uint64) int {
	hi, lo := bits.Mul64(k^s.seed, 0x9e3779b97f4a7c15)
	return int((hi ^ lo) * 0xbf58476d1ce4e5b9 >> s.shift)
}

// get gives the entry of k, nil for none.
func (s *slots[O]) get(k uint64) *entry[O] {
	for i := s.home(k); ; i++ {
		e := s.entry[i&(len(s.entry)-1)].Load()
		if e == nil || e.key == k {
			return e
		}
	}
}

// find gives the place of k: where it is, or else where it belongs, which is the first empty one. It is the writers'.
func (s *slots[O]) find(k uint64) *atomic.Pointer[entry[O]] {
	for i := s.home(k); ; i++ {
		at := &s.entry[i&(len(s.entry)-1)]
		if e := at.Load(); e == nil || e.key == k {
			return at
		}
	}
}

// lookup gives where an address is, nil for nowhere.
func (b *Bridge[O]) lookup(k uint64) *Port[O] {
	if e := b.slots.Load().get(k); e != nil {
		return e.port.Load()
	}
	return nil
}

// learn notes that an address is at p. The usual case is that this is known.
func (b *Bridge[O]) learn(p *Port[O], k uint64) {
	now := b.now.Load()
	e := b.slots.Load().get(k)
	known := false
	if e != nil {
		at := e.port.Load()
		if at == p {
			if e.seen.Load() != now {
				e.seen.Store(now)
			}
			return
		}
		known = at != nil
	}
	if b.full(p, known) {
		p.refused.Add(1)
		b.refused.Add(1)
		return
	}
	if b.mu.TryLock() { // else with the next frame
		b.put(p, k, now)
		b.mu.Unlock()
	}
}

// full tells whether p can have no more addresses, one being known already or not.
func (b *Bridge[O]) full(p *Port[O], known bool) bool {
	return p.macs.Load() >= p.limit || !known && b.macs.Load() >= uint64(b.cfg.MaxMACs)
}

// put enters an address at p.
func (b *Bridge[O]) put(p *Port[O], k uint64, now uint32) {
	e := b.slots.Load().get(k)
	var old *Port[O]
	if e != nil {
		old = e.port.Load()
	}
	if p.gone || old == p || b.full(p, old != nil) {
		return
	}
	if old == nil {
		b.macs.Add(1)
	} else {
		old.unlink(e)
		b.moved.Add(1)
	}
	if e != nil {
		e.seen.Store(now)
		p.link(e)
		return
	}
	e = &entry[O]{key: k}
	e.seen.Store(now)
	p.link(e)
	b.makeRoom()
	b.used++
	b.slots.Load().find(k).Store(e)
}

// forget takes an address out. Its entry keeps its place: a search for others goes on behind it.
func (b *Bridge[O]) forget(e *entry[O]) {
	e.port.Load().unlink(e)
	e.port.Store(nil)
	b.macs.Add(^uint64(0))
}

// Flush forgets all addresses of p.
func (b *Bridge[O]) Flush(p *Port[O]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush(p)
}

func (b *Bridge[O]) flush(p *Port[O]) {
	for p.first != nil {
		b.forget(p.first)
	}
}

func (p *Port[O]) link(e *entry[O]) {
	e.prev, e.next = nil, p.first
	if p.first != nil {
		p.first.prev = e
	}
	p.first = e
	p.macs.Add(1)
	e.port.Store(p)
}

func (p *Port[O]) unlink(e *entry[O]) {
	if e.prev == nil {
		p.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	p.macs.Add(-1)
}

// makeRoom replaces slots that three quarters are used of, so that searches are short and end.
func (b *Bridge[O]) makeRoom() {
	s := b.slots.Load()
	if 4*(b.used+1) <= 3*len(s.entry) {
		return
	}
	live := int(b.macs.Load())
	n := minSlots
	for 2*(live+1) > n { // half full at most
		n *= 2
	}
	fresh := newSlots[O](n)
	b.used = 0
	for i := range s.entry {
		if e := s.entry[i].Load(); e != nil && e.port.Load() != nil {
			fresh.find(e.key).Store(e)
			b.used++
		}
	}
	b.slots.Store(fresh)
}

// ticks is how many ticks of the clock make the ageing time.
const ticks = 16

// Tick is how often Age is to be called.
func (b *Bridge[O]) Tick() time.Duration { return max(b.cfg.Aging/ticks, time.Millisecond) }

// Age tells the bridge the time since some beginning, which is the same for all calls, and has it forget the addresses
// that were not seen for the ageing time.
func (b *Bridge[O]) Age(now time.Duration) {
	tick := uint32(now / b.Tick())
	if b.now.Swap(tick) == tick {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.slots.Load()
	for i := range s.entry {
		// The tick in which it was seen may have been over at once, so that there is one more.
		if e := s.entry[i].Load(); e != nil && e.port.Load() != nil && int32(tick-e.seen.Load()) > ticks {
			b.forget(e)
		}
	}
}

// MAC is an address of the table.
type MAC[O any] struct {
	Addr  [6]byte
	VLAN  uint16 // 0: untagged
	Owner *O     // nil: at the device
	Idle  time.Duration
}

// MACs lists the table, in no order. Idle is how long an address was not seen, a multiple of Tick.
func (b *Bridge[O]) MACs() []MAC[O] {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]MAC[O], 0, b.macs.Load())
	now, s := b.now.Load(), b.slots.Load()
	for i := range s.entry {
		e := s.entry[i].Load()
		if e == nil {
			continue
		}
		p := e.port.Load()
		if p == nil {
			continue
		}
		m := MAC[O]{VLAN: uint16(e.key & (1<<vlanBits - 1)), Owner: p.owner}
		m.Idle = time.Duration(max(int32(now-e.seen.Load()), 0)) * b.Tick()
		var addr [8]byte
		binary.BigEndian.PutUint64(addr[:], e.key>>vlanBits)
		copy(m.Addr[:], addr[2:])
		all = append(all, m)
	}
	return all
}
