package config

import (
	"net/netip"
	"strings"

	"culvert/encap"
)

// listens is what a session id must be unique on: one local address of one transport. Over IP every raw socket of the
// protocol sees every packet, so that there an unspecified address collides with each other one of its family; this
// is what any stands for.
type listens struct {
	transport encap.Transport
	local     netip.AddrPort
	any, v6   bool
	sid       encap.SessionID
}

type deviceName struct{ netns, name string }

// uniqueness finds what may be there only once.
type uniqueness struct {
	p       *parser
	tids    map[uint32]*tunnel
	sids    map[listens]*session
	devices map[deviceName]*session
	twice   *node // the table of the name that was reported last
}

// checkTunnels makes the checks that concern several tables, and names the interfaces that have no name yet.
func (p *parser) checkTunnels(tunnels []*tunnel) {
	u := uniqueness{p: p, tids: map[uint32]*tunnel{}, sids: map[listens]*session{}, devices: map[deviceName]*session{}}
	for _, s := range p.shared {
		u.device(&s.session)
	}
	for _, t := range tunnels {
		if t.TID != 0 && !t.foreign {
			u.tid(t)
		}
		for _, s := range t.sessions {
			if s.SID != 0 && t.Local.IsValid() && !s.foreign {
				u.sid(t, s)
			}
			if s.InterfaceName != "" && s.device == nil && !s.foreign {
				u.device(s)
			}
		}
	}
	for _, t := range tunnels {
		for _, s := range t.sessions {
			if s.InterfaceName == "" && !s.foreign {
				u.name(t, s)
			}
		}
	}
	u.checkDevices()
}

func (u *uniqueness) tid(t *tunnel) {
	if first := u.tids[t.TID]; first != nil {
		u.p.fail(t.n.get("tid"), "%d is already the tid of %s (line %d)", t.TID, first.n.path(), first.Line)
		return
	}
	u.tids[t.TID] = t
}

func (u *uniqueness) sid(t *tunnel, s *session) {
	exact := listens{transport: t.Transport, local: t.Local, sid: s.SID}
	ask, enter := []listens{exact}, []listens{exact}
	if t.Transport == encap.TransportIP {
		addr := t.Local.Addr()
		wild := listens{transport: t.Transport, any: true, v6: addr.Is6(), sid: s.SID}
		if addr.IsUnspecified() {
			ask = []listens{wild}
		} else {
			unspecified := netip.IPv4Unspecified()
			if addr.Is6() {
				unspecified = netip.IPv6Unspecified()
			}
			ask = append(ask, listens{transport: t.Transport, local: netip.AddrPortFrom(unspecified, 0), sid: s.SID})
		}
		enter = append(enter, wild)
	}
	for _, k := range ask {
		if first := u.sids[k]; first != nil {
			u.p.fail(s.n.get("sid"), "%d is already the sid of %s (line %d) on the same local address", s.SID,
				first.n.path(), first.Line)
			return
		}
	}
	for _, k := range enter {
		u.sids[k] = s
	}
}

func (u *uniqueness) device(s *session) {
	k := deviceName{Namespace(s.NetNS), s.InterfaceName}
	if first := u.devices[k]; first != nil {
		if u.twice == s.n { // of a template, once
			return
		}
		u.twice = s.n
		u.p.fail(s.n.get("interface_name"), "%q is already the interface of %s (line %d)", s.InterfaceName,
			first.n.path(), first.Line)
		return
	}
	u.devices[k] = s
}

func (u *uniqueness) name(t *tunnel, s *session) {
	for attempt := 0; ; attempt++ {
		k := deviceName{Namespace(s.NetNS), generateName(t.Name, s.Name, attempt)}
		if u.devices[k] == nil {
			u.devices[k], s.InterfaceName = s, k.name
			return
		}
	}
}

// Namespace gives a network namespace one spelling: its name where it has one under /run/netns.
func Namespace(s string) string {
	for _, dir := range []string{"/run/netns/", "/var/run/netns/"} {
		if name, ok := strings.CutPrefix(s, dir); ok && !strings.Contains(name, "/") {
			return name
		}
	}
	return s
}
