package daemon

import (
	"strings"
	"testing"

	"culvert/client"
	"culvert/internal/mgmt"
)

// TestAddDelete: sessions and a tunnel come and go while another session is not touched, and a reload undoes it.
func TestAddDelete(t *testing.T) {
	ns := newNS(t)
	p := freePorts(t, 4)
	text := static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, staticSession("t1", "wire", "eth", ns, [2]int{1, 2}))
	i := runFile(t, text)
	at := i.listening(t.Context())
	c := client.New(i.socket)
	add := func(kind, text string) error {
		_, err := c.Add(t.Context(), mgmt.AddRequest{Kind: kind, Text: text})
		return err
	}
	del := func(r mgmt.DeleteRequest) error {
		_, err := c.Delete(t.Context(), r)
		return err
	}
	more := staticSession("t1", "more", "eth", ns, [2]int{3, 4})
	second := static("t2", [2]int{p[2], p[3]}, [2]int{5, 6}, staticSession("t2", "second", "eth", ns, [2]int{7, 8}))
	for _, err := range []error{add(mgmt.KindSession, more), add(mgmt.KindTunnel, second)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if all := links(t, ns); !sameNames(all, []string{"more", "second", "wire"}) {
		t.Errorf("%v", all)
	}
	if err := add(mgmt.KindSession, more); err == nil || !strings.Contains(err.Error(), "snippet:") || !strings.Contains(err.Error(), "already defined") {
		t.Error(err)
	}
	if err := del(mgmt.DeleteRequest{Session: "t1/nobody"}); err == nil || err.Error() != "session t1/nobody: not found in the running configuration" {
		t.Error(err)
	}
	if err := del(mgmt.DeleteRequest{Session: "t1/more"}); err != nil {
		t.Fatal(err)
	}
	if all := links(t, ns); !sameNames(all, []string{"second", "wire"}) {
		t.Errorf("%v", all)
	}
	if err := del(mgmt.DeleteRequest{Tunnel: "t2"}); err != nil {
		t.Fatal(err)
	}
	if err := add(mgmt.KindSession, more); err != nil {
		t.Fatal(err)
	}
	i.reload(text)
	if all := links(t, ns); !sameNames(all, []string{"wire"}) {
		t.Errorf("%v", all)
	}
	heard := awaitEvents(t, at, 8+6) // a reload for each change
	if got := kinds(heard["t1/more"]); got != "session_up session_down session_up session_down" {
		t.Errorf("%+v", heard)
	}
	if got := kinds(heard["t2"]) + " " + kinds(heard["t2/second"]); got != "tunnel_up tunnel_down session_up session_down" {
		t.Errorf("%+v", heard)
	}
	if len(heard["t1/wire"]) != 0 {
		t.Errorf("touched: %+v", heard)
	}
}

// TestAddFails: what cannot be brought up is not kept, and what the file has and could not be stays for a reload.
func TestAddFails(t *testing.T) {
	ns := newNS(t)
	ip(t, "-n", ns, "tuntap", "add", "taken", "mode", "tun")
	p := freePorts(t, 2)
	text := static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, staticSession("t1", "wire", "eth", ns, [2]int{1, 2}))
	i := runFile(t, text)
	c := client.New(i.socket)
	add := func(text string) mgmt.ReloadReport {
		t.Helper()
		r, err := c.Add(t.Context(), mgmt.AddRequest{Kind: mgmt.KindSession, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	taken := staticSession("t1", "taken", "eth", ns, [2]int{5, 6})
	if r := i.reload(text + taken); len(r.Failed) != 1 {
		t.Fatalf("%+v", r)
	}
	again := strings.ReplaceAll(staticSession("t1", "other", "eth", ns, [2]int{7, 8}), `interface_name = "other"`, `interface_name = "lo"`)
	for range 2 {
		if r := add(again); len(r.Failed) != 1 || !strings.Contains(r.Failed[0], "other.interface_name") {
			t.Errorf("%+v", r)
		}
	}
	if r := add(staticSession("t1", "more", "eth", ns, [2]int{3, 4})); len(r.Failed) != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := c.Delete(t.Context(), mgmt.DeleteRequest{Session: "t1/more"}); err != nil {
		t.Error(err)
	}
	ip(t, "-n", ns, "link", "del", "taken")
	if r := i.reload(text + taken); len(r.Failed) != 0 {
		t.Errorf("%+v", r)
	}
	if all := links(t, ns); !sameNames(all, []string{"taken", "wire"}) {
		t.Errorf("%v", all)
	}
}
