package config

import (
	"math"
	"slices"

	"culvert/control"
	"culvert/encap"
)

// pseudowires are the types by what a file calls them.
var pseudowires = map[string]Pseudowire{
	"eth": PseudowireEthernet, "eth-vlan": PseudowireVLAN, "ppp": PseudowirePPP,
}

// String gives what a file calls the type, empty for none.
func (w Pseudowire) String() string {
	for name, v := range pseudowires {
		if v == w {
			return name
		}
	}
	return ""
}

// MTU is that of a device whose packets go over a path of this MTU without being fragmented.
func (w Pseudowire) MTU(path int, h encap.DataHeader, outerIPv6 bool) int {
	mtu := encap.MTU(path, h, outerIPv6, w == PseudowirePPP)
	if w == PseudowireVLAN {
		mtu = max(mtu-encap.VLANTagLen, 0)
	}
	return mtu
}

// Type is the number of the type in control messages, where PPP has the number ppp: no registry has one for it.
func (w Pseudowire) Type(ppp control.PseudowireType) control.PseudowireType {
	switch w {
	case PseudowirePPP:
		return ppp
	case PseudowireVLAN:
		return control.PseudowireEthernetVLAN
	default:
		return control.PseudowireEthernet
	}
}

// allPseudowires are what is offered to peers where nothing else is said.
var allPseudowires = []Pseudowire{PseudowirePPP, PseudowireEthernet, PseudowireVLAN}

// offered reads the types that a peer may ask for, and be asked for.
func (p *parser) offered(v *node, c *peering) {
	c.pseudowires = []Pseudowire{}
	p.each(v, kindString, func(e *node) {
		var w Pseudowire
		switch {
		case !choice(p, e, &w, pseudowires):
		case slices.Contains(c.pseudowires, w):
			p.fail(e, "%q is there twice", w)
		default:
			c.pseudowires = append(c.pseudowires, w)
		}
	})
	if len(c.pseudowires) == 0 {
		p.fail(v, "must name one at least")
	}
}

// pppType reads the number that stands for PPP.
func (p *parser) pppType(v *node, c *peering) {
	if integer(p, v, &c.pppType, 1, math.MaxUint16) && c.pppType != 0 &&
		(c.pppType == control.PseudowireEthernet || c.pppType == control.PseudowireEthernetVLAN) {
		p.fail(v, "%d is that of an Ethernet pseudowire", c.pppType)
	}
}

// offer completes what is offered to the peer (RFC 3931 section 5.4.3, Pseudowire Capabilities List).
func (c *peering) offer() {
	if c.pppType == 0 {
		c.pppType = control.PseudowirePPP
	}
	if c.pseudowires == nil {
		c.pseudowires = allPseudowires
	}
	c.profile.Pseudowires = nil
	for _, w := range c.pseudowires {
		c.profile.Pseudowires = append(c.profile.Pseudowires, w.Type(c.pppType))
	}
}

// checkOffered reports a session of a type that its tunnel does not offer.
func (p *parser) checkOffered(s *session, c *peering) {
	if s.Pseudowire != 0 && !slices.Contains(c.pseudowires, s.Pseudowire) {
		p.fail(s.n.get("pseudowire"), "%q is not among the pseudowires of the tunnel", s.Pseudowire)
	}
}
