package encap

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func randomBytes(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestChecksumReference compares with the naive sum for every length up to a
// jumbo frame at every alignment within a 64-bit word, from varying initial sums.
func TestChecksumReference(t *testing.T) {
	const longest = 9001
	b := randomBytes(longest + 8)
	for n := 0; n <= longest; n++ {
		at := n % 8
		initial := uint16(n * 7919)
		if got, want := Checksum(b[at:at+n], initial), naiveSum(b[at:at+n], initial); got != want {
			t.Fatalf("length %d offset %d initial %#04x: got %#04x, want %#04x", n, at, initial, got, want)
		}
	}
	for n := 0; n <= 300; n++ {
		for at := range 8 {
			if got, want := Checksum(b[at:at+n], 0), naiveSum(b[at:at+n], 0); got != want {
				t.Fatalf("length %d offset %d: got %#04x, want %#04x", n, at, got, want)
			}
		}
	}
}

// TestChecksumCarries sums what makes as many carries as there can be.
func TestChecksumCarries(t *testing.T) {
	for _, fill := range []byte{0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff} {
		b := make([]byte, 1500)
		for i := range b {
			b[i] = fill
		}
		for n := range b {
			for _, initial := range []uint16{0, 1, 0xfffe, 0xffff} {
				if got, want := Checksum(b[:n], initial), naiveSum(b[:n], initial); got != want {
					t.Fatalf("%d bytes of %#02x, initial %#04x: got %#04x, want %#04x", n, fill, initial, got, want)
				}
			}
		}
	}
}

// TestChecksumKnown takes the worked example of RFC 1071 section 3.
func TestChecksumKnown(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := Checksum(b, 0); got != 0xddf2 {
		t.Errorf("got %#04x, want 0xddf2", got)
	}
	if got := Checksum(b[4:], Checksum(b[:4], 0)); got != 0xddf2 {
		t.Errorf("in two parts: got %#04x, want 0xddf2", got)
	}
}

// TestUpdateChecksum changes words of random headers and compares with a full
// computation; the example of RFC 1624 section 4 is the first case.
func TestUpdateChecksum(t *testing.T) {
	if got := UpdateChecksum(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("RFC 1624 section 4: got %#04x, want 0x0000", got)
	}
	r := rand.New(rand.NewPCG(2, 3))
	for range 100000 {
		word, old, changed := uint16(r.Uint32()), uint16(r.Uint32()), uint16(r.Uint32())
		if r.IntN(4) == 0 {
			changed = 0xffff * uint16(r.IntN(2))
		}
		sum := ^naiveSum([]byte{byte(word >> 8), byte(word), byte(old >> 8), byte(old)}, 0)
		updated := UpdateChecksum(sum, old, changed)
		b := []byte{byte(word >> 8), byte(word), byte(changed >> 8), byte(changed), byte(updated >> 8), byte(updated)}
		if got := naiveSum(b, 0); got != 0xffff && word|changed != 0 {
			t.Fatalf("word %#04x, %#04x to %#04x: sum %#04x after update", word, old, changed, got)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 40, 64, 128, 512, 1400, 1500, 9000, 65535} {
		buf := randomBytes(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				sink = Checksum(buf, 0)
			}
		})
	}
}

func BenchmarkChecksumNaive(b *testing.B) {
	buf := randomBytes(1400)
	b.SetBytes(1400)
	for b.Loop() {
		sink = naiveSum(buf, 0)
	}
}

var sink uint16
