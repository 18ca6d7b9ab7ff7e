package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// errFurther: somebody who adds a session does not expect others to end.
var errFurther = errors.New("more would change than asked for, as files or names that the configuration refers to have changed: reload first")

// Add implements mgmt.Changer.
func (s source) Add(_ context.Context, r mgmt.AddRequest) (mgmt.ReloadReport, error) {
	d := s.d
	d.changing.Lock()
	defer d.changing.Unlock()
	next, err := d.cfg.Add(r.Text, r.Kind == mgmt.KindSession)
	if err != nil {
		return mgmt.ReloadReport{}, err
	}
	diff := d.cfg.Compare(next, nil)
	if !only(diff, diff.Tunnels.Added, diff.Sessions.Added) {
		return mgmt.ReloadReport{}, errFurther
	}
	d.log.Info("add", zap.Strings("tunnels", diff.Tunnels.Added), zap.Int("sessions", len(diff.Sessions.Added)))
	before := d.absent
	report, err := d.amend(next, diff)
	for name := range maps.Clone(d.absent) { // who repairs what was wrong adds it again
		if next, e := d.cfg.Remove(name); e == nil && err == nil && !before[name] {
			_, err = d.amend(next, d.cfg.Compare(next, nil))
		}
	}
	return report, err
}

// amend makes next what runs. What was not brought up before is left for a reload to try again.
func (d *daemon) amend(next *config.Config, diff *config.Diff) (mgmt.ReloadReport, error) {
	before := d.absent
	report, err := d.change(next, diff)
	for name := range before {
		if !slices.Contains(diff.Tunnels.Removed, name.Tunnel) && !slices.Contains(diff.Sessions.Removed, name) {
			d.absent[name] = true
		}
	}
	return report, err
}

// Delete implements mgmt.Changer.
func (s source) Delete(_ context.Context, r mgmt.DeleteRequest) (mgmt.ReloadReport, error) {
	d := s.d
	d.changing.Lock()
	defer d.changing.Unlock()
	name, what := config.SessionName{Tunnel: r.Tunnel}, "tunnel "+r.Tunnel
	if r.Session != "" {
		what = "session " + r.Session
		name.Tunnel, name.Session, _ = strings.Cut(r.Session, "/")
	}
	next, err := d.cfg.Remove(name)
	switch {
	case errors.Is(err, config.ErrNotThere):
		return mgmt.ReloadReport{}, fmt.Errorf("%s: %w in the running configuration", what, mgmt.ErrNotFound)
	case err != nil:
		return mgmt.ReloadReport{}, fmt.Errorf("%s: %w", what, err)
	}
	diff := d.cfg.Compare(next, nil)
	if !only(diff, diff.Tunnels.Removed, diff.Sessions.Removed) {
		return mgmt.ReloadReport{}, errFurther
	}
	d.log.Info("delete", zap.String("name", what))
	return d.amend(next, diff)
}

// only tells whether nothing differs but those tunnels and sessions.
func only(diff *config.Diff, tunnels []string, sessions []config.SessionName) bool {
	t, s := &diff.Tunnels, &diff.Sessions
	if len(t.Added)+len(t.Removed)+len(t.Changed)+len(t.Updated) != len(tunnels) ||
		len(s.Added)+len(s.Removed)+len(s.Changed)+len(s.Updated) != len(sessions) {
		return false
	}
	rest := *diff
	rest.Tunnels, rest.Sessions = config.Changes[string]{}, config.Changes[config.SessionName]{}
	return !rest.Any()
}
