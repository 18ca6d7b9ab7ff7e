package forwarder

import (
	"net/netip"
	"sync"

	"culvert/encap"
)

// handoverQueue bounds the packets that wait for a worker because another one got them.
const handoverQueue = 512

// handover is where a worker takes packets of its sessions that reached the socket of another. The kernel steers by
// session, but it joins datagrams (GRO) whatever session they are of: such a buffer arrives whole at the worker of its
// first packet. Buffers are kept for reuse.
type handover struct {
	mu      sync.Mutex
	waiting []foreign
	free    [][]byte
}

// foreign is a packet for a session of another worker.
type foreign struct {
	l    *listener
	from netip.AddrPort
	buf  []byte // rxHeadroom bytes, then the packet
}

// put copies b into the queue; false when it is full. first says that the queue was empty: its worker must be woken.
func (h *handover) put(l *listener, b []byte, from netip.AddrPort) (ok, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) >= handoverQueue {
		return false, false
	}
	var buf []byte
	if n := len(h.free); n > 0 {
		buf, h.free = h.free[n-1], h.free[:n-1]
	} else {
		buf = make([]byte, 0, 2048)
	}
	buf = append(buf[:0], make([]byte, rxHeadroom)...)
	h.waiting = append(h.waiting, foreign{l, from, append(buf, b...)})
	return true, len(h.waiting) == 1
}

// take swaps the waiting packets for an empty list, spare.
func (h *handover) take(spare []foreign) []foreign {
	h.mu.Lock()
	defer h.mu.Unlock()
	todo := h.waiting
	h.waiting = spare[:0]
	return todo
}

// giveBack lets the buffers be used again.
func (h *handover) giveBack(done []foreign) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range done {
		h.free = append(h.free, done[i].buf)
		done[i] = foreign{}
	}
}

// unknown handles a packet whose session is not in this worker's table: another worker's, or nobody's.
func (in *inbound) unknown(l *listener, sid encap.SessionID, b []byte, from netip.AddrPort) {
	owner := in.f.owner(sid)
	if owner.id == in.id {
		if e := l.early[in.id][sid]; e != nil {
			in.early(e, b, from)
			return
		}
		in.drop(nil, DropSession)
		return
	}
	ok, first := owner.in.handover.put(l, b, from)
	if !ok {
		in.drop(nil, DropMixed)
		return
	}
	if first {
		owner.in.poller.Wake()
	}
}

// takeHandover handles what other workers got for this one. It comes before the worker's own sockets, whose packets
// are younger as a rule.
func (in *inbound) takeHandover() {
	todo := in.handover.take(in.spare)
	in.foreign = true
	for i := range todo {
		f := &todo[i]
		in.packet(f.l, f.buf[rxHeadroom:], f.buf, f.from)
	}
	in.foreign = false
	if len(todo) > 0 {
		in.flush() // nothing refers to the buffers any more
		in.handover.giveBack(todo)
	}
	in.spare = todo[:0]
}
