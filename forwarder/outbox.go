package forwarder

import (
	"sync"

	"culvert/forwarder/netio"
)

// outbox is what one loop has for others, copied: a parcel for each, sent at the end of a round or sooner. It costs one lock
// a parcel.
type outbox struct {
	boxes   []*mailbox // [receiver]
	parcels []parcel   // [receiver]
	spare   [][]byte   // buffers
}

// parcel is frames that one loop has for another.
type parcel []handed

// handed is a frame on its way: of a device, with txHeadroom bytes before it, to the outbound loop that sends it; or,
// behind its virtio header, to the thread that has the device.
type handed struct {
	s              *Session
	buf            []byte
	packets, bytes int // that the frame stands for, on the way to a device
}

// mailbox is where parcels arrive. Buffers are kept for reuse.
type mailbox struct {
	poller *netio.Poller // of the loop whose it is

	mu      sync.Mutex
	waiting parcel
	free    [][]byte
}

// to adds a receiver.
func (b *outbox) to(m *mailbox) {
	b.boxes = append(b.boxes, m)
	b.parcels = append(b.parcels, nil)
}

// give copies a frame into the parcel for a receiver; false when it is full.
func (b *outbox) give(to int, h handed) bool {
	parcel := &b.parcels[to]
	if len(*parcel) == handoverQueue {
		return false
	}
	var buf []byte
	if n := len(b.spare); n > 0 {
		buf, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	h.buf = append(buf[:0], h.buf...)
	*parcel = append(*parcel, h)
	return true
}

// send sends all parcels. What finds no room is refused.
func (b *outbox) send(refuse func(handed)) {
	for i, parcel := range b.parcels {
		if len(parcel) == 0 {
			continue
		}
		n, first := b.boxes[i].put(parcel, &b.spare)
		for j, h := range parcel {
			if j >= n {
				refuse(h)
				b.spare = append(b.spare, h.buf)
			}
			parcel[j] = handed{}
		}
		b.parcels[i] = parcel[:0]
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
