package offload

import "culvert/encap"

// fold adds the halves of a sum of 16-bit words with end-around carry (RFC 1071 section 1).
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// add16 adds two ones-complement numbers.
func add16(a, b uint16) uint16 { return fold(uint32(a) + uint32(b)) }

// copySumGo copies src to dst, which is at least as long and does not overlap, and returns encap.Checksum(src, 0). One
// loop for both is slower in Go than the runtime's copy followed by a sum from the cache.
func copySumGo(dst, src []byte) uint16 {
	copy(dst[:len(src)], src)
	return encap.Checksum(src, 0)
}
