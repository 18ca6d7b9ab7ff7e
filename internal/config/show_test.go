package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShowKeeps: what is shown says the same, but for what is hidden.
func TestShowKeeps(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseText(t, string(text))
		if err != nil {
			t.Fatal(f, err)
		}
		again, err := show(c.Text, false)
		if err != nil {
			t.Fatal(f, err)
		}
		next, err := parseText(t, again)
		if err != nil {
			t.Fatalf("%s: %v\n%s", f, err, again)
		}
		if d := c.Compare(next, nil); d.Any() || len(d.Restart) > 0 {
			t.Errorf("%s: %+v\n%s", f, d, again)
		}
	}
}

func TestShow(t *testing.T) {
	c := Config{Text: `# secret = "TELL"
workers = 0x2
tunnel.t.secret = ["TELL1", 'TELL2'] # TELL
tunnel.t."a b".x = "q\"\u0007\u00e9\\"
[ppp.secret]
password = """
TELL
TELL"""
peer_password = 'TELL'
pppd_options = "noauth  password TELL TELL"
pppd = "password"
[tunnel.t.session.e]
[tunnel.t.session.s]
cookie = "TELL"
peer_cookie = "TELL"
routes = [{ to = "::/0", via = "fe80::1" }, {}]
`}
	got, err := c.Show()
	want := `workers = 0x2

[tunnel.t]
secret = "(hidden)"

[tunnel.t."a b"]
x = "q\"\u0007é\\"

[tunnel.t.session.e]

[tunnel.t.session.s]
cookie = "(hidden)"
peer_cookie = "(hidden)"
routes = [{ to = "::/0", via = "fe80::1" }, {  }]

[ppp.secret]
password = "(hidden)"
peer_password = "(hidden)"
pppd_options = "noauth password (hidden)"
pppd = "password"
`
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	c.Text = "x = ["
	if _, err := c.Show(); err == nil {
		t.Error("shown")
	}
}

// TestShowHidesAll: every key that takes a secret is hidden.
func TestShowHidesAll(t *testing.T) {
	for _, known := range []map[string]bool{namesOf(dialKeys), namesOf(tunnelKeys), namesOf(sessionKeys), namesOf(profileKeys), namesOf(peerKeys), namesOf(pppKeys)} {
		for name := range known {
			secret := strings.Contains(name, "password") || strings.Contains(name, "cookie") && name != "cookie_size" ||
				strings.Contains(name, "secret") && name != "secrets_file"
			if secret != secretKeys[name] {
				t.Errorf("%s: hidden %v", name, secretKeys[name])
			}
		}
	}
}

func namesOf[T any](k keys[T]) map[string]bool {
	m := map[string]bool{}
	for name := range k {
		m[name] = true
	}
	return m
}

// FuzzShow: what is shown of any document is one, and shows itself.
func FuzzShow(f *testing.F) {
	f.Add("0=0.0")
	f.Add("t = 2026-11-26\n[[x]]\ny = 1")
	f.Add("a = 1\n[b.c]\nsecret = 'TELL'\nx.y = [1, {z = \"\\u0001\"}]\n[b]\npppd_options = 'password x'")
	f.Fuzz(func(t *testing.T, text string) {
		var r report
		if parseDocument([]byte(text), text, &r) == nil || r.err() != nil {
			return
		}
		once, err := show(text, true)
		if errors.Is(err, errNoKey) {
			return // floats, times, arrays of tables
		}
		if err != nil {
			t.Fatal(err)
		}
		if again, err := show(once, true); err != nil || again != once {
			t.Errorf("%q\n%q\n%q %v", text, once, again, err)
		}
	})
}
