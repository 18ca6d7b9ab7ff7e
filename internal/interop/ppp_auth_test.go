//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// method is an authentication method: culvert's name of it, pppd's options for it, and what pppd's log shows.
type method struct {
	name, require, title string
	// good and bad are what an authenticator sends, request what the other side sends.
	request, good, bad string
}

var authMethods = []method{
	{"pap", "require-pap", "PAP", `\[PAP AuthReq`, `\[PAP AuthAck`, `\[PAP AuthNak`},
	{"chap", "require-chap", "CHAP", `\[CHAP Response`, `\[CHAP Success`, `\[CHAP Failure`},
	{"mschapv2", "require-mschap-v2", "MS-CHAPv2", `\[CHAP Response`, `\[CHAP Success .*S=`, `\[CHAP Failure .*E=691 R=`},
}

// pppdSecrets writes both secrets files of pppd.
func pppdSecrets(t *testing.T, p *peer, lines string) {
	t.Helper()
	p.run(t, `mkdir -p /etc/ppp; printf '%s' > /etc/ppp/chap-secrets; chmod 600 /etc/ppp/chap-secrets; cp -p /etc/ppp/chap-secrets /etc/ppp/pap-secrets`, lines)
	t.Cleanup(func() { p.quiet(t, "rm -f /etc/ppp/chap-secrets /etc/ppp/pap-secrets") })
}

// ourSecrets writes a secrets file of culvert's, in pppd's format, and gives the key that names it.
func ourSecrets(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("secrets_file = %q\n", path)
}

// authCase is a link on which somebody has to prove himself.
type authCase struct {
	name          string
	pppd, profile string
	// peer and local are how pppd and we have proven ourselves; reason is ours where the link does not come up.
	peer, local, reason string
	log                 []string // in pppd's
}

// ourName is what culvert calls itself.
const ourName = "name = \"lns\"\n"

func authCases(t *testing.T) []authCase {
	t.Helper()
	file := ourSecrets(t, "joe lns theirs *\nlns pppd \"ours, quoted\"\n* lns other -\n")
	const remote = "remote_name = \"pppd\"\n" // with PAP it does not say so itself
	var all []authCase
	for _, m := range authMethods {
		demand := ourName + file + fmt.Sprintf("auth = [%q]\n", m.name)
		all = append(all,
			authCase{
				name: m.name + "/we-demand", pppd: "user joe password theirs", profile: demand, peer: m.name,
				log: []string{"sent " + m.request, "rcvd " + m.good},
			},
			authCase{
				name: m.name + "/we-demand-wrong-secret", pppd: "user joe password wrong", profile: demand,
				reason: "peer failed to authenticate itself with " + m.title,
				log:    []string{"rcvd " + m.bad, `rcvd \[LCP TermReq .*failed to authenticate`},
			},
			authCase{
				name: m.name + "/pppd-demands", pppd: m.require + " name pppd", profile: ourName + remote + file, local: m.name,
				log: []string{"rcvd " + m.request, "sent " + m.good},
			},
			authCase{
				name: m.name + "/pppd-demands-wrong-secret", pppd: m.require + " name pppd", profile: ourName + "password = \"wrong\"",
				reason: "peer refuses our authentication with " + m.title + ": ",
				log:    []string{"sent " + m.bad},
			},
		)
	}
	return append(all,
		authCase{
			name: "unknown-name", pppd: "user nobody password theirs", profile: ourName + ourSecrets(t, "joe lns theirs *\n") + `auth = ["chap"]`,
			reason: "peer failed to authenticate itself with CHAP", log: []string{`rcvd \[CHAP Failure`},
		},
		authCase{
			name: "pppd-has-no-secret", pppd: "user joe", profile: ourName + file + `auth = ["chap", "pap"]`,
			reason: "peer refuses to authenticate itself", log: []string{`sent \[LCP ConfRej .*<auth`},
		},
		authCase{
			name: "mutual-CHAP", pppd: "require-chap name pppd user joe password theirs", profile: ourName + file + `auth = ["chap"]`,
			peer: "chap", local: "chap", log: []string{`sent \[CHAP Success`, `rcvd \[CHAP Success`},
		},
		authCase{
			name: "mutual-MS-CHAPv2-and-PAP", pppd: "require-pap name pppd user joe password theirs", profile: ourName + remote + file + `auth = ["mschapv2"]`,
			peer: "mschapv2", local: "pap", log: []string{`sent \[PAP AuthAck`, `rcvd \[CHAP Success`},
		},
		authCase{
			name: "we-fall-back", pppd: "refuse-mschap-v2 refuse-chap refuse-mschap refuse-eap user joe password theirs",
			profile: ourName + file + `auth = ["mschapv2", "chap", "pap"]`, peer: "pap",
			log: []string{`sent \[LCP ConfNak .*<auth pap>`, `rcvd \[PAP AuthAck`},
		},
		authCase{
			name: "pppd-falls-back", pppd: "require-mschap-v2 require-pap name pppd", profile: ourName + remote + file + `refuse = ["mschapv2", "chap"]`,
			local: "pap", log: []string{`rcvd \[LCP ConfNak .*<auth pap>`, `sent \[PAP AuthAck`},
		},
		authCase{
			name: "we-challenge-again", pppd: "user joe password theirs", profile: ourName + file + "auth = [\"mschapv2\"]\nchap_interval = 1", peer: "mschapv2",
			log: []string{`rcvd \[CHAP Challenge id=\(0x[0-9a-f]*\) `},
		},
		authCase{
			name: "pppd-challenges-again", pppd: "require-mschap-v2 chap-interval 1 name pppd", profile: ourName + file, local: "mschapv2",
			log: []string{`sent \[CHAP Challenge id=\(0x[0-9a-f]*\) `},
		},
	)
}

// TestPPPAuth: PAP, CHAP with MD5 and MS-CHAPv2 against pppd, in either direction and both, with right and wrong
// secrets. The methods do not depend on what carries PPP: udp4 alone.
func TestPPPAuth(t *testing.T) {
	for _, k := range authCases(t) {
		t.Run(k.name, func(t *testing.T) {
			count(t, "PPP, authentication", "udp4")
			lab := useLab(t)
			pppdSecrets(t, lab.peer, `lns pppd "ours, quoted" *\n`)
			l := newLink(transports[0], 8, false, false)
			c := l.ppp(t, lab, true, silent+" "+k.pppd, k.profile)
			if k.reason != "" {
				l.authRefused(t, c, k)
				return
			}
			l.pppUp(t, c)
			p := c.session(t, l.sid()).PPP
			if p.PeerAuth != k.peer || p.LocalAuth != k.local || p.PeerName != nameIf(k.peer, "joe") || p.LocalName != nameIf(k.local, "lns") {
				t.Errorf("API: %+v", *p)
			}
			l.authLog(t, c, k)
			if strings.HasSuffix(k.name, "again") {
				l.rechallenged(t, c, k)
			}
			lab.peer.run(t, "ping -n -q -c 5 -i 0.01 -W 2 %s", pppHost)
			c.pppDrops(t)
			c.noSecrets(t)
			c.stop(t)
		})
	}
}

func nameIf(method, name string) string {
	if method == "" {
		return ""
	}
	return name
}

func (l *link) authLog(t *testing.T, c *culvert, k authCase) {
	t.Helper()
	for _, want := range k.log {
		c.lab.peer.run(t, "until_ok 60 grep -q '%s' /tmp/pppd.log || { echo no '%s' in pppd.log; false; }", want, want)
	}
}

// authRefused: both ends know that nothing came of it, and nothing is configured.
func (l *link) authRefused(t *testing.T, c *culvert, k authCase) {
	t.Helper()
	eventually(t, pppWait, func() string {
		if p := c.session(t, l.sid()).PPP; !strings.HasPrefix(p.Reason, k.reason) {
			return fmt.Sprintf("reason %q, want %q", p.Reason, k.reason)
		}
		return ""
	})
	l.authLog(t, c, k)
	s := c.session(t, l.sid())
	if s.State == "up" || s.PPP.PeerAuth != "" || s.PPP.LocalAuth != "" || c.lab.host.carrier(t, l.device()) || len(c.lab.host.addresses(t, l.device())) != 0 {
		t.Errorf("session %+v, PPP %+v, addresses %q", s, *s.PPP, c.lab.host.addresses(t, l.device()))
	}
	c.lab.peer.run(t, "! grep -q 'IP address' /tmp/pppd.log")
	c.noSecrets(t)
	c.stop(t)
}

// rechallenged: several Challenges with different identifiers, all answered, and the link stays up.
func (l *link) rechallenged(t *testing.T, c *culvert, k authCase) {
	t.Helper()
	c.lab.peer.run(t, `until_ok 120 sh -c '[ $(grep -c "CHAP Success" /tmp/pppd.log) -ge 3 ]'; [ $(sed -n "s/.*%s.*/\1/p" /tmp/pppd.log | sort -u | wc -l) -ge 3 ]`, k.log[0])
	if s := c.session(t, l.sid()); s.State != "up" || s.PPP.IPCP != "Opened" {
		t.Errorf("session %+v, PPP %+v", s, *s.PPP)
	}
	c.lab.peer.run(t, "! grep -q 'CHAP Failure\\|LCP TermReq' /tmp/pppd.log")
}

// noSecrets: nothing that we say holds a secret.
func (c *culvert) noSecrets(t *testing.T) {
	t.Helper()
	said := c.output.String() + c.show(t, "sessions")
	for _, secret := range []string{"theirs", "ours, quoted", "wrong"} {
		if strings.Contains(said, secret) {
			t.Errorf("a secret was shown:\n%s", said)
		}
	}
}
