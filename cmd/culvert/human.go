package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// exactBelow is the first count that is shortened: what fits into four digits is printed as it is.
const exactBelow = 10000

// count prints a number for people: exact below 10,000, else three significant digits and a decimal (SI) prefix.
func count(n uint64) string {
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

// size prints a number of bytes for people, with the same prefixes: powers of 1000.
func size(n uint64) string { return count(n) + "B" }

// printable keeps a text from moving the terminal's cursor or breaking a table, whatever a peer or a file put into it.
func printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// cell is printable text for a table, "-" when there is none.
func cell(v any) string {
	if s := printable(fmt.Sprint(v)); s != "" {
		return s
	}
	return "-"
}
