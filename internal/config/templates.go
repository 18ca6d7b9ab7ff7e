package config

import (
	"net/netip"
	"slices"

	"culvert/internal/pool"
)

// maxTemplates bounds the templates of a file: each is compared with all others, and searched for each session a peer
// asks for.
const maxTemplates = 1000

// checkProfiles reports two profiles for one Remote End ID. An exact one within a template's numbers goes first.
func (p *parser) checkProfiles(all []*sessionProfile) {
	exact := map[string]*sessionProfile{}
	for _, s := range all {
		switch {
		case s.foreign:
		case s.template:
			p.checkTemplate(s)
		case exact[s.RemoteEndID] != nil:
			p.already(s, "remote_end_id", s.RemoteEndID, &exact[s.RemoteEndID].session)
		default:
			exact[s.RemoteEndID] = s
		}
	}
	p.exact = exact
}

// checkTemplate compares a template with those before it.
func (p *parser) checkTemplate(s *sessionProfile) {
	if len(p.templates) == maxTemplates {
		p.fail(s.n, "more than %d templates", maxTemplates)
		return
	}
	if !s.usable() {
		return // reported
	}
	for _, o := range p.templates {
		if text, both := s.endIDs().meets(o.endIDs()); both {
			p.already(s, "remote_end_id", text, &o.session)
			break
		}
	}
	p.templates = append(p.templates, s)
}

// already reports what another session has.
func (p *parser) already(s *sessionProfile, key, value string, other *session) {
	v := s.n.get(key)
	if v == nil {
		v = s.n
	}
	p.fail(v, "%q is already that of %s (line %d)", value, other.n.path(), other.Line)
}

func (s *sessionProfile) endIDs() pattern     { return newPattern(s.RemoteEndID, s.first, s.last) }
func (s *sessionProfile) interfaces() pattern { return newPattern(s.InterfaceName, s.first, s.last) }

// usable tells whether a template has its number where it must be.
func (s *sessionProfile) usable() bool {
	return hasMark(s.RemoteEndID) && (!s.names() || hasMark(s.InterfaceName))
}

// names tells whether it says what the sessions' own devices are called.
func (s *sessionProfile) names() bool { return s.InterfaceName != "" && s.device == nil }

// checkDevices reports an interface that a profile's session would have and another one has, too. u knows those of tunnels.
func (u *uniqueness) checkDevices() {
	for _, s := range u.p.answers {
		if s.template || s.foreign || !s.names() {
			continue
		}
		k := deviceName{Namespace(s.NetNS), s.InterfaceName}
		if first := u.devices[k]; first != nil {
			u.p.already(s, "interface_name", s.InterfaceName, first)
			continue
		}
		u.devices[k] = &s.session
	}
	for i, s := range u.p.templates {
		if s.names() {
			u.checkInterfaces(s, u.p.templates[:i])
		}
	}
}

// checkInterfaces compares those of a template with all devices, and with the templates before it.
func (u *uniqueness) checkInterfaces(s *sessionProfile, before []*sessionProfile) {
	names, ns := s.interfaces(), Namespace(s.NetNS)
	var first *session
	for k, o := range u.devices {
		n, has := names.number(k.name)
		if k.netns == ns && has && !u.p.carved(s, n) && (first == nil || o.Line < first.Line) {
			first = o
		}
	}
	if first != nil {
		u.p.already(s, "interface_name", first.InterfaceName, first)
		return
	}
	for _, o := range before {
		if !o.names() || Namespace(o.NetNS) != ns {
			continue
		}
		if text, both := names.meets(o.interfaces()); both {
			u.p.already(s, "interface_name", text, &o.session)
			return
		}
	}
}

// carved tells whether an exact profile goes before the template's at this number.
func (p *parser) carved(s *sessionProfile, n int) bool {
	return p.exact[withNumber(s.RemoteEndID, n)] != nil
}

// checkPoolSizes warns of a pool that cannot serve all sessions of the templates that use it.
func (p *parser) checkPoolSizes() {
	for _, a := range p.pools {
		wanted := uint64(0)
		for _, s := range p.templates {
			if s.PPP != nil && (s.PPP.Pool == a.Name || s.PPP.IPv6Pool == a.Name || s.PPP.PDPool == a.Name) {
				wanted += uint64(s.last - s.first + 1)
			}
		}
		if a.bad || wanted == 0 {
			continue
		}
		if made, err := pool.New(a.Config); err == nil && made.Stats().Size < wanted {
			p.warn(a.n, "has room for %d sessions, and the templates that use it have %d", made.Stats().Size, wanted)
		}
	}
}

// peers are the addresses of the peers of one session, or of a template's.
type peers struct {
	*session
	pool.Range
	netns string
	count bool // they grow with the number
}

// checkPeers warns of addresses that count with a template's number and that another session's peer has, too. A fixed one
// may be on several lines: those of one subscriber to one access server.
func (p *parser) checkPeers(tunnels []*tunnel) {
	if !slices.ContainsFunc(p.answers, func(s *sessionProfile) bool { return s.steps.PeerAddress != 0 }) {
		return
	}
	var all, counting []peers
	add := func(s *session, step Step, first, last int) {
		if s.PPP == nil || !s.PPP.Link.PeerAddress.IsValid() || s.foreign {
			return
		}
		a := peers{s, pool.Range{First: step.at(s.PPP.Link.PeerAddress, first), Last: step.at(s.PPP.Link.PeerAddress, last)}, Namespace(s.NetNS), step != 0}
		if a.First == (netip.Addr{}) || a.Last == (netip.Addr{}) {
			return // reported
		}
		if all = append(all, a); a.count {
			counting = append(counting, a)
		}
	}
	for _, t := range tunnels {
		for _, s := range t.sessions {
			add(s, 0, 0, 0)
		}
	}
	for _, s := range p.answers {
		add(&s.session, s.steps.PeerAddress, s.first, s.last)
	}
	for _, c := range counting {
		for _, o := range all {
			if o.session == c.session || o.netns != c.netns || !o.Overlaps(c.Range) || o.count && o.Line > c.Line {
				continue
			}
			both := c.First
			if both.Less(o.First) {
				both = o.First
			}
			p.warn(c.n.get("peer_address"), "%s is that of %s (line %d), too", both, o.n.path(), o.Line)
			break
		}
	}
}
