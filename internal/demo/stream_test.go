package demo

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "pattern")
		offset := rapid.IntRange(0, 200).Draw(t, "offset")
		n := rapid.IntRange(1, 200).Draw(t, "length")
		endless := bytes.Repeat(pattern, 400/len(pattern)+1)
		b := bytes.Clone(endless[offset : offset+n])
		if !matches(b, pattern, int64(offset)) {
			t.Fatal("the pattern itself does not match")
		}
		b[rapid.IntRange(0, n-1).Draw(t, "damaged")] ^= 1
		if matches(b, pattern, int64(offset)) {
			t.Fatal("a damaged byte matches")
		}
	})
}
