// Package human writes numbers and texts for people at a terminal.
package human

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// exactBelow is the first count that is shortened: what fits into four digits is printed as it is.
const exactBelow = 10000

// Count prints a number for people: exact below 10,000, else three significant digits and a decimal (SI) prefix.
func Count(n uint64) string {
	if n < exactBelow {
		return strconv.FormatUint(n, 10)
	}
	const prefixes = "kMGTPE" // 2^64 is 18.4 E
	v, prefix := float64(n)/1000, 0
	for ; v >= 999.5; prefix++ { // 999.5 would print as 1000
		v /= 1000
	}
	digits := 0
	switch {
	case v < 9.995:
		digits = 2
	case v < 99.95:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + prefixes[prefix:prefix+1]
}

// Printable keeps a text from moving the terminal's cursor or breaking a table, whatever a peer or a file put into it.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
