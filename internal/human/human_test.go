package human

import (
	"math"
	"strings"
	"testing"
	"unicode"
)

func TestCount(t *testing.T) {
	tests := []struct {
		n    uint64
		want string
	}{
		{0, "0"},
		{9999, "9999"},
		{10000, "10.0k"},
		{12345, "12.3k"},
		{99949, "99.9k"},
		{99950, "100k"},
		{999499, "999k"},
		{999500, "1.00M"},
		{1234567, "1.23M"},
		{9994999, "9.99M"},
		{9995000, "10.0M"},
		{999_499_999, "999M"},
		{999_500_000, "1.00G"},
		{1_500_000_000_000, "1.50T"},
		{2_000_000_000_000_000, "2.00P"},
		{math.MaxUint64, "18.4E"},
	}
	for _, tt := range tests {
		if got := Count(tt.n); got != tt.want {
			t.Errorf("Count(%d) = %s, want %s", tt.n, got, tt.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text, caf\u00e9", "plain text, caf\u00e9"},
		{"\x1b]0;title\a", `\x1b]0;title\a`},
		{"say \"hi\"\n", `say "hi"\n`},
		{"\xc3", "\\xc3"},
	}
	for _, tt := range tests {
		if got := Printable(tt.in); got != tt.want {
			t.Errorf("Printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzPrintable: nothing that comes out moves a cursor.
func FuzzPrintable(f *testing.F) {
	f.Add("caf\u00e9 \x1b[2J")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Printable(s); strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
