package config

import (
	"time"

	"culvert/encap"
)

// The defaults of a tunnel. Those of the control protocol are go-l2tp's.
const (
	DefaultWindowSize   = 4
	DefaultRetryTimeout = time.Second
	DefaultMaxRetries   = 3
	// DSCPDefault as Tunnel.DSCP leaves the outer TOS or Traffic Class byte to the system.
	DSCPDefault = -1
)

const (
	minPathMTU4 = 576  // what every IPv4 host must take (RFC 791 section 3.1, Total Length)
	minPathMTU6 = 1280 // RFC 8200 section 5
	maxPathMTU  = 65535
	maxOverhead = 512
)

// tunnel is a Tunnel with what checking it needs.
type tunnel struct {
	Tunnel
	n        *node
	sessions []*session
	peering
	dynamic bool // control messages set it up
	// foreign: what go-l2tp can say and we cannot do has been reported; nothing else in this table matters.
	foreign bool
}

var tunnelKeys = with(with(keys[tunnel]{
	"version": func(p *parser, v *node, t *tunnel) { p.version(v, t) },
	"encap":   func(p *parser, v *node, t *tunnel) { choice(p, v, &t.Transport, transports) },
	"local":   later[tunnel],
	"peer":    later[tunnel],
	"tid":     func(p *parser, v *node, t *tunnel) { id(p, v, &t.TID) },
	"ptid":    func(p *parser, v *node, t *tunnel) { id(p, v, &t.PTID) },

	"ttl":               func(p *parser, v *node, t *tunnel) { integer(p, v, &t.TTL, 0, 255) },
	"dscp":              func(p *parser, v *node, t *tunnel) { p.dscp(v, t) },
	"df":                func(p *parser, v *node, t *tunnel) { p.boolean(v, &t.DF) },
	"udp_csum":          func(p *parser, v *node, t *tunnel) { p.boolean(v, &t.UDPChecksum) },
	"path_mtu":          func(p *parser, v *node, t *tunnel) { p.pathMTU(v, t) },
	"underlay_overhead": func(p *parser, v *node, t *tunnel) { integer(p, v, &t.UnderlayOverhead, 0, maxOverhead) },

	"hello_timeout": func(p *parser, v *node, t *tunnel) { p.milliseconds(v, &t.HelloTimeout) },
	"retry_timeout": func(p *parser, v *node, t *tunnel) { p.milliseconds(v, &t.RetryTimeout) },
	"max_retries":   func(p *parser, v *node, t *tunnel) { integer(p, v, &t.MaxRetries, 0, 65535) },
	"window_size":   func(p *parser, v *node, t *tunnel) { integer(p, v, &t.WindowSize, 0, 65535) },
	"host_name":     func(p *parser, v *node, t *tunnel) { p.hostName(v, &t.HostName) },
	"framing_caps":  func(p *parser, v *node, t *tunnel) { p.framingCaps(v, t) },

	"session": later[tunnel],
}, peeringKeys, peeringOf), dialKeys, peeringOf)

func peeringOf(t *tunnel) *peering { return &t.peering }

// later stands for a key that is read once the others of its table are known.
func later[T any](*parser, *node, *T) {}

var transports = map[string]encap.Transport{"udp": encap.TransportUDP, "ip": encap.TransportIP}

func readTunnels(p *parser, v *node) (all []*tunnel) {
	p.named(v, func(n *node) { all = append(all, readTunnel(p, n)) })
	return all
}

func readTunnel(p *parser, n *node) *tunnel {
	t := &tunnel{n: n, Tunnel: newTunnel(n.name)}
	t.Line, _ = p.lines.position(int(n.at))
	decode(p, n, tunnelKeys, t)
	if t.foreign {
		return t
	}
	p.endpoints(t)
	p.dynamicTunnel(t)
	p.checkTunnel(t)
	if s := n.get("session"); s != nil {
		p.named(s, func(n *node) { t.sessions = append(t.sessions, readSessions(p, n, t)...) })
	}
	return t
}

// newTunnel is a tunnel with what is not zero by default.
func newTunnel(name string) Tunnel {
	return Tunnel{
		Name:        name,
		Transport:   encap.TransportUDP,
		DSCP:        DSCPDefault,
		DF:          true,
		UDPChecksum: true,
		FramingCaps: []string{"sync", "async"},
	}
}

func (p *parser) checkTunnel(t *tunnel) {
	if v := t.n.get("udp_csum"); v != nil && t.Transport == encap.TransportIP {
		p.fail(v, "only for encap = \"udp\"")
	}
	if v := t.n.get("path_mtu"); v != nil && t.PathMTU > 0 {
		low := minPathMTU4
		if t.Local.Addr().Is6() {
			low = minPathMTU6
		}
		if t.PathMTU < low+t.UnderlayOverhead {
			p.fail(v, "must be at least %d plus underlay_overhead, not %d", low, t.PathMTU)
		}
	}
	// Zero means the default to go-l2tp.
	setDefault(&t.WindowSize, DefaultWindowSize)
	setDefault(&t.RetryTimeout, DefaultRetryTimeout)
	setDefault(&t.MaxRetries, DefaultMaxRetries)
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// finish gives the checked tunnel with its sessions.
func (t *tunnel) finish() Tunnel {
	t.Sessions = make([]Session, 0, len(t.sessions))
	for _, s := range t.sessions {
		t.Sessions = append(t.Sessions, s.Session)
	}
	return t.Tunnel
}

func (p *parser) version(v *node, t *tunnel) {
	var s string
	switch {
	case !p.text(v, &s) || s == "l2tpv3":
	case s == "l2tpv2":
		p.fail(v, "L2TPv2 is not supported, only \"l2tpv3\"")
		t.foreign = true
	default:
		p.fail(v, "must be \"l2tpv3\", not %q", s)
	}
}

func (p *parser) dscp(v *node, t *tunnel) {
	switch {
	case v.kind == kindString && v.text == "copy":
		t.DSCP = DSCPCopy
	case v.kind != kindInteger:
		p.fail(v, "must be 0 to 63 or \"copy\"")
	default:
		integer(p, v, &t.DSCP, 0, 63)
	}
}

// pathMTU reads a size whose lower bound depends on the address family; see checkTunnel.
func (p *parser) pathMTU(v *node, t *tunnel) {
	integer(p, v, &t.PathMTU, 0, maxPathMTU)
}

func (p *parser) framingCaps(v *node, t *tunnel) {
	caps := []string{}
	p.each(v, kindString, func(e *node) {
		var s string
		if choice(p, e, &s, map[string]string{"sync": "sync", "async": "async"}) {
			caps = append(caps, s)
		}
	})
	t.FramingCaps = caps
}
