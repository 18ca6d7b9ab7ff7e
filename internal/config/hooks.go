package config

import (
	"os/user"
	"reflect"
	"strconv"
)

// Hooks is the [hooks] table: programs that are run when something happens, and whom they and all other scripts run as.
type Hooks struct {
	Line     int
	Programs map[string]string // by event, as in HookEvents
	// User is who runs them, nil: who we are. Only root can have others run them.
	User *HookUser
	// Capabilities are those of ours that they keep, by number (capabilities(7)).
	Capabilities []uintptr
}

// HookUser is a user of this system, not root.
type HookUser struct {
	Name     string
	UID, GID uint32
	Groups   []uint32 // supplementary ones
}

// HookEvents are the events that a program can be hooked to: all of the API's but that some were lost.
func HookEvents() []string {
	return []string{
		"tunnel_up", "tunnel_down", "tunnel_failed", "session_up", "session_changed", "session_down", "session_failed",
		"reload", "reload_refused", "drain", "drain_end",
	}
}

// hookCapabilities are those that scripts have a use for and culvert may have (linux/capability.h).
var hookCapabilities = map[string]uintptr{"net_bind_service": 10, "net_admin": 12, "net_raw": 13, "sys_admin": 21}

// hooks is the table as it is read: user and group belong together.
type hooks struct {
	Hooks
	user, group   string
	userN, groupN *node
}

var hooksKeys = func() keys[hooks] {
	all := keys[hooks]{
		"user":         func(p *parser, v *node, h *hooks) { h.userN = v; p.text(v, &h.user) },
		"group":        func(p *parser, v *node, h *hooks) { h.groupN = v; p.text(v, &h.group) },
		"capabilities": (*parser).hookCapabilities,
	}
	for _, event := range HookEvents() {
		all[event] = func(p *parser, v *node, h *hooks) {
			var path string
			if !p.text(v, &path) {
				return
			}
			if problem := scriptPath(path); problem != "" {
				p.fail(v, "%s", problem)
			} else if path != "" {
				h.Programs[event] = path
			}
		}
	}
	return all
}()

// readHooks reads [hooks].
func readHooks(p *parser, v *node, to *Hooks) {
	h := hooks{Hooks: Hooks{Programs: map[string]string{}}}
	h.Line, _ = p.lines.position(int(v.at))
	table(p, v, hooksKeys, &h)
	switch {
	case h.user != "":
		p.hookUser(&h)
	case h.groupN != nil:
		p.fail(h.groupN, "needs user")
	}
	*to = h.Hooks
}

func (p *parser) hookCapabilities(v *node, h *hooks) {
	p.each(v, kindString, func(e *node) {
		var c uintptr
		if choice(p, e, &c, hookCapabilities) {
			h.Capabilities = append(h.Capabilities, c)
		}
	})
}

// hookUser looks user and group up on this system.
func (p *parser) hookUser(h *hooks) {
	u, err := user.Lookup(h.user)
	if err != nil {
		p.fail(h.userN, "%q is no user of this system", h.user)
		return
	}
	to := &HookUser{Name: h.user, UID: idNumber(u.Uid), GID: idNumber(u.Gid)}
	if to.UID == 0 {
		p.fail(h.userN, "is root: leave it out, scripts of a culvert that root runs are root's")
		return
	}
	groups, err := u.GroupIds()
	if err != nil {
		p.fail(h.userN, "groups of %q: %v", h.user, err)
		return
	}
	for _, g := range groups {
		to.Groups = append(to.Groups, idNumber(g))
	}
	if h.group != "" {
		g, err := user.LookupGroup(h.group)
		if err != nil {
			p.fail(h.groupN, "%q is no group of this system", h.group)
			return
		}
		to.GID = idNumber(g.Gid)
	}
	h.User = to
}

// idNumber reads a user or group id, which the system gives as text.
func idNumber(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 1<<32 - 1 // nobody's: setuid(2) refuses it
	}
	return uint32(n)
}

// compareHooks finds what became of each hook; it has changed when who runs it has.
func compareHooks(to *Changes[string], a, b *Hooks) {
	changed := !reflect.DeepEqual(a.User, b.User) || !reflect.DeepEqual(a.Capabilities, b.Capabilities)
	for _, event := range HookEvents() {
		old, next := a.Programs[event], b.Programs[event]
		switch {
		case old == next && !changed:
			if old != "" {
				to.Kept++
			}
		case old == next && old == "":
		case old == "":
			to.Added = append(to.Added, event)
		case next == "":
			to.Removed = append(to.Removed, event)
		default:
			to.Updated = append(to.Updated, event)
		}
	}
}
