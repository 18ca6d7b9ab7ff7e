package encap

import (
	"encoding/binary"
	"math/bits"
)

// Checksum returns the ones-complement sum of b and initial, folded to 16 bits
// and NOT inverted (RFC 1071 section 1). b is taken as big-endian words, a last odd
// byte as if a zero followed. A header that carries a right checksum sums to
// 0xffff; the value to store is ^Checksum(...) over a zeroed field. Sums chain
// through initial as long as every part but the last has an even length.
func Checksum(b []byte, initial uint16) uint16 {
	// The sum does not depend on byte order but for one swap (RFC 1071 section 2 B), so
	// it runs on little-endian loads, eight bytes an addition, the carry passed
	// from one addition to the next.
	acc := uint64(bits.ReverseBytes16(initial))
	var c uint64
	for len(b) >= 64 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[0:8]), 0)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[8:16]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[16:24]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[24:32]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[32:40]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[40:48]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[48:56]), c)
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[56:64]), c)
		acc += c
		b = b[64:]
	}
	for len(b) >= 8 {
		acc, c = bits.Add64(acc, binary.LittleEndian.Uint64(b[0:8]), 0)
		acc += c
		b = b[8:]
	}
	acc, c = bits.Add64(acc, tail(b), 0)
	return bits.ReverseBytes16(fold(acc + c))
}

// tail returns the fewer than eight bytes of b as one little-endian number.
func tail(b []byte) uint64 {
	var v uint64
	if len(b) >= 4 {
		v = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		return v | tail3(b)<<32
	}
	return tail3(b)
}

// tail3 returns the fewer than four bytes of b as one little-endian number.
func tail3(b []byte) uint64 {
	switch len(b) {
	case 3:
		return uint64(binary.LittleEndian.Uint16(b)) | uint64(b[2])<<16
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 1:
		return uint64(b[0])
	}
	return 0
}

// fold adds the four 16-bit parts of acc with end-around carry.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff // at most 33 bits
	acc = acc>>32 + acc&0xffffffff // at most 32
	acc = acc>>16 + acc&0xffff     // at most 17
	return uint16(acc>>16 + acc)
}

// UpdateChecksum returns the checksum field sum after one 16-bit word under it
// has changed from old to changed: RFC 1624 section 3, equation 3. For a word at an odd
// offset pass both values with their bytes swapped.
func UpdateChecksum(sum, old, changed uint16) uint16 {
	s := uint32(^sum) + uint32(^old) + uint32(changed)
	s = s>>16 + s&0xffff
	return ^uint16(s>>16 + s)
}
