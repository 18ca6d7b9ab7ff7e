package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"culvert/snapshot"
)

// Addresses says which addresses a peer may use: the fourth and further columns of a secrets file (pppd(8),
// AUTHENTICATION). The zero value allows none, which is what pppd makes of a line without them.
type Addresses struct{ rules []rule }

type rule struct {
	prefix netip.Prefix // invalid: every address
	deny   bool
}

// AnyAddress allows every address, as "*" does.
func AnyAddress() Addresses { return Addresses{[]rule{{}}} }

// Allows tells whether the peer may use a. The first rule that a falls under decides; under none it is refused.
func (l Addresses) Allows(a netip.Addr) bool {
	a = a.Unmap()
	for _, r := range l.rules {
		if !r.prefix.IsValid() || r.prefix.Contains(a) {
			return !r.deny
		}
	}
	return false
}

// Only gives the one address the peer may use, where there is just one.
func (l Addresses) Only() (netip.Addr, bool) {
	if len(l.rules) != 1 || l.rules[0].deny || !l.rules[0].prefix.IsSingleIP() {
		return netip.Addr{}, false
	}
	return l.rules[0].prefix.Addr(), true
}

// Prefixes gives the prefixes the peer may use, in the order of the file, those excluded left out (ask Allows), and
// whether it may use every address.
func (l Addresses) Prefixes() (all []netip.Prefix, every bool) {
	for _, r := range l.rules {
		switch {
		case r.deny:
		case !r.prefix.IsValid():
			every = true
		default:
			all = append(all, r.prefix)
		}
	}
	return all, every
}

// Equal tells whether both have the same rules.
func (l Addresses) Equal(o Addresses) bool { return slices.Equal(l.rules, o.rules) }

var errAddress = errors.New("not an address, a prefix, \"*\" or \"-\"")

// parseAddresses reads the columns behind the secret. "-" ends the list: what no rule before it allowed is refused.
func parseAddresses(words []string) (l Addresses, err error) {
	for _, w := range words {
		if w == "-" {
			return l, nil
		}
		text, deny := strings.CutPrefix(w, "!")
		if text == "*" {
			l.rules = append(l.rules, rule{deny: deny})
			continue
		}
		var p netip.Prefix
		if strings.Contains(text, "/") {
			p, err = netip.ParsePrefix(text)
		} else {
			var a netip.Addr
			a, err = netip.ParseAddr(text)
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if err != nil || p.Addr().Zone() != "" || p.Addr().Is4In6() {
			return Addresses{}, fmt.Errorf("%q is %w", w, errAddress)
		}
		l.rules = append(l.rules, rule{prefix: p.Masked(), deny: deny})
	}
	return l, nil
}

// Snapshot writes or reads them.
func (l *Addresses) Snapshot(c *snapshot.Codec) {
	snapshot.Slice(c, &l.rules, func(r *rule) {
		c.Prefix(&r.prefix)
		c.Bool(&r.deny)
	})
}
