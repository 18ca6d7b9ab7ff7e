package daemon

import (
	"fmt"
	"strings"
	"testing"

	"culvert/control"
	"culvert/internal/config"
)

// TestWhoMay: a peer is known by its router ID too, allow = false refuses it so that it believes that, and one that may
// use some session profiles gets sessions of no other. What has no digests proves itself by a challenge.
func TestWhoMay(t *testing.T) {
	nsA, nsB := newNS(t), newNS(t)
	port := freePorts(t, 3)
	answer := strings.NewReplacer(
		"[peer.access]", "[peer.banned]\npeer_router_id = \"0.0.0.13\"\nsecret = \"the secret\"\ndigest = \"sha1\"\nallow = false\n"+
			"[peer.old]\npeer_router_id = 15\nsecret = \"the secret\"\ndigest = \"off\"\nchallenge = true\n"+
			"[peer.access]\nprofiles = [\"sub\"]\nrouter_id = \"10.0.0.1\"\nvendor_name = \"ours\"",
	).Replace(answering(nsA, `"the secret"`, port[0]))
	lns := run(t, answer)
	listening := fmt.Sprintf("127.0.0.1:%d", port[0])
	ask := func(port, routerID, first int, replace ...string) *instance {
		text := dialing(nsB, "udp", fmt.Sprintf("127.0.0.2:%d", port), listening, "the secret", first)
		text = strings.NewReplacer(append(replace, "host_name", fmt.Sprintf("router_id = %d\nhost_name", routerID))...).Replace(text)
		return run(t, text)
	}

	banned := ask(port[1], 13, 0)
	eventually(t, "refusal", func() bool {
		c := banned.tunnel("up").Control
		return c != nil && strings.HasPrefix(c.Reason, "peer: ") && strings.Contains(c.Reason, "authorized")
	})
	if err := banned.stop(); err != nil {
		t.Fatal(err)
	}
	some := ask(port[1], 14, 0)
	allUp(t, some.socket, 2)
	eventually(t, "refusal of a session", func() bool { return strings.Contains(some.session("e").Reason, "no session profile") })
	if c := some.tunnel("up").Control; c == nil || c.RouterID != 10<<24+1 || c.VendorName != "ours" {
		t.Errorf("peer is %+v", c)
	}
	old := ask(port[2], 15, 4, "digest = \"sha1\"\nhide_avps = true", "digest = \"off\"\nchallenge = true")
	allUp(t, old.socket, 3)
	allUp(t, lns.socket, 5)
}

// TestCallFor: what a session's keys ask the control plane for.
func TestCallFor(t *testing.T) {
	got := callFor(&config.Session{Pseudowire: config.PseudowireEthernet, RemoteEndID: "x", Sublayer: 1, SeqNum: true, ForceSublayer: true, TieBreaker: true}, control.PseudowirePPP)
	want := control.Call{
		PseudowireType: control.PseudowireEthernet, RemoteEndID: "x", CookieLen: -1, Circuit: control.CircuitUp,
		Sublayer: control.SublayerDefault, Sequencing: control.SequencingAll, ForceSublayer: true, TieBreaker: true,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
