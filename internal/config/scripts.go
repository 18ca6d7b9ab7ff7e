package config

import (
	"strings"
	"time"
)

// Scripts are programs that are run when a link comes up and goes down, with pppd's arguments and environment (pppd(8),
// SCRIPTS). An empty path: none.
type Scripts struct {
	IPUp, IPDown     string // IPCP is open, is open no more
	IPv6Up, IPv6Down string // IPV6CP likewise
	AuthUp, AuthDown string // the peer has said who it is; its link ended
	IPParam          string // the last argument of all but the authentication's
	LinkName         string // LINKNAME in their environment
}

const (
	maxScriptPath = 4095 // PATH_MAX without its final zero, limits.h(0p)
	maxScriptWord = 1024
	// maxTimeout bounds idle and session timeouts, in seconds: a year.
	maxTimeout = 366 * 24 * 3600
)

// script reads the path of a program.
func (p *parser) script(v *node, f *profile, to func(s *Scripts) *string) {
	var path string
	if !p.text(v, &path) {
		return
	}
	if problem := scriptPath(path); problem != "" {
		p.fail(v, "%s", problem)
		return
	}
	*to(f.scripts()) = path
}

func scriptPath(path string) (problem string) {
	switch {
	case path == "":
		return "" // takes back what pppd_options said
	case !strings.HasPrefix(path, "/"):
		return "must be an absolute path, such as \"/etc/ppp/ip-up\""
	case len(path) > maxScriptPath || strings.ContainsRune(path, 0):
		return "must be a path of at most 4095 bytes"
	}
	return ""
}

// word reads what becomes an argument or a variable of a script.
func (p *parser) word(v *node, to *string) {
	var s string
	switch {
	case !p.text(v, &s):
	case len(s) > maxScriptWord || strings.ContainsRune(s, 0):
		p.fail(v, "must be at most %d bytes, none of them zero", maxScriptWord)
	default:
		*to = s
	}
}

// scripts gives the profile's scripts, which all its sessions share.
func (f *profile) scripts() *Scripts {
	if f.Scripts == nil {
		f.Scripts = &Scripts{}
	}
	return f.Scripts
}

// lineKeys are the keys of [ppp.NAME] on how long a link lives and who hears of it.
func lineKeys(all keys[profile]) keys[profile] {
	for name, to := range map[string]func(s *Scripts) *string{
		"ip_up":     func(s *Scripts) *string { return &s.IPUp },
		"ip_down":   func(s *Scripts) *string { return &s.IPDown },
		"ipv6_up":   func(s *Scripts) *string { return &s.IPv6Up },
		"ipv6_down": func(s *Scripts) *string { return &s.IPv6Down },
		"auth_up":   func(s *Scripts) *string { return &s.AuthUp },
		"auth_down": func(s *Scripts) *string { return &s.AuthDown },
	} {
		all[name] = func(p *parser, v *node, f *profile) { p.script(v, f, to) }
	}
	all["ipparam"] = func(p *parser, v *node, f *profile) { p.word(v, &f.scripts().IPParam) }
	all["linkname"] = func(p *parser, v *node, f *profile) { p.word(v, &f.scripts().LinkName) }

	all["lcp_echo_adaptive"] = func(p *parser, v *node, f *profile) { p.boolean(v, &f.Link.EchoAdaptive) }
	all["idle"] = func(p *parser, v *node, f *profile) { p.duration(v, &f.Link.IdleTimeout, time.Second, 0, maxTimeout) }
	all["maxconnect"] = func(p *parser, v *node, f *profile) {
		p.duration(v, &f.Link.SessionTimeout, time.Second, 0, maxTimeout)
	}
	all["maxfail"] = func(p *parser, v *node, f *profile) { integer(p, v, &f.MaxFail, 0, maxCounter) }
	all["holdoff"] = func(p *parser, v *node, f *profile) { p.seconds(v, &f.Holdoff, 0) }

	for name, l := range ncpLimits {
		all[name+"_restart"] = func(p *parser, v *node, f *profile) { p.seconds(v, &l(f).RestartTimer, 1) }
		all[name+"_max_configure"] = func(p *parser, v *node, f *profile) { integer(p, v, &l(f).MaxConfigure, 1, maxCounter) }
		all[name+"_max_terminate"] = func(p *parser, v *node, f *profile) { integer(p, v, &l(f).MaxTerminate, 1, maxCounter) }
		all[name+"_max_failure"] = func(p *parser, v *node, f *profile) { integer(p, v, &l(f).MaxFailure, 1, maxCounter) }
	}
	return all
}

// checkLine looks at what a link's timeouts say together.
func (p *parser) checkLine(f *profile) {
	place := func(keys ...string) *node {
		for _, k := range append(keys, "pppd_options") {
			if v := f.n.get(k); v != nil {
				return v
			}
		}
		return f.n
	}
	l := &f.Link
	if l.IdleTimeout > 0 && f.Persist && !l.Silent {
		p.warn(place("idle"), "the link begins again as soon as it has ended for idleness; silent = true waits for the peer, "+
			"persist = false ends it for good")
	}
	if l.EchoAdaptive && l.EchoInterval == 0 {
		p.warn(place("lcp_echo_adaptive"), "has no effect without lcp_echo_interval")
	}
	if l.EchoFailures > 0 && l.EchoInterval == 0 {
		p.warn(place("lcp_echo_failure"), "has no effect without lcp_echo_interval")
	}
	if !f.Persist && (f.MaxFail > 0 || f.Holdoff > 0) {
		p.warn(place("maxfail", "holdoff"), "has no effect without persist")
	}
}
