package config

import (
	"net/netip"
	"strconv"
	"strings"

	"culvert/encap"
)

// listenKeys are those of a tunnel that concern our own end.
var listenKeys = pick(tunnelKeys, "encap", "local", "ttl", "dscp", "df", "udp_csum", "path_mtu", "underlay_overhead")

// pick gives some of a table's keys.
func pick[T any](from keys[T], names ...string) keys[T] {
	some := make(keys[T], len(names))
	for _, n := range names {
		some[n] = from[n]
	}
	return some
}

// peer is a Peer with what checking it needs.
type peer struct {
	Peer
	peering
	n *node
}

var peerKeys = with(keys[peer]{
	"addresses":      func(p *parser, v *node, c *peer) { p.prefixList(v, &c.Addresses) },
	"name":           func(p *parser, v *node, c *peer) { p.hostName(v, &c.HostName) },
	"peer_router_id": func(p *parser, v *node, c *peer) { p.routerID(v, &c.RouterID, 1) },
	"allow": func(p *parser, v *node, c *peer) {
		allow := true
		p.boolean(v, &allow)
		c.Refused = !allow
	},
	"profiles":      func(p *parser, v *node, c *peer) { p.profileNames(v, c) },
	"host_name":     func(p *parser, v *node, c *peer) { p.hostName(v, &c.profile.HostName) },
	"hello_timeout": func(p *parser, v *node, c *peer) { p.milliseconds(v, &c.profile.HelloTimeout) },
	"retry_timeout": func(p *parser, v *node, c *peer) { p.milliseconds(v, &c.profile.RetryTimeout) },
	"max_retries":   func(p *parser, v *node, c *peer) { integer(p, v, &c.profile.MaxRetries, 0, 65535) },
	"window_size":   func(p *parser, v *node, c *peer) { integer(p, v, &c.profile.WindowSize, 0, 65535) },
	"max_tunnels":   func(p *parser, v *node, c *peer) { integer(p, v, &c.MaxTunnels, 1, 1<<20) },
}, peeringKeys, func(c *peer) *peering { return &c.peering })

// sessionProfile is a SessionProfile with what checking it needs.
type sessionProfile struct {
	session
	first, last int
	template    bool
	dials       bool // it is one of a tunnel, and we are the subscriber
}

// numberMark is where a profile's number goes.
const numberMark = "{n}"

// maxNumber bounds the numbers of templates.
const maxNumber = 999_999_999

// profileKeys are those of a session that control messages do not decide, and the numbers of a template.
var profileKeys = func() keys[sessionProfile] {
	all := keys[sessionProfile]{"n": (*parser).numbers}
	for name, set := range pick(sessionKeys, "pseudowire", "vlan", "remote_end_id", "cookie_size", "l2spec_type", "seqnum",
		"reorder_timeout", "interface_name", "interface", "ppp_profile", "mtu", "clamp_mss", "txqueuelen", "mac", "addresses", "routes",
		"bridge", "netns", "l2spec_force", "local_address", "peer_address", "isolated", "mac_limit") {
		all[name] = func(p *parser, v *node, s *sessionProfile) { set(p, v, &s.session) }
	}
	return all
}()

func readListens(p *parser, v *node) (all []Listen) {
	p.named(v, func(n *node) {
		l := &tunnel{n: n, Tunnel: newTunnel(n.name)}
		l.Line, _ = p.lines.position(int(n.at))
		decode(p, n, listenKeys, l)
		local := n.get("local")
		switch {
		case local == nil:
			p.missing(n, "local")
		case p.endpoint(local, l.Transport, familyAny, &l.Local) && p.usableLocal(local, l.Local) && l.Local.Addr().IsUnspecified():
			p.fail(local, "must be one address of this host, not %s: answers come from the address that was asked", l.Local.Addr())
		}
		p.checkTunnel(l)
		all = append(all, Listen{l.Tunnel})
	})
	return all
}

func readPeers(p *parser, v *node) (all []Peer) {
	p.named(v, func(n *node) {
		c := &peer{n: n, Peer: Peer{Name: n.name}}
		c.Line, _ = p.lines.position(int(n.at))
		decode(p, n, peerKeys, c)
		p.checkPeering(n, &c.peering)
		if len(c.profile.Secrets) == 0 && (n.get("secret") == nil || c.empty != nil) && len(c.Addresses) == 0 && !c.Refused {
			p.warn(n, "anybody may connect: neither secret nor addresses")
		}
		c.Control, c.PPPType = c.profile, c.pppType
		p.reachable(n, &c.Peer, all)
		all = append(all, c.Peer)
	})
	return all
}

func (p *parser) prefixList(v *node, to *[]netip.Prefix) {
	p.each(v, kindString, func(e *node) {
		a, err := netip.ParsePrefix(e.text)
		if addr, single := netip.ParseAddr(e.text); single == nil && addr.Zone() == "" {
			a, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil || a.Addr().Is4In6():
			p.fail(e, "must be an address or a prefix such as \"192.0.2.0/24\", not %q", e.text)
		case a != a.Masked():
			p.fail(e, "%s has bits set behind its prefix length: %s?", a, a.Masked())
		default:
			*to = append(*to, a)
		}
	})
}

// numbers reads "first-last".
func (p *parser) numbers(v *node, s *sessionProfile) {
	var text string
	if !p.text(v, &text) {
		return
	}
	from, to, ok := strings.Cut(text, "-")
	first, ok1 := plainNumber(from)
	last, ok2 := plainNumber(to)
	if !ok || !ok1 || !ok2 || first > last {
		p.fail(v, "must be like \"0-999\", not %q", text)
		return
	}
	s.first, s.last, s.template = first, last, true
}

// plainNumber reads digits as a template's number is written: without sign and leading zeros.
func plainNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= maxNumber && strconv.Itoa(n) == s
}

// readSessionProfiles reads [profile.session.NAME].
func readSessionProfiles(p *parser, v *node) (all []SessionProfile) {
	if v == nil || !p.is(v, kindTable) {
		return nil
	}
	decode(p, v, profileTableKeys, &struct{}{})
	sessions := v.get("session")
	if sessions == nil {
		return nil
	}
	p.named(sessions, func(n *node) { p.answers = append(p.answers, p.sessionProfile(n)) })
	p.checkProfiles(p.answers)
	for _, s := range p.answers {
		out := SessionProfile{Session: s.Session, First: s.first, Last: s.last, Template: s.template, Steps: s.steps}
		all = append(all, out)
	}
	return all
}

// profileTableKeys are the kinds of profiles.
var profileTableKeys = keys[struct{}]{"session": later[struct{}]}

func (p *parser) sessionProfile(n *node) *sessionProfile {
	s := &sessionProfile{session: session{n: n, Session: newSession(n.name)}}
	s.Line, _ = p.lines.position(int(n.at))
	decode(p, n, profileKeys, s)
	if s.foreign {
		return s
	}
	if n.get("pseudowire") == nil {
		p.missing(n, "pseudowire")
	}
	dynamicSession(&s.session)
	p.checkSession(&s.session, &tunnel{Tunnel: Tunnel{Transport: encap.TransportUDP}})
	p.checkMarks(s)
	p.checkNumbered(s)
	return s
}

// checkMarks reports what has no place for the number in a template, or has one and is none.
func (p *parser) checkMarks(s *sessionProfile) {
	n := s.n
	marked := func(key, value string) {
		v := n.get(key)
		switch has := strings.Count(value, numberMark); {
		case s.template && has != 1:
			if v == nil {
				v = n
			}
			p.fail(v, "%s must have %s in it once, because n is set", key, numberMark)
		case !s.template && has > 0 && n.get("n") == nil:
			p.fail(v, "has %s, but there is no n", numberMark)
		}
	}
	marked("remote_end_id", s.RemoteEndID)
	if s.InterfaceName != "" && s.device == nil {
		marked("interface_name", s.InterfaceName)
		if longest := withNumber(s.InterfaceName, s.last); s.template && len(longest) > maxName {
			p.fail(n.get("interface_name"), "%q has %d bytes, at most %d fit", longest, len(longest), maxName)
		}
	}
}

// hasMark tells whether a number has its place in text, and just one.
func hasMark(text string) bool { return strings.Count(text, numberMark) == 1 }

// withNumber puts n where the mark is.
func withNumber(text string, n int) string {
	return strings.Replace(text, numberMark, strconv.Itoa(n), 1)
}

// checkResponder reports what cannot work without the rest.
func (p *parser) checkResponder(root *node, c *Config) {
	listens, peers := root.get("listen"), root.get("peer")
	switch {
	case len(c.Listens) > 0 && len(c.Peers) == 0 && peers == nil:
		p.fail(listens, "nobody may connect: a table [peer.NAME] is needed")
	case len(c.Peers) > 0 && len(c.Listens) == 0 && listens == nil:
		p.fail(peers, "nobody can connect: a table [listen.NAME] is needed")
	}
	p.checkProfileNames(peers, c.Profiles)
	seen := map[ownAddress]string{}
	for i := range c.Listens {
		l := &c.Listens[i]
		k := ownAddress{l.Transport, l.Local}
		if other, dup := seen[k]; dup {
			p.fail(listens.get(l.Name), "has the address of listen.%s", quoteKey(other))
		}
		seen[k] = l.Name
	}
}

// ownAddress is a local address of one transport.
type ownAddress struct {
	transport encap.Transport
	local     netip.AddrPort
}

// Number gives the number in a Remote End ID that the template p is for.
func (p *SessionProfile) Number(remoteEndID string) (int, bool) {
	return newPattern(p.RemoteEndID, p.First, p.Last).number(remoteEndID)
}

// At gives the session with the number n of a template; n means nothing for other profiles.
func (p *SessionProfile) At(n int) Session {
	s := p.Session
	if p.Template {
		s.Name += "-" + strconv.Itoa(n)
		s.InterfaceName, s.RemoteEndID = withNumber(s.InterfaceName, n), withNumber(s.RemoteEndID, n)
		p.Steps.apply(&s, n)
	}
	return s
}

// InterfaceName gives the name of a session's device that has none configured.
func InterfaceName(tunnel, session string) string { return generateName(tunnel, session, 0) }
