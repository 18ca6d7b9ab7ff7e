package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// hookLog makes a program that writes its argument and environment into a file, and [hooks] with it for all events.
func hookLog(t *testing.T) (table, file string) {
	t.Helper()
	dir := t.TempDir()
	path, file := filepath.Join(dir, "hook"), filepath.Join(dir, "log")
	text := fmt.Sprintf("#!/bin/sh\necho \"$1\" $(/usr/bin/env | /bin/sort | /bin/grep ^CULVERT | /bin/grep -v ^CULVERT_TIME=20) >>%s\n", file)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("[hooks]\n")
	for _, event := range config.HookEvents() {
		fmt.Fprintf(&b, "%s = %q\n", event, path)
	}
	return b.String(), file
}

// TestHooks: programs hear of all that happens, in the order of each thing, and of its end with us.
func TestHooks(t *testing.T) {
	t.Parallel()
	ns, ends := newNS(t), loopback()
	table, file := hookLog(t)
	peer := newWirePeer(t, ends)
	i := run(t, table+strings.Replace(lineConfig(ns, ends, ""), "[ppp.p]", fmt.Sprintf(`
[tunnel.t.session.lan]
pseudowire = "eth"
sid = 12
psid = 23
interface_name = "lan"
netns = "%s"
[ppp.p]`, ns), 1))
	peer.until("up", peer.up)
	// The next one may change things only once all before it have been told.
	eventually(t, "up", func() bool { return i.session("line").State == "up" && i.session("lan").State == "up" })
	i.drain(false)
	i.drain(true)
	done := make(chan error, 1)
	go func() { done <- i.stop() }()
	peer.until("end", func() bool { return peer.reason != "" })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	heard := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(readText(t, file)), "\n") {
		event, env, _ := strings.Cut(line, " ")
		about := "culvert"
		for _, v := range strings.Fields(env) {
			if name, ok := strings.CutPrefix(v, "CULVERT_SESSION="); ok {
				about = name
			} else if v == "CULVERT_TUNNEL=t" && about == "culvert" {
				about = "tunnel"
			}
		}
		if !strings.Contains(env, "CULVERT_EVENT="+event) {
			t.Errorf("environment of %q", line)
		}
		heard[about] = append(heard[about], event)
		if event == "session_changed" && about == "line" {
			want := fmt.Sprintf("CULVERT_EVENT=session_changed CULVERT_INTERFACE=line CULVERT_LOCAL_ADDRESS=10.77.0.1 CULVERT_PEER=%s "+
				"CULVERT_PEER_ADDRESS=10.77.0.2 CULVERT_PEER_INTERFACE_ID=fe80::2 CULVERT_SESSION=line CULVERT_TUNNEL=t", ends[1])
			if len(heard[about]) == 2 && env != want {
				t.Errorf("got  %s\nwant %s", env, want)
			}
		}
		if strings.HasSuffix(event, "_down") && !strings.Contains(env, "CULVERT_REASON=shutting down ") {
			t.Errorf("reason of %q", line)
		}
	}
	if want := []string{"session_up", "session_changed"}; len(heard["line"]) < 3 || !slices.Equal(heard["line"][:2], want) ||
		heard["line"][len(heard["line"])-1] != "session_down" {
		t.Errorf("line: %v", heard["line"])
	}
	for about, want := range map[string][]string{
		"tunnel": {"tunnel_up", "tunnel_down"}, "lan": {"session_up", "session_down"}, "culvert": {"drain", "drain_end"},
	} {
		if !slices.Equal(heard[about], want) {
			t.Errorf("%s: %v, not %v", about, heard[about], want)
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHooksFollowReload: events after a reload go to what the new file says.
func TestHooksFollowReload(t *testing.T) {
	ns := newNS(t)
	before, first := hookLog(t)
	after, second := hookLog(t)
	ends := loopback()
	i := runFile(t, before+lineConfig(ns, ends, ""))
	r := i.reload(after + lineConfig(ns, ends, ""))
	if c := r.Changes[len(r.Changes)-1]; c.Kind != mgmt.KindHook || len(c.Updated) != len(config.HookEvents()) {
		t.Errorf("%+v", r.Changes)
	}
	if err := i.stop(); err != nil {
		t.Fatal(err)
	}
	if text := readText(t, first); strings.Contains(text, "down") || !strings.Contains(text, "tunnel_up") {
		t.Errorf("before: %s", text)
	}
	if text := readText(t, second); !strings.Contains(text, "tunnel_down") || !strings.Contains(text, "CULVERT_CHANGES=hook: ") {
		t.Errorf("after: %s", text)
	}
}

// TestHookEvents: whatever is told can be hooked to.
func TestHookEvents(t *testing.T) {
	kinds := []string{
		mgmt.EventTunnelUp, mgmt.EventTunnelDown, mgmt.EventTunnelFailed, mgmt.EventSessionUp, mgmt.EventSessionChanged,
		mgmt.EventSessionDown, mgmt.EventSessionFailed, mgmt.EventReload, mgmt.EventReloadRefused, mgmt.EventDrain, mgmt.EventDrainEnd,
	}
	if !slices.Equal(kinds, config.HookEvents()) {
		t.Errorf("%v, not %v", config.HookEvents(), kinds)
	}
}

// TestHookEnvironment: a peer's own words cannot do harm, and nothing is set that is not known.
func TestHookEnvironment(t *testing.T) {
	got := hookEnv(&mgmt.Event{Type: "reload", User: "a\nb\x00", Changes: map[string]string{"tunnel": "1 added", "hook": "2 updated"}})
	want := []string{"CULVERT_EVENT=reload", "CULVERT_USER=a?b?", "CULVERT_CHANGES=hook: 2 updated; tunnel: 1 added"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	all := hookEnv(&mgmt.Event{
		Time: "1", Type: "2", Tunnel: "3", Session: "4", Interface: "5", Reason: "6", Peer: "7", HostName: "8", User: "9",
		Local: "10", Address: "11", PeerID: "12", Prefix: "13", Changes: map[string]string{"x": "y"},
	})
	reference := readText(t, "../../docs/configuration.md")
	for _, v := range all {
		if name, _, _ := strings.Cut(v, "="); !strings.Contains(reference, "`"+name+"`") {
			t.Errorf("docs/configuration.md does not have %s", name)
		}
	}
	if len(all) != 14 {
		t.Errorf("%q", all)
	}
}
