package config

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"culvert/encap"
)

// DefaultTxQueueLen is the kernel's own for TUN and TAP devices. A queue of 16 saves 14 to 27 KB a device.
const DefaultTxQueueLen = 500

const (
	minMTU     = 68    // the least MTU the kernel runs IPv4 on (RFC 791 section 3.2, ETH_MIN_MTU)
	minMTU6    = 1280  // RFC 8200 section 5
	maxTAP     = 65521 // 65535 less an Ethernet header, tun.c
	maxTxQueue = 100000
	maxVLAN    = 4094 // IEEE 802.1Q table 9-2: 4095 is reserved
)

// session is a Session with what checking it needs.
type session struct {
	Session
	n       *node
	profile *profile
	device  *shared // nil: its own
	foreign bool    // as in tunnel
	// Of PPP, where they are not the profile's; see ownAddresses.
	localAddress, peerAddress netip.Addr
	steps                     Steps
	numbered                  []numbered
}

var sessionKeys = keys[session]{
	"pseudowire":      func(p *parser, v *node, s *session) { p.pseudowire(v, s) },
	"vlan":            func(p *parser, v *node, s *session) { integer(p, v, &s.VLAN, 1, maxVLAN) },
	"sid":             func(p *parser, v *node, s *session) { id(p, v, &s.SID) },
	"psid":            func(p *parser, v *node, s *session) { id(p, v, &s.PSID) },
	"cookie":          func(p *parser, v *node, s *session) { p.cookie(v, &s.Cookie) },
	"peer_cookie":     func(p *parser, v *node, s *session) { p.cookie(v, &s.PeerCookie) },
	"l2spec_type":     func(p *parser, v *node, s *session) { choice(p, v, &s.Sublayer, sublayers) },
	"seqnum":          func(p *parser, v *node, s *session) { p.boolean(v, &s.SeqNum) },
	"reorder_timeout": func(p *parser, v *node, s *session) { p.milliseconds(v, &s.ReorderTimeout) },
	"interface_name":  func(p *parser, v *node, s *session) { p.device(v, &s.InterfaceName) },
	"interface":       func(p *parser, v *node, s *session) { p.sharedInterface(v, s) },
	"remote_end_id":   func(p *parser, v *node, s *session) { p.remoteEndID(v, s) },
	"cookie_size":     func(p *parser, v *node, s *session) { p.cookieSize(v, s) },
	"l2spec_force":    func(p *parser, v *node, s *session) { p.boolean(v, &s.ForceSublayer) },
	"tie_breaker":     func(p *parser, v *node, s *session) { p.boolean(v, &s.TieBreaker) },
	"call":            func(p *parser, v *node, s *session) { choice(p, v, &s.Outgoing, calls) },
	"ppp_profile":     func(p *parser, v *node, s *session) { p.profile(v, s) },

	"local_address": func(p *parser, v *node, s *session) {
		s.steps.LocalAddress = p.pppAddress(v, s, &s.localAddress, kindLocal)
	},
	"peer_address": func(p *parser, v *node, s *session) {
		s.steps.PeerAddress = p.pppAddress(v, s, &s.peerAddress, kindPeer)
	},

	"n": later[session], // see readSessions

	"mtu":        func(p *parser, v *node, s *session) { integer(p, v, &s.MTU, minMTU, maxPathMTU) },
	"clamp_mss":  func(p *parser, v *node, s *session) { p.boolean(v, &s.ClampMSS) },
	"txqueuelen": func(p *parser, v *node, s *session) { integer(p, v, &s.TxQueueLen, 1, maxTxQueue) },
	"mac":        func(p *parser, v *node, s *session) { p.mac(v, s) },
	"addresses":  func(p *parser, v *node, s *session) { p.addresses(v, s) },
	"routes":     func(p *parser, v *node, s *session) { p.routes(v, s) },
	"bridge":     func(p *parser, v *node, s *session) { p.device(v, &s.Bridge) },
	"netns":      func(p *parser, v *node, s *session) { p.netns(v, s) },
	"isolated":   func(p *parser, v *node, s *session) { p.boolean(v, &s.Isolated) },
	"mac_limit":  func(p *parser, v *node, s *session) { integer(p, v, &s.MACLimit, 1, maxMACs) },

	// go-l2tp takes these everywhere and uses them for pppac only.
	"pppoe_session_id": func(p *parser, v *node, _ *session) { var n int; integer(p, v, &n, 0, 65535) },
	"pppoe_peer_mac":   func(p *parser, v *node, _ *session) { p.pppoePeerMAC(v) },
	// kl2tpd's, which speaks L2TPv2 only.
	"pppd_args": func(p *parser, v *node, _ *session) {
		p.fail(v, "not supported: put the options into pppd_options of a table [ppp.NAME] and name that with ppp_profile")
	},
}

// calls are the two kinds of RFC 3931 sections 3.4.1 and 3.4.2.
var calls = map[string]bool{"incoming": false, "outgoing": true}

var sublayers = map[string]encap.Sublayer{"none": encap.SublayerNone, "default": encap.SublayerDefault}

func readSession(p *parser, n *node, t *tunnel) *session {
	s := &session{n: n, Session: newSession(n.name)}
	s.Line, _ = p.lines.position(int(n.at))
	decode(p, n, sessionKeys, s)
	if s.foreign {
		return s
	}
	required := []string{"pseudowire", "sid", "psid"}
	if t.dynamic {
		required = required[:1]
		p.refuse(n, []string{"sid", "psid", "cookie", "peer_cookie"},
			"the control connection assigns it: only for a tunnel with tid and ptid")
		dynamicSession(s)
		p.checkOffered(s, &t.peering)
	} else {
		p.refuse(n, []string{"remote_end_id", "cookie_size", "l2spec_force", "tie_breaker", "call"}, "only for a dynamic tunnel, one without tid and ptid")
	}
	for _, name := range required {
		if n.get(name) == nil {
			p.missing(n, name)
		}
	}
	p.checkSession(s, t)
	if n.get("n") == nil {
		p.refuseNumbers(s)
	}
	return s
}

// newSession is a session with what is not zero by default.
func newSession(name string) Session {
	return Session{Name: name, Sublayer: encap.SublayerNone, ClampMSS: true, TxQueueLen: DefaultTxQueueLen}
}

// checkSession makes the checks that concern several keys of a session.
func (p *parser) checkSession(s *session, t *tunnel) {
	if v := s.n.get("seqnum"); s.SeqNum && s.Sublayer == encap.SublayerNone {
		p.fail(v, "needs l2spec_type = \"default\": sequence numbers are in that sublayer")
	}
	p.pseudowireKeys(s)
	if s.Pseudowire == PseudowirePPP {
		p.attachProfile(s)
		p.ownAddresses(s)
	}
	p.checkShared(s)
	p.checkMTU(s, t)
}

// pseudowireKeys reports keys that mean nothing to the session's pseudowire.
func (p *parser) pseudowireKeys(s *session) {
	if s.Pseudowire == 0 {
		return // reported
	}
	for _, only := range []struct {
		words, key string
		ok         bool
	}{
		{`"ppp"`, "ppp_profile", s.Pseudowire == PseudowirePPP},
		{`"ppp"`, "local_address", s.Pseudowire == PseudowirePPP},
		{`"ppp"`, "peer_address", s.Pseudowire == PseudowirePPP},
		{`"eth" and "eth-vlan"`, "mac", s.Pseudowire != PseudowirePPP},
		{`"eth" and "eth-vlan"`, "bridge", s.Pseudowire != PseudowirePPP},
		{`"eth-vlan"`, "vlan", s.Pseudowire == PseudowireVLAN},
	} {
		if v := s.n.get(only.key); v != nil && !only.ok {
			p.fail(v, "only for pseudowire = %s", only.words)
		}
	}
}

// checkMTU checks a device MTU against what a packet can hold and what IPv6 needs.
func (p *parser) checkMTU(s *session, t *tunnel) {
	v := s.n.get("mtu")
	from := ""
	if s.MTU == 0 && s.profile != nil && s.profile.mtu > 0 {
		s.MTU, v, from = s.profile.mtu, s.n, "mtu of profile "+quoteKey(s.profile.Profile)+" "
	}
	if s.MTU == 0 || s.Pseudowire == 0 {
		return
	}
	cookie := s.Cookie
	if s.CookieSize > 0 {
		cookie, _ = encap.NewCookie(make([]byte, s.CookieSize)) // a wrong size was reported
	}
	high := s.Pseudowire.MTU(maxPathMTU, encap.DataHeader{Transport: t.Transport, Cookie: cookie, Sublayer: s.Sublayer},
		t.Local.Addr().Is6())
	if s.Pseudowire != PseudowirePPP {
		high = min(high, maxTAP)
	}
	switch why := s.ipv6Reason(); {
	case s.MTU > high:
		p.fail(v, "%smust be at most %d here, not %d", from, high, s.MTU)
	case s.MTU < minMTU6 && why != "":
		p.fail(v, "%smust be at least %d because %s", from, minMTU6, why)
	}
}

// ipv6Reason says why the device needs IPv6, empty when it does not.
func (s *session) ipv6Reason() string {
	for _, a := range s.Addresses {
		if a.Addr().Is6() {
			return "the session has an IPv6 address"
		}
	}
	if s.PPP != nil && s.PPP.Link.IPv6 {
		return "IPv6 is on (ipv6 = false in the profile turns it off)"
	}
	return ""
}

func (p *parser) pseudowire(v *node, s *session) {
	if v.kind == kindString && v.text == "pppac" {
		p.fail(v, "\"pppac\" (PPPoE access concentrator) is not supported, only %s", alternatives(slices.Sorted(maps.Keys(pseudowires))))
		s.foreign = true
		return
	}
	choice(p, v, &s.Pseudowire, pseudowires)
}

// cookie reads 0, 4 or 8 bytes (RFC 3931 section 4.1.1.1). Its value stays out of errors.
func (p *parser) cookie(v *node, to *encap.Cookie) {
	b, ok := p.octets(v)
	if !ok {
		return
	}
	c, err := encap.NewCookie(b)
	if err != nil {
		p.fail(v, "must have 4 or 8 bytes, not %d", len(b))
		return
	}
	*to = c
}

func (p *parser) pppoePeerMAC(v *node) {
	if b, ok := p.octets(v); ok && len(b) != 6 {
		p.fail(v, "must have 6 bytes, not %d", len(b))
	}
}

// mac reads the address of one Ethernet interface.
func (p *parser) mac(v *node, s *session) {
	var text string
	if !p.text(v, &text) {
		return
	}
	plain, counts := strings.CutSuffix(text, plusNumber)
	m, err := net.ParseMAC(plain)
	switch {
	case err != nil || len(m) != 6:
		p.fail(v, "must be like \"02:00:00:00:00:01\", not %q", text)
	case m[0]&1 != 0:
		p.fail(v, "%s is a group address", plain)
	case isZero(m) && !counts:
		p.fail(v, "must not be zero")
	default:
		s.HardwareAddr, s.steps.MAC = m, counts
	}
}

func isZero(m net.HardwareAddr) bool { return m.String() == "00:00:00:00:00:00" }

func (p *parser) addresses(v *node, s *session) {
	seen := map[string]bool{}
	p.each(v, kindString, func(e *node) {
		text, stepOf := cutNumber(e.text)
		a, err := netip.ParsePrefix(text)
		step := stepOf(a.Bits(), a.Addr().BitLen())
		switch {
		case err != nil:
			p.fail(e, "must be an address with a prefix length such as \"10.78.0.1/24\", not %q", e.text)
		case step == 0 && a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Addr().Is4In6():
			p.fail(e, "%s cannot be the address of an interface", a)
		case seen[e.text]:
			p.fail(e, "%s is there twice", e.text)
		default:
			seen[e.text] = true
			if step == 0 {
				p.inPool(e, a.Addr())
			}
			s.Addresses = append(s.Addresses, a)
			s.steps.Addresses = append(s.steps.Addresses, s.note(e, a.Addr(), step, kindOwn))
		}
	})
}

func (p *parser) routes(v *node, s *session) {
	seen := map[netip.Prefix]bool{}
	p.each(v, kindString, func(e *node) {
		r, to, via, problem := parseRoute(e.text)
		switch {
		case problem != "":
			p.fail(e, "%s", problem)
		case seen[r.To]:
			p.fail(e, "%s is there twice", r.To)
		default:
			seen[r.To] = true
			s.Routes = append(s.Routes, r)
			s.steps.Routes = append(s.steps.Routes, s.note(e, r.To.Addr(), to, kindPrefix))
			s.steps.Vias = append(s.steps.Vias, s.note(e, r.Via, via, kindVia))
		}
	})
}

// netns reads the name of a namespace made by ip-netns(8), or the path of one.
func (p *parser) netns(v *node, s *session) {
	var text string
	if !p.text(v, &text) {
		return
	}
	bad := text == "" || text == "." || text == ".." || strings.ContainsRune(text, 0) ||
		strings.Contains(text, "/") && text[0] != '/'
	if bad {
		p.fail(v, "must be a name as in /run/netns or an absolute path, not %q", text)
		return
	}
	s.NetNS = text
}
