package daemon

import (
	"cmp"
	"iter"
	"slices"

	"culvert/internal/mgmt"
)

// listBurst is how many sessions are looked at under one hold of the lock. Whoever waits for it longer than a
// millisecond is handed it next (sync.Mutex), so that others have their turn during a list of a million.
const listBurst = 128

// eachBurst calls do for each of all with d.mu held, which is given up again and again.
func eachBurst[T any](d *daemon, all []T, do func(T)) {
	for some := range slices.Chunk(all, listBurst) {
		func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, e := range some {
				do(e)
			}
		}()
	}
}

// eachSession calls do for each session that is there from beginning to end, and maybe for some that come or go
// meanwhile, with d.mu held, but not for long. It does not change the session.
func (d *daemon) eachSession(do func(*session)) {
	d.mu.Lock()
	all := slices.Clone(d.sessions)
	d.mu.Unlock()
	eachBurst(d, all, func(s *session) {
		if !s.removed {
			do(s)
		}
	})
}

// listed is one that Sessions is to show, in what order: a session, or a line that has none.
type listed struct {
	tunnel, name string
	s            *session
	line         *line
}

// listing gives all that Sessions is to show, in its order: of a line and its session, both or one.
func (d *daemon) listing() []listed {
	d.mu.Lock()
	all := make([]listed, 0, len(d.sessions))
	var lines []*line
	for _, l := range d.plane.dialers {
		lines = append(lines, l.lines...)
	}
	d.mu.Unlock()
	eachBurst(d, lines, func(n *line) {
		if !n.carried() {
			all = append(all, listed{tunnel: n.dialer.cfg.Name, name: n.cfg.Name, line: n})
		}
	})
	d.eachSession(func(s *session) { all = append(all, listed{tunnel: s.tunnel.cfg.Name, name: s.cfg.Name, s: s}) })
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.tunnel, b.tunnel), cmp.Compare(a.name, b.name))
	})
	return all
}

// Sessions implements mgmt.Source. What is gone by its turn is left out.
func (s source) Sessions() iter.Seq[mgmt.Session] {
	return func(yield func(mgmt.Session) bool) {
		shown := make([]mgmt.Session, 0, listBurst)
		for some := range slices.Chunk(s.d.listing(), listBurst) {
			shown = shown[:0]
			eachBurst(s.d, some, func(e listed) {
				switch {
				case e.line != nil && !e.line.carried():
					shown = append(shown, e.line.show())
				case e.s != nil && !e.s.removed:
					shown = append(shown, e.s.show())
				}
			})
			for _, m := range shown {
				if !yield(m) {
					return
				}
			}
		}
	}
}
