package daemon

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/encap"
	"culvert/internal/config"
)

// replace puts the new configuration into the place of the old one for all that stays, and begins to end what goes.
// Nothing that stays is touched but for what can be replaced in it.
func (r *reload) replace(now time.Time) {
	d := r.d
	r.openListens()
	old := d.plane.responder
	d.plane.responder = newResponder(r.next)
	d.plane.responder.serial = old.serial
	oldListens := old.listens
	oldProfiles := d.cfg.Profiles
	d.cfg = r.next
	clear(d.linkConfigs) // of the old one; links keep theirs
	d.replaceStaticIDs()
	r.replaceProfiles(oldProfiles)
	r.replaceShared()
	r.replaceStatic()
	r.replaceDialers(now)
	r.replaceConnections(oldListens, now)
	r.replaceSockets(oldListens)
	r.replacePools(now)
	for _, s := range r.leaving {
		if s.ppp != nil {
			s.ppp.closing = true
			s.ppp.link.Close(now, "removed from the configuration")
			d.settle(s, now)
		}
	}
	d.settlePlane(now)
}

// replaceStaticIDs enters the session ids that control messages cannot assign.
func (d *daemon) replaceStaticIDs() {
	d.plane.static = make(map[encap.SessionID]struct{})
	for i := range d.cfg.Tunnels {
		for j := range d.cfg.Tunnels[i].Sessions {
			d.plane.static[d.cfg.Tunnels[i].Sessions[j].SID] = struct{}{}
		}
	}
}

// openListens opens the addresses that are new, and leaves those out that cannot be had.
func (r *reload) openListens() {
	d := r.d
	fresh := set(r.diff.Listens.Added, r.diff.Listens.Changed)
	r.next.Listens = slices.DeleteFunc(r.next.Listens, func(l config.Listen) bool {
		if !fresh[l.Name] {
			return false
		}
		if _, err := d.socket(&l.Tunnel, true); err != nil {
			r.failed = append(r.failed, d.fault(l.Line, fmt.Sprintf("listen.%s.local", l.Name), err))
			return true
		}
		return false
	})
}

// adopt lets links, which know the old profile's authentication, prove themselves as the new one says.
func adopt(old, next *config.PPP) {
	if old == nil || next == nil || old.Link.Auth == nil || next.Link.Auth == nil || old.Link.Auth == next.Link.Auth {
		return
	}
	*old.Link.Auth = *next.Link.Auth
	next.Link.Auth = old.Link.Auth
}

// replaceProfiles does so for session profiles that stay.
func (r *reload) replaceProfiles(old []config.SessionProfile) {
	before := make(map[string]*config.SessionProfile, len(old))
	for i := range old {
		before[old[i].Name] = &old[i]
	}
	for i := range r.next.Profiles {
		p := &r.next.Profiles[i]
		if o := before[p.Name]; o != nil && !r.goneProfiles[p.Name] {
			adopt(o.PPP, p.PPP)
		}
	}
}

// replaceStatic sorts static tunnels and sessions into what stays and what goes.
func (r *reload) replaceStatic() {
	for _, t := range r.d.tunnels {
		if t.conn != nil {
			continue
		}
		gone := r.goneTunnels[t.cfg.Name]
		for s := range t.sessions {
			name := config.SessionName{Tunnel: t.cfg.Name, Session: s.cfg.Name}
			if next := r.sessions[name]; next != nil && !gone && !r.goneSessions[name] {
				adopt(s.cfg.PPP, next.PPP)
				s.cfg = next
			} else {
				r.leaving = append(r.leaving, s)
			}
		}
		if gone {
			r.leavingT = append(r.leavingT, t)
		} else {
			t.cfg = r.tunnels[t.cfg.Name]
			r.static[t.cfg.Name] = t
		}
	}
}

// replaceDialers does the same for dynamic tunnels that we dial.
func (r *reload) replaceDialers(now time.Time) {
	p := r.d.plane
	p.dialers = slices.DeleteFunc(p.dialers, func(l *dialer) bool {
		next := r.tunnels[l.cfg.Name]
		if next == nil || r.goneTunnels[l.cfg.Name] {
			r.dropDialer(l, now)
			return true
		}
		l.cfg = next
		r.dials[next.Name] = l
		if l.conn != nil {
			l.conn.cfg = next
			r.follow(l.conn.conn, next.Control, now)
		}
		l.lines = slices.DeleteFunc(l.lines, func(n *line) bool { return r.replaceLine(n) })
		return false
	})
}

// replaceLine tells whether a session of a dialer goes.
func (r *reload) replaceLine(n *line) (goes bool) {
	name := config.SessionName{Tunnel: n.dialer.cfg.Name, Session: n.cfg.Name}
	next := r.sessions[name]
	if next == nil || r.goneSessions[name] {
		n.removed = true
		r.d.timers.set(&n.timer, n, time.Time{})
		if n.call != nil {
			r.calls = append(r.calls, n.call)
		}
		return true
	}
	adopt(n.cfg.PPP, next.PPP)
	n.cfg = next
	if n.call != nil {
		if k, ok := n.call.Data.(*circuit); ok {
			k.cfg.PPP = next.PPP
		}
	}
	return false
}

// dropDialer ends a dialed connection for good.
func (r *reload) dropDialer(l *dialer, now time.Time) {
	l.removed = true
	r.d.timers.set(&l.timer, l, time.Time{})
	for _, n := range l.lines {
		n.removed = true
		r.d.timers.set(&n.timer, n, time.Time{})
	}
	r.dialers = append(r.dialers, l)
	if l.conn != nil {
		r.end(l.conn.conn, now)
	}
}

// end closes a control connection and remembers that its peer has to hear of it.
func (r *reload) end(c *control.Conn, now time.Time) {
	r.conns = append(r.conns, c.ID())
	c.Close(now, control.Result{Code: control.StopGeneral, Text: "removed from the configuration"})
}

// follow gives a live connection new secrets and limits.
func (r *reload) follow(c *control.Conn, p *control.Profile, now time.Time) {
	c.SetMaxSessions(p.MaxSessions)
	if len(p.Secrets) == 0 {
		return // and it had none
	}
	if err := c.SetSecrets(p.Secrets); err != nil { // the configuration was checked
		r.d.log.Error("new secrets", zap.Error(err))
		r.end(c, now)
	}
}

// replaceConnections looks after the connections that peers have dialed, and what they have asked for.
func (r *reload) replaceConnections(listens map[ownAddress]*config.Tunnel, now time.Time) {
	d := r.d
	peers := make(map[string]*config.Peer, len(r.next.Peers))
	for i := range r.next.Peers {
		peers[r.next.Peers[i].Name] = &r.next.Peers[i]
	}
	profiles := make(map[string]*config.SessionProfile, len(r.next.Profiles))
	for i := range r.next.Profiles {
		profiles[r.next.Profiles[i].Name] = &r.next.Profiles[i]
	}
	var all []*control.Conn
	d.plane.ep.Conns(func(c *control.Conn) bool { all = append(all, c); return true })
	for _, c := range all {
		k, _ := c.Data.(*connection)
		if k != nil && k.dialer != nil || c.State() == control.Idle {
			continue
		}
		if next := r.stays(c, k, listens, peers); next != nil {
			if k != nil {
				k.peer = next
				d.plane.responder.enter(k)
			}
			r.follow(c, &next.Control, now)
		} else {
			r.end(c, now)
			continue
		}
		c.Sessions(func(call *control.Session) bool {
			r.replaceCall(call, k, profiles)
			return true
		})
	}
}

// stays gives the peer of a connection that may stay.
func (r *reload) stays(c *control.Conn, k *connection, listens map[ownAddress]*config.Tunnel, peers map[string]*config.Peer) *config.Peer {
	path := c.Path()
	if l := listens[ownAddress{path.Transport, path.Local}]; l == nil || r.goneListens[l.Name] {
		return nil
	}
	was := k != nil && k.peer != nil
	if was && r.gonePeers[k.peer.Name] {
		return nil
	}
	if was && !r.diff.Peers.Any() { // it may have moved to where it could not connect from
		return peers[k.peer.Name]
	}
	next := r.d.plane.responder.peer(path.Remote.Addr(), c.Peer().HostName, c.Peer().RouterID)
	if next == nil || next.Refused || was && next.Name != k.peer.Name {
		return nil
	}
	return next
}

// replaceCall looks after a session that a peer has asked for.
func (r *reload) replaceCall(call *control.Session, k *connection, profiles map[string]*config.SessionProfile) {
	e, ok := call.Data.(*circuit)
	if !ok || e.slot.profile == nil {
		return
	}
	next := profiles[e.slot.profile.Name]
	goes := next == nil || r.goneProfiles[next.Name] || k != nil && !k.peer.May(next.Name)
	if next != nil {
		e.slot.profile = next // nobody else gets the place before it is left
	}
	r.d.plane.responder.taken[e.slot] = e
	if goes {
		r.calls = append(r.calls, call)
		return
	}
	e.cfg.PPP = next.At(e.slot.number).PPP
}

// replaceSockets opens those again that begin, or cease, to hear strangers. The listener below stays open.
func (r *reload) replaceSockets(old map[ownAddress]*config.Tunnel) {
	d := r.d
	for key, s := range d.plane.sockets {
		hears := d.plane.responder.listens[key]
		if (old[key] != nil) == (hears != nil) {
			continue
		}
		c := hears
		for _, l := range d.plane.dialers {
			if c == nil && (ownAddress{l.cfg.Transport, l.cfg.Local}) == key {
				c = l.cfg
			}
		}
		if c == nil {
			continue // closed when its connections are gone
		}
		delete(d.plane.sockets, key)
		fresh, err := d.socket(c, hears != nil)
		if err != nil {
			d.plane.sockets[key] = s
			r.failed = append(r.failed, d.fault(c.Line, "local", err))
			continue
		}
		for _, l := range d.plane.dialers {
			if l.sock == s {
				l.sock = fresh
			}
		}
		for _, l := range r.dialers {
			if l.sock == s {
				l.sock = fresh
			}
		}
		s.Close()
	}
}

// closeUnused closes the local addresses that nobody dials from or listens at any more.
func (d *daemon) closeUnused() {
	used := make(map[ownAddress]bool)
	for _, l := range d.plane.dialers {
		used[ownAddress{l.cfg.Transport, l.cfg.Local}] = true
	}
	for key, s := range d.plane.sockets {
		if !used[key] && d.plane.responder.listens[key] == nil {
			s.Close()
			delete(d.plane.sockets, key)
		}
	}
}
