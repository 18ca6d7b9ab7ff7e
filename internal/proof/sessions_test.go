package proof

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/testenv"
)

// The far ends of sessions on the responder: one address for all PPP sessions, and one for all Ethernet sessions.
var (
	pppFarEnd = netip.MustParseAddr("10.77.0.1")
	ethFarEnd = netip.MustParseAddr("fe80::1")
)

// initiators differ in transport, family, digest and secret.
var initiators = []struct{ encap, lns, lac, port, digest, secret string }{
	{"udp", "10.0.0.1", "10.0.0.2", ":1701", "sha1", "the first one's secret"},
	{"udp", "[fd00:1::1]", "[fd00:1::2]", ":1701", "md5", "what the second one knows"},
	{"ip", "10.0.2.1", "10.0.2.2", "", "sha1", "and the third"},
}

// reliability lets a dead peer be noticed in seconds, and leaves a live one on a loaded machine enough of them.
const reliability = `hide_avps = true
hello_timeout = 1000
retry_timeout = 400
max_retries = 3
window_size = 64
`

// newSecret is what the secret of an initiator is replaced by.
func newSecret(i int) string { return fmt.Sprintf("what number %d knows from now on", i) }

// responderText is the configuration of who answers all initiators; secret gives the TOML of each one's.
func responderText(ppp, eth int, secret func(i int) string) string {
	var b strings.Builder
	for i, p := range initiators {
		fmt.Fprintf(&b, "[listen.l%d]\nencap = %q\nlocal = %q\n", i, p.encap, p.lns+p.port)
		fmt.Fprintf(&b, "[peer.p%d]\naddresses = [%q]\nname = \"lac%[1]d\"\nhost_name = \"lns\"\nsecret = %[3]s\ndigest = %q\n%s",
			i, strings.Trim(p.lac, "[]"), secret(i), p.digest, reliability)
	}
	fmt.Fprintf(&b, `
[profile.session.sub]
pseudowire = "ppp"
remote_end_id = "sub_{n}"
n = "0-%d"
interface_name = "sub{n}"
ppp_profile = "p"
txqueuelen = 16
[profile.session.lan]
pseudowire = "eth"
remote_end_id = "lan_{n}"
n = "0-%d"
interface_name = "lan{n}"
addresses = ["fe80::1/64"]
txqueuelen = 16
[ppp.p]
local_address = "10.77.0.1"
pool = "subs"
lcp_restart = 1
[pool.subs]
ranges = ["10.64.0.0/20"]
`, len(initiators)*ppp-1, len(initiators)*eth-1)
	return b.String()
}

// initiatorText is the configuration of initiator i.
func initiatorText(i, ppp, eth int, secret string) string {
	var b strings.Builder
	p := initiators[i]
	fmt.Fprintf(&b, "[tunnel.up]\nencap = %q\nlocal = %q\npeer = %q\nhost_name = \"lac%d\"\nsecret = %q\ndigest = %q\n%s",
		p.encap, p.lac+p.port, p.lns+p.port, i, secret, p.digest, reliability)
	b.WriteString("[ppp.p]\nlcp_restart = 1\n")
	session := func(kind, end string, k, n int) {
		fmt.Fprintf(&b, "[tunnel.up.session.%s%d]\npseudowire = %[1]q\nremote_end_id = \"%[3]s_%[4]d\"\ninterface_name = \"%[1]s%[2]d\"\ntxqueuelen = 16\n", kind, k, end, n)
		if kind == "ppp" {
			b.WriteString("ppp_profile = \"p\"\n")
		} else {
			b.WriteString("addresses = [\"fe80::2/64\"]\n")
		}
	}
	for k := range ppp {
		session("ppp", "sub", k, i*ppp+k)
	}
	for k := range eth {
		session("eth", "lan", k, i*eth+k)
	}
	return b.String()
}

func targets(ppp, eth int) (all []target) {
	for k := range ppp {
		all = append(all, target{fmt.Sprintf("ppp%d", k), pppFarEnd})
	}
	for k := range eth {
		all = append(all, target{fmt.Sprintf("eth%d", k), ethFarEnd})
	}
	return all
}

// TestManySessions: three initiators, over UDP on IPv4 and IPv6 and over IP 115, with digests, hidden AVPs and secrets of
// their own, have 200 PPP and 50 Ethernet sessions each at one responder. Traffic passes each of them. All secrets are
// replaced while it does. One initiator is killed and back, which the others do not notice. At the end everything goes,
// and nothing stays.
func TestManySessions(t *testing.T) {
	ppp, eth := 200, 50
	if testenv.RaceEnabled {
		ppp, eth = 15, 5
	}
	each := ppp + eth
	lns := newNode(t, "lns")
	lns.configure(responderText(ppp, eth, func(i int) string { return fmt.Sprintf("%q", initiators[i].secret) }))
	lacs := make([]*node, len(initiators))
	for i := range lacs {
		lacs[i] = newNode(t, fmt.Sprintf("lac%d", i))
		join(lns, lacs[i], fmt.Sprintf("wire%d", i), []string{fmt.Sprintf("10.0.%d.1/24", i), fmt.Sprintf("fd00:%d::1/64", i)},
			[]string{fmt.Sprintf("10.0.%d.2/24", i), fmt.Sprintf("fd00:%d::2/64", i)})
		lacs[i].configure(initiatorText(i, ppp, eth, initiators[i].secret))
	}
	start := time.Now()
	lns.start()
	for _, n := range lacs {
		n.start()
	}
	lns.allUp(3 * each)
	t.Logf("%v: %d sessions up", time.Since(start), 3*each)
	before := lns.tunnels()
	traffic(t, lns, lacs, ppp, eth)
	t.Logf("%v: traffic through each", time.Since(start))

	rotate(t, lns, lacs, ppp, eth)
	t.Logf("%v: secrets replaced", time.Since(start))

	lacs[2].kill()
	lacs[2].start()
	lacs[2].allUp(each)
	lns.allUp(3 * each)
	t.Logf("%v: killed and back", time.Since(start))
	lns.eventually("to notice that a tunnel is dead", func() string { // whose sessions have been taken over before
		if n := len(ask(lns, (*client.Client).Tunnels)); n != len(lacs) {
			return fmt.Sprintf("%d tunnels", n)
		}
		return ""
	})
	after := lns.tunnels()
	undisturbed(t, before, after)
	traffic(t, lns, lacs, ppp, eth)
	if got := len(lns.devices()); got != 3*each {
		t.Errorf("responder has %d devices, not %d", got, 3*each)
	}

	lacs[0].stop()
	lns.allUp(2 * each)
	lns.eventually("to remove devices", func() string {
		if got := len(lns.devices()); got != 2*each {
			return fmt.Sprintf("%d devices, not %d", got, 2*each)
		}
		return ""
	})
	lns.stop()
	for _, n := range lacs[1:] {
		n.eventually("to remove devices", func() string {
			if left := n.devices(); len(left) > 0 {
				return fmt.Sprintf("has %d devices", len(left))
			}
			return ""
		})
		n.stop()
	}
	t.Logf("%v: all gone", time.Since(start))
}

// rotate replaces all secrets by reloading configurations, the answering end first (docs/configuration.md), while traffic
// passes. No tunnel ends, and each goes on under the new secret.
func rotate(t *testing.T, lns *node, lacs []*node, ppp, eth int) {
	t.Helper()
	before := lns.tunnels()
	lost := make([]int, len(lacs))
	var wg sync.WaitGroup
	for i, n := range lacs {
		wg.Go(func() { lost[i] = n.steadyPings(t, "ppp0", 100) })
	}
	both := func(i int) string { return fmt.Sprintf("[%q, %q]", newSecret(i), initiators[i].secret) }
	only := func(i int) string { return fmt.Sprintf("%q", newSecret(i)) }
	lns.reload(responderText(ppp, eth, both))
	for i, n := range lacs {
		n.reload(initiatorText(i, ppp, eth, newSecret(i)))
	}
	lns.spoken() // under the new secrets
	lns.reload(responderText(ppp, eth, only))
	lns.spoken()
	wg.Wait()
	if slices.Max(lost) > 0 {
		t.Errorf("pings lost: %v", lost)
	}
	for name, now := range lns.tunnels() {
		if was, ok := before[name]; !ok || was.TID != now.TID || was.Sessions != now.Sessions {
			t.Errorf("%+v was %+v", now, was)
		}
	}
	traffic(t, lns, lacs, ppp, eth)
}

// spoken waits until another message of each peer has been taken, as HELLOs and their acknowledgements are.
func (n *node) spoken() {
	n.t.Helper()
	before := n.tunnels()
	n.eventually("to hear of its peers", func() string {
		now := n.tunnels()
		for name, was := range before {
			if m, ok := now[name]; !ok || m.Control.Received < was.Control.Received+1 {
				return fmt.Sprintf("%s: %+v", name, m.Control)
			}
		}
		return ""
	})
}

// reload lets it read another configuration.
func (n *node) reload(text string) {
	n.t.Helper()
	n.configure(text)
	if out, err := n.ns.Run(n.t.Context(), culvert(n.t), "reload", "--socket", n.socket()); err != nil {
		n.t.Fatalf("%v: %s", err, out)
	}
}

// traffic sends three echo requests through every session; the responder has seen them in each.
func traffic(t *testing.T, lns *node, lacs []*node, ppp, eth int) {
	t.Helper()
	const count = 3
	counted := func() map[string]client.Traffic {
		m := make(map[string]client.Traffic)
		for _, s := range lns.sessions() {
			m[s.Interface] = s.Traffic
		}
		return m
	}
	before := counted()
	for _, n := range lacs {
		n.pingAll(t, targets(ppp, eth), count)
	}
	for name, now := range counted() {
		if was := before[name]; now.RxPackets < was.RxPackets+count || now.TxPackets < was.TxPackets+count {
			t.Errorf("%s: %+v after %+v", name, now, was)
		}
	}
}

// undisturbed: the first two initiators' tunnels are the ones they were, and the third has a new one.
func undisturbed(t *testing.T, before, after map[string]client.Tunnel) {
	t.Helper()
	if len(before) != 3 || len(after) != 3 {
		t.Fatalf("%d tunnels, then %d: %v", len(before), len(after), slices.Collect(maps.Keys(after)))
	}
	kept := 0
	for name, was := range before {
		now, ok := after[name]
		switch mine := !strings.HasPrefix(name, "p2:"); {
		case ok != mine:
			t.Errorf("%s: still there: %v", name, ok)
		case mine && (now.TID != was.TID || now.Sessions != was.Sessions || now.Control.Role != "responder"):
			t.Errorf("%s: %+v after %+v", name, now, was)
		case mine:
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d tunnels kept", kept)
	}
}
