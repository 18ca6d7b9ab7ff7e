package control

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// bucket is a token bucket: rate a second, as many at once.
type bucket struct {
	tokens float64
	last   time.Time
}

func (b *bucket) take(now time.Time, rate float64) bool {
	if b.last.IsZero() {
		b.tokens = rate
	} else {
		b.tokens = min(rate, b.tokens+rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// prefixSlots is how many buckets source prefixes share. A slot is found by a keyed hash, so memory does not grow and
// nobody can aim at another's slot.
const prefixSlots = 4096

// limiter bounds what strangers can make us do.
type limiter struct {
	prefixes [prefixSlots]bucket
	total    bucket
	key      uint64
}

// allow reports whether one more message from addr is looked at: rate a second for its prefix (IPv4 /24, IPv6 /56), and
// total for all that are not known.
func (l *limiter) allow(now time.Time, addr netip.Addr, known bool, rate, total float64) bool {
	if !l.prefixes[l.slot(addr)].take(now, rate) {
		return false
	}
	return known || l.total.take(now, total)
}

func (l *limiter) slot(addr netip.Addr) int {
	a := addr.Unmap()
	bits := 56
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return 0
	}
	b := p.Addr().As16()
	h := l.key
	for i := 0; i < len(b); i += 8 {
		h = mix(h ^ binary.BigEndian.Uint64(b[i:]))
	}
	return int(h % prefixSlots)
}

// mix is the finalizer of splitmix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
