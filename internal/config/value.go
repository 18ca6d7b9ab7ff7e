package config

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keys tells how each key of a table is read into a T. It is the one list of a table's keys: what is not in it is
// unknown, and docs/configuration.md is checked against it.
type keys[T any] map[string]func(p *parser, v *node, t *T)

// decode reads a table, reporting keys it does not know.
func decode[T any](p *parser, table *node, known keys[T], t *T) {
	for v := range table.inside() {
		if set, ok := known[v.name]; ok {
			set(p, v, t)
			continue
		}
		if near := nearest(v.name, slices.Sorted(maps.Keys(known))); near != "" {
			p.fail(v, "unknown key (did you mean %q?)", near)
			continue
		}
		p.fail(v, "unknown key")
	}
}

// nearest gives the candidate at most two edits from name, for names long enough that this says something.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		if d := distance(name, c); d < bestDistance && d < min(len(name), len(c)) && 2*d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings, or more than 2 when that is plain from their lengths.
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// is checks a value's kind and reports another one.
func (p *parser) is(v *node, want kind) bool {
	if v.kind != want {
		p.fail(v, "must be %s, not %s", want, v.kind)
	}
	return v.kind == want
}

func (p *parser) text(v *node, to *string) bool {
	ok := p.is(v, kindString)
	if ok {
		*to = v.text
	}
	return ok
}

func (p *parser) boolean(v *node, to *bool) bool {
	ok := p.is(v, kindBoolean)
	if ok {
		*to = v.text == "true"
	}
	return ok
}

// integer reads a number from low to high.
func integer[T ~int | ~int64 | ~uint16 | ~uint32](p *parser, v *node, to *T, low, high int64) bool {
	if !p.is(v, kindInteger) {
		return false
	}
	n, err := strconv.ParseInt(v.text, 0, 64) // TOML's prefixes, signs and underscores are Go's
	if err != nil || n < low || n > high {
		p.fail(v, "must be %d to %d, not %s", low, high, v.text)
		return false
	}
	*to = T(n)
	return true
}

// id reads a session or control connection id: 32 bits, not zero (RFC 3931 section 4.1, 5.4.4).
func id[T ~uint32](p *parser, v *node, to *T) {
	integer(p, v, to, 1, 1<<32-1)
}

// duration reads a whole number of units.
func (p *parser) duration(v *node, to *time.Duration, unit time.Duration, low, high int64) {
	var n int64
	if integer(p, v, &n, low, high) {
		*to = time.Duration(n) * unit
	}
}

// milliseconds reads a time as go-l2tp's files give it.
func (p *parser) milliseconds(v *node, to *time.Duration) {
	p.duration(v, to, time.Millisecond, 0, 1<<32-1)
}

// choice reads a string out of a few.
func choice[T any](p *parser, v *node, to *T, values map[string]T) bool {
	var s string
	if !p.text(v, &s) {
		return false
	}
	t, ok := values[s]
	if !ok {
		p.fail(v, "must be %s, not %q", alternatives(slices.Sorted(maps.Keys(values))), s)
		return false
	}
	*to = t
	return true
}

func alternatives(names []string) string {
	for i, n := range names {
		names[i] = strconv.Quote(n)
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// each calls fn for the elements of an array that are of the kind given, and reports others.
func (p *parser) each(v *node, want kind, fn func(e *node)) bool {
	if !p.is(v, kindArray) {
		return false
	}
	ok := true
	for e := range v.inside() {
		if e.kind != want {
			p.fail(e, "must be an array in which each value is %s, not %s", want, e.kind)
			ok = false
			continue
		}
		fn(e)
	}
	return ok
}

// octets reads an array of numbers 0 to 255. They may be secret: errors do not say what they are.
func (p *parser) octets(v *node) (b []byte, ok bool) {
	good := true
	ok = p.each(v, kindInteger, func(e *node) {
		n, err := strconv.ParseInt(e.text, 0, 64)
		if err != nil || n < 0 || n > 255 {
			p.fail(e, "each value must be 0 to 255")
			good = false
		}
		b = append(b, byte(n))
	})
	return b, ok && good
}

// ipv4 reads an IPv4 address that names one host.
func (p *parser) ipv4(v *node, to *netip.Addr) {
	var s string
	if !p.text(v, &s) {
		return
	}
	a, problem := parseIPv4(s)
	if problem != "" {
		p.fail(v, "%s", problem)
		return
	}
	*to = a
}

func parseIPv4(s string) (a netip.Addr, problem string) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !a.Is4():
		return a, strconv.Quote(s) + " is not an IPv4 address"
	case a.IsUnspecified() || a.IsMulticast() || a == broadcast:
		return a, s + " is not the address of one host"
	}
	return a, ""
}

// broadcast is the limited broadcast address (RFC 919 section 7).
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
