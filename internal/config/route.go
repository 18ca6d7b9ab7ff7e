package config

import (
	"net/netip"
	"strings"
)

// parseRoute reads "prefix" or "prefix via address", and how both grow with the number of a template's session.
func parseRoute(text string) (r Route, toStep, viaStep Step, problem string) {
	to, via, hasVia := strings.Cut(text, " via ")
	plain, stepOf := cutNumber(strings.TrimSpace(to))
	var err error
	if r.To, err = netip.ParsePrefix(plain); err != nil || r.To.Addr().Is4In6() {
		return r, 0, 0, "must be \"prefix\" or \"prefix via address\", not \"" + text + "\""
	}
	toStep = stepOf(r.To.Bits(), r.To.Addr().BitLen())
	if r.To != r.To.Masked() {
		return r, 0, 0, r.To.String() + " has bits set behind its prefix length: " + r.To.Masked().String() + "?"
	}
	if toStep == 1 && !r.To.IsSingleIP() {
		return r, 0, 0, "must have " + plusNumber + " behind the prefix length, to count networks: \"" + plain + plusNumber + "\""
	}
	if !hasVia {
		return r, toStep, 0, ""
	}
	via = strings.TrimSpace(via)
	plain, stepOf = cutNumber(via)
	r.Via, err = netip.ParseAddr(plain)
	viaStep = stepOf(0, 0)
	if err != nil || viaStep == 0 && r.Via.IsUnspecified() || r.Via.IsMulticast() {
		return r, 0, 0, "via must be followed by the address of one host, not \"" + via + "\""
	}
	if r.Via.Is4() != r.To.Addr().Is4() {
		return r, 0, 0, r.To.String() + " via " + r.Via.String() + " mixes IPv4 and IPv6"
	}
	return r, toStep, viaStep, ""
}
