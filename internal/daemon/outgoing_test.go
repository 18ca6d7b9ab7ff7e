package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"culvert/control"
	"culvert/encap"
)

// TestOutgoingCalls: sessions asked for by OCRQ carry traffic, PPP and numbered Ethernet, over both transports, and end
// with their connection.
func TestOutgoingCalls(t *testing.T) {
	for _, transport := range []string{"udp", "ip"} {
		nsA, nsB := newNS(t), newNS(t)
		port := freePorts(t, 2)
		b := run(t, answering(nsB, `"the secret"`, port[0]))
		local, peer := "127.0.0.2", "127.0.0.1"
		if transport == "udp" {
			local, peer = fmt.Sprintf("%s:%d", local, port[1]), fmt.Sprintf("%s:%d", peer, port[0])
		}
		text := dialing(nsA, transport, local, peer, "the secret", 0)
		a := run(t, strings.ReplaceAll(text, "remote_end_id", "call = \"outgoing\"\nremote_end_id"))
		allUp(t, a.socket, 3)
		allUp(t, b.socket, 3)
		for _, n := range []struct {
			i    *instance
			name string
		}{{a, "p0"}, {a, "p1"}, {a, "e"}, {b, "sub-0"}, {b, "sub-1"}, {b, "lan-0"}} {
			if s := n.i.session(n.name); s.Call != "outgoing" {
				t.Errorf("%s: session %+v", transport, s)
			}
		}
		ip(t, "-n", nsB, "addr", "add", "fd78:0::1/64", "dev", "lan0", "nodad")
		for _, line := range []string{"line0", "line1"} {
			mustPing(t, nsA, "-I", line, "10.77.0.1")
		}
		eventually(t, "Ethernet", func() bool { return ping(nsA, "fd78:0::1") == nil })
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "responder let go", func() bool { return len(links(t, nsB)) == 0 })
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOutgoingCallAtPeer: an OCRQ is what is sent, the device is there when the peer has answered, and frames pass only
// when its call is up (RFC 3931 section 6.10). A call that fails is asked for again.
func TestOutgoingCallAtPeer(t *testing.T) {
	ns := newNS(t)
	peer := newLNS(t)
	a := run(t, fmt.Sprintf(`
[tunnel.up]
local = "127.0.0.2:%d"
peer = %q
path_mtu = 1500
[tunnel.up.session.wire]
pseudowire = "eth"
call = "outgoing"
l2spec_type = "default"
seqnum = true
cookie_size = 4
interface_name = "wire"
netns = %q
`, freePorts(t, 1)[0], peer.addr(), ns))
	call := next(t, "call at the peer", peer.placed)
	if !call.Outgoing() || call.Initiator() {
		t.Errorf("outgoing %v, initiator %v", call.Outgoing(), call.Initiator())
	}
	if p := call.Params(); p.Remote.Sublayer != encap.SublayerDefault || p.RemoteSequencing != control.SequencingAll || p.Remote.Cookie.Len() != 4 {
		t.Errorf("asked for %+v", p)
	}
	eventually(t, "device", func() bool { return sameNames(links(t, ns), []string{"wire"}) })
	if s := a.session("wire"); s.State != "down" || s.MTU != 1442 { // as in TestCircuit
		t.Errorf("session %+v", s)
	}
	peer.do <- func(now time.Time) { call.CallFailed(now, control.Result{Code: control.CallNoFacilities}) }
	eventually(t, "device gone", func() bool { return len(links(t, ns)) == 0 })
	again := next(t, "call at the peer again", peer.placed)
	peer.do <- func(now time.Time) { again.CallUp(now) }
	next(t, "session at the peer", peer.up)
	eventually(t, "session up", func() bool { return a.session("wire").State == "up" })
}
