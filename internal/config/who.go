package config

import (
	"net/netip"
	"slices"
)

// Fits tells whether the peer p is who connects from a and sends this host name and router ID.
func (p *Peer) Fits(a netip.Addr, hostName string, routerID uint32) bool {
	return p.From(a) && (p.HostName == "" || p.HostName == hostName) && (p.RouterID == 0 || p.RouterID == routerID)
}

// From tells whether the peer may connect from a.
func (p *Peer) From(a netip.Addr) bool {
	return p.Addresses == nil || slices.ContainsFunc(p.Addresses, func(c netip.Prefix) bool { return c.Contains(a) })
}

// May tells whether the peer may have sessions of a profile.
func (p *Peer) May(profile string) bool {
	return p.Profiles == nil || slices.Contains(p.Profiles, profile)
}

// covers tells whether everybody whom o fits is one whom p fits.
func (p *Peer) covers(o *Peer) bool {
	addresses := p.Addresses == nil || o.Addresses != nil && !slices.ContainsFunc(o.Addresses, func(a netip.Prefix) bool {
		return !slices.ContainsFunc(p.Addresses, func(c netip.Prefix) bool { return c.Overlaps(a) && c.Bits() <= a.Bits() })
	})
	return addresses && (p.HostName == "" || p.HostName == o.HostName) && (p.RouterID == 0 || p.RouterID == o.RouterID)
}

// maxShadows bounds the peers that each is compared with.
const maxShadows = 1000

// reachable warns of a peer that never counts because of one before it.
func (p *parser) reachable(n *node, c *Peer, before []Peer) {
	for i := range before[:min(len(before), maxShadows)] {
		if o := &before[i]; o.covers(c) {
			p.warn(n, "has no effect: peer.%s (line %d) fits all it fits, and comes first", quoteKey(o.Name), o.Line)
			return
		}
	}
}

// profileNames reads which session profiles a peer may use; checkProfileNames looks whether they are there.
func (p *parser) profileNames(v *node, c *peer) {
	c.Profiles = []string{}
	p.each(v, kindString, func(e *node) { c.Profiles = append(c.Profiles, e.text) })
}

// checkProfileNames reports names of session profiles that there are not.
func (p *parser) checkProfileNames(peers *node, all []SessionProfile) {
	if peers == nil || peers.kind != kindTable {
		return
	}
	known := make(map[string]bool, len(all))
	for i := range all {
		known[all[i].Name] = true
	}
	for n := range peers.inside() {
		v := n.get("profiles")
		if v == nil || v.kind != kindArray {
			continue
		}
		for e := range v.inside() {
			if e.kind == kindString && !known[e.text] {
				p.fail(e, "no table [profile.session.%s]", quoteKey(e.text))
			}
		}
	}
}
