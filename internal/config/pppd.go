package config

import (
	"errors"
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
var pppdOptions = linePPPD(map[string]pppdOption{
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

	"auth":              flag(func(f *profile) { f.auth.demandAny() }),
	"noauth":            flag(func(f *profile) { f.auth.require = nil }),
	"require-pap":       flag(func(f *profile) { f.auth.demandAlso(pppfsm.AuthPAP) }),
	"+pap":              flag(func(f *profile) { f.auth.demandAlso(pppfsm.AuthPAP) }),
	"require-chap":      flag(func(f *profile) { f.auth.demandAlso(pppfsm.AuthCHAP) }),
	"+chap":             flag(func(f *profile) { f.auth.demandAlso(pppfsm.AuthCHAP) }),
	"require-mschap-v2": flag(func(f *profile) { f.auth.demandAlso(pppfsm.AuthMSCHAPv2) }),
	"refuse-pap":        flag(func(f *profile) { f.auth.refuseAlso(pppfsm.AuthPAP) }),
	"-pap":              flag(func(f *profile) { f.auth.refuseAlso(pppfsm.AuthPAP) }),
	"refuse-chap":       flag(func(f *profile) { f.auth.refuseAlso(pppfsm.AuthCHAP) }),
	"-chap":             flag(func(f *profile) { f.auth.refuseAlso(pppfsm.AuthCHAP) }),
	"refuse-mschap-v2":  flag(func(f *profile) { f.auth.refuseAlso(pppfsm.AuthMSCHAPv2) }),

	"name":        {arg: true, set: func(f *profile, s string) error { return setName(&f.auth.name, s) }},
	"user":        {arg: true, set: func(f *profile, s string) error { return setName(&f.auth.user, s) }},
	"remotename":  {arg: true, set: func(f *profile, s string) error { return setName(&f.auth.remoteName, s) }},
	"password":    {arg: true, set: func(f *profile, s string) error { return setPassword(&f.auth.password, s) }},
	"usehostname": flag(func(f *profile) { f.auth.name = "" }),

	"chap-interval":      number(0, maxSeconds, func(f *profile, n int) { f.auth.link.CHAPInterval = time.Duration(n) * time.Second }),
	"chap-restart":       number(1, maxSeconds, func(f *profile, n int) { f.auth.link.CHAPRestart = time.Duration(n) * time.Second }),
	"chap-max-challenge": number(1, maxCounter, func(f *profile, n int) { f.auth.link.CHAPMaxChallenge = n }),
	"chap-timeout":       number(1, maxSeconds, func(f *profile, n int) { f.auth.link.CHAPTimeout = time.Duration(n) * time.Second }),
	"pap-restart":        number(1, maxSeconds, func(f *profile, n int) { f.auth.link.PAPRestart = time.Duration(n) * time.Second }),
	"pap-max-authreq":    number(1, maxCounter, func(f *profile, n int) { f.auth.link.PAPMaxAuthReq = n }),
	"pap-timeout":        number(1, maxSeconds, func(f *profile, n int) { f.auth.link.PAPTimeout = time.Duration(n) * time.Second }),

	// What we never do, or always.
	"refuse-mschap": {}, "refuse-eap": {},
	"novj": {}, "novjccomp": {}, "noccp": {}, "nobsdcomp": {}, "nodeflate": {}, "nopredictor1": {}, "nomppe": {},
	"nomp": {}, "noendpoint": {}, "noipdefault": {}, "noproxyarp": {},
})

// pppdOptions applies options in pppd's spelling to a profile. From the option password on, words that are not
// understood are not shown: they may be pieces of it.
func (p *parser) pppdOptions(v *node, f *profile) {
	var text string
	if !p.text(v, &text) {
		return
	}
	words := strings.Fields(text)
	hide := false
	for i := 0; i < len(words); i++ {
		w := words[i]
		if name, ok := pppdAliases[w]; ok {
			w = name
		}
		o, ok := pppdOptions[w]
		if !ok {
			if args, known := p.unusual(v, w); known {
				i += args
				continue
			}
			problem := f.addressPair(w)
			switch {
			case problem != "" && hide:
				p.fail(v, "unknown pppd option behind password (not shown: it may be a part of it, see the key password)")
				return
			case problem != "":
				p.fail(v, "%s", problem)
			}
			continue
		}
		hide = hide || w == "password"
		arg := ""
		if o.arg {
			if i++; i == len(words) {
				p.fail(v, "pppd option %q needs an argument", w)
				return
			}
			arg = words[i]
		}
		if o.set == nil {
			continue
		}
		switch err := o.set(f, arg); {
		case err != nil && hide && !errors.Is(err, errSecretForm):
			p.fail(v, "pppd option %q: bad argument (not shown: it stands behind password)", w)
		case err != nil:
			p.fail(v, "pppd option %q: %v", w, err)
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
