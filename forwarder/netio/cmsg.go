package netio

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Control messages (cmsg(3)) are written and parsed as bytes: a cmsghdr is a size_t length that covers header and data,
// then level and type as 32-bit integers, and the next one starts at the length rounded up to the size of size_t.
const (
	cmsgLenSize = unix.SizeofCmsghdr - 8 // sizeof(size_t): 8, or 4 on 32-bit machines
	cmsgHdrLen  = unix.SizeofCmsghdr
)

// intCmsgSpace is the room one control message with an int (or shorter) takes.
var intCmsgSpace = unix.CmsgSpace(4)

// cmsgAlign rounds a length up as CMSG_ALIGN does.
func cmsgAlign(n int) int { return (n + cmsgLenSize - 1) &^ (cmsgLenSize - 1) }

// putCmsgHeader writes a header for n bytes of data.
func putCmsgHeader(b []byte, level, typ int32, n int) {
	if cmsgLenSize == 8 {
		binary.NativeEndian.PutUint64(b, uint64(cmsgHdrLen+n))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(cmsgHdrLen+n))
	}
	binary.NativeEndian.PutUint32(b[cmsgLenSize:], uint32(level))
	binary.NativeEndian.PutUint32(b[cmsgLenSize+4:], uint32(typ))
}

// putIntCmsg writes a control message holding an int and returns its space. b has at least intCmsgSpace bytes.
func putIntCmsg(b []byte, level, typ int32, v int) int {
	putCmsgHeader(b, level, typ, 4)
	binary.NativeEndian.PutUint32(b[cmsgHdrLen:], uint32(int32(v)))
	return intCmsgSpace
}

// putSegmentCmsg writes UDP_SEGMENT (udp(7)), which is 16 bits wide, and returns its space.
func putSegmentCmsg(b []byte, size int) int {
	putCmsgHeader(b, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(b[cmsgHdrLen:], uint16(size))
	return unix.CmsgSpace(2)
}

// cmsg is one parsed control message; data points into the buffer.
type cmsg struct {
	level, typ int32
	data       []byte
}

// nextCmsg splits the first control message off b. It is false at the end and for anything malformed.
func nextCmsg(b []byte) (m cmsg, rest []byte, ok bool) {
	if len(b) < cmsgHdrLen {
		return cmsg{}, nil, false
	}
	length := uint64(binary.NativeEndian.Uint32(b))
	if cmsgLenSize == 8 {
		length = binary.NativeEndian.Uint64(b)
	}
	if length < cmsgHdrLen || length > uint64(len(b)) {
		return cmsg{}, nil, false
	}
	m.level = int32(binary.NativeEndian.Uint32(b[cmsgLenSize:]))
	m.typ = int32(binary.NativeEndian.Uint32(b[cmsgLenSize+4:]))
	m.data = b[cmsgHdrLen:length:length]
	return m, b[min(cmsgAlign(int(length)), len(b)):], true
}

// segmentSize looks for UDP_GRO (udp(7)): the size of the segments that the kernel joined, 0 when it did not.
func segmentSize(control []byte) int {
	for {
		m, rest, ok := nextCmsg(control)
		if !ok {
			return 0
		}
		if m.level == unix.SOL_UDP && m.typ == unix.UDP_GRO && len(m.data) >= 4 {
			return int(binary.NativeEndian.Uint32(m.data) & 0xffff)
		}
		control = rest
	}
}
