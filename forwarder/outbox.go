package forwarder

import (
	"sync"

	"culvert/forwarder/netio"
)

// parcel is frames that one loop has for another.
type parcel []handed

// handed is a frame on its way to another loop, behind its virtio header. To an outbound loop it is buf[txHeadroom:],
// for s, or if that is nil for all that get what is flooded from a session. To an annex it is buf, for the device of s.
type handed struct {
	s, from *Session // from is nil for what the device has sent
	quiet   bool
	buf     []byte
	// What a frame for an annex stands for.
	packets, bytes int
}

// mailbox is where parcels arrive. Buffers are kept for reuse.
type mailbox struct {
	poller *netio.Poller // of the loop whose it is

	mu      sync.Mutex
	waiting parcel
	free    [][]byte
}

// outbox is what one loop has collected for others.
type outbox struct {
	boxes   []*mailbox // [receiver]
	parcels []parcel   // [receiver]
	waiting bool
	spare   [][]byte
}

// to adds a receiver.
func (b *outbox) to(m *mailbox) {
	b.boxes = append(b.boxes, m)
	b.parcels = append(b.parcels, nil)
}

// buffer gives an empty buffer for what is to be given.
func (b *outbox) buffer() (buf []byte) {
	if n := len(b.spare); n > 0 {
		buf, b.spare = b.spare[n-1][:0], b.spare[:n-1]
	}
	return buf
}

// giveWorker is give, where the receivers are the workers' outbound loops.
func (b *outbox) giveWorker(f *Forwarder, worker int, h handed) bool {
	if len(b.boxes) == 0 {
		for _, w := range f.workers {
			b.to(&w.out.mailbox)
		}
	}
	return b.give(worker, h)
}

// give puts a frame, in a buffer of its own, into the parcel for a loop; false when that is full.
func (b *outbox) give(to int, h handed) bool {
	parcel := &b.parcels[to]
	if len(*parcel) == handoverQueue {
		b.spare = append(b.spare, h.buf)
		return false
	}
	*parcel = append(*parcel, h)
	b.waiting = true
	return true
}

// mail sends all parcels: one lock a round and receiver. What finds no room is lost.
func (b *outbox) mail(lost func(handed)) {
	if !b.waiting {
		return
	}
	b.waiting = false
	for i, all := range b.parcels {
		if len(all) == 0 {
			continue
		}
		n, first := b.boxes[i].put(all, &b.spare)
		for j, h := range all {
			if j >= n {
				lost(h)
				b.spare = append(b.spare, h.buf)
			}
			all[j] = handed{}
		}
		b.parcels[i] = all[:0]
		if first && n > 0 {
			b.boxes[i].poller.Wake()
		}
	}
}

// put takes as much of a parcel as there is room for, and gives back buffers that are free. first says that the box was
// empty.
func (m *mailbox) put(p parcel, spare *[][]byte) (n int, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n = min(len(p), handoverQueue-len(m.waiting))
	first = len(m.waiting) == 0
	m.waiting = append(m.waiting, p[:n]...)
	*spare = append(*spare, m.free...)
	m.free = m.free[:0]
	return n, first
}

// take swaps what waits for an empty list, spare.
func (m *mailbox) take(spare parcel) parcel {
	m.mu.Lock()
	defer m.mu.Unlock()
	todo := m.waiting
	m.waiting = spare[:0]
	return todo
}

// giveBack lets the buffers be used again.
func (m *mailbox) giveBack(done parcel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range done {
		m.free = append(m.free, done[i].buf)
		done[i] = handed{}
	}
}
