package load

import "encoding/binary"

// headerLen is what every packet starts with, in network byte order:
//
//	0  magic  4 bytes
//	4  trial  4
//	8  kind   1
//	9  zero   1
//	10 flow   2
//	12 seq    4
//
// 16 bytes is what a 64-byte IPv6 packet has room for.
const headerLen = 16

const magic = 0x43566231 // "CVb1"

// kind tells what a packet is for.
type kind uint8

const (
	kindData kind = iota + 1
	kindRequest
	kindReply
)

// header is the start of a packet of ours.
type header struct {
	trial uint32
	kind  kind
	flow  uint16
	seq   uint32
}

// put writes the header into the first headerLen bytes of b.
func (h header) put(b []byte) {
	_ = b[headerLen-1]
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint32(b[4:], h.trial)
	b[8], b[9] = byte(h.kind), 0
	binary.BigEndian.PutUint16(b[10:], h.flow)
	binary.BigEndian.PutUint32(b[12:], h.seq)
}

// parseHeader reads a header; ok is false for packets that are not ours.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerLen || binary.BigEndian.Uint32(b) != magic || b[9] != 0 {
		return h, false
	}
	h = header{
		trial: binary.BigEndian.Uint32(b[4:]),
		kind:  kind(b[8]),
		flow:  binary.BigEndian.Uint16(b[10:]),
		seq:   binary.BigEndian.Uint32(b[12:]),
	}
	return h, h.kind >= kindData && h.kind <= kindReply
}
