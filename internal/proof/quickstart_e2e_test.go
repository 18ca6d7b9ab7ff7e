//go:build e2e

package proof

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"culvert/internal/testenv"
)

const quickstart = "../../docs/quickstart.md"

// twoHosts are the documentation's, 192.0.2.1 and 192.0.2.2.
func twoHosts(t *testing.T) (a, b *node) {
	a, b = newNode(t, "192.0.2.1"), newNode(t, "192.0.2.2")
	join(a, b, "wire0", []string{"192.0.2.1/24"}, []string{"192.0.2.2/24"})
	return a, b
}

// documented gives culvert's command lines of a section as arguments.
func documented(section string) (all [][]string) {
	for _, m := range regexp.MustCompile(`(?m)^    (?:ip netns exec [ab] )?culvert ([^#\n&]*)`).FindAllStringSubmatch(section, -1) {
		all = append(all, strings.Fields(m[1]))
	}
	return all
}

// TestE2EQuickstartLNS: the LNS of the quick start and its hundred subscribers as they are printed there, and every command
// that the section shows.
func TestE2EQuickstartLNS(t *testing.T) {
	section := testenv.Section(t, quickstart, "Many PPP sessions: an LNS")
	files := testenv.Blocks(section, "toml")
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte(testenv.Blocks(section, "")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	lns, lac := twoHosts(t)
	lns.configure(strings.Replace(files[0], "/etc/culvert/secrets", secrets, 1))
	lac.configure(files[1])
	lns.start()
	lac.start()
	lac.allUp(100)
	lns.allUp(100)
	lac.eventually("to reach the LNS through a line", func() string {
		return lac.failure("ping", "-n", "-q", "-c", "1", "-W", "1", "-I", "line7", "10.64.0.1")
	})
	commands := documented(section)
	if len(commands) != 5 {
		t.Errorf("%d commands: %q", len(commands), commands)
	}
	for _, c := range commands {
		lns.must(strings.Join(c, " "), append([]string{culvert(t)}, append(c, "--socket", lns.socket())...)...)
	}
	lac.stop()
	lns.stop()
}

// TestE2EQuickstartLaboratory: the two ends and the programs of the throughput laboratory, with shorter trials.
func TestE2EQuickstartLaboratory(t *testing.T) {
	section := testenv.Section(t, quickstart, "Throughput laboratory")
	a, b := twoHosts(t)
	for i, n := range []*node{a, b} {
		_, text, _ := strings.Cut(testenv.Blocks(section, "toml")[i], ".sock\"\n") // its API has another place
		n.configure(text)
		n.start()
	}
	a.eventually("to reach the other end", func() string { return a.failure("ping", "-n", "-q", "-c", "1", "-W", "1", "10.78.0.2") })
	seen := make(map[string]bool)
	for _, c := range documented(section) {
		seen[strings.Join(c[:min(2, len(c))], " ")] = true
		switch {
		case c[0] == "run": // as above
		case c[1] == "sink":
			sink, err := b.ns.Start("sink", nil, append([]string{culvert(t)}, c...)...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(sink.Kill)
			b.eventually("to have its sink", func() string { return b.failure("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5301") })
		case c[0] == "bench":
			a.must(strings.Join(c, " "), append([]string{culvert(t)}, append(c, "--duration", "100ms")...)...)
		case c[0] == "show":
			c[2] = a.socket()
			a.must(strings.Join(c, " "), append([]string{culvert(t)}, c...)...)
		default:
			t.Errorf("culvert %q is not tried", c)
		}
	}
	for _, want := range []string{"bench sink", "bench generate", "bench ping", "show --socket"} {
		if !seen[want] {
			t.Errorf("no `culvert %s` in the section", want)
		}
	}
	a.stop()
	b.stop()
}
