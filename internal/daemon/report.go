package daemon

import (
	"fmt"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// reported is a difference as the API shows it.
func reported(next *config.Config, d *config.Diff) mgmt.ReloadReport {
	r := mgmt.ReloadReport{File: next.File, Restart: d.Restart, Changes: []mgmt.Change{
		changeOf(mgmt.KindTunnel, &d.Tunnels),
		sessionsNamed(&d.Sessions),
		changeOf(mgmt.KindListen, &d.Listens),
		changeOf(mgmt.KindPeer, &d.Peers),
		changeOf(mgmt.KindSessionProfile, &d.Profiles),
		changeOf(mgmt.KindPPPProfile, &d.PPP),
		changeOf(mgmt.KindPool, &d.Pools),
		changeOf(mgmt.KindShared, &d.Shared),
		changeOf(mgmt.KindHook, &d.Hooks),
	}}
	if d.LogLevel {
		r.LogLevel = next.LogLevel
	}
	for _, w := range next.Warnings {
		r.Warnings = append(r.Warnings, w.Error())
	}
	return r
}

func changeOf(kind string, c *config.Changes[string]) mgmt.Change {
	return mgmt.Change{Kind: kind, Added: c.Added, Removed: c.Removed, Changed: c.Changed, Updated: c.Updated, Kept: c.Kept}
}

func sessionsNamed(c *config.Changes[config.SessionName]) mgmt.Change {
	names := func(all []config.SessionName) (to []string) {
		for _, n := range all {
			to = append(to, n.String())
		}
		return to
	}
	return mgmt.Change{
		Kind: mgmt.KindSession, Added: names(c.Added), Removed: names(c.Removed), Changed: names(c.Changed),
		Updated: names(c.Updated), Kept: c.Kept,
	}
}

// figures is a report for the log.
func figures(r mgmt.ReloadReport) map[string]string {
	m := make(map[string]string)
	for _, c := range r.Changes {
		if n := len(c.Added) + len(c.Removed) + len(c.Changed) + len(c.Updated); n > 0 {
			m[c.Kind] = fmt.Sprintf("%d added, %d removed, %d changed, %d updated, %d kept",
				len(c.Added), len(c.Removed), len(c.Changed), len(c.Updated), c.Kept)
		}
	}
	return m
}
