package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// rounds takes as many instructions for each round as for any other.
//
//go:noinline
func rounds(n int) (sum int) {
	for i := range n {
		sum += i ^ sum
	}
	return sum
}

var kept int

// BenchmarkRounds is what TestCount counts. It starts a goroutine that never rests: it must not be counted.
func BenchmarkRounds(b *testing.B) {
	var stop atomic.Bool
	go func() {
		for !stop.Load() {
			runtime.Gosched()
		}
	}()
	defer stop.Store(true)
	for _, n := range []int{100, 200, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				kept = rounds(n)
			}
		})
	}
}

// BenchmarkFails is what TestCountFailure runs.
func BenchmarkFails(b *testing.B) {
	if os.Getenv("COUNT_TEST_FAIL") != "" {
		b.Fatal("as asked for")
	}
	for b.Loop() {
		kept = rounds(1)
	}
}

// self is the binary of these tests.
func self(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "self.test")
	if err := build(bin, "."); err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestCount counts a loop of known growth: each round takes the same, and each time it is counted it takes the same.
func TestCount(t *testing.T) {
	bin := self(t)
	count := func() [3]uint64 {
		steps, err := countBenches(bin, ".", "^BenchmarkRounds$")
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != 3 || steps[0].Name != "..Rounds/100" || steps[2].Name != "..Rounds/300" {
			t.Fatalf("%+v", steps)
		}
		for _, s := range steps {
			if in := s.Functions["count.rounds"]; in*10 < s.Instructions*9 {
				t.Errorf("%d of %d instructions in the function that does everything: %v", in, s.Instructions, s.Functions)
			}
		}
		return [3]uint64{steps[0].Instructions, steps[1].Instructions, steps[2].Instructions}
	}
	n := count()
	if d := n[1] - n[0]; d != n[2]-n[1] || d < 300 || d%100 != 0 {
		t.Errorf("100, 200, 300 rounds took %v instructions", n)
	}
	if again := count(); again != n {
		t.Errorf("first %v, then %v", n, again)
	}
}

func TestCountFailure(t *testing.T) {
	t.Setenv("COUNT_TEST_FAIL", "1")
	bin := self(t)
	if _, err := countBenches(bin, ".", "^BenchmarkFails$"); !errors.Is(err, errTrace) || !strings.Contains(err.Error(), "as asked for") {
		t.Errorf("failed benchmark: %v", err)
	}
	if _, err := countBenches(bin, ".", "^BenchmarkNone$"); !errors.Is(err, errBenches) {
		t.Errorf("no benchmark: %v", err)
	}
	if _, err := countBenches("/bin/true", ".", "x"); err == nil {
		t.Error("/bin/true has no Go symbols, and was counted")
	}
}
