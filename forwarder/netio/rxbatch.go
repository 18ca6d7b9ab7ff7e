package netio

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	// ipv4Lead is room in front of the headroom for the option-less IPv4 header that a raw socket delivers, so that
	// the packet behind it has headroom and size like any other.
	ipv4Lead = 20
	// rxControl is the room for received control messages of one packet (UDP_GRO alone).
	rxControl = 32
)

// RxBatch is a vector of buffers that Socket.ReadBatch fills. What Packet, Buffer and Source return is valid until the
// next ReadBatch with the same batch. A batch may serve several sockets in turn.
type RxBatch struct {
	hdrs     []unix.Mmsghdr
	iovs     []unix.Iovec
	names    []sockaddr
	control  []byte
	slab     []byte
	stride   int
	headroom int
	size     int

	start int // where in each buffer the kernel writes now
	n     int // packets of the last read
	span  []span
}

// span is where in its buffer a packet lies.
type span struct{ off, end int }

// NewRxBatch makes a batch of n buffers (at least one), each for packets of up to size bytes with at least headroom
// bytes in front.
func NewRxBatch(n, headroom, size int) *RxBatch {
	n, headroom, size = max(n, 1), max(headroom, 0), max(size, 1)
	stride := (ipv4Lead + headroom + size + 63) &^ 63
	b := &RxBatch{
		hdrs: make([]unix.Mmsghdr, n), iovs: make([]unix.Iovec, n), names: make([]sockaddr, n),
		control: make([]byte, n*rxControl), span: make([]span, n),
		slab: make([]byte, n*stride), stride: stride, headroom: headroom, size: size, start: -1,
	}
	for i := range b.hdrs {
		h := &b.hdrs[i].Hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = &b.names[i][0]
		h.Control = &b.control[i*rxControl]
	}
	b.n = n // so that the first prepare sets every length
	return b
}

// prepare readies the buffers for a read: the kernel's in-out fields of those used last time, and, when the kind of
// socket changed, where the kernel is to write. An IPv4 raw socket writes its IP header into the lead.
func (b *RxBatch) prepare(rawIPv4 bool) {
	start, length := b.headroom+ipv4Lead, b.size
	if rawIPv4 {
		start, length = b.headroom, b.size+ipv4Lead
	}
	if start != b.start {
		b.start = start
		for i := range b.iovs {
			setBytes(&b.iovs[i], b.slab[i*b.stride+start:i*b.stride+start+length])
		}
	}
	for i := range b.n {
		b.hdrs[i].Hdr.Namelen = sockaddrLen
		b.hdrs[i].Hdr.SetControllen(rxControl)
	}
	b.n = 0
}

// finish notes where the n packets lie that the kernel delivered.
func (b *RxBatch) finish(n int, rawIPv4 bool) {
	b.n = n
	for i := range n {
		s := span{off: b.start, end: b.start + int(b.hdrs[i].Len)}
		if rawIPv4 {
			base := i * b.stride
			s.off += ipv4HeaderLen(b.slab[base+s.off : base+s.end])
		}
		b.span[i] = s
	}
}

// ipv4HeaderLen returns how much of b is IP header (RFC 791 section 3.1: IHL counts 32-bit words): all of it when it is
// no complete header, so that no payload is left.
func ipv4HeaderLen(b []byte) int {
	if len(b) < 20 || b[0]>>4 != 4 {
		return len(b)
	}
	n := int(b[0]&0x0f) * 4
	if n < 20 || n > len(b) {
		return len(b)
	}
	return n
}

// Packet returns the L2TP bytes of packet i: the UDP payload or what follows the IP header. Its capacity ends with its
// buffer.
func (b *RxBatch) Packet(i int) []byte {
	s := b.span[i]
	base := i * b.stride
	return b.slab[base+s.off : base+s.end : base+b.stride]
}

// Buffer returns the whole buffer of packet i; Packet(i) starts at Offset(i) in it. The bytes in front and behind are
// the caller's to use until the next ReadBatch.
func (b *RxBatch) Buffer(i int) []byte {
	return b.slab[i*b.stride : (i+1)*b.stride : (i+1)*b.stride]
}

// Offset returns where in Buffer(i) the packet starts, at least the batch's headroom.
func (b *RxBatch) Offset(i int) int { return b.span[i].off }

// Source returns who sent packet i: unmapped, without zone, and with port 0 on IP 115.
func (b *RxBatch) Source(i int) netip.AddrPort {
	return parseSockaddr(b.names[i][:min(b.hdrs[i].Hdr.Namelen, sockaddrLen)])
}

// Truncated reports whether packet i was longer than the buffer and lost its end.
func (b *RxBatch) Truncated(i int) bool { return b.hdrs[i].Hdr.Flags&unix.MSG_TRUNC != 0 }

// SegmentSize returns the size of the datagrams that the kernel joined into packet i, the last of which may be shorter;
// 0 when it joined none (always, without GroupConfig.GRO). They are of one sender, but may be of different sessions.
func (b *RxBatch) SegmentSize(i int) int {
	n := min(int(b.hdrs[i].Hdr.Controllen), rxControl)
	if n == 0 {
		return 0
	}
	return segmentSize(b.control[i*rxControl : i*rxControl+n])
}
