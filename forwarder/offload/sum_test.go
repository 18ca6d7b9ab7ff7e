package offload

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
)

// copySums are all ways to copy and sum.
var copySums = []struct {
	name string
	fn   func(dst, src []byte) uint16
}{
	{"best", copySum},
	{"go", copySumGo},
}

func sizeName(n int) string { return strconv.Itoa(n) }

// TestCopySum: all ways, all lengths to 600, all alignments to a cache line, all ones and random content; nothing beyond
// the length is written.
func TestCopySum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random, ones := randomBytes(r, 2000), bytes.Repeat([]byte{0xff}, 2000)
	for _, f := range copySums {
		for n := range 600 {
			for _, data := range [][]byte{random, ones} {
				src := data[r.IntN(64):][:n]
				dst := make([]byte, 64+n+64)
				off := r.IntN(64)
				if got, want := f.fn(dst[off:], src), naiveSum(src); got != want {
					t.Fatalf("%s: %d bytes: %04x, want %04x", f.name, n, got, want)
				}
				if !bytes.Equal(dst[off:off+n], src) || bytes.Count(dst[:off], []byte{0}) != off || len(bytes.Trim(dst[off+n:], "\x00")) != 0 {
					t.Fatalf("%s: %d bytes: copy differs or writes beyond", f.name, n)
				}
			}
		}
	}
}

// TestCopySumLong: sums that overflow 32 bits on the way.
func TestCopySumLong(t *testing.T) {
	for _, n := range []int{65535, 65536, 1 << 20} {
		src := bytes.Repeat([]byte{0xff}, n)
		src[n/2] = 0
		dst := make([]byte, n)
		for _, f := range copySums {
			if got, want := f.fn(dst, src), naiveSum(src); got != want || !bytes.Equal(dst, src) {
				t.Errorf("%s: %d bytes: %04x, want %04x", f.name, n, got, want)
			}
		}
	}
}
