//go:build e2e

package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/netlab"
)

// replace has a new culvert take over from the node's, and waits for the end of the old one.
func (n *node) replace() {
	n.t.Helper()
	old := n.process
	p, err := n.ns.Start(n.name, nil, culvert(n.t), "run", "--takeover", "--config", n.file)
	if err != nil {
		n.t.Fatal(err)
	}
	n.process = p
	n.eventually("to take over", func() string {
		if old.Check() == nil {
			return "the old process still runs: " + p.Log()
		}
		return ""
	})
	if strings.Contains(old.Log()+p.Log(), "panic:") {
		n.t.Fatalf("%s\n%s", old.Log(), p.Log())
	}
	old.Kill()
}

// TestE2ETakeover: both ends of an Ethernet and a PPP session with traffic are replaced again and again, and all packets
// arrive. Programs and files are those that a user has.
func TestE2ETakeover(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	join(a, b, "wire0", []string{"10.0.0.1/24"}, []string{"10.0.0.2/24"})
	a.configure(staticEnd("1", "2", "1", [2]int{1, 2}, 20, 1300))
	b.configure(staticEnd("2", "1", "2", [2]int{2, 1}, 0, 0))
	a.start()
	b.start()
	a.allUp(22)
	for _, to := range []string{"10.78.0.2", "10.77.0.2"} {
		a.eventually("to reach "+to, func() string { return a.failure("ping", "-n", "-q", "-c", "1", "-W", "1", to) })
	}
	streams := []*netlab.Process{stream(a, b, "10.78.0.2", ":5301"), stream(a, b, "10.77.0.2", ":5302")}
	takeovers := 0
	for running(streams) {
		a.replace()
		b.replace()
		takeovers++
	}
	for _, s := range streams {
		var r struct{ Sent, Lost, Duplicated, Reordered int }
		if err := json.Unmarshal([]byte(s.Log()), &r); err != nil {
			t.Fatalf("generate: %v\n%s", err, s.Log())
		}
		if r.Sent < 2000 || r.Lost+r.Duplicated > 0 {
			t.Errorf("%d takeovers, %+v", takeovers, r)
		}
	}
	if takeovers < 3 {
		t.Errorf("only %d takeovers", takeovers)
	}
	t.Logf("%d takeovers of each end, nothing lost", takeovers)
}

var slowest = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received.*\n.* = [\d.]+/[\d.]+/([\d.]+)/`)

// TestE2ETakeoverCrowd: an end with many PPP sessions (CULVERT_CROWD, 500) of one dynamic tunnel is replaced. None of them
// begins again, and no packet is lost; the slowest one shows how long nothing was forwarded.
func TestE2ETakeoverCrowd(t *testing.T) {
	crowd := 500
	if s := os.Getenv("CULVERT_CROWD"); s != "" {
		crowd, _ = strconv.Atoi(s)
	}
	a, b := newNode(t, "a"), newNode(t, "b")
	join(a, b, "wire0", []string{"10.0.0.1/24"}, []string{"10.0.0.2/24"})
	a.configure(fmt.Sprintf(`
[tunnel.up]
local = "10.0.0.1:1701"
peer = "10.0.0.2:1701"
secret = "s"
[tunnel.up.session.p]
n = "0-%d"
pseudowire = "ppp"
remote_end_id = "sub_{n}"
interface_name = "p{n}"
ppp_profile = "p"
[ppp.p]
local_address = "0.0.0.0"
ipv6 = false
`, crowd-1))
	b.configure(fmt.Sprintf(`
[listen.l]
local = "10.0.0.2:1701"
[peer.a]
addresses = ["10.0.0.1"]
secret = "s"
[profile.session.p]
n = "0-%d"
pseudowire = "ppp"
remote_end_id = "sub_{n}"
interface_name = "p{n}"
ppp_profile = "p"
[ppp.p]
local_address = "10.64.0.1"
pool = "subs"
ipv6 = false
[pool.subs]
ranges = ["10.65.0.0/16"]
`, crowd-1))
	b.start()
	a.start()
	a.allUp(crowd)
	b.allUp(crowd)
	magic := func(n *node) map[string]string {
		all := make(map[string]string)
		for _, s := range n.sessions()[:20] {
			x := ask(n, func(c *client.Client, ctx context.Context) (client.Session, error) {
				return c.Session(ctx, s.Tunnel+"/"+s.Name)
			})
			all[s.Name] = fmt.Sprint(x.Link.LocalOptions, x.Link.PeerOptions)
		}
		return all
	}
	before := magic(b)
	for _, n := range []*node{b, a} {
		p, err := a.ns.Start("ping", nil, "ping", "-n", "-q", "-i", "0.01", "-c", "1000", "10.64.0.1")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		n.replace()
		took := time.Since(began)
		a.eventually("to answer the last ping", func() string {
			if p.Check() == nil {
				return "it still runs"
			}
			return ""
		})
		m := slowest.FindStringSubmatch(p.Log())
		if m == nil || m[1] != m[2] {
			t.Errorf("%s: %s", n.name, p.Log())
			continue
		}
		t.Logf("%d sessions, %s replaced in %v: of %s packets none is lost, the slowest took %s ms", crowd, n.name, took, m[1], m[3])
		a.allUp(crowd)
		b.allUp(crowd)
	}
	for name, was := range before {
		if now := magic(b)[name]; now != was {
			t.Errorf("session %s: %s, was %s", name, now, was)
		}
	}
	a.stop()
	b.stop()
}
