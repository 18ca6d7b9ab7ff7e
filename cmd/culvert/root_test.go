package main

import (
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"testing"

	"culvert/internal/version"
)

func TestUsage(t *testing.T) {
	tests := []struct {
		args      []string
		err, help string // what is wrong, and whose help is named
	}{
		{nil, "a command is missing", "culvert"},
		{[]string{"shwo"}, `unknown command "shwo", did you mean show?`, "culvert"},
		{[]string{"frobnicate"}, `unknown command "frobnicate"`, "culvert"},
		{[]string{"--frob"}, "unknown flag: --frob", "culvert"},
		{[]string{"version", "now"}, `unexpected argument "now"`, "culvert version"},
		{[]string{"version", "--json=maybe"}, `invalid argument "maybe" for "--json" flag: strconv.ParseBool: parsing "maybe": invalid syntax`, "culvert version"},
		{[]string{"check"}, `required flag(s) "config" not set`, "culvert check"},
		{[]string{"check", "file.toml"}, `unexpected argument "file.toml"`, "culvert check"},
		{[]string{"check", "--config"}, "flag needs an argument: --config", "culvert check"},
		{[]string{"show"}, "a command is missing", "culvert show"},
		{[]string{"show", "session"}, "one session name TUNNEL/SESSION is needed, not 0", "culvert show session"},
		{[]string{"show", "macs"}, "the name of one shared device is needed, not 0", "culvert show macs"},
		{[]string{"show", "session", "a/b", "c/d"}, "one session name TUNNEL/SESSION is needed, not 2", "culvert show session"},
		{[]string{"show", "worker"}, `unknown command "worker", did you mean workers?`, "culvert show"},
		{[]string{"show", "tunnels", "t1"}, `unexpected argument "t1"`, "culvert show tunnels"},
		{[]string{"show", "sessions", "t1"}, `unexpected argument "t1"`, "culvert show sessions"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			wantFailure(t, culvert(tt.args...), exitUsage, "culvert: "+tt.err, "See `"+tt.help+" --help`.")
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"show", "--help"}, {"show", "sessions", "-h"}, {"completion", "bash"}} {
		if r := culvert(args...); r.status != exitOK || r.stdout == "" || r.stderr != "" {
			t.Errorf("%q: status %d, %d bytes, stderr %q", args, r.status, len(r.stdout), r.stderr)
		}
	}
	r := culvert("help")
	for _, c := range commands() {
		if strings.Contains(r.stdout, "\n  "+c.Name()+" ") == c.Hidden {
			t.Errorf("help lists %q: %v", c.Name(), c.Hidden)
		}
	}
}

func TestVersion(t *testing.T) {
	want := version.Get().String() + "\n"
	for _, arg := range []string{"version", "--version"} {
		if r := culvert(arg); r.status != exitOK || r.stdout != want || r.stderr != "" {
			t.Errorf("%s: %+v", arg, r)
		}
	}
	r := culvert("version", "--json")
	var info version.Info
	if err := json.Unmarshal([]byte(r.stdout), &info); err != nil || info != version.Get() {
		t.Errorf("%q: %v", r.stdout, err)
	}
	if !strings.Contains(want, runtime.Version()) {
		t.Errorf("%q has no Go version", want)
	}
}

// brokenWriter is a standard output that takes nothing.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestBrokenOutput(t *testing.T) {
	socket := serve(t, source{})
	for _, args := range [][]string{
		{"version"},
		{"version", "--json"},
		{"show", "drops", "--socket", socket},
		{"show", "session", "t1/s1", "--socket", socket},
		{"show", "drops", "--json", "--socket", socket},
	} {
		var stderr strings.Builder
		if status := execute(t.Context(), args, brokenWriter{}, &stderr); status != exitFailure || !strings.HasSuffix(stderr.String(), "short write\n") {
			t.Errorf("%q: status %d, stderr %q", args, status, stderr.String())
		}
	}
}
