package config

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// Resolver resolves host names; net.DefaultResolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// maxPeerAddresses bounds the addresses of one name that count.
const maxPeerAddresses = 16

// peerName reads the host name of a dynamic tunnel's peer. It is resolved whenever the peer is dialed, so that it cannot be
// resolved now is a warning: the network may not be there yet.
func (p *parser) peerName(v *node, t *tunnel, localOK bool) {
	host, _ := splitEndpoint(v.text)
	if !plausibleHost(host) {
		p.fail(v, "%q is not an address or host name", host)
		return
	}
	port, ok := p.port(v, v.text, t.Transport)
	if !ok {
		return
	}
	t.PeerName, t.Peer = host, netip.AddrPortFrom(netip.Addr{}, port)
	if !localOK {
		return
	}
	if _, err := t.PeerAddresses(p.names.ctx, p.names.r); err != nil {
		p.warn(v, "%v; it is tried again whenever the peer is dialed", err)
	}
}

// PeerAddresses resolves PeerName to the addresses that can be reached from Local, in the resolver's order. It blocks until
// ctx is done.
func (t *Tunnel) PeerAddresses(ctx context.Context, r Resolver) ([]netip.Addr, error) {
	family, network := familyOf(t.Local.Addr()), "ip4"
	if family == family6 {
		network = "ip6"
	}
	found, err := r.LookupNetIP(ctx, network, t.PeerName)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve host name: %w", err)
	}
	var all []netip.Addr
	for _, a := range found {
		a = a.Unmap().WithZone("")
		if familyOf(a) == family && oneHost(a) && !slices.Contains(all, a) && len(all) < maxPeerAddresses {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("cannot resolve host name: %s has no %s address", t.PeerName, family)
	}
	return all, nil
}
