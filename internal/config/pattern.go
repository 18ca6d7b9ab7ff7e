package config

import (
	"strconv"
	"strings"
)

// pattern is what a template makes of a text with {n} in it: front, a number from first to last as plainNumber reads it,
// back. There may be 999,999,999 of them: nothing here counts through.
type pattern struct {
	front, back string
	first, last int
}

func newPattern(text string, first, last int) pattern {
	front, back, _ := strings.Cut(text, numberMark)
	return pattern{front, back, first, last}
}

// number gives the number in s, false when s is none of the texts.
func (a pattern) number(s string) (int, bool) {
	rest, ok1 := strings.CutPrefix(s, a.front)
	rest, ok2 := strings.CutSuffix(rest, a.back)
	if !ok1 || !ok2 {
		return 0, false
	}
	n, ok := plainNumber(rest)
	return n, ok && a.first <= n && n <= a.last
}

func (a pattern) has(s string) bool {
	_, ok := a.number(s)
	return ok
}

// meets finds a text that both have. With a's front the shorter one, or as long as b's, that is
//
//	a.front N a.back = a.front x M b.back
//
// where x is what b's front has more. Both N and M are decimal numbers, so a text is one with their lengths, and for each
// pair of lengths there is a run of numbers or a single one to look at.
func (a pattern) meets(b pattern) (text string, ok bool) {
	if len(a.front) > len(b.front) {
		a, b = b, a
	}
	x, ok := strings.CutPrefix(b.front, a.front)
	if !ok {
		return "", false
	}
	if y, longer := strings.CutSuffix(b.back, a.back); longer {
		return a.around(b, x, y)
	}
	if y, longer := strings.CutSuffix(a.back, b.back); longer {
		return a.chained(b, x, y)
	}
	return "", false
}

// maxDigits are those of maxNumber.
const maxDigits = 9

// around is N = x M y.
func (a pattern) around(b pattern, x, y string) (string, bool) {
	if len(x)+len(y) >= maxDigits || !isDigits(x) || !isDigits(y) {
		return "", false
	}
	for digits := 1; digits <= maxDigits-len(x)-len(y); digits++ {
		low, high := ofLength(digits)
		low, high = max(low, b.first), min(high, b.last)
		if x == "" && y != "" {
			low = max(low, 1) // N begins with M
		}
		if x != "" && x[0] == '0' {
			return "", false
		}
		unit := power(len(y))
		offset := value(x)*power(digits+len(y)) + value(y)
		low, high = max(low, ceil(a.first-offset, unit)), min(high, floor(a.last-offset, unit))
		if low <= high {
			return b.text(low), true
		}
	}
	return "", false
}

// chained is N y = x M.
func (a pattern) chained(b pattern, x, y string) (string, bool) {
	for digits := 1; digits <= maxDigits; digits++ { // of N
		if digits <= len(x) { // N is in x, and M behind what y has more
			s := a.front + x[:digits] + a.back
			if a.has(s) && b.has(s) {
				return s, true
			}
			continue
		}
		// N = x t, M = t y
		shared := digits - len(x)
		if shared+len(y) > maxDigits || !isDigits(x) || !isDigits(y) {
			continue
		}
		if x != "" && x[0] == '0' {
			continue
		}
		low, high := ofLength(shared) // t begins M
		if y != "" {
			low = max(low, 1)
		}
		offset, unit := value(x)*power(shared), power(len(y))
		low = max(low, a.first-offset, ceil(b.first-value(y), unit))
		high = min(high, a.last-offset, floor(b.last-value(y), unit))
		if low <= high {
			return a.text(offset + low), true
		}
	}
	return "", false
}

func (a pattern) text(n int) string { return a.front + strconv.Itoa(n) + a.back }

// ofLength gives the least and the greatest number with so many digits, without leading zeros.
func ofLength(digits int) (low, high int) {
	if digits == 1 {
		return 0, 9
	}
	return power(digits - 1), power(digits) - 1
}

func isDigits(s string) bool {
	return strings.TrimLeft(s, "0123456789") == ""
}

// value of at most 9 digits, leading zeros allowed; none are 0.
func value(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

func power(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

func floor(a, unit int) int {
	if a < 0 {
		return -((-a + unit - 1) / unit)
	}
	return a / unit
}

func ceil(a, unit int) int { return -floor(-a, unit) }
