package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"culvert/pppfsm"
)

// pppdOption is one option of pppd(8): whether an argument follows, and what it does, nil: nothing that we would not
// do anyway.
type pppdOption struct {
	arg bool
	set func(f *profile, arg string) error
}

// pppdOptions lists the options of pppd(8) that pppd_options may have.
var pppdOptions = map[string]pppdOption{
	"mru":               number(pppfsm.MinMRU, maxMRU, func(f *profile, n int) { f.MRU = n }),
	"mtu":               number(minMTU, maxMRU, func(f *profile, n int) { f.mtu = n }),
	"lcp-echo-interval": number(0, maxSeconds, func(f *profile, n int) { f.Link.EchoInterval = time.Duration(n) * time.Second }),
	"lcp-echo-failure":  number(0, maxEchoes, func(f *profile, n int) { f.Link.EchoFailures = n }),
	"lcp-restart":       number(1, maxSeconds, func(f *profile, n int) { f.Link.RestartTimer = time.Duration(n) * time.Second }),
	"lcp-max-configure": number(1, maxCounter, func(f *profile, n int) { f.Link.MaxConfigure = n }),
	"lcp-max-terminate": number(1, maxCounter, func(f *profile, n int) { f.Link.MaxTerminate = n }),
	"lcp-max-failure":   number(1, maxCounter, func(f *profile, n int) { f.Link.MaxFailure = n }),

	"noaccomp":       flag(func(f *profile) { f.Link.NoACFC, f.Link.RequestACFC = true, false }),
	"nopcomp":        flag(func(f *profile) { f.Link.NoPFC, f.Link.RequestPFC = true, false }),
	"nomagic":        flag(func(f *profile) { f.Link.NoMagic = true }),
	"usepeerdns":     flag(func(f *profile) { f.Link.UsePeerDNS = true }),
	"usepeerwins":    flag(func(f *profile) { f.Link.UsePeerNBNS = true }),
	"defaultroute":   flag(func(f *profile) { f.DefaultRoute = true }),
	"nodefaultroute": flag(func(f *profile) { f.DefaultRoute = false }),
	"persist":        flag(func(f *profile) { f.Persist = true }),
	"nopersist":      flag(func(f *profile) { f.Persist = false }),
	"silent":         flag(func(f *profile) { f.Link.Silent = true }),
	"passive":        flag(func(f *profile) { f.Link.Passive = true }),
	"noip":           flag(func(f *profile) { f.Link.IPv4 = false }),
	"noipv6":         flag(func(f *profile) { f.Link.IPv6 = false }),
	"+ipv6":          flag(func(f *profile) { f.Link.IPv6 = true }),

	"ipcp-accept-local":  flag(func(f *profile) { f.Link.AcceptLocal = true }),
	"ipcp-accept-remote": flag(func(f *profile) { on := true; f.acceptPeer = &on }),

	"ipv6":    {arg: true, set: (*profile).interfaceIDs},
	"ms-dns":  {arg: true, set: func(f *profile, s string) error { return addServer(&f.Link.DNS, s) }},
	"ms-wins": {arg: true, set: func(f *profile, s string) error { return addServer(&f.Link.NBNS, s) }},

	// What we never do, always do, or what concerns serial lines and running pppd.
	"noauth": {}, "refuse-pap": {}, "refuse-chap": {}, "refuse-mschap": {}, "refuse-mschap-v2": {}, "refuse-eap": {},
	"novj": {}, "novjccomp": {}, "noccp": {}, "nobsdcomp": {}, "nodeflate": {}, "nopredictor1": {}, "nomppe": {},
	"nomp": {}, "nomultilink": {}, "noendpoint": {}, "noipdefault": {}, "noproxyarp": {}, "default-asyncmap": {},
	"asyncmap": {arg: true}, "nodetach": {}, "debug": {}, "local": {}, "lock": {}, "nolock": {}, "nocrtscts": {},
	"hide-password": {},
}

// pppdAuthentication lists the options that ask for authentication, true: an argument follows.
var pppdAuthentication = map[string]bool{
	"auth": false, "require-pap": false, "require-chap": false, "require-mschap": false, "require-mschap-v2": false,
	"require-eap": false, "login": false, "user": true, "password": true, "name": true, "remotename": true,
	"+pap": false, "+chap": false, "usehostname": false, "papcrypt": false,
}

// pppdOptions applies options in pppd's spelling to a profile. Unknown words behind an authentication option are not
// reported: they may be pieces of a password.
func (p *parser) pppdOptions(v *node, f *profile) {
	var text string
	if !p.text(v, &text) {
		return
	}
	words := strings.Fields(text)
	auth := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		if arg, isAuth := pppdAuthentication[w]; isAuth {
			if !auth {
				p.fail(v, "%q: PPP authentication is not supported yet", w)
			}
			auth = true
			if arg {
				i++
			}
			continue
		}
		o, ok := pppdOptions[w]
		if !ok {
			if problem := f.addressPair(w); problem != "" && !auth {
				p.fail(v, "%s", problem)
			}
			continue
		}
		arg := ""
		if o.arg {
			if i++; i == len(words) {
				p.fail(v, "pppd option %q needs an argument", w)
				return
			}
			arg = words[i]
		}
		if o.set != nil {
			if err := o.set(f, arg); err != nil {
				p.fail(v, "pppd option %q: %v", w, err)
			}
		}
	}
}

func flag(set func(f *profile)) pppdOption {
	return pppdOption{set: func(f *profile, _ string) error { set(f); return nil }}
}

func number(low, high int, set func(f *profile, n int)) pppdOption {
	return pppdOption{arg: true, set: func(f *profile, arg string) error {
		n, err := strconv.ParseInt(arg, 0, 32) // as strtol with base 0, which pppd uses
		if err != nil || int(n) < low || int(n) > high {
			return fmt.Errorf("must be %d to %d, not %q", low, high, arg)
		}
		set(f, int(n))
		return nil
	}}
}

// addressPair reads pppd's local:remote, of which either side may be empty.
func (f *profile) addressPair(w string) (problem string) {
	local, remote, ok := strings.Cut(w, ":")
	if !ok || w == ":" || strings.Trim(w, "0123456789.:") != "" {
		return "unknown pppd option " + strconv.Quote(w)
	}
	for _, side := range []struct {
		text string
		to   *netip.Addr
	}{{local, &f.Link.LocalAddress}, {remote, &f.Link.PeerAddress}} {
		switch side.text {
		case "":
		case "0.0.0.0":
			*side.to = netip.Addr{}
		default:
			a, problem := parseIPv4(side.text)
			if problem != "" {
				return "pppd option " + strconv.Quote(w) + ": " + problem
			}
			*side.to = a
		}
	}
	return ""
}

// addServer fills the first place that is free, as pppd does with a repeated ms-dns.
func addServer(to *[2]netip.Addr, arg string) error {
	a, problem := parseIPv4(arg)
	if problem != "" {
		return fmt.Errorf("%s", problem)
	}
	for i := range to {
		if !to[i].IsValid() {
			to[i] = a
			return nil
		}
	}
	return fmt.Errorf("given more than twice")
}

// interfaceIDs reads pppd's ipv6 local,remote, of which either side may be empty.
func (f *profile) interfaceIDs(arg string) error {
	local, remote, _ := strings.Cut(arg, ",")
	for _, side := range []struct {
		text string
		to   *[8]byte
	}{{local, &f.Link.LocalID}, {remote, &f.Link.PeerID}} {
		if side.text == "" {
			continue
		}
		id, ok := parseInterfaceID(side.text)
		if !ok {
			return fmt.Errorf("%q is not an interface identifier", side.text)
		}
		*side.to = id
	}
	return nil
}
