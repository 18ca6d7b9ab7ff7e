package netio

import "golang.org/x/sys/unix"

// txControl is the room for control messages of one packet: TTL, TOS and segment size.
const txControl = 3 * maxIntCmsg

// TxBatch is a vector of packets to send, filled with Add and worked off by Socket.Send. It refers to the packets and
// does not copy them: they must stay unchanged until sent or skipped. The references live until the slot is used again.
type TxBatch struct {
	hdrs     []unix.Mmsghdr
	iovs     []unix.Iovec
	control  []byte
	n        int   // packets added
	cur      int   // the next one to send
	segments []int // [packet]
	most     int   // of them
}

// NewTxBatch makes a batch for up to n packets (at least one; the kernel takes 1024 a call).
func NewTxBatch(n int) *TxBatch {
	n = max(n, 1)
	b := &TxBatch{hdrs: make([]unix.Mmsghdr, n), iovs: make([]unix.Iovec, n), control: make([]byte, n*txControl), segments: make([]int, n)}
	for i := range b.hdrs {
		b.hdrs[i].Hdr.Iov = &b.iovs[i]
		b.hdrs[i].Hdr.SetIovlen(1)
	}
	return b
}

// Add appends a packet for d. tos replaces the Dest's own TOS byte unless negative. segment, when not 0, makes the
// kernel cut a UDP payload into datagrams of that many bytes (UDP_SEGMENT, udp(7)), as far as Socket.MaxSegments
// and MaxSegmentBytes allow: of more Send says ErrSegments. Adding to a full batch is a bug of the
// caller and panics.
func (b *TxBatch) Add(pkt []byte, d *Dest, tos int, segment int) {
	setBytes(&b.iovs[b.n], pkt)
	if segment >= len(pkt) {
		segment = 0 // a single datagram; kernels before 6.14 compare the size even so with the path MTU
	}
	b.segments[b.n] = segmentCount(len(pkt), segment)
	b.most = max(b.most, b.segments[b.n])
	h := &b.hdrs[b.n].Hdr
	h.Name, h.Namelen = &d.name[0], d.nameLen
	switch {
	case tos >= 0 || segment > 0:
		c := b.control[b.n*txControl : (b.n+1)*txControl]
		h.Control = &c[0]
		h.SetControllen(buildControl(c, d, tos, segment))
	case d.controlLen > 0:
		h.Control = &d.control[0]
		h.SetControllen(d.controlLen)
	default:
		h.Control = nil
		h.SetControllen(0)
	}
	b.n++
}

// buildControl writes the Dest's control messages with another TOS or a segment size, and returns their length.
func buildControl(c []byte, d *Dest, tos, segment int) int {
	n := d.controlLen
	if tos >= 0 {
		n = d.ttlLen
	}
	copy(c, d.control[:n])
	if tos >= 0 {
		n += putIntCmsg(c[n:], d.level, d.tosType, tos&0xff)
	}
	if segment > 0 {
		n += putSegmentCmsg(c[n:], segment)
	}
	return n
}

// Len returns how many packets were added, the sent ones included.
func (b *TxBatch) Len() int { return b.n }

// Full reports whether there is no room for another packet.
func (b *TxBatch) Full() bool { return b.n == len(b.hdrs) }

// Reset empties the batch, whether or not it was sent.
func (b *TxBatch) Reset() { b.n, b.cur, b.most = 0, 0, 0 }

// end is up to where the kernel may be given packets now, by a socket that takes so many segments a send: before the
// first one from the cursor on that has more.
func (b *TxBatch) end(limit int) int {
	if b.most > 1 && b.most > limit {
		for i := b.cur; i < b.n; i++ {
			if b.segments[i] > 1 && b.segments[i] > limit {
				return i
			}
		}
	}
	return b.n
}

// Cursor returns the index of the next packet to send; it equals Len when all are done.
func (b *TxBatch) Cursor() int { return b.cur }

// Skip gives up the packet at the cursor.
func (b *TxBatch) Skip() {
	if b.cur < b.n {
		b.cur++
	}
}
