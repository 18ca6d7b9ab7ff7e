package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/mgmt"
)

// listening gives what happens at a daemon.
func (i *instance) listening(ctx context.Context) <-chan mgmt.Event {
	i.t.Helper()
	stream, err := client.New(i.socket).Events(ctx, client.EventFilter{})
	if err != nil {
		i.t.Fatal(err)
	}
	all := make(chan mgmt.Event, 1000)
	go func() {
		defer close(all)
		for e, err := range stream {
			if err != nil {
				e.Type = err.Error()
			}
			all <- e
		}
	}()
	return all
}

// awaitEvents waits for so many events and gives them by what they are about, in the order of their kinds.
func awaitEvents(t *testing.T, c <-chan mgmt.Event, n int) map[string][]mgmt.Event {
	t.Helper()
	all := map[string][]mgmt.Event{}
	late := time.After(20 * time.Second)
	for range n {
		select {
		case e := <-c:
			name := strings.Trim(e.Tunnel+"/"+e.Session, "/")
			all[name] = append(all[name], e)
		case <-late:
			t.Fatalf("only %+v", all)
		}
	}
	return all
}

// awaitEventsOf waits for so many events about one tunnel or session, whatever else is told meanwhile.
func awaitEventsOf(t *testing.T, c <-chan mgmt.Event, name string, n int) (all []mgmt.Event) {
	t.Helper()
	for heard := 0; len(all) < n; heard++ {
		if heard == 100 {
			t.Fatalf("only %+v about %s among %d events", all, name, heard)
		}
		all = append(all, awaitEvents(t, c, 1)[name]...)
	}
	return all
}

func kinds(all []mgmt.Event) string {
	var k []string
	for _, e := range all {
		k = append(k, e.Type)
	}
	return strings.Join(k, " ")
}

// TestEvents follows a dynamic tunnel at both ends from its first message to its end.
func TestEvents(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 2)
	lns := runFile(t, answering(nsA, `"the secret"`, port[0]))
	at := lns.listening(context.Background())
	lac := run(t, dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), fmt.Sprintf("127.0.0.1:%d", port[0]), "the secret", 0))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	all := awaitEvents(t, at, 4+2) // PPP has two networks
	tunnel := all["access:1"]
	if kinds(tunnel) != "tunnel_up" || tunnel[0].HostName != "lac" || !strings.HasPrefix(tunnel[0].Peer, "127.0.0.2:") {
		t.Errorf("%+v", all)
	}
	sub := all["access:1/sub-0"]
	if kinds(sub) != "session_up session_changed" || sub[1].Interface != "sub0" || sub[1].Local != "10.77.0.1" ||
		sub[1].Address != lns.session("sub-0").PPP.PeerAddress || !strings.HasPrefix(sub[1].PeerID, "fe80::") {
		t.Errorf("%+v", sub)
	}
	if lan := all["access:1/lan-0"]; kinds(lan) != "session_up" || lan[0].Interface != "lan0" {
		t.Errorf("%+v", lan)
	}

	lns.drain(false)
	lns.drain(true)
	if e := awaitEvents(t, at, 2)[""]; kinds(e) != "drain drain_end" {
		t.Errorf("%+v", e)
	}
	there := lac.listening(ctx)
	if _, err := client.New(lac.socket).Disconnect(ctx, mgmt.DisconnectRequest{Session: "up/e"}); err != nil {
		t.Fatal(err)
	}
	if e := awaitEvents(t, at, 2)["access:1/lan-0"]; kinds(e) != "session_down session_up" || !strings.Contains(e[0].Reason, disconnected) {
		t.Errorf("%+v", e)
	}
	if e := awaitEventsOf(t, there, "up/e", 2); kinds(e) != "session_down session_up" || !strings.Contains(e[0].Reason, disconnected) {
		t.Errorf("%+v", e)
	}
	if err := lns.stop(); err != nil { // what is told at the end arrives
		t.Fatal(err)
	}
	all = awaitEvents(t, at, 4)
	if e := all["access:1/sub-1"]; kinds(e) != "session_down" || e[0].Reason != "shutting down" {
		t.Errorf("%+v", all)
	}
	if e := all["access:1"]; kinds(e) != "tunnel_down" {
		t.Errorf("%+v", all)
	}
	if e, ok := <-at; ok {
		t.Errorf("and %+v", e)
	}
	for e := range there { // the sessions, the tunnel, and then vain attempts
		if e.Type == mgmt.EventTunnelFailed && e.Tunnel == "up" && e.Reason != "" {
			break
		}
		if e.Type == mgmt.EventSessionFailed {
			t.Errorf("%+v", e)
		}
	}
	cancel()
	for range there { // until it ends
	}
}

// TestEventsReload: what a reload adds and removes, and one that is refused.
func TestEventsReload(t *testing.T) {
	ns := newNS(t)
	p := freePorts(t, 2)
	text := static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, staticSession("t1", "wire", "eth", ns, [2]int{1, 2}))
	i := runFile(t, text)
	at := i.listening(t.Context())
	i.reload(text + staticSession("t1", "more", "eth", ns, [2]int{3, 4}))
	i.reload(text)
	all := awaitEvents(t, at, 4)
	if e := all["t1/more"]; kinds(e) != "session_up session_down" || e[0].Interface != "more" || e[1].Reason != "removed from the configuration" {
		t.Errorf("%+v", all)
	}
	if e := all[""]; kinds(e) != "reload reload" || e[0].Changes["session"] != "1 added, 0 removed, 0 changed, 0 updated, 1 kept" {
		t.Errorf("%+v", e)
	}
	writeFile(t, i.path, "x = 1")
	if _, err := client.New(i.socket).Reload(t.Context(), mgmt.ReloadRequest{}); err == nil {
		t.Error("taken")
	}
	if e := awaitEvents(t, at, 1)[""]; kinds(e) != "reload_refused" || !strings.Contains(e[0].Reason, ":1: x: ") {
		t.Errorf("%+v", e)
	}
}

// TestEventsUser: a session of a static tunnel tells who it is, also at its end, and why an attempt fails.
func TestEventsUser(t *testing.T) {
	a, b := authEnds(t, "auth = ['chap']\npeer_password = 'x'\n", "user = 'joe'\npassword = 'x'\n")
	x := run(t, a)
	at := x.listening(t.Context())
	y := run(t, b)
	next := func(kind string) mgmt.Event {
		for late := time.After(20 * time.Second); ; {
			select {
			case e := <-at:
				if e.Type == kind {
					return e
				}
			case <-late:
				t.Fatalf("no %s", kind)
			}
		}
	}
	if e := next(mgmt.EventSessionUp); e.User != "joe" || e.Session != "line" {
		t.Errorf("%+v", e)
	}
	if err := y.stop(); err != nil {
		t.Fatal(err)
	}
	if e := next(mgmt.EventSessionDown); e.User != "joe" || e.Reason == "" {
		t.Errorf("%+v", e)
	}
	run(t, strings.Replace(b, "password = 'x'", "password = 'y'", 1))
	if e := next(mgmt.EventSessionFailed); e.User != "" || !strings.Contains(e.Reason, "failed to authenticate") {
		t.Errorf("%+v", e)
	}
}
