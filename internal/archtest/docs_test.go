package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"culvert/control"
	"culvert/forwarder"
	"culvert/internal/config"
	"culvert/internal/migrate"
)

// codeBlocks gives the blocks of one language in a document.
func codeBlocks(t *testing.T, path, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	return all
}

// missing are tables that a fragment in a document may leave out, by what shows that they are needed. What the file has, it
// is not given again.
var missing = []struct{ needs, has, text string }{
	{`^\[profile\.`, `^\[listen\.`, "[listen.l]\nlocal = \"192.0.2.1:1701\"\n[peer.p]\nsecret = \"s\"\n"},
	{`ppp_profile += "p0"`, `^\[ppp\.p0\]`, "[ppp.p0]\n"},
	{``, `^\[(tunnel|listen|profile)\.`, "[tunnel.t]\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n"},
}

// TestDocumentedConfiguration: what the documents tell people to write loads.
func TestDocumentedConfiguration(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte("joe lns \"a secret\" *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(documents) < 10 {
		t.Fatalf("%d documents, %v", len(documents), err)
	}
	blocks := 0
	for _, path := range append(documents, filepath.Join(root, "README.md")) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range codeBlocks(t, name, "toml") {
			for _, m := range missing {
				if found := regexp.MustCompile("(?m)" + m.needs).MatchString(text); found && !regexp.MustCompile("(?m)"+m.has).MatchString(text) {
					text += "\n" + m.text
				}
			}
			blocks++
			if _, err := config.Parse(name, []byte(strings.ReplaceAll(text, "/etc/culvert/secrets", secrets))); err != nil {
				t.Errorf("%v\nin:\n%s", err, text)
			}
		}
	}
	if blocks < 14 {
		t.Errorf("only %d blocks", blocks)
	}
}

// TestQuickStartMirrors: the kernel's end of the first situation in docs/quickstart.md is our end, crossed.
func TestQuickStartMirrors(t *testing.T) {
	const doc = "docs/quickstart.md"
	kernel, err := migrate.IPRoute(doc, []byte(codeBlocks(t, doc, "sh")[0]))
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]config.Tunnel
	for i, text := range []string{string(kernel), codeBlocks(t, doc, "toml")[0]} {
		c, err := config.Parse(doc, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = c.Tunnels[0]
	}
	a, b := ends[0], ends[1]
	if a.Local != b.Peer || a.Peer != b.Local || a.TID != b.PTID || a.PTID != b.TID || a.Transport != b.Transport {
		t.Errorf("the tunnels do not match: %+v, %+v", a, b)
	}
	x, y := a.Sessions[0], b.Sessions[0]
	if x.SID != y.PSID || x.PSID != y.SID || x.Cookie != y.PeerCookie || x.PeerCookie != y.Cookie || x.Cookie.Len() != 8 || x.Sublayer != y.Sublayer {
		t.Errorf("the sessions do not match: %+v, %+v", x, y)
	}
}

// TestTroubleshootingIsComplete: it names every reason of `culvert show drops`.
func TestTroubleshootingIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := []string{"control_refused", "session_refused", "script_refused"}
	for r := forwarder.DropReason(0); r.Help() != ""; r++ {
		reasons = append(reasons, r.String())
	}
	for _, r := range control.DropReasons() {
		reasons = append(reasons, "control_"+r.String())
	}
	if len(reasons) < 30 {
		t.Errorf("only %d reasons", len(reasons))
	}
	for _, r := range reasons {
		if !strings.Contains(string(text), "`"+r+"`") {
			t.Errorf("docs/troubleshooting.md does not say what to do about %s", r)
		}
	}
}

// anchor is the name that GitHub gives a heading.
func anchor(heading string) string {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	return strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// hasAnchor tells whether a document has a heading of that name.
func hasAnchor(text []byte, name string) bool {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllSubmatch(text, -1) {
		if anchor(string(m[1])) == name {
			return true
		}
	}
	return false
}

// TestLinks: what the documents point to inside the tree exists, headings too.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#: ]*)(?:#([^) ]*))?\)`)
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := filepath.Join(root, filepath.Dir(path), string(m[1]))
			if len(m[1]) == 0 {
				target = filepath.Join(root, path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s points to %s: %v", path, m[1], err)
				continue
			}
			if len(m[2]) == 0 || !strings.HasSuffix(target, ".md") {
				continue
			}
			if there, err := os.ReadFile(target); err != nil || !hasAnchor(there, string(m[2])) {
				t.Errorf("%s points to heading %s of %s, which is not there", path, m[2], target)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestProofsExist: the tests that documents name as proof are there.
func TestProofsExist(t *testing.T) {
	there := make(map[string]bool)
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test {
				there[fn.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile("`(?:[a-z0-9/]+\\.)?((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)`")
	named := 0
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		for _, m := range name.FindAllSubmatch(text, -1) {
			if named++; !there[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", path, m[1])
			}
		}
		return err
	})
	if err != nil || named < 200 {
		t.Errorf("%d tests named, %v", named, err)
	}
}
