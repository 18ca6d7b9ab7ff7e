package offload

import "testing"

// withoutAVX2 runs f as on a CPU that has none.
func withoutAVX2(f func()) {
	before := useAVX2
	useAVX2 = false
	defer func() { useAVX2 = before }()
	f()
}

func TestCopySumWithoutAVX2(t *testing.T) {
	if !useAVX2 {
		t.Log("this CPU has no AVX2: its routine was not tested")
	}
	withoutAVX2(func() { TestCopySum(t) })
}

// BenchmarkWithoutAVX2 is what machines without it get.
func BenchmarkWithoutAVX2(b *testing.B) {
	withoutAVX2(func() {
		b.Run("Segments", BenchmarkSegments)
		b.Run("Coalesce", BenchmarkCoalesce)
	})
}
