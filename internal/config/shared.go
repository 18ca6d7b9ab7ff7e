package config

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Shared is a [shared.NAME] table: one device for many sessions.
type Shared struct {
	Name          string
	Line          int
	InterfaceName string
	MTU           int // of the device; each session has its own limit as well
	TxQueueLen    int
	Addresses     []netip.Prefix
	Routes        []Route
	NetNS         string
	TAP           *SharedTAP // nil: a TUN for PPP sessions
}

// SharedTAP is what a shared device for Ethernet sessions has besides: that of a bridge.
type SharedTAP struct {
	HardwareAddr net.HardwareAddr // nil: chosen at random
	Bridge       string           // of the kernel, that it is put into
	MaxMACs      int              // addresses in its table
	MACAging     time.Duration
	Reserved     bool // frames to 01-80-C2-00-00-0x pass
	Floods       int  // copies a second and worker; 0: no limit
}

// Defaults of a SharedTAP. 1024 addresses at one port are what others allow in a VPLS; 300 s are IEEE 802.1Q table 8-9.
const (
	DefaultMACLimit = 1024
	DefaultMaxMACs  = 65536
	DefaultMACAging = 300 * time.Second
	DefaultFloods   = 100_000
)

const (
	maxMACs     = 1 << 22
	maxFloods   = 100_000_000
	minMACAging = 10        // seconds, as the next: IEEE 802.1Q table 8-9
	maxMACAging = 1_000_000 //
)

// DefaultSharedMTU is the MTU of a shared device; what a session cannot carry is told to its sender.
const DefaultSharedMTU = 1500

// shared is a Shared with what checking it needs.
type shared struct {
	session
	name     string
	ethernet bool
	tap      SharedTAP
}

// sharedKeys are those of a session that concern its device.
var sharedKeys = func() keys[shared] {
	all := keys[shared]{
		"pseudowire": func(p *parser, v *node, s *shared) {
			choice(p, v, &s.ethernet, map[string]bool{"ppp": false, "eth": true})
		},
		"mac_table_size": func(p *parser, v *node, s *shared) { integer(p, v, &s.tap.MaxMACs, 1, maxMACs) },
		"mac_aging_time": func(p *parser, v *node, s *shared) {
			p.duration(v, &s.tap.MACAging, time.Second, minMACAging, maxMACAging)
		},
		"flood_limit":      func(p *parser, v *node, s *shared) { integer(p, v, &s.tap.Floods, 0, maxFloods) },
		"forward_reserved": func(p *parser, v *node, s *shared) { p.boolean(v, &s.tap.Reserved) },
	}
	for name, set := range pick(sessionKeys, "interface_name", "mtu", "txqueuelen", "addresses", "routes", "netns", "mac", "bridge", "mac_limit") {
		all[name] = func(p *parser, v *node, s *shared) { set(p, v, &s.session) }
	}
	return all
}()

// sharedPrefix is what the value of a session's interface begins with.
const sharedPrefix = "shared:"

func readShared(p *parser, v *node) (all []*shared) {
	if v == nil {
		return nil
	}
	p.named(v, func(n *node) {
		s := &shared{name: n.name, session: session{n: n, Session: newSession("")}}
		s.Line, _ = p.lines.position(int(n.at))
		s.MTU, s.MACLimit = DefaultSharedMTU, DefaultMACLimit
		s.tap.MaxMACs, s.tap.MACAging = DefaultMaxMACs, DefaultMACAging
		s.tap.Floods = DefaultFloods
		decode(p, n, sharedKeys, s)
		p.checkSharedKind(s)
		p.refuseNumbers(&s.session)
		if n.get("interface_name") == nil {
			if s.InterfaceName = n.name; nameProblem(n.name) != "" {
				p.fail(n, "interface_name is needed: %s", nameProblem(n.name))
			}
		}
		if why := s.ipv6Reason(); s.MTU < minMTU6 && why != "" {
			p.fail(n.get("mtu"), "must be at least %d because the device has an IPv6 address", minMTU6)
		}
		all = append(all, s)
	})
	return all
}

// checkSharedKind reports what only a TAP has, and an MTU that it cannot have.
func (p *parser) checkSharedKind(s *shared) {
	switch {
	case !s.ethernet:
		p.refuse(s.n, []string{"mac", "bridge", "mac_limit", "mac_table_size", "mac_aging_time", "forward_reserved", "flood_limit"}, "only for pseudowire = \"eth\"")
	case s.MTU > maxTAP:
		p.fail(s.n.get("mtu"), "must be at most %d for pseudowire = \"eth\", not %d", maxTAP, s.MTU)
	}
}

func (s *shared) finish() Shared {
	out := Shared{
		Name: s.name, Line: s.Line, InterfaceName: s.InterfaceName, MTU: s.MTU, TxQueueLen: s.TxQueueLen,
		Addresses: s.Addresses, Routes: s.Routes, NetNS: s.NetNS,
	}
	if s.ethernet {
		s.tap.HardwareAddr, s.tap.Bridge = s.HardwareAddr, s.Bridge
		out.TAP = &s.tap
	}
	return out
}

// sharedInterface reads "shared:NAME".
func (p *parser) sharedInterface(v *node, s *session) {
	var text string
	if !p.text(v, &text) {
		return
	}
	name, ok := strings.CutPrefix(text, sharedPrefix)
	if !ok {
		p.fail(v, "must be \"shared:NAME\", not %q: a device of its own has interface_name", text)
		return
	}
	i := slices.IndexFunc(p.shared, func(d *shared) bool { return d.name == name })
	if i < 0 {
		p.fail(v, "there is no table [shared.%s]", quoteKey(name))
		return
	}
	s.device, s.Shared = p.shared[i], name
}

// checkShared completes a session on a shared device, and refuses what only an own device can have.
func (p *parser) checkShared(s *session) {
	d := s.device
	if d == nil || !d.ethernet {
		p.refuse(s.n, []string{"isolated", "mac_limit"}, "only for a session on a shared device with pseudowire = \"eth\"")
	}
	if d == nil {
		return
	}
	p.refuse(s.n, []string{"interface_name", "txqueuelen", "mac", "bridge", "netns", "addresses"},
		"only for a session with a device of its own: this one is on "+sharedPrefix+d.name)
	s.InterfaceName, s.NetNS = d.InterfaceName, d.NetNS
	v := s.n.get("interface")
	switch {
	case s.Pseudowire == 0:
		return // reported
	case d.ethernet && s.Pseudowire == PseudowirePPP:
		p.fail(v, "%s is for \"eth\" and \"eth-vlan\" sessions, not for \"ppp\"", d.n.path())
		return
	case d.ethernet:
		p.bridged(s)
		return
	case s.Pseudowire != PseudowirePPP:
		p.fail(v, "%s is for \"ppp\" sessions, not for %q (pseudowire = \"eth\" there makes it a TAP)", d.n.path(), s.Pseudowire)
		return
	}
	for _, r := range s.Routes {
		if r.Via.IsValid() {
			p.fail(s.n.get("routes"), "%s via %s: on a shared device routes lead to the session's peer", r.To, r.Via)
		}
	}
	p.sharedProfile(v, s)
}

// bridged completes an Ethernet session on a shared TAP.
func (p *parser) bridged(s *session) {
	p.refuse(s.n, []string{"routes"}, "only for a session with a device of its own: addresses and routes are "+s.device.n.path()+"'s")
	if s.n.get("isolated") == nil {
		s.Isolated = true
	}
	if s.MACLimit == 0 {
		s.MACLimit = s.device.MACLimit
	}
}

// sharedProfile sees to it that all sessions of a device have its address on our side.
func (p *parser) sharedProfile(v *node, s *session) {
	l := &s.PPP.Link
	if s.PPP.DefaultRoute {
		p.fail(v, "defaultroute of profile %s is only for a session with a device of its own", quoteKey(s.PPP.Profile))
	}
	if !l.IPv4 {
		return
	}
	if l.AcceptLocal {
		p.fail(v, "accept_local_address of profile %s is only for a session with a device of its own", quoteKey(s.PPP.Profile))
	}
	if s.steps.LocalAddress != 0 {
		p.fail(s.n.get("local_address"), "our end is the same for all sessions of a shared device")
		return
	}
	at := slices.IndexFunc(s.device.Addresses, func(a netip.Prefix) bool {
		return a.Addr().Is4() && (!l.LocalAddress.IsValid() || a.Addr() == l.LocalAddress)
	})
	switch {
	case at >= 0:
		l.LocalAddress = s.device.Addresses[at].Addr()
	case l.LocalAddress.IsValid():
		p.fail(v, "local_address %s of profile %s must be among the addresses of %s", l.LocalAddress, quoteKey(s.PPP.Profile), s.device.n.path())
	default:
		p.fail(v, "%s needs an IPv4 address, which is our end of all its sessions (or ipv4 = false in the profile)", s.device.n.path())
	}
}
