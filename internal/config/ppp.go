package config

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"culvert/internal/ipv6link"
	"culvert/pppfsm"
)

const (
	maxMRU     = 16384 // pppd's MAXMRU
	maxSeconds = 24 * 3600
	maxCounter = 65535
	maxEchoes  = 255
)

// profile is a [ppp.NAME] table.
type profile struct {
	PPP
	n    *node
	mtu  int // pppd's mtu, for sessions that have none of their own
	auth authentication
	// acceptPeer is accept_peer_address or ipcp-accept-remote, nil: neither was given.
	acceptPeer     *bool
	acceptRemoteID bool // ipv6cp-accept-remote
	router         ipv6link.Config
	prefixUser     *session // that has ipv6_prefix
}

func newProfile(name string) *profile {
	return &profile{router: newRouter(), PPP: PPP{
		Profile: name,
		Persist: true,
		Link: pppfsm.Config{
			IPv4: true, IPv6: true,
			RestartTimer: pppfsm.DefaultRestartTimer,
			MaxConfigure: pppfsm.DefaultMaxConfigure,
			MaxTerminate: pppfsm.DefaultMaxTerminate,
			MaxFailure:   pppfsm.DefaultMaxFailure,
		},
	}}
}

var pppKeys = lineKeys(keys[profile]{
	"local_address": func(p *parser, v *node, f *profile) { p.ipv4OrAsk(v, &f.Link.LocalAddress) },
	"peer_address":  func(p *parser, v *node, f *profile) { p.ipv4OrAsk(v, &f.Link.PeerAddress) },

	"accept_local_address": func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.AcceptLocal) },
	"accept_peer_address":  func(p *parser, v *node, f *profile) { f.acceptPeer = new(bool); p.boolean(v, f.acceptPeer) },
	"pool":                 func(p *parser, v *node, f *profile) { p.pool(v, &f.Pool, false) },

	"ipv6_pool":   func(p *parser, v *node, f *profile) { p.pool(v, &f.IPv6Pool, true) },
	"ipv6_prefix": func(p *parser, v *node, f *profile) { p.prefix64(v, &f.IPv6Prefix) },
	"pd_pool":     func(p *parser, v *node, f *profile) { p.pool(v, &f.PDPool, true) },
	"ipv6_dns":    func(p *parser, v *node, f *profile) { p.servers6(v, &f.router.DNS) },
	"ipv6_preferred_lifetime": func(p *parser, v *node, f *profile) {
		p.duration(v, &f.router.Preferred, time.Second, minLifetime, 1<<32-1)
	},
	"ipv6_valid_lifetime": func(p *parser, v *node, f *profile) {
		p.duration(v, &f.router.Valid, time.Second, minLifetime, 1<<32-1)
	},
	"ra_interval": func(p *parser, v *node, f *profile) {
		p.duration(v, &f.router.Interval, time.Second, int64(ipv6link.MinInterval/time.Second), int64(ipv6link.MaxInterval/time.Second))
	},
	"ra_lifetime": func(p *parser, v *node, f *profile) {
		p.duration(v, &f.router.RouterLifetime, time.Second, 0, int64(ipv6link.MaxRouterLifetime/time.Second))
	},
	"ra_mtu": func(p *parser, v *node, f *profile) { integer(p, v, &f.router.MTU, minMTU6, maxPathMTU) },

	"mru":                func(p *parser, v *node, f *profile) { integer(p, v, &f.MRU, pppfsm.MinMRU, maxMRU) },
	"dns":                func(p *parser, v *node, f *profile) { p.servers(v, &f.Link.DNS) },
	"nbns":               func(p *parser, v *node, f *profile) { p.servers(v, &f.Link.NBNS) },
	"use_peer_dns":       func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.UsePeerDNS) },
	"use_peer_nbns":      func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.UsePeerNBNS) },
	"ipv4":               func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.IPv4) },
	"ipv6":               func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.IPv6) },
	"local_interface_id": func(p *parser, v *node, f *profile) { p.interfaceID(v, &f.Link.LocalID) },
	"peer_interface_id":  func(p *parser, v *node, f *profile) { p.interfaceID(v, &f.Link.PeerID) },
	"accomp":             func(p *parser, v *node, f *profile) { p.offer(v, &f.Link.RequestACFC, &f.Link.NoACFC) },
	"pcomp":              func(p *parser, v *node, f *profile) { p.offer(v, &f.Link.RequestPFC, &f.Link.NoPFC) },
	"ppp_framing":        func(p *parser, v *node, f *profile) { choice(p, v, &f.Link.Framing, framings) },
	"lcp_echo_interval":  func(p *parser, v *node, f *profile) { p.seconds(v, &f.Link.EchoInterval, 0) },
	"lcp_echo_failure":   func(p *parser, v *node, f *profile) { integer(p, v, &f.Link.EchoFailures, 0, maxEchoes) },
	"lcp_restart":        func(p *parser, v *node, f *profile) { p.seconds(v, &f.Link.RestartTimer, 1) },
	"lcp_max_configure":  func(p *parser, v *node, f *profile) { integer(p, v, &f.Link.MaxConfigure, 1, maxCounter) },
	"lcp_max_terminate":  func(p *parser, v *node, f *profile) { integer(p, v, &f.Link.MaxTerminate, 1, maxCounter) },
	"lcp_max_failure":    func(p *parser, v *node, f *profile) { integer(p, v, &f.Link.MaxFailure, 1, maxCounter) },
	"defaultroute":       func(p *parser, v *node, f *profile) { p.boolean(v, &f.DefaultRoute) },
	"persist":            func(p *parser, v *node, f *profile) { p.boolean(v, &f.Persist) },
	"silent":             func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.Silent) },
	"passive":            func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.Passive) },
	"pppd_options":       later[profile],

	"auth":               func(p *parser, v *node, f *profile) { p.demand(v, &f.auth) },
	"refuse":             func(p *parser, v *node, f *profile) { p.methods(v, &f.auth.refuse) },
	"name":               func(p *parser, v *node, f *profile) { p.authName(v, &f.auth.name) },
	"user":               func(p *parser, v *node, f *profile) { p.authName(v, &f.auth.user) },
	"remote_name":        func(p *parser, v *node, f *profile) { p.authName(v, &f.auth.remoteName) },
	"peer_user":          func(p *parser, v *node, f *profile) { p.authName(v, &f.auth.peerUser) },
	"password":           func(p *parser, v *node, f *profile) { p.secret(v, &f.auth.password) },
	"peer_password":      func(p *parser, v *node, f *profile) { p.secret(v, &f.auth.peerPassword) },
	"secrets_file":       func(p *parser, v *node, f *profile) { p.secretsFile(v, &f.auth) },
	"chap_interval":      func(p *parser, v *node, f *profile) { p.seconds(v, &f.auth.link.CHAPInterval, 0) },
	"chap_restart":       func(p *parser, v *node, f *profile) { p.seconds(v, &f.auth.link.CHAPRestart, 1) },
	"chap_max_challenge": func(p *parser, v *node, f *profile) { integer(p, v, &f.auth.link.CHAPMaxChallenge, 1, maxCounter) },
	"chap_timeout":       func(p *parser, v *node, f *profile) { p.seconds(v, &f.auth.link.CHAPTimeout, 1) },
	"pap_restart":        func(p *parser, v *node, f *profile) { p.seconds(v, &f.auth.link.PAPRestart, 1) },
	"pap_max_authreq":    func(p *parser, v *node, f *profile) { integer(p, v, &f.auth.link.PAPMaxAuthReq, 1, maxCounter) },
	"pap_timeout":        func(p *parser, v *node, f *profile) { p.seconds(v, &f.auth.link.PAPTimeout, 1) },
})

var framings = map[string]pppfsm.FramingMode{
	"auto": pppfsm.FramingAuto,
	"hdlc": pppfsm.FramingHDLC,
	"bare": pppfsm.FramingBare,
}

func readProfiles(p *parser, v *node) map[string]*profile {
	all := map[string]*profile{}
	if v != nil {
		p.named(v, func(n *node) { all[n.name] = readProfile(p, n) })
	}
	return all
}

// inOrder gives the profiles in file order.
func (p *parser) inOrder() []PPP {
	read := slices.SortedFunc(maps.Values(p.profiles), func(a, b *profile) int { return cmp.Compare(a.n.at, b.n.at) })
	if len(read) == 0 {
		return nil
	}
	all := make([]PPP, len(read))
	for i, f := range read {
		all[i] = f.PPP
	}
	return all
}

// readProfile reads pppd_options first, so that keys win over them.
func readProfile(p *parser, n *node) *profile {
	f := newProfile(n.name)
	f.n = n
	if v := n.get("pppd_options"); v != nil {
		p.pppdOptions(v, f)
	}
	decode(p, n, pppKeys, f)
	f.Link.MRU = f.MRU
	p.checkProfile(f)
	p.checkAuth(f)
	p.checkLine(f)
	return f
}

// fail reports what is wrong with a key, at pppd_options where that gave it.
func (f *profile) fail(p *parser, key, format string, args ...any) {
	v := f.n.get(key)
	if v == nil {
		v = f.n.get("pppd_options")
	}
	if v == nil {
		v = f.n
	}
	p.fail(v, format, args...)
}

// checkProfile looks at what several keys say together.
func (p *parser) checkProfile(f *profile) {
	fail := func(key, format string, args ...any) { f.fail(p, key, format, args...) }
	l := &f.Link
	if l.LocalAddress.IsValid() && l.LocalAddress == l.PeerAddress {
		fail("peer_address", "%s is the local address too", l.PeerAddress)
	}
	if l.LocalID != ([8]byte{}) && l.LocalID == l.PeerID {
		fail("peer_interface_id", "is the local identifier too")
	}
	if !l.IPv4 && !l.IPv6 {
		fail("ipv6", "IPv4 and IPv6 are both off: nothing could be carried")
	}
	if l.IPv6 && f.MRU > 0 && f.MRU < minMTU6 {
		fail("mru", "must be at least %d while IPv6 is on (ipv6 = false turns it off)", minMTU6)
	}
	if f.acceptRemoteID && l.PeerID != ([8]byte{}) {
		fail("pppd_options", "ipv6cp-accept-remote cannot be combined with a peer identifier: leave out one of them")
	}
	p.checkAddresses(f, fail)
}

// profile looks up the table a session refers to.
func (p *parser) profile(v *node, s *session) {
	var name string
	if !p.text(v, &name) {
		return
	}
	if s.profile = p.profiles[name]; s.profile == nil {
		p.fail(v, "no table [ppp.%s]", quoteKey(name))
	}
	p.prefixOnce(v, s)
}

// attachProfile gives a PPP session a copy of its profile, or of the defaults.
func (p *parser) attachProfile(s *session) {
	f := s.profile
	if f == nil {
		f = newProfile("")
	}
	ppp := f.PPP
	s.PPP = &ppp
}

// ipv4OrAsk reads an address; 0.0.0.0 is the zero Addr, which leaves the choice to the peer.
func (p *parser) ipv4OrAsk(v *node, to *netip.Addr) {
	if v.kind == kindString && v.text == "0.0.0.0" {
		*to = netip.Addr{}
		return
	}
	p.ipv4(v, to)
}

// servers reads up to two addresses (RFC 1877 has a primary and a secondary one). An empty array takes back what
// pppd_options said.
func (p *parser) servers(v *node, to *[2]netip.Addr) {
	var all []netip.Addr
	ok := p.each(v, kindString, func(e *node) {
		var a netip.Addr
		p.ipv4(e, &a)
		all = append(all, a)
	})
	if ok && len(all) > len(to) {
		p.fail(v, "must have at most 2 addresses, not %d", len(all))
		return
	}
	*to = [2]netip.Addr{}
	copy(to[:], all)
}

// offer reads accomp or pcomp: true offers the compression to the peer, false rejects the peer's offer, and without
// the key it is accepted, not offered.
func (p *parser) offer(v *node, request, reject *bool) {
	var on bool
	if p.boolean(v, &on) {
		*request, *reject = on, !on
	}
}

func (p *parser) seconds(v *node, to *time.Duration, low int64) {
	p.duration(v, to, time.Second, low, maxSeconds)
}

func (p *parser) interfaceID(v *node, to *[8]byte) {
	var s string
	if !p.text(v, &s) {
		return
	}
	id, ok := parseInterfaceID(s)
	if !ok {
		p.fail(v, "must be like \"::1:2\", 16 hexadecimal digits or an Ethernet address, and not zero, not %q", s)
		return
	}
	*to = id
}

// parseInterfaceID reads an interface identifier (RFC 5072 section 4.1): the low half of an IPv6 address as pppd
// writes it ("::1:2"), four groups of it ("0:0:1:2"), 16 hexadecimal digits, or an Ethernet address ("02:00:00:00:00:01"),
// of which the modified EUI-64 is made (RFC 4291 appendix A).
func parseInterfaceID(s string) (id [8]byte, ok bool) {
	if !strings.Contains(s, ":") {
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != len(id) {
			return id, false
		}
		return [8]byte(b), [8]byte(b) != id
	}
	if mac, err := net.ParseMAC(s); err == nil && len(mac) == 6 {
		id = [8]byte{mac[0] ^ 0x02, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
		return id, mac[0]&1 == 0 && mac.String() != "00:00:00:00:00:00"
	}
	if !strings.Contains(s, "::") {
		if strings.Count(s, ":") != 3 {
			return id, false
		}
		s = "0:0:0:0:" + s
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return id, false
	}
	b := a.As16()
	if binary.BigEndian.Uint64(b[:8]) != 0 {
		return id, false
	}
	id = [8]byte(b[8:])
	return id, id != [8]byte{}
}
