package encap

import "testing"

// TestSeqBehind checks the borders of RFC 3931 appendix C: with L the last number
// received, {L - (2^23 - 1) ... L} mod 2^24 is old.
func TestSeqBehind(t *testing.T) {
	tests := []struct {
		name     string
		seq      Seq
		expected Seq
		behind   bool
		ahead    uint32
	}{
		{name: "just the one", seq: 5, expected: 5},
		{name: "one missing", seq: 6, expected: 5, ahead: 1},
		{name: "duplicate of the last", seq: 4, expected: 5, behind: true, ahead: 0xffffff},
		{name: "first of a session", seq: 0, expected: 0},
		{name: "wrap forward", seq: 0, expected: 0xffffff, ahead: 1},
		{name: "wrap backward", seq: 0xffffff, expected: 0, behind: true, ahead: 0xffffff},
		{name: "furthest ahead", seq: 0x7fffff, expected: 0, ahead: 0x7fffff},
		{name: "furthest behind", seq: 0x800000, expected: 0, behind: true, ahead: 0x800000},
		{name: "furthest ahead of the middle", seq: 0xffffff, expected: 0x800000, ahead: 0x7fffff},
		{name: "furthest behind the middle", seq: 0, expected: 0x800000, behind: true, ahead: 0x800000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.seq.Behind(tt.expected); got != tt.behind {
				t.Errorf("%#x.Behind(%#x) = %v", tt.seq, tt.expected, got)
			}
			if got := tt.seq.Ahead(tt.expected); got != tt.ahead {
				t.Errorf("%#x.Ahead(%#x) = %#x, want %#x", tt.seq, tt.expected, got, tt.ahead)
			}
		})
	}
}

// TestSeqHalves counts: of all 2^24 numbers half are behind, whatever is due.
func TestSeqHalves(t *testing.T) {
	const step = 251 // prime, so every residue comes up
	for expected := Seq(0); expected <= seqMask; expected += 0x0fffff {
		behind, total := 0, 0
		for s := Seq(0); s <= seqMask; s += step {
			last := (expected - 1) & seqMask
			old := (last-s)&seqMask <= 0x7fffff // the set of appendix C, literally
			if s.Behind(expected) != old {
				t.Fatalf("%#x.Behind(%#x) = %v", s, expected, !old)
			}
			total++
			if old {
				behind++
			}
		}
		if d := 2*behind - total; d < -2 || d > 2 {
			t.Errorf("expected %#x: %d of %d behind", expected, behind, total)
		}
	}
}

func TestSeqNext(t *testing.T) {
	for s, want := range map[Seq]Seq{0: 1, 1: 2, 0x7fffff: 0x800000, 0xffffff: 0} {
		if got := s.Next(); got != want {
			t.Errorf("%#x.Next() = %#x, want %#x", s, got, want)
		}
	}
}
