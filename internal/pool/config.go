package pool

import (
	"fmt"
	"net/netip"
	"slices"
)

// MaxBits is the longest prefix of an IPv6 pool: what lies behind is the subscriber's interface identifiers (RFC 4291
// section 2.5.1).
const MaxBits = 64

// Config says what is in a pool.
type Config struct {
	Name string
	// Ranges are the addresses, all of one family; Exclude is taken out of them.
	Ranges, Exclude []Range
	// PrefixLength is that of what is given out of an IPv6 pool, 1 to 64; 0 for IPv4.
	PrefixLength int
}

// Is6 tells whether it is a pool of IPv6 prefixes.
func (c *Config) Is6() bool { return len(c.Ranges) > 0 && c.Ranges[0].First.Is6() }

func (c *Config) bits() int {
	if c.Is6() {
		return c.PrefixLength
	}
	return 32
}

// Contains tells whether the pool may give a, or a prefix with a in it, to somebody.
func (c *Config) Contains(a netip.Addr) bool {
	in := func(r Range) bool { return r.Contains(a) }
	return slices.ContainsFunc(c.Ranges, in) && !slices.ContainsFunc(c.Exclude, func(r Range) bool {
		return a.Is4() == r.First.Is4() && unitOf(r.First, c.bits()) <= unitOf(a, c.bits()) &&
			unitOf(a, c.bits()) <= unitOf(r.Last, c.bits())
	})
}

// ConfigError says what is wrong with a Config.
type ConfigError struct {
	Key   string // "ranges", "exclude" or "prefix_length"
	Index int    // of the element; -1: the whole
	Msg   string
}

// Error gives key and message.
func (e *ConfigError) Error() string { return e.Key + ": " + e.Msg }

func wrong(key string, index int, format string, args ...any) error {
	return &ConfigError{Key: key, Index: index, Msg: fmt.Sprintf(format, args...)}
}

// spans checks c and gives its units.
func (c *Config) spans() ([]span, error) {
	if len(c.Ranges) == 0 {
		return nil, wrong("ranges", -1, "the pool is empty")
	}
	if err := c.checkLength(); err != nil {
		return nil, err
	}
	spans := make([]span, 0, len(c.Ranges))
	for i, r := range c.Ranges {
		if err := c.checkRange(i); err != nil {
			return nil, err
		}
		spans = append(spans, span{unitOf(r.First, c.bits()), unitOf(r.Last, c.bits())})
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	for i, r := range c.Exclude {
		if !slices.ContainsFunc(c.Ranges, r.Overlaps) {
			return nil, wrong("exclude", i, "%s is not in ranges", r)
		}
		spans = without(spans, span{unitOf(r.First, c.bits()), unitOf(r.Last, c.bits())})
	}
	if len(spans) == 0 {
		return nil, wrong("exclude", -1, "the pool is empty: all of it is excluded")
	}
	return spans, nil
}

func (c *Config) checkLength() error {
	switch {
	case !c.Is6() && c.PrefixLength != 0:
		return wrong("prefix_length", -1, "only for IPv6: of an IPv4 pool single addresses are given out")
	case c.Is6() && c.PrefixLength == 0:
		return wrong("prefix_length", -1, "missing: the length of the prefixes that are given out, 1 to %d", MaxBits)
	case c.PrefixLength < 0 || c.PrefixLength > MaxBits:
		return wrong("prefix_length", -1, "must be 1 to %d, not %d", MaxBits, c.PrefixLength)
	}
	return nil
}

func (c *Config) checkRange(i int) error {
	r := c.Ranges[i]
	if r.First.Is6() != c.Is6() {
		return wrong("ranges", i, "%s mixes IPv4 and IPv6 in one pool", r)
	}
	for _, other := range c.Ranges[:i] {
		if r.Overlaps(other) {
			return wrong("ranges", i, "%s overlaps with %s", r, other)
		}
	}
	for _, no := range nobodys {
		if r.Overlaps(no) {
			return wrong("ranges", i, "%s has addresses in %s, which cannot be anybody's", r, no)
		}
	}
	whole := prefixOf(unitOf(r.First, c.bits()), c.bits(), c.Is6())
	last := prefixOf(unitOf(r.Last, c.bits()), c.bits(), c.Is6())
	if c.Is6() && (RangeOf(whole).First != r.First || RangeOf(last).Last != r.Last) {
		return wrong("ranges", i, "%s is not made of whole prefixes of length %d", r, c.PrefixLength)
	}
	return nil
}

// nobodys are addresses that no host can have: RFC 1122 section 3.2.1.3, RFC 4291 section 2.4 (unspecified and
// loopback, link-local, multicast).
var nobodys = []Range{
	RangeOf(netip.MustParsePrefix("0.0.0.0/8")),
	RangeOf(netip.MustParsePrefix("127.0.0.0/8")),
	RangeOf(netip.MustParsePrefix("224.0.0.0/3")),
	RangeOf(netip.MustParsePrefix("::/127")),
	RangeOf(netip.MustParsePrefix("fe80::/10")),
	RangeOf(netip.MustParsePrefix("ff00::/8")),
}

// without takes the units of x out of sorted spans.
func without(spans []span, x span) []span {
	kept := make([]span, 0, len(spans)+1)
	for _, s := range spans {
		if s.last < x.first || x.last < s.first {
			kept = append(kept, s)
			continue
		}
		if s.first < x.first {
			kept = append(kept, span{s.first, x.first - 1})
		}
		if x.last < s.last {
			kept = append(kept, span{x.last + 1, s.last})
		}
	}
	return kept
}
