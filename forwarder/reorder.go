package forwarder

import (
	"time"

	"culvert/encap"
)

// reorderSlots bounds the packets that a session may hold back. A full queue releases its oldest packet at once, so
// nothing is lost by the bound.
const reorderSlots = 64

// held is one packet that came too early.
type held struct {
	seq      encap.Seq
	deadline time.Duration // by the loop's clock
	buf      []byte        // room for the device's header, then the frame
}

// reorderQueue keeps packets that came ahead of a gap, sorted by sequence number, until the gap closes or its time is
// up (RFC 3931 section 4.6.1 allows a short wait). It belongs to the inbound loop of its session. Buffers are kept
// for reuse: after the first gaps it allocates nothing.
type reorderQueue struct {
	timeout time.Duration
	slots   []held
	free    [][]byte
}

func newReorderQueue(timeout time.Duration) *reorderQueue {
	return &reorderQueue{timeout: timeout, slots: make([]held, 0, reorderSlots)}
}

func (q *reorderQueue) full() bool { return len(q.slots) == reorderSlots }

// insert copies frame into the queue with front bytes of room before it; false means that this number is already
// there. The queue must not be full. Numbers are compared as distances from expected, so the 24-bit wrap is no
// special case.
func (q *reorderQueue) insert(expected, seq encap.Seq, frame []byte, front int, now time.Duration) bool {
	at := len(q.slots)
	for at > 0 {
		before := q.slots[at-1].seq
		if before == seq {
			return false
		}
		if distance(expected, before) < distance(expected, seq) {
			break
		}
		at--
	}
	var buf []byte
	if n := len(q.free); n > 0 {
		buf, q.free = q.free[n-1], q.free[:n-1]
	}
	if need := front + len(frame); cap(buf) < need {
		buf = make([]byte, need, max(need, 2048))
	}
	buf = buf[:front+len(frame)]
	clear(buf[:front])
	copy(buf[front:], frame)
	q.slots = append(q.slots, held{})
	copy(q.slots[at+1:], q.slots[at:])
	q.slots[at] = held{seq: seq, deadline: now + q.timeout, buf: buf}
	return true
}

// ready tells whether the first packet may go: it is the expected one, some packet's time is up, or there is no room.
func (q *reorderQueue) ready(expected encap.Seq, now time.Duration) bool {
	if len(q.slots) == 0 {
		return false
	}
	if q.slots[0].seq == expected || q.full() {
		return true
	}
	d, _ := q.deadline()
	return d <= now
}

// pop takes the first packet out; its buffer goes back with recycle.
func (q *reorderQueue) pop() held {
	h := q.slots[0]
	copy(q.slots, q.slots[1:])
	q.slots[len(q.slots)-1] = held{}
	q.slots = q.slots[:len(q.slots)-1]
	return h
}

func (q *reorderQueue) recycle(buf []byte) {
	if len(q.free) < reorderSlots {
		q.free = append(q.free, buf)
	}
}

// deadline is when something must be released at the latest; false when nothing is held. The first packet in number
// need not be the first in time.
func (q *reorderQueue) deadline() (time.Duration, bool) {
	if len(q.slots) == 0 {
		return 0, false
	}
	d := q.slots[0].deadline
	for i := range q.slots[1:] {
		d = min(d, q.slots[i+1].deadline)
	}
	return d, true
}

// distance is how far seq lies after from, modulo 2^24.
func distance(from, seq encap.Seq) uint32 { return uint32(seq-from) & 0xffffff }
