package config

import (
	"fmt"
	"strings"
	"time"

	"culvert/pppfsm"
)

// Why an option of pppd has no effect here, or cannot have one.
const (
	noSerial  = "there is no serial line"
	noProcess = "it is about running pppd"
	noMP      = "multilink is not supported"
	noIPX     = "IPX is not supported"
	noComp    = "compression and encryption are not supported"
	noAuth    = "this kind of authentication is not supported"
	noCommand = "a tunnel needs no command to connect"
	noFile    = "options are read from this file only"
)

// pppdAliases are other spellings of pppd's.
var pppdAliases = map[string]string{
	"-ac": "noaccomp", "-pc": "nopcomp", "-mn": "nomagic", "-p": "passive", "-am": "default-asyncmap", "-as": "asyncmap",
	"-mru": "default-mru", "-vj": "novj", "-vjccomp": "novjccomp", "-ccp": "noccp", "-bsdcomp": "nobsdcomp",
	"-deflate": "nodeflate", "-predictor1": "nopredictor1", "-ip": "noip", "-ipv6": "noipv6", "-ipx": "noipx",
	"-defaultroute": "nodefaultroute", "-proxyarp": "noproxyarp", "-detach": "nodetach", "-crtscts": "nocrtscts",
	"-d": "debug", "nologfd": "nolog", "nomultilink": "nomp", "multilink": "mp", "nomppe-40": "nomppe",
	"nomppe-128": "nomppe", "nomppe-stateful": "nomppe", "noecp": "noccp", "-ecp": "noccp", "nodeflatedraft": "nodeflate",
}

// pppdNoEffect lists options that are accepted with a warning; arg: an argument follows.
var pppdNoEffect = map[string]struct {
	arg bool
	why string
}{
	"asyncmap": {true, noSerial}, "default-asyncmap": {false, noSerial}, "escape": {true, noSerial},
	"receive-all": {false, noSerial}, "local": {false, noSerial}, "modem": {false, noSerial}, "lock": {false, noSerial},
	"nolock": {false, noSerial}, "crtscts": {false, noSerial}, "nocrtscts": {false, noSerial}, "cdtrcts": {false, noSerial},
	"nocdtrcts": {false, noSerial}, "xonxoff": {false, noSerial}, "stop-bits": {true, noSerial}, "sync": {false, noSerial},
	"connect-delay": {true, noSerial}, "datarate": {true, noSerial}, "speed": {false, noSerial}, "ttyname": {false, noSerial},

	"nodetach": {false, noProcess}, "updetach": {false, noProcess}, "up_sdnotify": {false, noProcess},
	"debug": {false, noProcess}, "kdebug": {true, noProcess}, "dump": {false, noProcess}, "hide-password": {false, noProcess},
	"logfile": {true, noProcess}, "logfd": {true, noProcess}, "nolog": {false, noProcess}, "child-timeout": {true, noProcess},
	"master_detach": {false, noProcess}, "privgroup": {true, noProcess},
}

// pppdRefused lists options that ask for what we do not do; args: how many arguments follow.
var pppdRefused = map[string]struct {
	args int
	why  string
}{
	"mp": {0, noMP}, "mpshortseq": {0, noMP}, "mrru": {1, noMP}, "endpoint": {1, noMP}, "bundle": {1, noMP},

	"ipx": {0, noIPX}, "+ipx": {0, noIPX}, "ipx-network": {1, noIPX}, "ipx-node": {1, noIPX}, "ipx-router-name": {1, noIPX},
	"ipx-routing": {1, noIPX}, "ipxcp-accept-local": {0, noIPX}, "ipxcp-accept-network": {0, noIPX},
	"ipxcp-accept-remote": {0, noIPX}, "ipxcp-max-configure": {1, noIPX}, "ipxcp-max-failure": {1, noIPX},
	"ipxcp-max-terminate": {1, noIPX}, "ipxcp-restart": {1, noIPX},

	"predictor1": {0, noComp}, "vj-max-slots": {1, noComp}, "require-mppe": {0, noComp}, "require-mppe-40": {0, noComp},
	"require-mppe-128": {0, noComp}, "+mppe": {0, noComp}, "+mppe-40": {0, noComp}, "+mppe-128": {0, noComp},
	"mppe-stateful": {0, noComp},

	"allow-ip": {1, noAuth}, "allow-number": {1, noAuth}, "remotenumber": {1, noAuth}, "ca": {1, noAuth}, "cert": {1, noAuth},
	"key": {1, noAuth}, "crl": {1, noAuth}, "crl-dir": {1, noAuth}, "capath": {1, noAuth}, "max-tls-version": {1, noAuth},
	"need-peer-eap": {0, noAuth}, "eap-interval": {1, noAuth}, "eap-max-rreq": {1, noAuth}, "eap-max-sreq": {1, noAuth},
	"eap-restart": {1, noAuth}, "eap-timeout": {1, noAuth}, "srp-interval": {1, noAuth}, "srp-pn-secret": {1, noAuth},
	"srp-use-pseudonym": {0, noAuth}, "chapms-strip-domain": {0, noAuth}, "domain": {1, noAuth},
	"enable-session": {0, noAuth}, "require-eap": {0, "EAP is not supported"},
	"require-mschap": {0, "MS-CHAP, version 1, is not supported: use require-mschap-v2"},
	"login":          {0, "passwords of this system's users are not supported: use a secrets file"},
	"papcrypt":       {0, "encrypted passwords in a secrets file are not supported"},
	"show-password":  {0, "passwords are never logged"},

	"connect": {1, noCommand}, "disconnect": {1, noCommand}, "init": {1, noCommand}, "welcome": {1, noCommand},
	"pty": {1, noCommand}, "notty": {0, noCommand}, "demand": {0, "links are not dialled"},

	"call": {1, noFile}, "file": {1, noFile}, "plugin": {1, "there are no plugins"},
	"record": {1, "packets are not recorded"}, "dryrun": {0, "culvert check does that"},
	"ifname": {1, "interface_name of the session does that"}, "unit": {1, "interface_name of the session does that"},
	"set": {1, "scripts get pppd's own variables only"}, "unset": {1, "scripts get pppd's own variables only"},
	"active-filter": {1, "packets are not filtered: use nftables"}, "pass-filter": {1, "packets are not filtered: use nftables"},
	"maxoctets": {1, "traffic is not limited"}, "mo": {1, "traffic is not limited"},
	"mo-direction": {1, "traffic is not limited"}, "mo-timeout": {1, "traffic is not limited"},
	"proxyarp": {0, "route the peer's address instead"}, "netmask": {1, "a PPP device has a /32 address"},
	"ktune": {0, "the system's settings are not changed"}, "nosendip": {0, "IPCP always names our address"},
	"ipcp-no-address": {0, "IPCP always names our address"}, "ipv6cp-use-ipaddr": {0, "set local_interface_id"},
	"ipv6cp-use-persistent": {0, "set local_interface_id"}, "defaultroute-metric": {1, "a default route has no metric"},
	"defaultroute6":       {0, "use routes of the session"},
	"replacedefaultroute": {0, "a default route of others is not touched"},
}

// ncpLimits are the network protocols that have counters and a timer of their own, by pppd's prefix of their options.
var ncpLimits = map[string]func(f *profile) *pppfsm.Limits{
	"ipcp":   func(f *profile) *pppfsm.Limits { return &f.Link.IPCP },
	"ipv6cp": func(f *profile) *pppfsm.Limits { return &f.Link.IPv6CP },
}

// linePPPD adds the options that the keys of lineKeys come from.
func linePPPD(all map[string]pppdOption) map[string]pppdOption {
	seconds := func(low, high int, to func(f *profile) *time.Duration) pppdOption {
		return number(low, high, func(f *profile, n int) { *to(f) = time.Duration(n) * time.Second })
	}
	for name, l := range ncpLimits {
		all[name+"-restart"] = seconds(1, maxSeconds, func(f *profile) *time.Duration { return &l(f).RestartTimer })
		all[name+"-max-configure"] = number(1, maxCounter, func(f *profile, n int) { l(f).MaxConfigure = uint16(n) })
		all[name+"-max-terminate"] = number(1, maxCounter, func(f *profile, n int) { l(f).MaxTerminate = uint16(n) })
		all[name+"-max-failure"] = number(1, maxCounter, func(f *profile, n int) { l(f).MaxFailure = uint16(n) })
	}
	all["lcp-echo-adaptive"] = flag(func(f *profile) { f.Link.EchoAdaptive = true })
	all["idle"] = seconds(0, maxTimeout, func(f *profile) *time.Duration { return &f.Link.IdleTimeout })
	all["maxconnect"] = seconds(0, maxTimeout, func(f *profile) *time.Duration { return &f.Link.SessionTimeout })
	all["maxfail"] = number(0, maxCounter, func(f *profile, n int) { f.MaxFail = n })
	all["holdoff"] = seconds(0, maxSeconds, func(f *profile) *time.Duration { return &f.Holdoff })
	all["default-mru"] = flag(func(f *profile) { f.MRU = pppfsm.DefaultMRU })

	all["ipparam"] = pppdOption{arg: true, set: func(f *profile, s string) error { f.scripts().IPParam = s; return nil }}
	all["linkname"] = pppdOption{arg: true, set: func(f *profile, s string) error { f.scripts().LinkName = s; return nil }}
	all["ip-up-script"] = pppdOption{arg: true, set: func(f *profile, s string) error { return setScript(&f.scripts().IPUp, s) }}
	all["ip-down-script"] = pppdOption{arg: true, set: func(f *profile, s string) error { return setScript(&f.scripts().IPDown, s) }}
	all["bsdcomp"] = pppdOption{arg: true, set: compressionOff}
	all["deflate"] = pppdOption{arg: true, set: compressionOff}
	for _, name := range []string{ // what we never do, or always
		"noipx", "noktune", "noreplacedefaultroute", "nodefaultroute6", "noremoteip", "nompshortseq", "ipcp-no-addresses",
		"ipv6cp-accept-local",
	} {
		all[name] = pppdOption{}
	}
	all["ipv6cp-accept-remote"] = flag(func(f *profile) { f.acceptRemoteID = true })
	return all
}

func setScript(to *string, path string) error {
	if problem := scriptPath(path); problem != "" {
		return fmt.Errorf("%s", problem)
	}
	*to = path
	return nil
}

// compressionOff takes the code size 0, which turns a compression off, and no other.
func compressionOff(_ *profile, arg string) error {
	if arg == "0" || arg == "0,0" {
		return nil
	}
	return fmt.Errorf("%s", noComp)
}

// unusual deals with an option that is not among pppdOptions, and gives the number of arguments that follow it.
func (p *parser) unusual(v *node, w string) (args int, known bool) {
	switch {
	case strings.HasPrefix(w, "/dev/"):
		w = "ttyname"
	case w != "" && strings.Trim(w, "0123456789") == "":
		w = "speed"
	}
	if o, ok := pppdNoEffect[w]; ok {
		p.warn(v, "pppd option %q has no effect: %s", w, o.why)
		if o.arg {
			args = 1
		}
		return args, true
	}
	if o, ok := pppdRefused[w]; ok {
		p.fail(v, "pppd option %q: %s", w, o.why)
		return o.args, true
	}
	return 0, false
}
