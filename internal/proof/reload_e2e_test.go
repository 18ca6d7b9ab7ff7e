//go:build e2e

package proof

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"culvert/internal/netlab"
)

// staticEnd is one end of a static tunnel with an Ethernet and a PPP session, which have traffic, and others beside them.
func staticEnd(local, peer, inner string, ids [2]int, others int, mtu int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[tunnel.t1]\nlocal = \"10.0.0.%s:1701\"\npeer = \"10.0.0.%s:1701\"\ntid = %d\nptid = %d\n", local, peer, ids[0], ids[1])
	session := func(name, pseudowire string, id int, more string) {
		fmt.Fprintf(&b, "[tunnel.t1.session.%s]\npseudowire = %q\nsid = %d\npsid = %d\ninterface_name = %[1]q\n%[5]s\n",
			name, pseudowire, 1000*ids[0]+id, 1000*ids[1]+id, more)
	}
	session("wire", "eth", 1, `addresses = ["10.78.0.`+inner+`/24"]`)
	session("line", "ppp", 2, `ppp_profile = "p"`)
	for i := range others {
		session(fmt.Sprintf("o%d", i), "eth", 10+i, fmt.Sprintf("mtu = %d", mtu))
	}
	fmt.Fprintf(&b, "[ppp.p]\nlocal_address = \"10.77.0.%s\"\npeer_address = \"10.77.0.%s\"\nipv6 = false\n", inner, peer)
	return b.String()
}

// TestE2EReloadUnderTraffic: reloads add, change and remove sessions beside an Ethernet and a PPP session whose
// packets all arrive, as `culvert bench` counts them at the far end. Programs and files are those that a user has.
func TestE2EReloadUnderTraffic(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	join(a, b, "wire0", []string{"10.0.0.1/24"}, []string{"10.0.0.2/24"})
	end := func(others, mtu int) string { return staticEnd("1", "2", "1", [2]int{1, 2}, others, mtu) }
	a.configure(end(0, 0))
	b.configure(staticEnd("2", "1", "2", [2]int{2, 1}, 0, 0))
	a.start()
	b.start()
	a.allUp(2)
	for _, to := range []string{"10.78.0.2", "10.77.0.2"} {
		a.eventually("to reach "+to, func() string { return a.failure("ping", "-n", "-q", "-c", "1", "-W", "1", to) })
	}
	streams := []*netlab.Process{stream(a, b, "10.78.0.2", ":5301"), stream(a, b, "10.77.0.2", ":5302")}
	reload := func(others, mtu int) {
		a.configure(end(others, mtu))
		a.must("culvert reload", culvert(t), "reload", "--socket", a.socket())
	}
	reloads := 0
	for running(streams) {
		reload(5*(1+reloads%2), 1300+reloads%3)
		reloads++
	}
	if reloads < 5 {
		t.Errorf("only %d reloads", reloads)
	}
	for _, s := range streams {
		var r struct{ Sent, Lost, Duplicated, Reordered int }
		if err := json.Unmarshal([]byte(s.Log()), &r); err != nil {
			t.Fatalf("generate: %v\n%s", err, s.Log())
		}
		if r.Sent < 2000 || r.Lost+r.Duplicated > 0 {
			t.Errorf("%d reloads, %+v", reloads, r)
		}
	}
	reload(0, 0)
	a.allUp(2)
	t.Logf("%d reloads, nothing lost", reloads)
	a.stop()
	b.stop()
}

// running tells whether one of them still does.
func running(all []*netlab.Process) bool {
	for _, p := range all {
		if p.Check() == nil {
			return true
		}
	}
	return false
}

// stream has a sink at b's end and sends it a thousand packets a second from a for four seconds.
func stream(a, b *node, to, port string) *netlab.Process {
	a.t.Helper()
	sink, err := b.ns.Start("sink", nil, culvert(a.t), "bench", "sink", "--listen", to+port)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(sink.Kill)
	b.eventually("to have its sink", func() string {
		return b.failure("bash", "-c", "exec 3<>/dev/tcp/"+to+"/"+port[1:])
	})
	s, err := a.ns.Start("generate", nil, culvert(a.t), "bench", "generate", "--to", to+port, "--rate", "1000", "--duration", "4s", "--json")
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(s.Kill)
	return s
}

// failure runs a program in the node's namespace and tells how it failed.
func (n *node) failure(argv ...string) string {
	if out, err := n.ns.Run(n.t.Context(), argv...); err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return ""
}

// must runs a program that must succeed.
func (n *node) must(what string, argv ...string) {
	n.t.Helper()
	if why := n.failure(argv...); why != "" {
		n.t.Fatalf("%s: %s", what, why)
	}
}
