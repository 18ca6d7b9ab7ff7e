package config

import (
	"errors"
	"net/netip"
	"time"

	"culvert/internal/ipv6link"
	"culvert/internal/pool"
)

const (
	prefixLength64 = 64 // of a prefix that hosts form addresses in (RFC 4291 section 2.5.1, RFC 4862 section 5.5.3)
	maxServers6    = 4  // name servers in one router advertisement
	minLifetime    = 10 // seconds
)

// addressPool is a [pool.NAME] table.
type addressPool struct {
	Pool
	n *node
	// bad: an error has been reported, the rest would only follow from it.
	bad bool
}

var poolKeys = keys[addressPool]{
	"ranges":        func(p *parser, v *node, a *addressPool) { a.bad = !p.ranges(v, &a.Ranges) || a.bad },
	"exclude":       func(p *parser, v *node, a *addressPool) { a.bad = !p.ranges(v, &a.Exclude) || a.bad },
	"prefix_length": func(p *parser, v *node, a *addressPool) { integer(p, v, &a.PrefixLength, 1, pool.MaxBits) },
}

func readPools(p *parser, v *node) (all []*addressPool) {
	if v != nil {
		p.named(v, func(n *node) { all = append(all, readPool(p, n, all)) })
	}
	return all
}

// readPool reads one pool; others are those before it, with which it must have nothing in common.
func readPool(p *parser, n *node, others []*addressPool) *addressPool {
	a := &addressPool{n: n, Pool: Pool{Config: pool.Config{Name: n.name}}}
	a.Line, _ = p.lines.position(int(n.at))
	decode(p, n, poolKeys, a)
	if n.get("ranges") == nil {
		p.missing(n, "ranges")
		a.bad = true
	}
	if a.bad {
		return a
	}
	if _, err := pool.New(a.Config); err != nil {
		p.failPool(a, err)
		return a
	}
	for _, o := range others {
		for _, r := range a.Ranges {
			for _, x := range o.Ranges {
				if r.Overlaps(x) && !o.bad {
					p.fail(n.get("ranges"), "%s overlaps with %s of %s (line %d)", r, x, o.n.path(), o.Line)
					return a
				}
			}
		}
	}
	return a
}

// failPool reports a pool.ConfigError at the element it is about.
func (p *parser) failPool(a *addressPool, err error) {
	a.bad = true
	var e *pool.ConfigError
	if !errors.As(err, &e) {
		p.fail(a.n, "%v", err)
		return
	}
	at := a.n.get(e.Key)
	if at == nil {
		p.at(int(a.n.at), a.n.path()+"."+e.Key, "%s", e.Msg)
		return
	}
	if e.Index >= 0 {
		i := 0
		for v := range at.inside() {
			if i == e.Index {
				at = v
				break
			}
			i++
		}
	}
	p.fail(at, "%s", e.Msg)
}

func (p *parser) ranges(v *node, to *[]pool.Range) bool {
	good := true
	ok := p.each(v, kindString, func(e *node) {
		r, err := pool.ParseRange(e.text)
		if err != nil {
			p.fail(e, "%v", err)
			good = false
			return
		}
		*to = append(*to, r)
	})
	return ok && good
}

// pool looks up the table a profile refers to; v6 is what it must be a pool of.
func (p *parser) pool(v *node, to *string, v6 bool) {
	var name string
	if !p.text(v, &name) {
		return
	}
	for _, a := range p.pools {
		switch {
		case a.Name != name:
		case a.bad:
			*to = name
			return
		case a.Is6() != v6:
			p.fail(v, "pool %q has %s addresses", name, familyOf(a.Ranges[0].First))
			return
		default:
			*to = name
			return
		}
	}
	if *to == "" {
		p.fail(v, "no table [pool.%s]", quoteKey(name))
	}
}

// inPool reports an address that a pool would give to somebody else.
func (p *parser) inPool(v *node, a netip.Addr) {
	for _, o := range p.pools {
		if !o.bad && a.IsValid() && o.Contains(a) {
			p.fail(v, "%s is inside %s (line %d): exclude it there", a, o.n.path(), o.Line)
		}
	}
}

// prefix64 reads a prefix for hosts.
func (p *parser) prefix64(v *node, to *netip.Prefix) {
	var s string
	if !p.text(v, &s) {
		return
	}
	x, err := netip.ParsePrefix(s)
	switch {
	case err != nil || !x.Addr().Is6() || x.Addr().Is4In6() || x.Bits() != prefixLength64:
		p.fail(v, "must be an IPv6 prefix of length %d, not %q", prefixLength64, s)
	case x != x.Masked():
		p.fail(v, "%s has bits set behind its prefix length: %s?", x, x.Masked())
	case !x.Addr().IsGlobalUnicast():
		p.fail(v, "%s is not a prefix that hosts can have addresses in", x)
	default:
		*to = x
	}
}

// servers6 reads name servers' addresses.
func (p *parser) servers6(v *node, to *[]netip.Addr) {
	var all []netip.Addr
	ok := p.each(v, kindString, func(e *node) {
		a, err := netip.ParseAddr(e.text)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || !a.IsGlobalUnicast() {
			p.fail(e, "%q is not the IPv6 address of one host", e.text)
			return
		}
		all = append(all, a)
	})
	if ok && len(all) > maxServers6 {
		p.fail(v, "must have at most %d addresses, not %d", maxServers6, len(all))
		return
	}
	*to = all
}

// newRouter has RFC 4861's defaults.
func newRouter() ipv6link.Config {
	return ipv6link.Config{
		Interval: ipv6link.DefaultInterval, RouterLifetime: -1, Preferred: ipv6link.DefaultPreferred, Valid: ipv6link.DefaultValid,
	}
}

// checkAddresses looks at where a profile's addresses come from. fail reports at a key.
func (p *parser) checkAddresses(f *profile, fail func(key, format string, args ...any)) {
	n, l := f.n, &f.Link
	if n == nil {
		return
	}
	if f.Pool != "" {
		switch {
		case !l.IPv4:
			fail("pool", "IPv4 is off")
		case l.PeerAddress.IsValid():
			fail("pool", "the peer cannot have peer_address and one of a pool: leave out one of them")
		}
	}
	if f.acceptPeer != nil {
		l.AcceptPeer = *f.acceptPeer
		if !*f.acceptPeer && f.Pool == "" && !l.PeerAddress.IsValid() {
			fail("accept_peer_address", "without peer_address and pool the peer would have no address")
		}
	}
	for key, a := range map[string]netip.Addr{"local_address": l.LocalAddress, "peer_address": l.PeerAddress} {
		v := n.get(key)
		if v == nil {
			v = n.get("pppd_options")
		}
		if v != nil {
			p.inPool(v, a)
		}
	}
	p.checkRouter(f, fail)
}

// routerKeys make us a router on the link; each of the others in routerOptions says how.
var (
	routerKeys    = []string{"ipv6_pool", "ipv6_prefix", "pd_pool", "ipv6_dns"}
	routerOptions = []string{"ra_interval", "ra_lifetime", "ra_mtu", "ipv6_preferred_lifetime", "ipv6_valid_lifetime"}
)

// checkRouter completes the router's side of a profile.
func (p *parser) checkRouter(f *profile, fail func(key, format string, args ...any)) {
	n, r := f.n, &f.router
	if r.RouterLifetime < 0 {
		r.RouterLifetime = 3 * r.Interval // RFC 4861 section 6.2.1
	}
	if r.Preferred > r.Valid {
		fail("ipv6_preferred_lifetime", "must be at most ipv6_valid_lifetime, %d", r.Valid/time.Second)
	}
	if r.RouterLifetime > 0 && r.RouterLifetime < r.Interval {
		fail("ra_lifetime", "must be 0 or at least ra_interval, %d", r.Interval/time.Second)
	}
	on := false
	for _, k := range routerKeys {
		if n.get(k) == nil {
			continue
		}
		on = true
		if !f.Link.IPv6 {
			fail(k, "IPv6 is off")
		}
	}
	for _, k := range routerOptions {
		if n.get(k) != nil && !on {
			fail(k, "nothing to say: ipv6_pool, ipv6_prefix, pd_pool and ipv6_dns are all absent")
		}
	}
	if !on {
		return
	}
	f.Router = r
	if f.IPv6Pool != "" && f.IPv6Prefix.IsValid() {
		fail("ipv6_prefix", "the link cannot have ipv6_prefix and one of a pool: leave out one of them")
	}
	for _, a := range p.pools {
		if a.Name == f.IPv6Pool && f.IPv6Pool != "" && !a.bad && a.PrefixLength != prefixLength64 {
			fail("ipv6_pool", "prefix_length of pool %q must be %d: hosts form addresses in these prefixes", a.Name, prefixLength64)
		}
	}
	if f.IPv6Pool != "" && f.IPv6Pool == f.PDPool {
		fail("pd_pool", "is ipv6_pool too: one prefix is for the link, the other for networks behind the peer")
	}
	if f.IPv6Prefix.IsValid() {
		p.inPool(n.get("ipv6_prefix"), f.IPv6Prefix.Addr())
		if first := p.prefixes[f.IPv6Prefix]; first != nil {
			fail("ipv6_prefix", "%s is that of %s too", f.IPv6Prefix, first.n.path())
			return
		}
		p.prefixes[f.IPv6Prefix] = f
	}
}

// prefixOnce reports a second session whose profile has a fixed prefix: two links cannot have the same.
func (p *parser) prefixOnce(v *node, s *session) {
	f := s.profile
	if f == nil || !f.IPv6Prefix.IsValid() {
		return
	}
	if f.prefixUser != nil {
		p.fail(v, "%s has this profile already (line %d), and its ipv6_prefix can be on one link only: use ipv6_pool",
			f.prefixUser.n.path(), f.prefixUser.Line)
		return
	}
	f.prefixUser = s
}
