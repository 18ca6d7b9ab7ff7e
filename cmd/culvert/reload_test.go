package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"culvert/client"
	"culvert/internal/mgmt"
)

// changer is a culvert that can be changed: it answers what it has, and remembers what it was asked for.
type changer struct {
	mu     sync.Mutex
	report client.ReloadReport
	err    error
	asked  client.ReloadRequest
}

func (c *changer) Reload(_ context.Context, r client.ReloadRequest) (client.ReloadReport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = r
	return c.report, c.err
}

func (c *changer) Drain(_ context.Context, r client.DrainRequest) (client.DrainReport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return client.DrainReport{Draining: !r.Off, Tunnels: 1, Sessions: 3}, c.err
}

func (c *changer) Add(_ context.Context, r client.AddRequest) (client.ReloadReport, error) {
	return client.ReloadReport{Changes: []client.Change{{Kind: r.Kind, Added: []string{r.Text}}}}, c.err
}

func (c *changer) Delete(_ context.Context, r client.DeleteRequest) (client.ReloadReport, error) {
	return client.ReloadReport{Changes: []client.Change{{Kind: "session", Removed: []string{r.Tunnel + r.Session}}}, Failed: []string{"f:1: k: bad"}}, c.err
}

func (c *changer) Debug(_ context.Context, r client.DebugRequest) (client.LogLevel, error) {
	level := r.Level
	if level == client.LevelDefault {
		level = "warn"
	}
	return client.LogLevel{Kind: r.Kind, Name: r.Name, Level: level, Own: level == r.Level}, c.err
}

func (c *changer) Disconnect(_ context.Context, r client.DisconnectRequest) (client.DisconnectReport, error) {
	return client.DisconnectReport{Sessions: []string{r.Session + r.User + r.Address}, Tunnel: r.Tunnel}, c.err
}

func TestDisconnect(t *testing.T) {
	socket := serve(t, source{}, mgmt.WithChanges(&changer{}))
	for _, tt := range []struct{ args, want string }{
		{"t1/s1", "ended session t1/s1\n"},
		{"--user joe", "ended session joe\n"},
		{"--address 10.0.0.1", "ended session 10.0.0.1\n"},
	} {
		r := culvert(append([]string{"disconnect", "--socket", socket}, strings.Fields(tt.args)...)...)
		if r.status != exitOK || r.stdout != tt.want || r.stderr != "" {
			t.Errorf("%s: %+v", tt.args, r)
		}
	}
	for _, args := range [][]string{nil, {"a/b", "c/d"}, {"a/b", "--user", "x"}} {
		if r := culvert(append([]string{"disconnect", "--socket", socket}, args...)...); r.status == exitOK {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func reports() client.ReloadReport {
	many := make([]string, 12)
	for i := range many {
		many[i] = fmt.Sprintf("t1/s%d", i)
	}
	return client.ReloadReport{
		File: "/etc/culvert.toml",
		Changes: []client.Change{
			{Kind: client.KindTunnel, Added: []string{"t3", "t\x1b4"}, Kept: 1},
			{Kind: client.KindSession, Added: many, Changed: []string{"t1/x"}, Kept: 100000},
			{Kind: client.KindPeer, Updated: []string{"access"}},
		},
		LogLevel: "warn", Restart: []string{"api.socket", "workers"},
	}
}

func TestReload(t *testing.T) {
	c := &changer{report: reports()}
	socket := serve(t, source{}, mgmt.WithChanges(c))
	r := culvert("reload", "--socket", socket)
	if r.status != exitOK || r.stderr != "" {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	golden(t, "reload.txt", r.stdout)

	r = culvert("reload", "--socket", socket, "--json")
	var got client.ReloadReport
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got.Changes[1].Kept != 100000 {
		t.Errorf("%v: %s", err, r.stdout)
	}

	c.report = client.ReloadReport{Changes: []client.Change{{Kind: client.KindTunnel, Kept: 2}}, Warnings: []string{"w"}, Failed: []string{"c.toml:3: a: b", "c.toml:4: c: d"}}
	r = culvert("reload", "--socket", socket)
	if r.status != exitFailure || r.stderr != "culvert: warning: w\nculvert: c.toml:3: a: b\nculvert: c.toml:4: c: d\n" {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	if !strings.Contains(r.stdout, "added: nothing\n") || !strings.Contains(r.stdout, "kept: 2 tunnels\n") {
		t.Errorf("stdout %q", r.stdout)
	}

	c.err = errors.New("c.toml:7: tunnel.t1.sid: must be 1 to 4294967295, not 0\nc.toml:9: x: unknown key")
	wantFailure(t, culvert("reload", "--socket", socket), exitFailure,
		"culvert: c.toml:7: tunnel.t1.sid: must be 1 to 4294967295, not 0", "culvert: c.toml:9: x: unknown key")
}

func TestCheckDiff(t *testing.T) {
	c := &changer{report: reports()}
	socket := serve(t, source{}, mgmt.WithChanges(c))
	path := writeConfig(t, goodConfig)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := culvert("check", "--config", path, "--diff", "--socket", socket)
	if r.status != exitOK || r.stderr != "" {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	var want strings.Builder
	printReload(&want, &c.report)
	if r.stdout != want.String() {
		t.Errorf("stdout:\n%s\nwant:\n%s", r.stdout, want.String())
	}
	if want := (client.ReloadRequest{File: dir + "/" + path, DryRun: true}); c.asked != want {
		t.Errorf("asked for %+v, want %+v", c.asked, want)
	}
}
