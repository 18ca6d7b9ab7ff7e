package daemon

import "fmt"

// replaceShared lets shared devices that stay have the new configuration.
func (r *reload) replaceShared() {
	fresh := set(r.diff.Shared.Added, r.diff.Shared.Changed)
	for i := range r.next.Shared {
		c := &r.next.Shared[i]
		if sh := r.d.shared[c.Name]; sh != nil && !fresh[c.Name] {
			sh.cfg = c
		}
	}
}

// closeShared removes the shared devices that go, after their sessions.
func (r *reload) closeShared() {
	for name := range set(r.diff.Shared.Removed, r.diff.Shared.Changed) {
		if sh := r.d.shared[name]; sh != nil {
			r.d.closeShared(sh)
			delete(r.d.shared, name)
		}
	}
}

// addShared makes those that are new, and those that could not be made before.
func (r *reload) addShared() {
	for i := range r.next.Shared {
		c := &r.next.Shared[i]
		if r.d.shared[c.Name] != nil {
			continue
		}
		sh := newShared(c)
		if key, err := r.d.openShared(sh); err != nil {
			r.d.closeShared(sh)
			r.failed = append(r.failed, r.d.fault(c.Line, fmt.Sprintf("shared.%s.%s", c.Name, key), err))
			continue
		}
		r.d.shared[c.Name] = sh
	}
}
