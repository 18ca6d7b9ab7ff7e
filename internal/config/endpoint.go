package config

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"culvert/encap"
)

// DefaultPort is L2TP's registered UDP port (RFC 3931 section 4.1.2), used where an address comes without one.
const DefaultPort = 1701

// names resolves host and service names. go-l2tp's files may hold both, since it resolves them as any Go program.
type names struct {
	ctx context.Context // lives as long as one Parse
	r   interface {
		Resolver
		LookupPort(ctx context.Context, network, service string) (int, error)
	}
}

// endpoints reads a tunnel's local and peer once its transport is known.
func (p *parser) endpoints(t *tunnel) {
	local, peer := t.n.get("local"), t.n.get("peer")
	if local == nil {
		p.missing(t.n, "local")
	}
	if peer == nil {
		p.missing(t.n, "peer")
	}
	ok := local != nil && p.endpoint(local, t.Transport, literalFamily(peer), &t.Local) && p.usableLocal(local, t.Local)
	if peer != nil && t.isDynamic() && peer.kind == kindString && literalFamily(peer) == familyAny {
		p.peerName(peer, t, ok)
		return
	}
	family := literalFamily(local)
	if ok {
		family = familyOf(t.Local.Addr())
	}
	ok = peer != nil && p.endpoint(peer, t.Transport, family, &t.Peer) && p.usablePeer(peer, t.Peer) && ok
	if ok && t.Local.Addr().Is4() != t.Peer.Addr().Is4() {
		p.fail(peer, "is %s but local is %s", familyOf(t.Peer.Addr()), familyOf(t.Local.Addr()))
	}
}

// The address families, as errors name them.
const (
	familyAny = ""
	family4   = "IPv4"
	family6   = "IPv6"
)

func familyOf(a netip.Addr) string {
	if a.Is4() {
		return family4
	}
	return family6
}

func literalFamily(v *node) string {
	if v == nil || v.kind != kindString {
		return familyAny
	}
	host, _ := splitEndpoint(v.text)
	if a, err := netip.ParseAddr(host); err == nil {
		return familyOf(a.Unmap())
	}
	return familyAny
}

// splitEndpoint takes "host", "host:port", "[v6]" and "[v6]:port" apart, and an IPv6 address without brackets whole.
func splitEndpoint(s string) (host, port string) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, ""
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s[1 : len(s)-1], ""
	}
	return s, ""
}

// endpoint reads an address with or without a port. Over IP a port means nothing; go-l2tp's files must have one, so
// it is let pass there.
func (p *parser) endpoint(v *node, tr encap.Transport, family string, to *netip.AddrPort) bool {
	var s string
	if !p.text(v, &s) {
		return false
	}
	host, _ := splitEndpoint(s)
	addr, problem := p.names.addr(host, family)
	if problem != "" {
		p.fail(v, "%s", problem)
		return false
	}
	port, ok := p.port(v, s, tr)
	*to = netip.AddrPortFrom(addr, port)
	return ok
}

// port reads the port of the endpoint s.
func (p *parser) port(v *node, s string, tr encap.Transport) (port uint16, ok bool) {
	host, service := splitEndpoint(s)
	var problem string
	port = DefaultPort
	if service != "" || strings.HasSuffix(s, ":") && host != s {
		if port, problem = p.names.port(service); problem != "" {
			p.fail(v, "%s", problem)
			return 0, false
		}
	}
	if tr == encap.TransportIP {
		port = 0
	} else if port == 0 {
		p.fail(v, "port 0 is not a port")
		return 0, false
	}
	return port, true
}

func (n *names) addr(host, family string) (a netip.Addr, problem string) {
	a, err := netip.ParseAddr(host)
	if err == nil {
		if a.Zone() != "" {
			return a, "an address with a zone (%" + a.Zone() + ") cannot be used"
		}
		return a.Unmap(), ""
	}
	if !plausibleHost(host) {
		return a, strconv.Quote(host) + " is not an address or host name"
	}
	found, err := n.r.LookupNetIP(n.ctx, "ip", host)
	if err != nil {
		return a, "cannot resolve host name: " + err.Error()
	}
	for _, want := range []string{family, family4, family6} {
		for _, a := range found {
			if a = a.Unmap().WithZone(""); familyOf(a) == want {
				return a, ""
			}
		}
	}
	return a, "cannot resolve host name: " + host + " has no address"
}

// plausibleHost keeps what cannot be a host name, such as a mistyped address, from becoming a DNS query.
func plausibleHost(host string) bool {
	letters := false
	for i := range len(host) {
		c := host[i]
		letters = letters || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !isNameByte(c) && c != '.' {
			return false
		}
	}
	return letters && len(host) <= 253 && host[0] != '.'
}

func (n *names) port(service string) (port uint16, problem string) {
	if u, err := strconv.ParseUint(service, 10, 16); err == nil {
		return uint16(u), ""
	}
	if !plausibleHost(service) {
		return 0, strconv.Quote(service) + " is not a port"
	}
	u, err := n.r.LookupPort(n.ctx, "udp", service)
	if err != nil {
		return 0, "unknown service: " + err.Error()
	}
	return uint16(u), ""
}

func (p *parser) usableLocal(v *node, a netip.AddrPort) bool {
	if a.Addr().IsMulticast() || a.Addr() == broadcast {
		p.fail(v, "%s is not an address a host can have", a.Addr())
		return false
	}
	return true
}

func (p *parser) usablePeer(v *node, a netip.AddrPort) bool {
	if !oneHost(a.Addr()) {
		p.fail(v, "%s is not the address of one host", a.Addr())
		return false
	}
	return true
}

func oneHost(a netip.Addr) bool { return !a.IsUnspecified() && !a.IsMulticast() && a != broadcast }
