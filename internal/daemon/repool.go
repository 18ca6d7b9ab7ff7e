package daemon

import (
	"time"

	"go.uber.org/zap"

	"culvert/internal/pool"
)

// replacePools makes the pools that are new or others now. What sessions have of them they keep where the new pool has it,
// too; where not, their links begin again.
func (r *reload) replacePools(now time.Time) {
	d := r.d
	fresh := set(r.diff.Pools.Added, r.diff.Pools.Changed)
	old := d.pools
	pools := make(map[string]*pool.Pool, len(r.next.Pools))
	for _, c := range r.next.Pools {
		if !fresh[c.Name] {
			pools[c.Name] = old[c.Name]
			continue
		}
		p, err := pool.New(c.Config)
		if err != nil { // the configuration was checked
			r.failed = append(r.failed, d.fault(c.Line, "pool."+c.Name, err))
			continue
		}
		pools[c.Name] = p
	}
	d.pools = pools
	if len(fresh)+len(r.diff.Pools.Removed) == 0 {
		return
	}
	var lost []*session
	for _, s := range d.sessions {
		if s.ppp != nil && !s.rent(old, pools) {
			lost = append(lost, s)
		}
	}
	for _, s := range lost {
		d.noisyPPP.Info("address is in no pool any more", zap.String("session", s.fullName()))
		s.ppp.link.Close(now, "address withdrawn")
		d.settle(s, now)
	}
}

// rent moves what a session has of pools to those that replace them, and tells whether they have all of it.
func (s *session) rent(old, pools map[string]*pool.Pool) bool {
	p, c := s.ppp, s.cfg.PPP
	ok := move(&p.lease, old[c.Pool], pools[c.Pool], p.owner)
	if p.router != nil {
		ok = move(&p.router.lease, old[c.IPv6Pool], pools[c.IPv6Pool], p.owner) && ok
		ok = move(&p.router.pd, old[c.PDPool], pools[c.PDPool], p.owner) && ok
	}
	return ok
}

// move takes from a pool what a lease has of the one it replaces. A lease that cannot be had is none.
func move(l **pool.Lease, from, to *pool.Pool, owner string) bool {
	if *l == nil || from == to {
		return true
	}
	had := from.Prefix(*l)
	*l = nil
	if to == nil {
		return false
	}
	var ok bool
	*l, ok = to.Take(had, owner)
	return ok
}
