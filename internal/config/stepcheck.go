package config

import (
	"net/netip"

	"culvert/internal/pool"
)

// notHosts are addresses that no host can have.
var notHosts = []pool.Range{
	{First: netip.IPv4Unspecified(), Last: netip.IPv4Unspecified()},
	{First: broadcast, Last: broadcast},
	pool.RangeOf(netip.MustParsePrefix("224.0.0.0/4")),
	{First: netip.IPv6Unspecified(), Last: netip.IPv6Unspecified()},
	pool.RangeOf(netip.MustParsePrefix("ff00::/8")),
}

// checkNumbered looks at the addresses that grow with the number, from the first to the last, without counting through.
func (p *parser) checkNumbered(s *sessionProfile) {
	for _, a := range s.numbered {
		if !s.template {
			if s.n.get("n") == nil {
				p.fail(a.at, "has %s, but there is no n", numberMark)
			}
			continue
		}
		p.checkGrowing(s, a)
	}
	if v := s.n.get("mac"); s.steps.MAC {
		switch last := macAt(s.HardwareAddr, s.last); {
		case !s.template:
			if s.n.get("n") == nil {
				p.fail(v, "has %s, but there is no n", numberMark)
			}
		case last[0] != s.HardwareAddr[0]:
			p.fail(v, "number %d gives %s, which is another vendor's or a group's", s.last, last)
		case s.first == 0 && isZero(s.HardwareAddr):
			p.fail(v, "must not be zero")
		}
	}
	if s.template && s.PPP != nil {
		p.checkEnds(s)
	}
	if s.template && s.last > s.first {
		p.checkFixed(s)
	}
}

// checkGrowing looks at one of them.
func (p *parser) checkGrowing(s *sessionProfile, a numbered) {
	first, last, shift := uint64(s.first), uint64(s.last), int(a.step)-1
	from, _ := pool.Nth(a.addr, first, shift)
	to, ok := pool.Nth(a.addr, last, shift)
	if !ok {
		p.fail(a.at, "number %d is beyond the last address", s.last)
		return
	}
	if a.kind == kindPrefix {
		return
	}
	nobody := pool.Config{Ranges: notHosts, PrefixLength: pool.MaxBits}
	if n, bad := nobody.Meets(a.addr, shift, first, last); bad {
		x, _ := pool.Nth(a.addr, n, shift)
		p.fail(a.at, "number %d gives %s, which is not the address of one host", n, x)
		return
	}
	if a.kind == kindVia {
		return
	}
	for _, o := range p.pools {
		if o.bad {
			continue
		}
		if n, in := o.Meets(a.addr, shift, first, last); in {
			x, _ := pool.Nth(a.addr, n, shift)
			p.fail(a.at, "number %d gives %s, which is inside %s (line %d): exclude %s-%s there", n, x, o.n.path(), o.Line, from, to)
			return
		}
	}
}

// checkEnds reports a number whose peer has an address that is ours on a link of this template.
func (p *parser) checkEnds(s *sessionProfile) {
	l := &s.PPP.Link
	if !l.LocalAddress.IsValid() || !l.PeerAddress.IsValid() || s.steps.LocalAddress|s.steps.PeerAddress == 0 {
		return
	}
	from, _ := pool.Nth(l.LocalAddress, uint64(s.first), 0)
	to, ok := pool.Nth(l.LocalAddress, uint64(s.last), 0)
	if s.steps.LocalAddress == 0 {
		from, to, ok = l.LocalAddress, l.LocalAddress, true
	}
	ours := pool.Config{Ranges: []pool.Range{{First: from, Last: to}}}
	first, last := uint64(s.first), uint64(s.last)
	if s.steps.PeerAddress == 0 {
		first, last = 0, 0
	}
	if n, both := ours.Meets(l.PeerAddress, 0, first, last); ok && both {
		x, _ := pool.Nth(l.PeerAddress, n, 0)
		at := s.n.get("peer_address")
		if at == nil {
			at = s.n.get("local_address")
		}
		p.fail(at, "%s is an address of ours in this template, too", x)
	}
}

// checkFixed warns of what all sessions of a template would have and only one of them can.
func (p *parser) checkFixed(s *sessionProfile) {
	at := func(key string) *node {
		if v := s.n.get(key); v != nil {
			return v
		}
		return s.n
	}
	const same = "%s for all %d sessions of the template: with %s behind it each has its own"
	count := s.last - s.first + 1
	if s.PPP != nil {
		if a := s.PPP.Link.PeerAddress; a.IsValid() && s.steps.PeerAddress == 0 && !s.dials { // of a subscriber the access server may be the same
			p.warn(at("peer_address"), "peer address "+same, a, count, plusNumber)
		}
		if x := s.PPP.IPv6Prefix; x.IsValid() {
			p.fail(at("ppp_profile"), "ipv6_prefix %s of the profile can be on one link only, and there are %d: use ipv6_pool", x, count)
		}
	}
	if s.HardwareAddr != nil && !s.steps.MAC {
		p.warn(at("mac"), same, s.HardwareAddr, count, plusNumber)
	}
	for i, a := range s.Addresses {
		if s.steps.Addresses[i] == 0 && !a.IsSingleIP() { // a single one may be on many devices ("unnumbered")
			p.warn(at("addresses"), same, a, count, plusNumber)
		}
	}
	for i, r := range s.Routes {
		if s.steps.Routes[i] == 0 {
			p.warn(at("routes"), same, r.To, count, plusNumber)
		}
	}
}
