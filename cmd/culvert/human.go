package main

import (
	"fmt"

	"culvert/internal/human"
)

// count prints a number for people: exact below 10,000, else three significant digits and a decimal (SI) prefix.
func count(n uint64) string { return human.Count(n) }

// size prints a number of bytes for people, with the same prefixes: powers of 1000.
func size(n uint64) string { return count(n) + "B" }

// printable keeps a text from moving the terminal's cursor or breaking a table, whatever a peer or a file put into it.
func printable(s string) string { return human.Printable(s) }

// cell is printable text for a table, "-" when there is none.
func cell(v any) string {
	if s := printable(fmt.Sprint(v)); s != "" {
		return s
	}
	return "-"
}
