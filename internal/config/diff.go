package config

import (
	"reflect"
	"slices"

	"culvert/internal/auth"
)

// SessionName names a configured session.
type SessionName struct{ Tunnel, Session string }

// String is the name in the API: "tunnel/session".
func (n SessionName) String() string { return n.Tunnel + "/" + n.Session }

// Changes says what became of the things of one kind, by name, in the order of the files. Updated are those of which only
// that differs which can be replaced while they run.
type Changes[K comparable] struct {
	Added, Removed, Changed, Updated []K
	Kept                             int
}

// Diff is the difference between two configurations.
type Diff struct {
	Tunnels  Changes[string]
	Sessions Changes[SessionName] // a session of a tunnel that changed has changed
	Listens  Changes[string]
	Peers    Changes[string]
	Profiles Changes[string] // [profile.session.NAME]
	PPP      Changes[string]
	Pools    Changes[string]
	Hooks    Changes[string] // by event
	Shared   Changes[string] // what is on one that changed has changed
	// Restart names the keys that differ and cannot change while we run.
	Restart []string
	// LogLevel tells that log_level differs.
	LogLevel bool
}

// outcome is what became of one thing.
type outcome uint8

const (
	same outcome = iota
	updated
	changed
)

// Compare finds the difference between c and next. absent names what is in c and does not run, a session without tunnel
// being that tunnel: where next has it, it is added.
func (c *Config) Compare(next *Config, absent map[SessionName]bool) *Diff {
	d := &Diff{LogLevel: c.LogLevel != next.LogLevel}
	for key, differs := range map[string]bool{
		"workers": c.Workers != next.Workers, "offload": c.Offload != next.Offload, "devices.group": c.Group != next.Group, "log_format": c.LogFormat != next.LogFormat,
		"api.socket": c.API.Socket != next.API.Socket, "api.metrics": c.API.Metrics != next.API.Metrics,
		"api.admin_group": c.API.AdminGroup != next.API.AdminGroup || c.API.AdminGID != next.API.AdminGID,
	} {
		if differs {
			d.Restart = append(d.Restart, key)
		}
	}
	slices.Sort(d.Restart)
	compareHooks(&d.Hooks, &c.Hooks, &next.Hooks)
	m := comparer{known: map[[2]any]bool{}, shared: map[string]bool{}}
	classify(&d.Shared, list(c.Shared), list(next.Shared), func(s *Shared) string { return s.Name }, func(a, b *Shared) outcome {
		x, y := *a, *b
		x.Line, y.Line = 0, 0
		return exact(x, y)
	})
	for _, name := range d.Shared.Changed {
		m.shared[name] = true
	}
	m.tunnels(d, c, next, absent)
	classify(&d.Listens, list(c.Listens), list(next.Listens), func(l *Listen) string { return l.Name }, func(a, b *Listen) outcome {
		x, y := *a, *b
		x.Line, y.Line = 0, 0
		return exact(x, y)
	})
	classify(&d.Peers, list(c.Peers), list(next.Peers), func(p *Peer) string { return p.Name }, samePeer)
	classify(&d.Profiles, list(c.Profiles), list(next.Profiles), func(p *SessionProfile) string { return p.Name }, m.profile)
	classify(&d.PPP, list(c.PPPs), list(next.PPPs), func(p *PPP) string { return p.Profile }, m.ppp)
	classify(&d.Pools, list(c.Pools), list(next.Pools), func(p *Pool) string { return p.Name }, func(a, b *Pool) outcome {
		return exact(a.Config, b.Config)
	})
	return d
}

// Any tells whether anything differs that can be changed.
func (d *Diff) Any() bool {
	return d.LogLevel || d.Tunnels.Any() || d.Sessions.Any() || d.Listens.Any() || d.Peers.Any() || d.Profiles.Any() ||
		d.PPP.Any() || d.Hooks.Any() || d.Pools.Any() || d.Shared.Any()
}

// Any tells whether anything differs.
func (c *Changes[K]) Any() bool { return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Updated) > 0 }

func (c *Changes[K]) add(name K, o outcome) {
	switch o {
	case same:
		c.Kept++
	case updated:
		c.Updated = append(c.Updated, name)
	case changed:
		c.Changed = append(c.Changed, name)
	}
}

// list gives pointers to the elements.
func list[T any](all []T) []*T {
	to := make([]*T, len(all))
	for i := range all {
		to[i] = &all[i]
	}
	return to
}

// classify enters what became of all things of a kind.
func classify[K comparable, T any](to *Changes[K], old, next []*T, name func(*T) K, how func(a, b *T) outcome) {
	before := make(map[K]*T, len(old))
	for _, o := range old {
		before[name(o)] = o
	}
	for _, n := range next {
		k := name(n)
		if o := before[k]; o == nil {
			to.Added = append(to.Added, k)
		} else {
			to.add(k, how(o, n))
		}
		delete(before, k)
	}
	for _, o := range old {
		if before[name(o)] != nil {
			to.Removed = append(to.Removed, name(o))
		}
	}
}

func exact(a, b any) outcome {
	if reflect.DeepEqual(a, b) {
		return same
	}
	return changed
}

// secretsOnly tells apart the replacement of shared secrets, which live connections can follow, and a change from none to
// some or back.
func secretsOnly(a, b [][]byte) outcome {
	switch {
	case reflect.DeepEqual(a, b):
		return same
	case len(a) == 0 || len(b) == 0:
		return changed
	}
	return updated
}

// samePeer compares peers. What says who may connect, and what for, needs no connection to end that still may.
func samePeer(a, b *Peer) outcome {
	x, y := a.Control, b.Control
	o := secretsOnly(x.Secrets, y.Secrets)
	if x.MaxSessions != y.MaxSessions {
		o = max(o, updated)
	}
	x.Secrets, y.Secrets, x.MaxSessions, y.MaxSessions = nil, nil, 0, 0
	if !reflect.DeepEqual(x, y) {
		return changed
	}
	p, q := *a, *b
	p.Line, q.Line = 0, 0
	p.Control, q.Control = x, x
	if !reflect.DeepEqual(p, q) {
		o = max(o, updated)
	}
	return o
}

// comparer remembers what it has compared: all sessions of a profile share what may be large, a secrets file.
type comparer struct {
	known  map[[2]any]bool
	shared map[string]bool // devices that change
}

// alike compares what two pointers point to.
func (m *comparer) alike(a, b any) bool {
	k := [2]any{a, b}
	eq, ok := m.known[k]
	if !ok {
		eq = reflect.DeepEqual(a, b)
		m.known[k] = eq
	}
	return eq
}

// tunnels compares the tunnels and their sessions.
func (m *comparer) tunnels(d *Diff, c, next *Config, absent map[SessionName]bool) {
	before := make(map[string]*Tunnel, len(c.Tunnels))
	var old []*Tunnel
	for i := range c.Tunnels {
		if t := &c.Tunnels[i]; !absent[SessionName{Tunnel: t.Name}] {
			before[t.Name] = t
			old = append(old, t)
		}
	}
	became := make(map[string]outcome, len(next.Tunnels))
	classify(&d.Tunnels, old, list(next.Tunnels), func(t *Tunnel) string { return t.Name }, func(a, b *Tunnel) outcome {
		became[b.Name] = sameTunnel(a, b)
		return became[b.Name]
	})
	there := make(map[string]bool, len(next.Tunnels))
	for i := range next.Tunnels {
		n := &next.Tunnels[i]
		there[n.Name] = true
		m.sessions(d, before[n.Name], n, became[n.Name] == changed, absent)
	}
	for _, o := range old {
		if !there[o.Name] {
			m.sessions(d, o, &Tunnel{Name: o.Name}, false, absent)
		}
	}
}

// sessions compares the sessions of a tunnel; old is nil where it was added.
func (m *comparer) sessions(d *Diff, old, next *Tunnel, all bool, absent map[SessionName]bool) {
	name := func(s *Session) SessionName { return SessionName{next.Name, s.Name} }
	var before []*Session
	if old != nil {
		before = slices.DeleteFunc(list(old.Sessions), func(s *Session) bool { return absent[name(s)] })
	}
	classify(&d.Sessions, before, list(next.Sessions), name, func(a, b *Session) outcome {
		if all {
			return changed
		}
		return m.session(a, b)
	})
}

// sameTunnel compares tunnels without their sessions.
func sameTunnel(a, b *Tunnel) outcome {
	x, y := *a, *b
	x.Line, y.Line = 0, 0
	x.Sessions, y.Sessions = nil, nil
	o := same
	if x.Control != nil && y.Control != nil {
		p, q := *x.Control, *y.Control
		if o = secretsOnly(p.Secrets, q.Secrets); p.MaxSessions != q.MaxSessions {
			o = max(o, updated)
		}
		p.Secrets, q.Secrets, p.MaxSessions, q.MaxSessions = nil, nil, 0, 0
		x.Control, y.Control = &p, &q
	}
	return max(o, exact(x, y))
}

func (m *comparer) session(a, b *Session) outcome {
	x, y := *a, *b
	x.Line, y.Line = 0, 0
	x.PPP, y.PPP = nil, nil
	if !reflect.DeepEqual(x, y) || (a.PPP == nil) != (b.PPP == nil) || m.shared[a.Shared] {
		return changed
	}
	if a.PPP == nil {
		return same
	}
	return m.ppp(a.PPP, b.PPP)
}

func (m *comparer) profile(a, b *SessionProfile) outcome {
	x, y := *a, *b
	x.Session, y.Session = Session{}, Session{}
	return max(exact(x, y), m.session(&a.Session, &b.Session))
}

// ppp compares what links negotiate with. Names and secrets are looked up when somebody proves himself, so they are not
// part of a link.
func (m *comparer) ppp(a, b *PPP) outcome {
	x, y := *a, *b
	x.Authenticator, y.Authenticator, x.Prover, y.Prover = nil, nil, nil, nil
	if p, q := x.Link.Auth, y.Link.Auth; p != nil && q != nil {
		v, w := *p, *q
		v.Prove, w.Prove = nil, nil // a method of Prover
		x.Link.Auth, y.Link.Auth = &v, &w
	}
	if !reflect.DeepEqual(x, y) || (a.Authenticator == nil) != (b.Authenticator == nil) {
		return changed
	}
	if m.alike(a.Prover, b.Prover) && m.alike(localOf(a.Authenticator), localOf(b.Authenticator)) {
		return same
	}
	return updated
}

// localOf is the Authenticator that configurations have.
func localOf(a auth.Authenticator) *auth.Local {
	l, _ := a.(*auth.Local)
	return l
}
