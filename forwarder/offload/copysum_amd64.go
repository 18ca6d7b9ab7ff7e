package offload

import (
	"math/bits"

	"culvert/encap"
)

// useAVX2 is whether the CPU has AVX2 and the system saves its registers (Intel SDM volume 1 section 14.3).
var useAVX2 = hasAVX2()

// vectorLen is what copySumAVX2 takes at a time.
const vectorLen = 32

// copySum is copySumGo, by the fastest way this CPU has.
func copySum(dst, src []byte) uint16 {
	if len(src) < 2*vectorLen || !useAVX2 {
		return copySumGo(dst, src)
	}
	dst = dst[:len(src)]
	n := len(src) &^ (vectorLen - 1)
	acc := copySumAVX2(&dst[0], &src[0], n)
	if n < len(src) {
		copy(dst[n:], src[n:])
	}
	return encap.Checksum(src[n:], bits.ReverseBytes16(fold64(acc)))
}

// fold64 adds the four 16-bit parts of acc with end-around carry.
func fold64(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc>>16 + acc)
}

// copySumAVX2 copies n bytes, a multiple of vectorLen, and returns the sum of their little-endian 32-bit words.
//
//go:noescape
func copySumAVX2(dst, src *byte, n int) uint64

// hasAVX2 asks CPUID and XGETBV.
func hasAVX2() bool
