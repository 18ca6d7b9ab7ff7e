package offload

import (
	"encoding/binary"
	"math/bits"

	"culvert/encap"
)

// fold adds the halves of a sum of 16-bit words with end-around carry (RFC 1071 section 1).
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// add16 adds two ones-complement numbers.
func add16(a, b uint16) uint16 { return fold(uint32(a) + uint32(b)) }

// copySumGo copies src to dst, which is at least as long and may be the same but not overlap otherwise, and returns
// what encap.Checksum(src, 0) does. The sum runs on little-endian words (RFC 1071 section 2 B).
func copySumGo(dst, src []byte) uint16 {
	var acc, c uint64
	dst = dst[:len(src)]
	for len(src) >= 32 && len(dst) >= 32 {
		a, b := binary.LittleEndian.Uint64(src[0:8]), binary.LittleEndian.Uint64(src[8:16])
		d, e := binary.LittleEndian.Uint64(src[16:24]), binary.LittleEndian.Uint64(src[24:32])
		acc, c = bits.Add64(acc, a, 0)
		acc, c = bits.Add64(acc, b, c)
		acc, c = bits.Add64(acc, d, c)
		acc, c = bits.Add64(acc, e, c)
		acc += c
		binary.LittleEndian.PutUint64(dst[0:8], a)
		binary.LittleEndian.PutUint64(dst[8:16], b)
		binary.LittleEndian.PutUint64(dst[16:24], d)
		binary.LittleEndian.PutUint64(dst[24:32], e)
		src, dst = src[32:], dst[32:]
	}
	copy(dst, src)
	return encap.Checksum(src, bits.ReverseBytes16(fold64(acc)))
}

// fold64 adds the four 16-bit parts of acc with end-around carry.
func fold64(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc>>16 + acc)
}
