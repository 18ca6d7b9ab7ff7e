package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"culvert/internal/auth"
	"culvert/pppfsm"
)

const (
	ms   = pppfsm.AuthMSCHAPv2
	md5  = pppfsm.AuthCHAP
	pap  = pppfsm.AuthPAP
	mine = "host name"
)

// secrets writes a secrets file and gives its path.
func secrets(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAuthKeys: what keys and pppd's options make of Require and Accept.
func TestAuthKeys(t *testing.T) {
	type methods = []pppfsm.AuthMethod
	for _, tc := range []struct {
		name, options, keys string
		require, accept     methods
		as                  string // name in our Challenges
	}{
		{"nothing", "", "", nil, nil, ""},
		{"noauth", "noauth", "", nil, nil, ""},
		{"in order", "", "auth = ['pap', 'mschapv2']\npeer_password = 'x'\nname = 'lns'\n", methods{pap, ms}, nil, "lns"},
		{"as the host", "", "auth = ['chap']\npeer_password = 'x'\n", methods{md5}, nil, mine},
		{"client", "", "user = 'me'\npassword = 'x'\n", nil, methods{ms, md5, pap}, ""},
		{"client, PAP refused", "", "user = 'me'\npassword = 'x'\nrefuse = ['pap']\n", nil, methods{ms, md5}, ""},
		{"pppd client", "user me password x refuse-mschap-v2 -pap", "", nil, methods{md5}, ""},
		{"pppd auth", "auth name lns", "peer_password = 'x'\n", methods{ms, md5, pap}, nil, "lns"},
		{"pppd require", "require-pap require-chap", "peer_password = 'x'\n", methods{md5, pap}, nil, mine},
		{"pppd auth, then require", "auth +pap require-mschap-v2", "peer_password = 'x'\n", methods{ms, pap}, nil, mine},
		{"pppd require, then auth", "+chap auth", "peer_password = 'x'\n", methods{md5}, nil, mine},
		{"pppd noauth wins", "require-pap auth noauth", "", nil, nil, ""},
		{"keys win", "require-pap name a", "auth = ['chap']\nname = 'b'\npeer_password = 'x'\n", methods{md5}, nil, "b"},
		{"keys take back", "require-pap", "auth = []\n", nil, nil, ""},
		{"usehostname", "name a usehostname auth", "peer_password = 'x'\n", methods{ms, md5, pap}, nil, mine},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := withOptions(t, tc.options, tc.keys).PPP
			a := p.Link.Auth
			if (a == nil) != (len(tc.require)+len(tc.accept) == 0) || (p.Authenticator == nil) != (len(tc.require) == 0) {
				t.Fatalf("%+v, %+v", a, p.Authenticator)
			}
			if a == nil {
				return
			}
			as := tc.as
			if as == mine {
				as = hostName()
			}
			if d := cmp.Diff(tc.require, a.Require) + cmp.Diff(tc.accept, a.Accept); d != "" || a.Name != as || a.Prove == nil {
				t.Errorf("%s name %q, want %q", d, a.Name, as)
			}
		})
	}
}

// TestAuthTimers: keys and options, in seconds.
func TestAuthTimers(t *testing.T) {
	want := pppfsm.Auth{
		CHAPInterval: 60 * time.Second, CHAPRestart: 2 * time.Second, CHAPMaxChallenge: 4, CHAPTimeout: 5 * time.Second,
		PAPRestart: 6 * time.Second, PAPMaxAuthReq: 7, PAPTimeout: 8 * time.Second,
	}
	const keys = "user = 'me'\npassword = 'x'\n"
	for _, s := range []*Session{
		withOptions(t, "", keys+"chap_interval = 60\nchap_restart = 2\nchap_max_challenge = 4\nchap_timeout = 5\npap_restart = 6\n"+
			"pap_max_authreq = 7\npap_timeout = 8\n"),
		withOptions(t, "chap-interval 60 chap-restart 2 chap-max-challenge 4 chap-timeout 5 pap-restart 6 pap-max-authreq 7 pap-timeout 8", keys),
	} {
		got := *s.PPP.Link.Auth
		got.Accept, got.Prove = nil, nil
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b func(pppfsm.Challenge) (pppfsm.Proof, bool)) bool { return a == nil && b == nil })); d != "" {
			t.Error(d)
		}
	}
}

// TestAuthSecrets: the profile's and the file's secrets go where they belong.
func TestAuthSecrets(t *testing.T) {
	path := secrets(t, "joe lns x 10.0.0.1\nme isp \"my secret\"\n", 0o600)
	p := withOptions(t, "", fmt.Sprintf("auth = ['pap']\nname = 'lns'\nuser = 'me'\nremote_name = 'isp'\nsecrets_file = %q\n", path)).PPP
	proof, ok := p.Link.Auth.Prove(pppfsm.Challenge{Method: pap})
	if !ok || proof.Name != "me" || string(proof.Value) != "my secret" {
		t.Errorf("proof %+v", proof)
	}
	judge := func(name, password string) (v auth.Verdict) {
		r := pppfsm.AuthRequest{Method: pap, Name: name, Response: []byte(password)}
		p.Authenticator.Authenticate(auth.Request{AuthRequest: r}, func(got auth.Verdict) { v = got })
		return v
	}
	if v := judge("joe", "x"); !v.Accepted {
		t.Error("joe was refused")
	}
	if judge("joe", "y").Accepted || judge("me", "my secret").Accepted {
		t.Error("somebody got in")
	}
	p = withOptions(t, "", "auth = ['pap']\npeer_user = 'joe'\npeer_password = 'z'\n").PPP
	if !judge("joe", "z").Accepted || judge("ann", "z").Accepted {
		t.Error("peer_password")
	}
	if out := fmt.Sprintf("%+v %#v", p, p); strings.Contains(out, "my secret") {
		t.Error(out)
	}
}

// TestBadAuth: every word of what is wrong, and nothing of a secret.
func TestBadAuth(t *testing.T) {
	good := secrets(t, "joe lns hunter2\n", 0o600)
	open := secrets(t, "joe lns hunter2\n", 0o644)
	bad := secrets(t, "joe lns hunter2\nann lns @hunter2\n", 0o600)
	long := strings.Repeat("x", 256)
	at := func(line int, key, msg string) string { return fmt.Sprintf("f.toml:%d: ppp.p.%s: %s", line, key, msg) }
	for _, tc := range []struct{ name, keys, want string }{
		{"unknown method", "auth = ['md5']\n", at(7, "auth", `must be "chap", "mschapv2" or "pap", not "md5"`)},
		{"twice", "refuse = ['pap', 'pap']\n", at(7, "refuse", `"pap" is there twice`)},
		{"auth is no array", "auth = true\n", at(7, "auth", "must be an array, not true or false")},
		{"nobody to let in", "auth = ['pap']\n", at(7, "auth", "no peer could prove itself: secrets_file or peer_password is needed")},
		{"pppd, nobody to let in", "pppd_options = 'require-chap'\n", at(7, "pppd_options", "no peer could prove itself: secrets_file or peer_password is needed")},
		{"another server", "auth = ['pap']\nname = 'bras'\nsecrets_file = '" + good + "'\n", at(9, "secrets_file", `has no secret for the server "bras", which is our name`)},
		{"peer_password for nothing", "peer_password = 'hunter2'\n", at(7, "peer_password", "means nothing without auth")},
		{"peer_user without password", "peer_user = 'joe'\n", at(7, "peer_user", "needs peer_password")},
		{"user without secret", "user = 'me'\n", at(7, "user", "has no secret: password or secrets_file is needed")},
		{"user not in file", "user = 'me'\nsecrets_file = '" + good + "'\n", at(7, "user", `"me" has no secret in secrets_file`)},
		{"all refused", "password = 'hunter2'\nrefuse = ['pap', 'chap', 'mschapv2']\n", at(8, "refuse", "refuses every method, so that password means nothing")},
		{"empty password", "password = ''\n", at(7, "password", "must have 1 to 255 bytes")},
		{"long password", "password = '" + long + "'\n", at(7, "password", "must have 1 to 255 bytes")},
		{"password is a number", "password = 1234\n", at(7, "password", "must be a string, not an integer")},
		{"long name", "name = '" + long + "'\n", at(7, "name", "must have at most 255 bytes")},
		{"relative file", "secrets_file = 'x'\n", at(7, "secrets_file", `must be an absolute path, not "x"`)},
		{"no file", "auth = ['pap']\nsecrets_file = '/nonexistent/x'\n", at(8, "secrets_file", "/nonexistent/x: cannot open: no such file or directory")},
		{"others may read it", "secrets_file = '" + open + "'\n", at(7, "secrets_file", open+": others than its owner may access it (mode 0644): chmod 600 it")},
		{"bad line", "user = 'me'\nsecrets_file = '" + bad + "'\n", at(8, "secrets_file", bad+":2: malformed: a secret in another file (@) is not supported")},
		{"timer", "chap_restart = 0\n", at(7, "chap_restart", "must be 1 to 86400, not 0")},
		{"MS-CHAP", "pppd_options = 'require-mschap'\n", at(7, "pppd_options", `pppd option "require-mschap": MS-CHAP, version 1, is not supported: use require-mschap-v2`)},
		{"EAP", "pppd_options = 'require-eap'\n", at(7, "pppd_options", `pppd option "require-eap": EAP is not supported`)},
		{"login", "pppd_options = 'login'\n", at(7, "pppd_options", `pppd option "login": passwords of this system's users are not supported: use a secrets file`)},
		{"papcrypt", "pppd_options = 'papcrypt'\n", at(7, "pppd_options", `pppd option "papcrypt": encrypted passwords in a secrets file are not supported`)},
		{
			"quoted password", "pppd_options = 'user me password \"hunter2 x\"'\n",
			at(7, "pppd_options", `pppd option "password": must have 1 to 255 bytes without quotes and backslashes: use the key password for others`) + "\n" +
				at(7, "pppd_options", "unknown pppd option behind password (not shown: it may be a part of it, see the key password)") + "\n" +
				at(7, "pppd_options", "has no secret: password or secrets_file is needed"),
		},
		{
			"password of several words", "pppd_options = 'user me password my hunter2'\n",
			at(7, "pppd_options", "unknown pppd option behind password (not shown: it may be a part of it, see the key password)"),
		},
		{
			"password with an option in it", "pppd_options = 'user me password my mru hunter2'\n",
			at(7, "pppd_options", `pppd option "mru": bad argument (not shown: it stands behind password)`),
		},
		{"password missing", "pppd_options = 'user me password'\n", at(7, "pppd_options", `pppd option "password" needs an argument`) + "\n" + at(7, "pppd_options", "has no secret: password or secrets_file is needed")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := parseText(t, minimal+"[ppp.p]\n"+tc.keys)
			if err == nil || c != nil {
				t.Fatalf("no error in:\n%s", tc.keys)
			}
			got := err.Error()
			if got != tc.want || strings.Contains(got, "hunter2") {
				t.Errorf("got:\n%v\nwant:\n%s", got, tc.want)
			}
		})
	}
}
