package config

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPatterns compares with making all texts, each of a few patterns with each.
func TestPatterns(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOfN(rapid.SampledFrom([]rune("0112a")), 0, 3, -1)
		all := make([]pattern, 8)
		for i := range all {
			first := rapid.OneOf(rapid.IntRange(0, 30), rapid.IntRange(0, 2000)).Draw(t, "first")
			more := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 1500)).Draw(t, "more")
			all[i] = pattern{part.Draw(t, "front"), part.Draw(t, "back"), first, first + more}
		}
		for i, a := range all {
			for _, b := range all[i:] {
				if comparePatterns(t, a, b) {
					found++
				}
			}
		}
	})
	if found == 0 {
		t.Error("no two of them ever met: the test shows nothing")
	}
}

func comparePatterns(t *rapid.T, a, b pattern) bool {
	texts, want := map[string]bool{}, false
	for n := a.first; n <= a.last; n++ {
		texts[a.front+strconv.Itoa(n)+a.back] = true
	}
	for n := b.first; n <= b.last; n++ {
		s := b.front + strconv.Itoa(n) + b.back
		want = want || texts[s]
		if a.has(s) != texts[s] {
			t.Fatalf("%+v has %q: %v", a, s, a.has(s))
		}
	}
	text, ok := a.meets(b)
	_, back := b.meets(a)
	if ok != want || back != want || ok && (!a.has(text) || !b.has(text)) {
		t.Fatalf("%+v and %+v: %q, %v, the other way %v; want %v", a, b, text, ok, back, want)
	}
	return want
}

// TestPatternsByHand: one for each way to meet, and near misses.
func TestPatternsByHand(t *testing.T) {
	for _, tc := range []struct {
		a, b                 string
		aFirst, aLast, first int
		last                 int
		want                 string
	}{
		{"a{n}", "a{n}", 0, 9, 9, 10, "a9"},
		{"a{n}", "a{n}", 0, 8, 9, 10, ""},
		{"a{n}", "a1{n}", 10, 19, 0, 9, "a10"},
		{"a{n}", "a0{n}", 0, 99, 0, 9, ""},
		{"a{n}", "a{n}0", 0, 99, 0, 9, "a10"}, // a00 is none of a's
		{"p{n}q7z", "p5q{n}z", 5, 5, 7, 7, "p5q7z"},
		{"p{n}q8z", "p5q{n}z", 5, 5, 7, 7, ""},
		{"a{n}3", "a1{n}", 12, 12, 23, 23, "a123"},
		{"a{n}b", "a{n}c", 0, 999_999_999, 0, 999_999_999, ""},
		{"a{n}", "a99999999{n}", 0, 999_999_999, 0, 9, "a999999990"},
		{"a{n}", "a999999999{n}", 0, 999_999_999, 0, 9, ""},
		{"{n}", "{n}", 0, 999_999_999, 999_999_999, 999_999_999, "999999999"},
	} {
		a, b := newPattern(tc.a, tc.aFirst, tc.aLast), newPattern(tc.b, tc.first, tc.last)
		if got, ok := a.meets(b); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s %d-%d and %s %d-%d: %q, %v; want %q", tc.a, tc.aFirst, tc.aLast, tc.b, tc.first, tc.last, got, ok, tc.want)
		}
	}
}

// TestPatternsAreQuick: the largest ranges there can be take no longer than small ones.
func TestPatternsAreQuick(t *testing.T) {
	begin := time.Now()
	for range 10000 {
		newPattern("a{n}b1", 0, maxNumber).meets(newPattern("a2{n}", 0, maxNumber))
	}
	if d := time.Since(begin); d > 10*time.Second { // counting through would take hours
		t.Errorf("took %s", d)
	}
}
