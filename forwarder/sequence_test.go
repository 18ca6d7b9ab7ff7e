package forwarder

import (
	"testing"
	"time"

	"culvert/encap"
)

func TestSequence(t *testing.T) {
	const old, next, ahead = seqOld, seqNext, seqAhead
	type step struct {
		seq  encap.Seq
		want verdict
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"first packet is taken whatever its number", []step{{77, next}, {78, next}}},
		{"starts at 0, which is a number like others", []step{{0, next}, {1, next}, {0, old}}},
		{"wraps at 2^24", []step{{0xfffffe, next}, {0xffffff, next}, {0, next}, {1, next}, {0xffffff, old}}},
		{"duplicate", []step{{5, next}, {5, old}, {6, next}}},
		{"ahead is delivered and what came before it is then old", []step{{5, next}, {8, ahead}, {6, old}, {7, old}, {9, next}}},
		{"half the space ahead is new", []step{{0, next}, {0x800000, ahead}}},
		{"one more is old", []step{{0, next}, {0x800001, old}}},
		{"peer began again: five old ones in a row", []step{
			{1000, next}, {0, old}, {1, old}, {2, old}, {3, old}, {4, next}, {5, next},
		}},
		{"old ones that are not in a row do not count", []step{
			{1000, next}, {0, old}, {1, old}, {7, old}, {8, old}, {9, old}, {10, old}, {12, old}, {1001, next},
		}},
		{"a good packet between them ends the run", []step{
			{1000, next}, {0, old}, {1, old}, {2, old}, {3, old}, {1001, next}, {4, old}, {5, old}, {6, old}, {7, old}, {8, next},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r rxSequence
			for i, s := range tt.steps {
				got := r.check(s.seq, 0)
				if got != s.want {
					t.Fatalf("step %d, number %#x: verdict %d, want %d", i, s.seq, got, s.want)
				}
				if got != seqOld {
					r.accept(s.seq, 0)
				}
			}
		})
	}
}

func TestSequenceAfterSilence(t *testing.T) {
	for _, tt := range []struct {
		silence time.Duration
		want    verdict
	}{{resyncIdle - 1, seqOld}, {resyncIdle, seqNext}} {
		var r rxSequence
		began := time.Hour
		r.check(1000, began)
		r.accept(1000, began)
		if got := r.check(0, began+tt.silence); got != tt.want {
			t.Fatalf("number 0 after %v: verdict %d, want %d", tt.silence, got, tt.want)
		}
	}
}
