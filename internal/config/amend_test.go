package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// amendable has a static tunnel with a template, which ends without a new line.
const amendable = `# a file
[tunnel.a]
local = "127.0.0.1:1701"
peer = "127.0.0.2:1701"
tid = 1
ptid = 1
[tunnel.a.session.one]
pseudowire = "eth"
sid = 1
psid = 1
[tunnel.a.session.two]
pseudowire = "eth"
sid = 2
psid = 2`

func session1(name, id string) string {
	return "[tunnel.a.session." + name + "]\npseudowire = \"eth\"\nsid = " + id + "\npsid = " + id + "\n"
}

const another = "[tunnel.b]\nlocal = \"127.0.0.1:1702\"\npeer = \"127.0.0.2:1702\"\ntid = 2\nptid = 2\n"

// TestAmend: what is added and removed again leaves what was there.
func TestAmend(t *testing.T) {
	c := mustParse(t, amendable)
	next, err := c.Add(session1("three", "3"), true)
	if err != nil {
		t.Fatal(err)
	}
	three := SessionName{"a", "three"}
	if d := c.Compare(next, nil); !slices.Equal(d.Sessions.Added, []SessionName{three}) || len(d.Sessions.Changed)+len(d.Tunnels.Changed) != 0 {
		t.Errorf("%+v", d)
	}
	next, err = next.Add(another+strings.ReplaceAll(session1("x", "4"), "tunnel.a", "tunnel.b"), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []SessionName{three, {Tunnel: "b"}} {
		if next, err = next.Remove(name); err != nil {
			t.Fatal(name, err)
		}
	}
	if d := c.Compare(next, nil); d.Any() || next.Text != amendable+"\n" {
		t.Errorf("%+v\n%q", d, next.Text)
	}
	if next, err = c.Remove(SessionName{"a", "one"}); err != nil || next.Tunnels[0].Sessions[0].Line != c.Tunnels[0].Sessions[1].Line {
		t.Errorf("%v, %+v", err, next)
	}
}

func TestAmendRefused(t *testing.T) {
	c := mustParse(t, amendable)
	for _, tt := range []struct{ text, want string }{
		{"", "snippet:1: must begin with a table"},
		{"# only\nmtu = 1400\n[tunnel.a.session.x]", "snippet:2: must begin with a table"},
		{session1("x", "3") + "[ppp.p]\n", "snippet:5: only tables [tunnel.NAME]"},
		{"\n" + session1("x", "1"), "snippet:4: tunnel.a.session.x.sid: "},
		{session1("one", "9"), "snippet:1: tunnel.a.session.one: already defined in line 7"},
		{session1("x", "3") + "nokey = 1\n", "snippet:5: tunnel.a.session.x.nokey: "},
		{"[tunnel.a.session.x]\nsid = ", "snippet:2: "},
		{"[tunnel.a.session.x]\nsid = \"\xff\"", "snippet:2: "},
	} {
		for _, sessions := range []bool{true, false} {
			if _, err := c.Add(tt.text, sessions); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
			}
		}
	}
	if _, err := c.Add(another, true); err == nil || !strings.Contains(err.Error(), "as sessions") {
		t.Error(err)
	}
	for _, name := range []SessionName{{"a", "x"}, {"x", ""}, {"x", "one"}} {
		if _, err := c.Remove(name); !errors.Is(err, ErrNotThere) {
			t.Errorf("%v: %v", name, err)
		}
	}
	if _, err := c.Remove(SessionName{Tunnel: "a"}); err == nil || !strings.Contains(err.Error(), "no tunnel") {
		t.Error(err)
	}
	dotted := mustParse(t, amendable+"\n[tunnel.a.session]\nthree.pseudowire = 'eth'\nthree.sid = 3\nthree.psid = 3\n")
	if _, err := dotted.Remove(SessionName{"a", "three"}); !errors.Is(err, errNoTable) {
		t.Error(err)
	}
}

// FuzzAmend: what is added is a tunnel or a session and changes nothing else, and goes again.
func FuzzAmend(f *testing.F) {
	f.Add(session1("x", "3"))
	f.Add(another)
	f.Add("[tunnel.a.session.x]\nsid = 3 # [x]\npsid = 4\npseudowire = 'eth'\ninterface_name = '''\n[x]'''")
	f.Fuzz(func(t *testing.T, text string) {
		c := mustParse(t, amendable)
		next, err := c.Add(text, true)
		if err != nil {
			return
		}
		d := c.Compare(next, nil)
		if len(d.Tunnels.Added)+len(d.Sessions.Removed)+len(d.Sessions.Changed)+len(d.Tunnels.Removed)+len(d.Restart) > 0 {
			t.Errorf("%q: %+v", text, d)
		}
	})
}
