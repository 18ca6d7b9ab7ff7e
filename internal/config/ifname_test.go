package config

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGenerateName(t *testing.T) {
	for _, tc := range []struct{ tunnel, session, want string }{
		{"t1", "s1", "t1-s1"},
		{"access", "line0001", "access-line0001"},
		{"t1", "a-b", "t1-a-b"},
		{"access", "line00001", "00001-gg4tonxh6"},
		{"a-b", "c", "c-dv2cbbfj2"},
		{"a", "b c", "bc-"},
		{"-a", "b", "b-"},
		{"\u00fc", "\u00fc", "cv-"},
	} {
		got := generateName(tc.tunnel, tc.session, 0)
		if got != tc.want && !(strings.HasSuffix(tc.want, "-") && strings.HasPrefix(got, tc.want)) {
			t.Errorf("%q, %q: got %q, want %q", tc.tunnel, tc.session, got, tc.want)
		}
	}
}

// TestGenerateNameIsValid: whatever the names, the kernel would take the result, and a second attempt differs.
func TestGenerateNameIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tunnel, session := rapid.String().Draw(t, "tunnel"), rapid.String().Draw(t, "session")
		first, second := generateName(tunnel, session, 0), generateName(tunnel, session, 1)
		for _, name := range []string{first, second} {
			if problem := nameProblem(name); problem != "" {
				t.Fatal(problem)
			}
		}
		if first == second || first != generateName(tunnel, session, 0) {
			t.Fatalf("%q and %q", first, second)
		}
	})
}

// TestNamesAvoidTaken: a generated name gives way to one that the file gives to another session, earlier or later.
func TestNamesAvoidTaken(t *testing.T) {
	c := mustParse(t, minimal+goodSession+`
[tunnel.t1.session.s2]
pseudowire = "eth"
sid = 2
psid = 2
interface_name = "t1-s1"
[tunnel.t1.session.s3]
pseudowire = "eth"
sid = 3
psid = 3
interface_name = "t1-s3"
netns = "blue"
[tunnel.t1.session.s4]
pseudowire = "eth"
sid = 4
psid = 4
interface_name = "t1-s3"
`)
	s := c.Tunnels[0].Sessions
	if s[0].InterfaceName != generateName("t1", "s1", 1) || s[2].InterfaceName != "t1-s3" || s[3].InterfaceName != "t1-s3" {
		t.Errorf("got %q", []string{s[0].InterfaceName, s[1].InterfaceName, s[2].InterfaceName, s[3].InterfaceName})
	}
}

// TestManyNames: 100,000 sessions of one tunnel with long names get 100,000 interfaces.
func TestManyNames(t *testing.T) {
	seen := make(map[string]bool, 100_000)
	for i := range 100_000 {
		seen[generateName("subscribers-north", fmt.Sprintf("sub%06d", i), 0)] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("only %d different names", len(seen))
	}
}
