package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mustParse(t *testing.T, text string) *Table {
	t.Helper()
	tab, err := Parse("secrets", text)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// TestLookup: the best match counts, the server before the client, the first of equals.
func TestLookup(t *testing.T) {
	tab := mustParse(t, `
# client  server  secret
*         *       any
joe       *       joe-any
*         lns     any-lns
joe       lns     "joe's secret"
joe       lns     second
ann       lns     ''"an"n   # quoted in parts
`)
	for _, tc := range []struct{ client, server, want string }{
		{"joe", "lns", "joe's secret"},
		{"joe", "other", "joe-any"},
		{"bob", "lns", "any-lns"},
		{"bob", "other", "any"},
		{"ann", "lns", "ann"},
		{"JOE", "lns", "any-lns"}, // case matters
	} {
		if e, ok := tab.Lookup(tc.client, tc.server); !ok || e.Secret.reveal() != tc.want {
			t.Errorf("%s to %s: %q, want %q", tc.client, tc.server, e.Secret.reveal(), tc.want)
		}
	}
	if tab.HasClient("bob") || !tab.HasServer("other") {
		t.Error("wildcards")
	}
	tab = mustParse(t, "joe lns x\n")
	if _, ok := tab.Lookup("joe", "other"); ok || tab.Len() != 1 || !tab.HasClient("joe") || tab.HasClient("ann") || tab.HasServer("other") {
		t.Error("found what is not there")
	}
	if _, ok := (*Table)(nil).Lookup("joe", "lns"); ok {
		t.Error("found something in no table")
	}
}

// TestWords: pppd's quoting.
func TestWords(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"a b", "[a|b]"},
		{"\t a  \"b c\" 'd \"e'\n", `[a|b c|d "e]`},
		{`a\ b c\"d \#e`, `[a b|c"d|#e]`},
		{`"a\"b" "#c" d#e`, `[a"b|#c|d]`},
		{`\101\x42\n\s\t\\ \x`, "[AB\n \t\\|x]"},
		{"a \\\n b\nc", "[a|b][c]"},
		{"a\\\nb", "[ab]"},
		{"\"a\\\nb\"", "[ab]"},
		{"# only\n\n  # comments\n", ""},
		{`"" x`, "[|x]"},
		{"a\r\nb\r\n", "[a][b]"},
		{`\q\8`, "[q8]"},
		{`\0617`, "[17]"},
		{`\x4g \xG`, "[\x04g|xG]"},
	} {
		got := ""
		s := splitter{text: tc.text, now: 1}
		for {
			l, err := s.next()
			if err != nil {
				t.Fatalf("%q: %v", tc.text, err)
			}
			if l.words == nil {
				break
			}
			got += "[" + strings.Join(l.words, "|") + "]"
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
}

// TestBadLines: every error has file and line, and nothing of a secret.
func TestBadLines(t *testing.T) {
	const hidden = "hunter2"
	for _, tc := range []struct{ name, text, want string }{
		{"two words", "a b c\n\njoe lns\n", "secrets:3: malformed: client, server and secret are needed, 2 of them are there"},
		{"empty secret", "joe lns \"\"\n", "secrets:1: malformed: the secret is empty"},
		{"another file", "joe lns @/hunter2\n", "secrets:1: malformed: a secret in another file (@) is not supported"},
		{"options", "joe lns hunter2 * -- mru 1400\n", "secrets:1: malformed: options (--) are not supported"},
		{"unit", "joe lns hunter2 10.0.0.0/24+\n", `secrets:1: malformed: "10.0.0.0/24+" depends on the number of the interface, which is not supported`},
		{"host name", "joe lns hunter2 joe.example\n", `secrets:1: malformed: "joe.example" is not an address, a prefix, "*" or "-"`},
		{"quote", "a b c\njoe lns \"hunter2\n", "secrets:2: quote is not closed in this line"},
		{"quote at the end", "joe lns 'hunter2", "secrets:1: quote is not closed in this line"},
		{"backslash", `joe lns hunter2\`, "secrets:1: nothing behind the backslash"},
		{"continued", "a b c\njoe \\\n lns\n", "secrets:2: malformed: client, server and secret are needed, 2 of them are there"},
		{"long", "joe lns " + strings.Repeat("x", 256), "secrets:1: malformed: names and secrets have at most 255 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tab, err := Parse("secrets", tc.text)
			var fe *FileError
			if err == nil || tab != nil || err.Error() != tc.want || !errors.As(err, &fe) || strings.Contains(err.Error(), hidden) {
				t.Errorf("%v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, tc := range []struct {
		column  string
		yes, no string
	}{
		{"", "", "10.0.0.1 ::1"},
		{"-", "", "10.0.0.1"},
		{"*", "10.0.0.1 2001:db8::1", ""},
		{"10.0.0.1", "10.0.0.1 ::ffff:10.0.0.1", "10.0.0.2"},
		{"10.0.0.0/24 192.0.2.7", "10.0.0.9 192.0.2.7", "10.0.1.0 192.0.2.8"},
		{"!10.0.0.1 10.0.0.0/24", "10.0.0.2", "10.0.0.1 10.1.0.1"},
		{"10.0.0.0/24 !10.0.0.1", "10.0.0.1", "10.1.0.1"}, // the first rule decides
		{"10.0.0.5/24", "10.0.0.1", "10.0.1.1"},
		{"!10.0.0.0/8 *", "11.0.0.1", "10.0.0.1"},
		{"10.0.0.1 - *", "10.0.0.1", "10.0.0.2"},
		{"2001:db8::/32", "2001:db8::1", "10.0.0.1 2001:db9::1"},
	} {
		e, _ := mustParse(t, "c s x "+tc.column+"\n").Lookup("c", "s")
		for _, a := range strings.Fields(tc.yes) {
			if !e.Addresses.Allows(netip.MustParseAddr(a)) {
				t.Errorf("%q refuses %s", tc.column, a)
			}
		}
		for _, a := range strings.Fields(tc.no) {
			if e.Addresses.Allows(netip.MustParseAddr(a)) {
				t.Errorf("%q allows %s", tc.column, a)
			}
		}
	}
	e, _ := mustParse(t, "c s x 10.0.0.1\n").Lookup("c", "s")
	if a, ok := e.Addresses.Only(); !ok || a.String() != "10.0.0.1" {
		t.Errorf("only %v %v", a, ok)
	}
	e, _ = mustParse(t, "c s x !10.0.0.1 10.0.0.0/24 *\n").Lookup("c", "s")
	all, every := e.Addresses.Prefixes()
	if _, only := e.Addresses.Only(); only || !every || len(all) != 1 || all[0].String() != "10.0.0.0/24" {
		t.Errorf("prefixes %v, every %v", all, every)
	}
	if e.Addresses.Equal(AnyAddress()) || !AnyAddress().Equal(AnyAddress()) {
		t.Error("Equal")
	}
}

// TestLoadRefuses: a file that others may read, or that is somebody else's, is none.
func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("joe lns hunter2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o700} {
		if tab, err := Load(write("good", mode)); err != nil || tab.Len() != 1 {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666} {
		path := write("open", mode)
		_, err := Load(path)
		if want := fmt.Sprintf("%s: others than its owner may access it (mode %04o): chmod 600 it", path, mode); !errors.Is(err, ErrAccess) || err.Error() != want {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if os.Geteuid() == 0 {
		path := write("foreign", 0o600)
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); !errors.Is(err, ErrOwner) || !strings.Contains(err.Error(), "uid 12345") {
			t.Errorf("somebody else's: %v", err)
		}
		link := filepath.Join(dir, "link") // the file counts, not what points to it
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(link); !errors.Is(err, ErrOwner) {
			t.Errorf("by a link: %v", err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrNotFile) {
		t.Errorf("a directory: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(fifo); !errors.Is(err, ErrNotFile) {
		t.Errorf("a FIFO: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) || !strings.HasSuffix(err.Error(), "/none: cannot open: no such file or directory") {
		t.Errorf("none: %v", err)
	}
}

// TestSecretsStaySecret: no way to print a structure shows a secret in it.
func TestSecretsStaySecret(t *testing.T) {
	const hidden = "hunter2"
	tab := mustParse(t, "joe lns "+hidden+"\n")
	e, _ := tab.Lookup("joe", "lns")
	l := Local{Name: "lns", Secret: NewSecret(hidden), Table: tab}
	p := Prover{User: "joe", Secret: NewSecret(hidden), Table: tab}
	type hides struct {
		inner Secret
		Outer *Secret
	}
	for _, v := range []any{e, &e, tab, l, &l, p, &p, NewSecret(hidden), hides{NewSecret(hidden), &e.Secret}} {
		j, _ := json.Marshal(v)
		for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if out := fmt.Sprintf(f, v) + string(j); strings.Contains(out, hidden) || strings.Contains(out, fmt.Sprintf("%x", hidden)) {
				t.Errorf("%s of %T: %s", f, v, out)
			}
		}
	}
	if NewSecret("").String() != "" || !NewSecret("").IsZero() || NewSecret("x").String() != redacted {
		t.Error("names of secrets")
	}
	if !NewSecret("x").Equal(NewSecret("x")) || NewSecret("x").Equal(NewSecret("y")) || NewSecret("x").Equal(Secret{}) || !(Secret{}).Equal(Secret{}) {
		t.Error("Equal")
	}
}

// FuzzParse: what is accepted, written again with everything quoted, means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a b c\n", "* lns \"x y\" 10.0.0.0/8 !*\n# c\n", `a\ b 'c' \x41\101`, "a \\\n b c -\n", "joe lns \"", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tab, err := Parse("f", text)
		if err != nil {
			var fe *FileError
			if !errors.As(err, &fe) || fe.Line < 1 || fe.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("error without a line: %v", err)
			}
			return
		}
		var b strings.Builder
		for p, e := range tab.entries {
			for _, w := range []string{p.client, p.server, e.Secret.reveal()} {
				for i := range len(w) {
					fmt.Fprintf(&b, `\%03o`, w[i])
				}
				b.WriteString(`"" `)
			}
			for _, r := range e.Addresses.rules {
				if r.deny {
					b.WriteByte('!')
				}
				if r.prefix.IsValid() {
					b.WriteString(r.prefix.String() + " ")
				} else {
					b.WriteString("* ")
				}
			}
			b.WriteByte('\n')
		}
		again, err := Parse("again", b.String())
		if err != nil || again.Len() != tab.Len() {
			t.Fatalf("%q became %q: %v", text, b.String(), err)
		}
		for p, e := range tab.entries {
			if o := again.entries[p]; !o.Secret.Equal(e.Secret) || !o.Addresses.Equal(e.Addresses) {
				t.Fatalf("%q became %q", text, b.String())
			}
		}
	})
}
