package daemon

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// Pieces of work between which the control loop looks after everybody else.
const (
	closingPiece = 64 // sessions that end
	addingPiece  = 16 // sessions that begin
)

// farewellPoll is how often a reload looks whether peers have answered that something goes.
const farewellPoll = 10 * time.Millisecond

// Reload implements mgmt.Changer.
func (s source) Reload(_ context.Context, r mgmt.ReloadRequest) (mgmt.ReloadReport, error) {
	return s.d.reload(r)
}

// reload reads the configuration file again, and changes what differs from what runs. A file that is not good changes
// nothing.
func (d *daemon) reload(q mgmt.ReloadRequest) (mgmt.ReloadReport, error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	next, err := config.Load(cmp.Or(q.File, d.cfg.File))
	if err == nil {
		err = checkHooks(next)
	}
	if err != nil {
		if !q.DryRun {
			d.log.Error("configuration refused, nothing is changed", zap.Error(err))
			d.tellReload(mgmt.ReloadReport{}, err)
		}
		return mgmt.ReloadReport{}, err
	}
	diff := d.cfg.Compare(next, d.absent)
	if q.DryRun {
		report := reported(next, diff)
		report.DryRun = true
		return report, nil
	}
	return d.change(next, diff)
}

// change makes next what runs. changing is held.
func (d *daemon) change(next *config.Config, diff *config.Diff) (mgmt.ReloadReport, error) {
	report := reported(next, diff)
	r := newReload(d, next, diff)
	if err := r.apply(); err != nil {
		return mgmt.ReloadReport{}, err
	}
	for _, e := range r.failed {
		report.Failed = append(report.Failed, e.Error())
		d.log.Error("reload", zap.Error(e))
	}
	d.log.Info("configuration reloaded", zap.Any("changes", figures(report)), zap.Strings("restart", report.Restart),
		zap.Int("failed", len(r.failed)))
	d.tellReload(report, nil)
	return report, nil
}

// reload is one change of the running configuration into another one.
type reload struct {
	d    *daemon
	next *config.Config
	diff *config.Diff

	tunnels  map[string]*config.Tunnel // of next
	sessions map[config.SessionName]*config.Session
	static   map[string]*tunnel // that run and stay, or are new
	dials    map[string]*dialer // that stay
	// What has to go, because it is not in next or another one there.
	goneTunnels, goneListens, gonePeers, goneProfiles map[string]bool
	goneSessions                                      map[config.SessionName]bool

	// What goes: static tunnels and sessions, dialers, calls, and the connections whose peers must hear of it.
	leaving  []*session
	leavingT []*tunnel
	dialers  []*dialer
	calls    []*control.Session
	conns    []control.CCID
	failed   []error
	absent   map[config.SessionName]bool // what could not be brought up
}

func set[K comparable](lists ...[]K) map[K]bool {
	m := make(map[K]bool)
	for _, l := range lists {
		for _, k := range l {
			m[k] = true
		}
	}
	return m
}

func newReload(d *daemon, next *config.Config, diff *config.Diff) *reload {
	r := &reload{
		d: d, next: next, diff: diff,
		tunnels: make(map[string]*config.Tunnel), sessions: make(map[config.SessionName]*config.Session),
		goneTunnels:  set(diff.Tunnels.Removed, diff.Tunnels.Changed),
		goneListens:  set(diff.Listens.Removed, diff.Listens.Changed),
		gonePeers:    set(diff.Peers.Removed, diff.Peers.Changed),
		goneProfiles: set(diff.Profiles.Removed, diff.Profiles.Changed),
		goneSessions: set(diff.Sessions.Removed, diff.Sessions.Changed),
		static:       make(map[string]*tunnel),
		dials:        make(map[string]*dialer),
		absent:       make(map[config.SessionName]bool),
	}
	for i := range next.Tunnels {
		t := &next.Tunnels[i]
		r.tunnels[t.Name] = t
		for j := range t.Sessions {
			r.sessions[config.SessionName{Tunnel: t.Name, Session: t.Sessions[j].Name}] = &t.Sessions[j]
		}
	}
	// What only a restart changes stays as it is, and is reported again next time.
	next.File, next.Workers, next.Offload, next.Group, next.API = d.cfg.File, d.cfg.Workers, d.cfg.Offload, d.cfg.Group, d.cfg.API
	next.LogFormat = d.cfg.LogFormat
	return r
}

// apply makes the change. The only error is that we are about to stop.
func (r *reload) apply() error {
	d := r.d
	if err := d.do(r.replace); err != nil {
		return err
	}
	d.absent = r.absent // from now on next is what runs
	if err := r.leave(); err != nil {
		return err
	}
	if r.diff.LogLevel && d.setLogLevel != nil {
		d.setLogLevel(r.next.LogLevel)
	}
	return r.add()
}

// leave ends what goes: peers are told first.
func (r *reload) leave() error {
	d := r.d
	for calls := range slices.Chunk(r.calls, closingPiece) {
		if err := d.do(func(now time.Time) { d.endCalls(calls, now) }); err != nil {
			return err
		}
	}
	for end := time.Now().Add(farewell); time.Now().Before(end); time.Sleep(farewellPoll) {
		waits := false
		if err := d.do(func(time.Time) { waits = r.waits() }); err != nil {
			return err
		}
		if !waits {
			break
		}
	}
	for all := range slices.Chunk(r.leaving, closingPiece) {
		if err := d.do(func(time.Time) { d.removeSessions(all) }); err != nil {
			return err
		}
	}
	return d.do(func(time.Time) {
		for _, t := range r.leavingT {
			d.removeTunnel(t)
			d.tellStatic(mgmt.EventTunnelDown, t, "removed from the configuration")
		}
		for _, l := range r.dialers {
			l.forget(d)
		}
		d.closeUnused()
		r.closeShared()
	})
}

// waits tells whether a peer has yet to answer that something of its ends.
func (r *reload) waits() bool {
	for _, s := range r.leaving {
		if s.ppp != nil && !s.ppp.finished {
			return true
		}
	}
	return slices.ContainsFunc(r.conns, func(id control.CCID) bool { return r.d.plane.ep.Conn(id) != nil })
}

// endCalls ends sessions of control connections, their devices together.
func (d *daemon) endCalls(calls []*control.Session, now time.Time) {
	var gone []*session
	for _, c := range calls {
		if k, ok := c.Data.(*circuit); ok {
			if s := d.release(k, now); s != nil {
				gone = append(gone, s)
			}
		}
	}
	d.removeSessions(gone)
	for _, c := range calls {
		if c.State() == control.Idle {
			continue // it has ended meanwhile
		}
		c.Close(now, control.Result{Code: control.CallAdministrative, Text: "removed from the configuration"})
	}
	d.settlePlane(now)
}
