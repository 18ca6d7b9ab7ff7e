package daemon

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"culvert/client"
	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// fileRun is a daemon that runs a file, which a test changes.
type fileRun struct {
	*instance
	path string
}

func runFile(t *testing.T, text string) *fileRun {
	t.Helper()
	path := filepath.Join(t.TempDir(), "culvert.toml")
	writeFile(t, path, text)
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &fileRun{runConfig(t, cfg), path}
}

// reload has the daemon read a new text of its file.
func (r *fileRun) reload(text string) mgmt.ReloadReport {
	r.t.Helper()
	writeFile(r.t, r.path, text)
	report, err := client.New(r.socket).Reload(context.Background(), mgmt.ReloadRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// differences are the kinds of a report of which anything differs.
func differences(r mgmt.ReloadReport) []mgmt.Change {
	return slices.DeleteFunc(slices.Clone(r.Changes), func(c mgmt.Change) bool {
		return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Updated) == 0
	})
}

// static is one end of a static tunnel, port and first session id of the other end given, too.
func static(name string, ports [2]int, ids [2]int, sessions ...string) string {
	return fmt.Sprintf("\n[tunnel.%s]\nlocal = \"127.0.0.1:%d\"\npeer = \"127.0.0.1:%d\"\npath_mtu = 1500\ntid = %d\nptid = %d\n",
		name, ports[0], ports[1], ids[0], ids[1]) + strings.Join(sessions, "")
}

func staticSession(tunnel, name, pseudowire, ns string, ids [2]int, more ...string) string {
	return fmt.Sprintf("\n[tunnel.%s.session.%s]\npseudowire = %q\nsid = %d\npsid = %d\ninterface_name = %q\nnetns = %q\n%s\n",
		tunnel, name, pseudowire, ids[0], ids[1], name, ns, strings.Join(more, "\n"))
}

// TestReload changes all kinds of things beside two sessions that have traffic: no packet of theirs is lost, and what was
// to change has.
func TestReload(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	p := freePorts(t, 5)
	const profile = "\n[ppp.p]\nlocal_address = \"10.77.0.%d\"\npeer_address = \"10.77.0.%d\"\n"
	wire := func(ns string, ids [2]int, addr string) string {
		return staticSession("t1", "wire", "eth", ns, ids, "addresses = [\""+addr+"\"]")
	}
	line := func(ns string, ids [2]int) string {
		return staticSession("t1", "line", "ppp", ns, ids, "ppp_profile = \"p\"")
	}
	other := func(name string, id int, more ...string) string {
		return staticSession("t1", name, "eth", nsA, [2]int{id, id}, more...)
	}
	head := static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, wire(nsA, [2]int{1, 2}, "10.78.0.1/24"), line(nsA, [2]int{3, 4})) +
		fmt.Sprintf(profile, 1, 2)
	a := runFile(t, head+other("gone", 5)+other("turns", 6, "mtu = 1300")+
		static("t2", [2]int{p[2], p[3]}, [2]int{3, 4}, staticSession("t2", "x", "eth", nsA, [2]int{9, 9})))
	run(t, static("t1", [2]int{p[1], p[0]}, [2]int{2, 1}, wire(nsB, [2]int{2, 1}, "10.78.0.2/24"), line(nsB, [2]int{4, 3}))+
		fmt.Sprintf(profile, 2, 1))
	for _, to := range []string{"10.77.0.2", "10.78.0.2"} {
		eventually(t, "ping "+to, func() bool { return ping(nsA, to) == nil })
	}
	before := []mgmt.Session{a.session("wire"), a.session("line")}
	index := ip(t, "-n", nsA, "-o", "link", "show", "wire")

	done := []<-chan string{steadyPing(nsA, "10.77.0.2"), steadyPing(nsA, "10.78.0.2")}
	second := head + other("turns", 6, "mtu = 1200") + other("fresh", 7) +
		static("t3", [2]int{p[4], p[3]}, [2]int{5, 6}, staticSession("t3", "y", "eth", nsA, [2]int{9, 9}))
	got := a.reload(second)
	want := []mgmt.Change{
		{Kind: mgmt.KindTunnel, Added: []string{"t3"}, Removed: []string{"t2"}, Kept: 1},
		{Kind: mgmt.KindSession, Added: []string{"t1/fresh", "t3/y"}, Removed: []string{"t1/gone", "t2/x"}, Changed: []string{"t1/turns"}, Kept: 2},
	}
	if diff := cmp.Diff(want, differences(got)); diff != "" || len(got.Failed)+len(got.Restart) != 0 {
		t.Errorf("report %+v (-want +got):\n%s", got, diff)
	}
	if got, want := links(t, nsA), []string{"fresh", "line", "turns", "wire", "y"}; !sameNames(got, want) {
		t.Errorf("links %v, want %v", got, want)
	}
	if out := ip(t, "-n", nsA, "link", "show", "turns"); !strings.Contains(out, "mtu 1200") {
		t.Errorf("turns has not changed: %s", out)
	}
	if got := differences(a.reload(second)); len(got) != 0 {
		t.Errorf("nothing differs, but %v", got)
	}
	a.reload(head) // and all of it goes
	for _, d := range done {
		if out := <-d; !strings.Contains(out, " 0% packet loss") {
			t.Errorf("lost packets: %s", out)
		}
	}
	if got, want := links(t, nsA), []string{"line", "wire"}; !sameNames(got, want) {
		t.Errorf("links %v, want %v", got, want)
	}
	if after := ip(t, "-n", nsA, "-o", "link", "show", "wire"); after != index {
		t.Errorf("the device is another one: %s, was %s", after, index)
	}
	for i, name := range []string{"wire", "line"} {
		if s := a.session(name); s.RxPackets < before[i].RxPackets+400 || s.State != "up" {
			t.Errorf("session %+v, before %+v", s, before[i])
		}
	}
}

// steadyPing sends 500 packets in two seconds and a half, and gives what ping says about it.
func steadyPing(ns, to string) <-chan string {
	done := make(chan string, 1)
	go func() {
		out, _ := exec.Command("ip", "netns", "exec", ns, "ping", "-n", "-q", "-c", "500", "-i", "0.005", "-W", "2", to).CombinedOutput()
		done <- string(out)
	}()
	return done
}

// TestReloadBadFile: whatever is wrong with the file, nothing changes, and the error names file, line and key.
func TestReloadBadFile(t *testing.T) {
	ns := newNS(t)
	p := freePorts(t, 2)
	good := static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, staticSession("t1", "wire", "eth", ns, [2]int{1, 2}))
	a := runFile(t, good)
	order := func(r mgmt.ReloadRequest) error {
		_, err := client.New(a.socket).Reload(context.Background(), r)
		return err
	}
	bad := strings.Replace(good, "sid = 1", "sid = 0", 1) + staticSession("t1", "more", "eth", ns, [2]int{3, 4})
	for _, text := range []string{bad, "", good[:len(good)-20], "\xff", "[tunnel.t2]\n" + good} {
		writeFile(t, a.path, text)
		if err := order(mgmt.ReloadRequest{}); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
	writeFile(t, a.path, bad)
	err := order(mgmt.ReloadRequest{})
	if err == nil || !strings.HasPrefix(err.Error(), a.path+":11: tunnel.t1.session.wire.sid: must be 1 to ") {
		t.Errorf("error %v", err)
	}
	if l := links(t, ns); !sameNames(l, []string{"wire"}) || len(tunnelsOf(t, a.socket)) != 1 {
		t.Errorf("links %v", l)
	}
	// A dry run of another file changes nothing either.
	next := filepath.Join(t.TempDir(), "next.toml")
	writeFile(t, next, good+staticSession("t1", "more", "eth", ns, [2]int{3, 4}))
	report, err := client.New(a.socket).Reload(context.Background(), mgmt.ReloadRequest{File: next, DryRun: true})
	want := []mgmt.Change{{Kind: mgmt.KindSession, Added: []string{"t1/more"}, Kept: 1}}
	if diff := cmp.Diff(want, differences(report)); err != nil || diff != "" || !report.DryRun {
		t.Errorf("%v, dry run (-want +got):\n%s", err, diff)
	}
	if l := links(t, ns); !sameNames(l, []string{"wire"}) {
		t.Errorf("links %v", l)
	}
}

// TestReloadFails: what cannot be brought up is named and left out, and tried again next time. What needs a restart is
// named, too.
func TestReloadFails(t *testing.T) {
	ns := newNS(t)
	p := freePorts(t, 2)
	good := "workers = 1\n" + static("t1", [2]int{p[0], p[1]}, [2]int{1, 2}, staticSession("t1", "wire", "eth", ns, [2]int{1, 2}))
	a := runFile(t, good)
	ip(t, "-n", ns, "tuntap", "add", "more", "mode", "tun")
	more := strings.Replace(good, "workers = 1", "workers = 2", 1) +
		staticSession("t1", "more", "eth", ns, [2]int{3, 4}) + staticSession("t1", "most", "eth", ns, [2]int{5, 6})
	for range 2 {
		r := a.reload(more)
		if len(r.Failed) != 1 || !strings.Contains(r.Failed[0], a.path+":18: tunnel.t1.session.more.interface_name: ") {
			t.Errorf("failed %q", r.Failed)
		}
		if len(r.Restart) != 1 || r.Restart[0] != "workers" {
			t.Errorf("restart %q", r.Restart)
		}
	}
	ip(t, "-n", ns, "link", "del", "more")
	if r := a.reload(more); len(r.Failed) != 0 || len(differences(r)) != 1 || len(differences(r)[0].Added) != 1 {
		t.Errorf("report %+v", r)
	}
	if l := links(t, ns); !sameNames(l, []string{"more", "most", "wire"}) {
		t.Errorf("links %v", l)
	}
}

// TestReloadRotation replaces the secret of both ends in three steps while the tunnel lives: first the responder takes both,
// then the initiator has the new one, then nobody takes the old one any more.
func TestReloadRotation(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 3)
	lns := func(secrets string) string { return answering(nsA, secrets, port[0]) }
	peer := fmt.Sprintf("127.0.0.1:%d", port[0])
	lac := func(secrets string) string {
		text := dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port[1]), peer, "SECRET", 0)
		return strings.Replace(text, `secret = "SECRET"`, "secret = "+secrets, 1)
	}
	b := runFile(t, lns(`"old secret"`))
	a := runFile(t, lac(`"old secret"`))
	allUp(t, a.socket, 3)
	tid := a.tunnel("up").TID
	heard := func() { // both ends: HELLOs go both ways
		t.Helper()
		sent := a.tunnel("up").Control.Sent
		name := tunnelsOf(t, b.socket)[0].Name
		got := b.tunnel(name).Control.Received
		eventually(t, "HELLOs", func() bool {
			return a.tunnel("up").Control.Sent > sent+1 && b.tunnel(name).Control.Received > got+1
		})
		mustPing(t, nsB, "-I", "line0", "10.77.0.1")
	}
	updated := func(r mgmt.ReloadReport, kind, name string) {
		t.Helper()
		want := []mgmt.Change{{Kind: kind, Updated: []string{name}}}
		if diff := cmp.Diff(want, differences(r)); diff != "" || len(r.Failed) != 0 {
			t.Errorf("report (-want +got):\n%s, failed %q", diff, r.Failed)
		}
	}
	updated(b.reload(lns(`["new secret", "old secret"]`)), mgmt.KindPeer, "access")
	heard()
	updated(a.reload(lac(`"new secret"`)), mgmt.KindTunnel, "up")
	heard()
	updated(b.reload(lns(`"new secret"`)), mgmt.KindPeer, "access")
	heard()
	if m := a.tunnel("up"); m.TID != tid || m.State != "established" || m.Control.Reason != "" {
		t.Errorf("tunnel %+v, %+v", m, m.Control)
	}
	allUp(t, b.socket, 3)
	late := run(t, dialing(newNS(t), "udp", fmt.Sprintf("127.0.0.3:%d", port[2]), peer, "old secret", 5))
	eventually(t, "an attempt", func() bool { return late.tunnel("up").Control.Reason != "" })
	if n := len(tunnelsOf(t, b.socket)); n != 1 {
		t.Errorf("%d tunnels", n)
	}
	if m := late.tunnel("up"); m.State == "established" {
		t.Errorf("tunnel %+v", m)
	}
}
