package daemon

import (
	"errors"
	"os"
	"slices"
	"strings"
	"unicode"

	"culvert/internal/config"
	"culvert/internal/mgmt"
	"culvert/internal/script"
)

// errNotRoot: whoever is not root cannot become another user, and should not have to.
var errNotRoot = errors.New("culvert does not run as root, so its scripts can only run as the user it runs as: leave user and group out")

// checkHooks refuses what this process cannot do.
func checkHooks(cfg *config.Config) error {
	if cfg.Hooks.User != nil && os.Geteuid() != 0 {
		return config.At(cfg.File, cfg.Hooks.Line, "hooks.user", errNotRoot)
	}
	return nil
}

// scriptsAs says whom scripts run as. d.mu or d.changing is held.
func (d *daemon) scriptsAs() *script.As {
	h := &d.cfg.Hooks
	as := &script.As{Capabilities: h.Capabilities}
	if u := h.User; u != nil {
		as.User = &script.Identity{UID: u.UID, GID: u.GID, Groups: u.Groups}
	}
	return as
}

// announce lets everybody know of an event: who listens, and the program that is hooked to it. d.mu or d.changing is
// held.
func (d *daemon) announce(e mgmt.Event) {
	d.feed.Publish(e)
	path := d.cfg.Hooks.Programs[e.Type]
	if path == "" {
		return
	}
	key := e.Tunnel // what concerns one thing runs in order; that of a session also with its PPP scripts
	if e.Session != "" {
		key += "/" + e.Session
	}
	d.scripts.Run(script.Job{Key: key, Path: path, Args: []string{e.Type}, Env: hookEnv(&e), As: d.scriptsAs()})
}

// wanted tells whether anybody wants to hear of such an event.
func (d *daemon) wanted(kind string) bool {
	return d.feed.Heard() || d.cfg.Hooks.Programs[kind] != ""
}

// hookEnv is an event as a program's environment: variables as in docs/configuration.md, without those that are empty.
func hookEnv(e *mgmt.Event) []string {
	changes := make([]string, 0, len(e.Changes))
	for kind, what := range e.Changes {
		changes = append(changes, kind+": "+what)
	}
	slices.Sort(changes)
	var env []string
	for _, v := range [...]struct{ name, value string }{
		{"TIME", e.Time},
		{"EVENT", e.Type},
		{"TUNNEL", e.Tunnel},
		{"SESSION", e.Session},
		{"INTERFACE", e.Interface},
		{"REASON", e.Reason},
		{"PEER", e.Peer},
		{"HOST_NAME", e.HostName},
		{"USER", e.User},
		{"LOCAL_ADDRESS", e.Local},
		{"PEER_ADDRESS", e.Address},
		{"PEER_INTERFACE_ID", e.PeerID},
		{"PREFIX", e.Prefix},
		{"CHANGES", strings.Join(changes, "; ")},
	} {
		if v.value != "" {
			env = append(env, "CULVERT_"+v.name+"="+plain(v.value))
		}
	}
	return env
}

// plain makes a question mark of what cannot be printed: names are the peer's own choice.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// tellEnd says that what is still there goes with us, while programs that want to hear of it can still run.
func (d *daemon) tellEnd() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		d.tellDown(s, shuttingDown)
	}
	for _, t := range d.tunnels {
		d.tellStatic(mgmt.EventTunnelDown, t, shuttingDown)
	}
	d.publish()
}
