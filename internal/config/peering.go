package config

import (
	"encoding/binary"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"culvert/control"
)

// peeringKeys are those that tunnels and peers have in common. host_name and the timers are not here: in a tunnel they are
// kl2tpd's, which a static one may have, too.
var peeringKeys = keys[peering]{
	"secret": (*parser).sharedSecrets,
	"digest": func(p *parser, v *node, c *peering) {
		c.digest = v
		choice(p, v, &c.profile.Digest, digests)
	},
	"challenge":     func(p *parser, v *node, c *peering) { p.boolean(v, &c.profile.Challenge) },
	"hide_avps":     func(p *parser, v *node, c *peering) { p.boolean(v, &c.profile.HideAVPs) },
	"router_id":     func(p *parser, v *node, c *peering) { p.routerID(v, &c.profile.RouterID, 0) },
	"vendor_name":   func(p *parser, v *node, c *peering) { p.hostName(v, &c.profile.VendorName) },
	"ack":           func(p *parser, v *node, c *peering) { choice(p, v, &c.profile.Ack, acks) },
	"strict":        func(p *parser, v *node, c *peering) { p.boolean(v, &c.profile.Strict) },
	"setup_timeout": func(p *parser, v *node, c *peering) { p.milliseconds(v, &c.profile.SetupTimeout) },
	"pseudowires":   func(p *parser, v *node, c *peering) { p.offered(v, c) },
	"ppp_pw_type":   func(p *parser, v *node, c *peering) { p.pppType(v, c) },
	"max_sessions":  func(p *parser, v *node, c *peering) { integer(p, v, &c.profile.MaxSessions, 1, 1<<20) },
}

// dialKeys are those of a dynamic tunnel that mean something only to who dials.
var dialKeys = keys[peering]{
	"tie_breaker": func(p *parser, v *node, c *peering) { p.boolean(v, &c.profile.TieBreaker) },
}

// onlyDynamic names the keys that a static tunnel must not have.
var onlyDynamic = slices.Sorted(maps.Keys(with(peeringKeys, dialKeys, func(c *peering) *peering { return c })))

var acks = map[string]control.AckMode{
	"auto": control.AckAuto, "message": control.AckMessage, "zlb": control.AckZLB,
}

// with adds the keys of a part of a table to the others.
func with[T, U any](own keys[T], more keys[U], part func(*T) *U) keys[T] {
	all := maps.Clone(own)
	for name, set := range more {
		all[name] = func(p *parser, v *node, t *T) { set(p, v, part(t)) }
	}
	return all
}

// routerID reads a Router ID (RFC 3931 section 5.4.3): a number, or as routers show it, like an IPv4 address.
func (p *parser) routerID(v *node, to *uint32, low int64) {
	if v.kind != kindString {
		integer(p, v, to, low, math.MaxUint32)
		return
	}
	a, err := netip.ParseAddr(v.text)
	if err != nil || !a.Is4() {
		p.fail(v, "must be a number or like \"192.0.2.1\", not %s", strconv.Quote(v.text))
		return
	}
	b := a.As4()
	if *to = binary.BigEndian.Uint32(b[:]); int64(*to) < low {
		p.fail(v, "must not be zero")
	}
}

// checkSecrets reports what contradicts itself about secrets, and tells whether there is nothing.
func (p *parser) checkSecrets(n *node, c *peering) bool {
	f := &c.profile
	secret, integrity := n.get("secret"), f.Digest == control.DigestModeMD5 || f.Digest == control.DigestModeSHA1
	if len(f.Secrets) > 0 {
		switch off := f.Digest == control.DigestOff; {
		case off && f.HideAVPs: // RFC 3931 section 5.3
			p.fail(c.digest, "\"off\" leaves nothing to hide AVPs with: hide_avps needs digests")
			return false
		case off && !f.Challenge:
			p.fail(c.digest, "\"off\" makes the secret useless without challenge = true")
			return false
		}
		return true
	}
	if secret != nil && c.empty == nil {
		return false // reported
	}
	good := true
	for key, set := range map[string]bool{"hide_avps": f.HideAVPs, "challenge": f.Challenge} {
		if set {
			p.fail(n.get(key), "needs a secret")
			good = false
		}
	}
	switch {
	case c.empty != nil && integrity: // RFC 3931 section 4.3
		p.warn(c.empty, "an empty secret authenticates nobody: digests find damage only")
	case c.empty != nil:
		p.fail(c.empty, "must not be empty, but with digest = \"md5\" or \"sha1\", which then find damage only")
		return false
	case integrity:
		p.fail(c.digest, "needs a secret (with secret = \"\" digests find damage, and authenticate nobody)")
		return false
	}
	return good
}
