package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"culvert/pppfsm"
)

// allPPPDOptions are the options of pppd 2.4.9, in testdata.
func allPPPDOptions(t *testing.T) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(readFile(t, "testdata/pppd-2.4.9.txt")) {
		if name := strings.TrimSpace(line); name != "" && name[0] != '#' {
			all = append(all, name)
		}
	}
	return all
}

// TestPPPDOptionsAreClassified: each option of pppd is in one list, and each list has options of pppd's only.
func TestPPPDOptionsAreClassified(t *testing.T) {
	lists := map[string][]string{
		"pppdOptions":  slices.Sorted(maps.Keys(pppdOptions)),
		"pppdNoEffect": slices.Sorted(maps.Keys(pppdNoEffect)),
		"pppdRefused":  slices.Sorted(maps.Keys(pppdRefused)),
		"pppdAliases":  slices.Sorted(maps.Keys(pppdAliases)),
	}
	in := map[string][]string{}
	for list, names := range lists {
		for _, n := range names {
			in[n] = append(in[n], list)
		}
	}
	all := allPPPDOptions(t)
	for _, name := range all {
		if len(in[name]) != 1 {
			t.Errorf("%s is in %q, want it in one list", name, in[name])
		}
	}
	for name, where := range in {
		if !slices.Contains(all, name) {
			t.Errorf("%s of %q is no option of pppd", name, where)
		}
	}
	for alias, name := range pppdAliases {
		if in[name] == nil || in[name][0] == "pppdAliases" {
			t.Errorf("%s stands for %s, which is in no list", alias, name)
		}
	}
}

// TestReferenceHasOtherOptions: docs/configuration.md lists the options without effect, those that are errors, and the
// other spellings.
func TestReferenceHasOtherOptions(t *testing.T) {
	text := readFile(t, "../../docs/configuration.md")
	for heading, want := range map[string][]string{
		"Options without effect":  slices.Sorted(maps.Keys(pppdNoEffect)),
		"Options that are errors": slices.Sorted(maps.Keys(pppdRefused)),
		"Other spellings":         slices.Sorted(maps.Keys(pppdAliases)),
	} {
		var got []string
		for line := range strings.Lines(section(t, text, "#### "+heading)) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				continue
			}
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				got = append(got, m[1])
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-code +docs/configuration.md):\n%s", heading, diff)
		}
	}
}

// lineWith gives a file whose profile has pppd_options and more keys, in line 12 and before.
func lineWith(options, more string) string {
	return minimal + "[tunnel.t1.session.s1]\npseudowire = \"ppp\"\nsid = 1\npsid = 2\nppp_profile = \"p\"\n[ppp.p]\n" + more +
		"pppd_options = '''" + options + "'''\n"
}

// TestPPPDSeed: the options that many people have are accepted without a word.
func TestPPPDSeed(t *testing.T) {
	c := mustParse(t, lineWith("noauth noaccomp nopcomp nobsdcomp nodeflate nopredictor1 novj novjccomp mtu 1400 mru 1400", ""))
	s := c.Tunnels[0].Sessions[0]
	if len(c.Warnings) != 0 || s.MTU != 1400 || s.PPP.MRU != 1400 || !s.PPP.Link.NoACFC || !s.PPP.Link.NoPFC {
		t.Errorf("warnings %v, %+v", c.Warnings, s.PPP)
	}
}

// TestPPPDLineOptions: what has to do with a link's life.
func TestPPPDLineOptions(t *testing.T) {
	got := withOptions(t, "lcp-echo-adaptive lcp-echo-interval 5 idle 600 maxconnect 86400 maxfail 4 holdoff 20 silent "+
		"ipcp-restart 1 ipcp-max-configure 30 ipcp-max-terminate 3 ipcp-max-failure 6 ipv6cp-restart 2 ipv6cp-max-configure 20 "+
		"ipparam blue linkname line7 ip-up-script /etc/ppp/ip-up ip-down-script /etc/ppp/ip-down bsdcomp 0 deflate 0,0 "+
		"noremoteip ipv6cp-accept-local ipv6cp-accept-remote -ac -vj nomppe-128", "").PPP
	want := &PPP{
		Profile: "p", Persist: true, Link: defaultLink(), MaxFail: 4, Holdoff: 20 * time.Second,
		Scripts: &Scripts{IPUp: "/etc/ppp/ip-up", IPDown: "/etc/ppp/ip-down", IPParam: "blue", LinkName: "line7"},
	}
	want.Link.EchoAdaptive, want.Link.EchoInterval, want.Link.Silent, want.Link.NoACFC = true, 5*time.Second, true, true
	want.Link.IdleTimeout, want.Link.SessionTimeout = 10*time.Minute, 24*time.Hour
	want.Link.IPCP = pppfsm.Limits{RestartTimer: time.Second, MaxConfigure: 30, MaxTerminate: 3, MaxFailure: 6}
	want.Link.IPv6CP = pppfsm.Limits{RestartTimer: 2 * time.Second, MaxConfigure: 20}
	compare(t, want, got)

	if got := withOptions(t, "mru 1400 default-mru", "").PPP.MRU; got != 1500 {
		t.Errorf("MRU %d", got)
	}
}

// TestLineKeys: the same by keys, which win over pppd_options.
func TestLineKeys(t *testing.T) {
	got := withOptions(t, "idle 1 maxfail 1 ipparam red ip-up-script /old ipcp-restart 9", `
lcp_echo_interval = 5
lcp_echo_adaptive = true
idle = 0
maxconnect = 60
maxfail = 2
holdoff = 3
ipcp_restart = 1
ipcp_max_configure = 2
ipcp_max_terminate = 3
ipcp_max_failure = 4
ipv6cp_restart = 5
ipv6cp_max_configure = 6
ipv6cp_max_terminate = 7
ipv6cp_max_failure = 8
ip_up = ""
ip_down = "/b"
ipv6_up = "/c"
ipv6_down = "/d"
auth_up = "/e"
auth_down = "/f"
ipparam = "blue green"
linkname = "x"
`).PPP
	want := &PPP{
		Profile: "p", Persist: true, Link: defaultLink(), MaxFail: 2, Holdoff: 3 * time.Second,
		Scripts: &Scripts{IPDown: "/b", IPv6Up: "/c", IPv6Down: "/d", AuthUp: "/e", AuthDown: "/f", IPParam: "blue green", LinkName: "x"},
	}
	want.Link.EchoAdaptive, want.Link.EchoInterval, want.Link.SessionTimeout = true, 5*time.Second, time.Minute
	want.Link.IPCP = pppfsm.Limits{RestartTimer: time.Second, MaxConfigure: 2, MaxTerminate: 3, MaxFailure: 4}
	want.Link.IPv6CP = pppfsm.Limits{RestartTimer: 5 * time.Second, MaxConfigure: 6, MaxTerminate: 7, MaxFailure: 8}
	compare(t, want, got)
}

// TestWarnings name file, line and key, come in file order, and are no errors.
func TestWarnings(t *testing.T) {
	for _, tc := range []struct{ options, more, want string }{
		{"noauth novj", "", ""},
		{"nodetach /dev/ttyS0 115200 crtscts asyncmap 0 lock", "", `
f.toml:12: ppp.p.pppd_options: pppd option "nodetach" has no effect: it is about running pppd
f.toml:12: ppp.p.pppd_options: pppd option "ttyname" has no effect: there is no serial line
f.toml:12: ppp.p.pppd_options: pppd option "speed" has no effect: there is no serial line
f.toml:12: ppp.p.pppd_options: pppd option "crtscts" has no effect: there is no serial line
f.toml:12: ppp.p.pppd_options: pppd option "asyncmap" has no effect: there is no serial line
f.toml:12: ppp.p.pppd_options: pppd option "lock" has no effect: there is no serial line`},
		{"", "lcp_echo_failure = 3\nidle = 60\n", `
f.toml:12: ppp.p.lcp_echo_failure: has no effect without lcp_echo_interval
f.toml:13: ppp.p.idle: the link begins again as soon as it has ended for idleness; silent = true waits for the peer, persist = false ends it for good`},
		{"idle 60 silent", "", ""},
		{"nopersist idle 60 maxfail 3", "", `
f.toml:12: ppp.p.pppd_options: has no effect without persist`},
		{"lcp-echo-adaptive", "", `
f.toml:12: ppp.p.pppd_options: has no effect without lcp_echo_interval`},
	} {
		c, err := Parse("f.toml", []byte(lineWith(tc.options, tc.more)))
		if err != nil {
			t.Errorf("%q: %v", tc.options, err)
			continue
		}
		var got strings.Builder
		for _, w := range c.Warnings {
			got.WriteString("\n" + w.Error())
		}
		if diff := cmp.Diff(tc.want, got.String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.options, diff)
		}
	}
}

// TestPPPDRefused: each option that we do not do is one error that names it, whatever its arguments are.
func TestPPPDRefused(t *testing.T) {
	for name, o := range pppdRefused {
		_, err := Parse("f.toml", []byte(lineWith(name+strings.Repeat(" nonsense", o.args)+" noauth", "")))
		want := `f.toml:12: ppp.p.pppd_options: pppd option "` + name + `": ` + o.why
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for options, want := range map[string]string{
		"bsdcomp 15":                        `pppd option "bsdcomp": compression and encryption are not supported`,
		"maxfail -1":                        `pppd option "maxfail": must be 0 to 65535, not "-1"`,
		"ip-up-script ip-up":                `pppd option "ip-up-script": must be an absolute path, such as "/etc/ppp/ip-up"`,
		"ipparam":                           `pppd option "ipparam" needs an argument`,
		"lcp-echo-adaptiv":                  `unknown pppd option "lcp-echo-adaptiv"`,
		"nic-eth0":                          `unknown pppd option "nic-eth0"`,
		"multilink":                         `pppd option "mp": multilink is not supported`,
		"ipv6 ::1,::2 ipv6cp-accept-remote": `ipv6cp-accept-remote cannot be combined with a peer identifier: leave out one of them`,
	} {
		_, err := Parse("f.toml", []byte(lineWith(options, "")))
		if err == nil || err.Error() != "f.toml:12: ppp.p.pppd_options: "+want {
			t.Errorf("%s: %v", options, err)
		}
	}
	for key, want := range map[string]string{
		`ip_up = "ip-up"`:        `ppp.p.ip_up: must be an absolute path, such as "/etc/ppp/ip-up"`,
		`ipv6_down = 1`:          `ppp.p.ipv6_down: must be a string, not an integer`,
		"ipparam = \"a\\u0000\"": `ppp.p.ipparam: must be at most 1024 bytes, none of them zero`,
		`idle = -1`:              `ppp.p.idle: must be 0 to 31622400, not -1`,
		`ipcp_restart = 0`:       `ppp.p.ipcp_restart: must be 1 to 86400, not 0`,
	} {
		_, err := Parse("f.toml", []byte(lineWith("", key+"\n")))
		if err == nil || err.Error() != "f.toml:12: "+want {
			t.Errorf("%s: %v", key, err)
		}
	}
}
