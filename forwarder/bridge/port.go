package bridge

import (
	"iter"
	"sync/atomic"
)

// Port is a place that frames come from and go to: the device, or an owner, which is a session.
type Port[O any] struct {
	owner    *O // nil: the device
	isolated bool
	limit    int32
	macs     atomic.Int32
	refused  atomic.Uint64
	place    int // in its list, -1: in none
	first    *entry[O]
	gone     bool
}

// NewPort makes a port that may have limit addresses.
func NewPort[O any](owner *O, isolated bool, limit int) *Port[O] {
	return &Port[O]{owner: owner, isolated: isolated, limit: int32(limit), place: -1}
}

// Owner is whose port it is; nil: the device's.
func (p *Port[O]) Owner() *O { return p.owner }

// Stats are the addresses that the port has, and how often one more was not learnt.
func (p *Port[O]) Stats() (macs int, refused uint64) { return int(p.macs.Load()), p.refused.Load() }

// ports is a set that can be gone through while it changes. Its places stay where they are, so that adding one does not
// copy all.
type ports[O any] struct {
	places atomic.Pointer[[]atomic.Pointer[Port[O]]]
	n      atomic.Int32
	used   int   // places that were ever used
	free   []int // of those, the empty ones
}

func (l *ports[O]) add(p *Port[O]) {
	old := l.places.Load()
	if n := len(l.free); n > 0 {
		p.place, l.free = l.free[n-1], l.free[:n-1]
	} else {
		p.place = l.used
		l.used++
		if old == nil || p.place == len(*old) {
			grown := make([]atomic.Pointer[Port[O]], max(8, 2*p.place))
			for i := range p.place {
				grown[i].Store((*old)[i].Load())
			}
			l.places.Store(&grown)
		}
	}
	(*l.places.Load())[p.place].Store(p)
	l.n.Add(1)
}

func (l *ports[O]) remove(p *Port[O]) {
	(*l.places.Load())[p.place].Store(nil)
	l.free = append(l.free, p.place)
	p.place = -1
	l.n.Add(-1)
}

func (l *ports[O]) all() iter.Seq[*Port[O]] {
	return func(yield func(*Port[O]) bool) {
		places := l.places.Load()
		if places == nil {
			return
		}
		for i := range *places {
			if p := (*places)[i].Load(); p != nil && !yield(p) {
				return
			}
		}
	}
}

// Add lets a port have frames that are flooded.
func (b *Bridge[O]) Add(p *Port[O]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list(p).add(p)
}

// Remove ends that, and forgets the port's addresses; it learns no more.
func (b *Bridge[O]) Remove(p *Port[O]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.gone = true
	b.flush(p)
	if p.place >= 0 {
		b.list(p).remove(p)
	}
}

func (b *Bridge[O]) list(p *Port[O]) *ports[O] {
	if p.isolated {
		return &b.isolated
	}
	return &b.open
}

// Reaches is how many owners get what is flooded from p.
func (b *Bridge[O]) Reaches(p *Port[O]) int {
	n := int(b.open.n.Load())
	if p.isolated {
		return n
	}
	n += int(b.isolated.n.Load())
	if p.owner != nil {
		n-- // itself
	}
	return max(n, 0)
}

// Each calls fn for each owner that gets what is flooded from p.
func (b *Bridge[O]) Each(p *Port[O], fn func(*O)) {
	for q := range b.open.all() {
		if q != p {
			fn(q.owner)
		}
	}
	if p.isolated {
		return
	}
	for q := range b.isolated.all() {
		fn(q.owner)
	}
}
