package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"culvert/client"
)

func TestShow(t *testing.T) {
	socket := serve(t, source{})
	tests := []struct {
		golden string
		args   []string
	}{
		{"tunnels.txt", []string{"tunnels"}},
		{"tunnel-static.txt", []string{"tunnel", "t1"}},
		{"tunnel-dynamic.txt", []string{"tunnel", "t2"}},
		{"tunnel-messages.txt", []string{"tunnel", "t2", "--messages"}},
		{"tunnel-silent.txt", []string{"tunnel", "t3", "--messages"}},
		{"sessions.txt", []string{"sessions"}},
		{"sessions-filtered.txt", []string{"sessions", "--tunnel", "t1", "--state", "up", "--interface", "sub00001"}},
		{"sessions-none.txt", []string{"sessions", "--tunnel", "nobody"}},
		{"session-ppp.txt", []string{"session", "t1/s1"}},
		{"session-ppp-down.txt", []string{"session", "t1/s2"}},
		{"session-eth.txt", []string{"session", "t2/e1"}},
		{"workers.txt", []string{"workers"}},
		{"drops.txt", []string{"drops"}},
		{"pools.txt", []string{"pools"}},
		{"shared.txt", []string{"shared"}},
		{"macs.txt", []string{"macs", "access"}},
		{"profiles.txt", []string{"profiles"}},
		{"config.txt", []string{"config"}},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			r := culvert(append([]string{"show", "--socket", socket}, tt.args...)...)
			if r.status != exitOK || r.stderr != "" {
				t.Errorf("status %d, stderr %q", r.status, r.stderr)
			}
			for line := range strings.Lines(r.stdout) {
				if strings.TrimRight(line, " \n")+"\n" != line {
					t.Errorf("space at the end of %q", line)
				}
			}
			golden(t, tt.golden, r.stdout)
		})
	}
}

// TestShowJSON: --json prints what curl would.
func TestShowJSON(t *testing.T) {
	socket := serve(t, source{})
	curl := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	for path, args := range map[string][]string{
		"/v1/tunnels":                 {"tunnels"},
		"/v1/tunnels/t1":              {"tunnel", "t1"},
		"/v1/tunnels/t2/messages":     {"tunnel", "--messages", "t2"},
		"/v1/sessions":                {"sessions"},
		"/v1/sessions?tunnel=t2":      {"sessions", "--tunnel=t2"},
		"/v1/sessions?tunnel=a%26b+c": {"sessions", "--tunnel=a&b c"},
		"/v1/sessions/t1/s1":          {"session", "t1/s1"},
		"/v1/workers":                 {"workers"},
		"/v1/drops":                   {"drops"},
		"/v1/pools":                   {"pools"},
		"/v1/shared":                  {"shared"},
		"/v1/shared/access/macs":      {"macs", "access"},
		"/v1/profiles":                {"profiles"},
		"/v1/config":                  {"config"},
	} {
		resp, err := curl.Get("http://culvert" + path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		r := culvert(append([]string{"show", "--json", "--socket", socket}, args...)...)
		if r.status != exitOK || r.stderr != "" || r.stdout != string(want) {
			t.Errorf("%s: %+v\nwant %s", path, r, want)
		}
	}
}

func TestShowFails(t *testing.T) {
	socket := serve(t, source{})
	wantFailure(t, culvert("show", "session", "t1/nobody", "--socket", socket), exitFailure, `culvert: no session "t1/nobody"`)
	wantFailure(t, culvert("show", "tunnel", "nobody", "--socket", socket), exitFailure, `culvert: no tunnel "nobody"`)
	wantFailure(t, culvert("show", "tunnel", "t1", "--messages", "--socket", socket), exitFailure, `culvert: no tunnel "t1" with a control connection`)
	wantFailure(t, culvert("show", "macs", "subscribers", "--socket", socket), exitFailure, `culvert: no shared device "subscribers" for Ethernet sessions`)
	wantFailure(t, culvert("show", "session", "s1", "--json", "--socket", socket), exitFailure,
		`culvert: session name "s1" is not of the form tunnel/session`)
	none := filepath.Join(t.TempDir(), "s")
	for _, what := range []string{"tunnels", "sessions", "workers", "drops", "pools", "shared", "profiles", "config"} {
		wantFailure(t, culvert("show", what, "--socket", none), exitFailure,
			"culvert: cannot reach culvert at "+none+": is `culvert run` active?")
	}
}

// TestShowHostile: what a daemon sends cannot write to the terminal other than as text.
func TestShowHostile(t *testing.T) {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	if err := dropTable(w, []client.Drop{{Reason: "a\tb\nc\x1b[31m\u202e", Help: "\xff"}}); err != nil {
		t.Fatal(err)
	}
	_ = w.Flush()
	want := "REASON                 COUNT  MEANING\n" + `a\tb\nc\x1b[31m\u202e  0      \xff` + "\n"
	if got := b.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
