package pppfsm

import (
	"bytes"
	"testing"
	"time"
)

// TestRevive: data of a protocol that gave up opens it again; of one that the
// peer ended, it does not (RFC 1661 §3.6).
func TestRevive(t *testing.T) {
	data := unhex(t, "ff030057 60")
	r := newRig(t, Config{IPv6: true}).open("")
	r.advance(time.Minute)
	if st := r.l.Status(); st.IPv6CP != Stopped || st.IPv6CPReason != "no answer to Configure-Requests" {
		t.Fatalf("%+v", st)
	}
	r.clear()
	r.raw(data)
	r.raw(data) // and once is enough
	if n := r.count(ipv6cpP, CodeConfigureRequest); n != 1 || len(r.sent) != 1 || r.l.Status().Counters.Discarded != 2 {
		t.Errorf("sent %v", r.sent)
	}
	r.in(lcpP, CodeProtocolReject, 1, unhex(t, "8057"))
	r.clear()
	r.raw(data)
	if len(r.sent) != 0 || r.l.Status().IPv6CP != Stopped {
		t.Errorf("sent %v in %v", r.sent, r.l.Status().IPv6CP)
	}
}

// TestReviveOutlivesStrays: stray answers to a protocol that gave up do not
// keep data from opening it; the peer's goodbye does.
func TestReviveOutlivesStrays(t *testing.T) {
	data := unhex(t, "ff030057 60")
	r := newRig(t, Config{IPv6: true}).open("")
	r.advance(time.Minute)
	r.in(ipv6cpP, CodeConfigureAck, 1, nil)
	r.in(ipv6cpP, 99, 1, nil)
	r.clear()
	r.raw(data)
	r.last(ipv6cpP, CodeConfigureRequest)
	r.advance(time.Minute)
	r.in(ipv6cpP, CodeTerminateRequest, 1, nil)
	r.clear()
	r.raw(data)
	if len(r.sent) != 0 {
		t.Errorf("sent %v", r.sent)
	}
}

// TestClosedTellsAgain: a peer that missed our Terminate-Requests hears of it
// when it sends data.
func TestClosedTellsAgain(t *testing.T) {
	r := newRig(t, Config{IPv4: true}).open("")
	r.ackOurs(ipcpP) // 0.0.0.0: no address for us
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000001"))
	r.advance(time.Minute)
	if st := r.l.Status(); st.IPCP != Closed {
		t.Fatalf("%+v", st)
	}
	r.clear()
	r.raw(unhex(t, "ff030021 45"))
	q := r.last(ipcpP, CodeTerminateRequest)
	if len(r.sent) != 1 || string(q.data) != "no local IPv4 address" {
		t.Errorf("sent %v", r.sent)
	}
	r.in(ipcpP, CodeTerminateAck, q.id, nil)
	if st := r.l.Status(); st.IPCP != Closed || len(r.sent) != 1 || st.Counters.Illegal != 0 {
		t.Errorf("%+v", st)
	}
}

// TestFirstReasonCounts: what ended the link is not overwritten by who closes
// it meanwhile.
func TestFirstReasonCounts(t *testing.T) {
	r := newRig(t, Config{}).open("")
	r.in(lcpP, CodeTerminateRequest, 1, []byte("peer's"))
	r.l.Close(r.now, "ours")
	r.advance(time.Minute)
	if f := must[Finished](r); f.Reason != `terminated by peer: "peer's"` {
		t.Errorf("reason %q", f.Reason)
	}
}

// TestCountsStartAfresh: Naks of one negotiation do not count in the next.
func TestCountsStartAfresh(t *testing.T) {
	r := newRig(t, Config{MRU: 1400}).start()
	small := unhex(t, "0104 0010")
	for i := range 6 {
		r.in(lcpP, CodeConfigureRequest, uint8(i), small)
	}
	r.last(lcpP, CodeConfigureReject)
	for range 4 {
		q := r.last(lcpP, CodeConfigureRequest)
		r.in(lcpP, CodeConfigureNak, q.id, unhex(t, "0104 05dc"))
	}
	r.l.Down(r.now)
	r.l.Up(r.now)
	r.drain()
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 20, small)
	r.last(lcpP, CodeConfigureNak)
	r.l.Down(r.now)
	r.l.Up(r.now)
	r.drain()
	q := r.last(lcpP, CodeConfigureRequest)
	r.in(lcpP, CodeConfigureNak, q.id, unhex(t, "0104 05dc"))
	if n := r.last(lcpP, CodeConfigureRequest); !bytes.Equal(n.data[:4], unhex(t, "0104 0578")) {
		t.Errorf("gave the MRU up at the first Nak: %x", n.data)
	}
}

// TestAckForgivesNaks: the peer's Naks count until it acknowledges.
func TestAckForgivesNaks(t *testing.T) {
	r := newRig(t, Config{MRU: 1400, NoMagic: true}).start()
	nak := func(n int) {
		for range n {
			q := r.last(lcpP, CodeConfigureRequest)
			r.in(lcpP, CodeConfigureNak, q.id, unhex(t, "0104 05dc"))
		}
	}
	nak(4)
	r.ackOurs(lcpP)
	r.advance(3 * time.Second)
	nak(4)
	if q := r.last(lcpP, CodeConfigureRequest); len(q.data) != 4 {
		t.Fatalf("request %x", q.data)
	}
	nak(1)
	if q := r.last(lcpP, CodeConfigureRequest); len(q.data) != 0 {
		t.Errorf("request after five Naks %x", q.data)
	}
}

// TestCollisionsInARow: only those count that nothing else comes between.
func TestCollisionsInARow(t *testing.T) {
	r := newRig(t, Config{MaxFailure: 100}).start()
	same := r.last(lcpP, CodeConfigureRequest).data
	for i := range 50 {
		r.in(lcpP, CodeConfigureRequest, uint8(2*i), same)
		r.in(lcpP, CodeConfigureRequest, uint8(2*i+1), unhex(t, "0506 0badcafe"))
	}
	mustNot[Finished](r)
	if st := r.l.Status(); st.LCP != AckSent || st.Counters.Loops != 50 {
		t.Errorf("%+v", st)
	}
}

// TestLoopIsOver: a link that ended for a loop and is Stopped takes the next
// request of a real peer.
func TestLoopIsOver(t *testing.T) {
	r := newRig(t, Config{Silent: true}).start()
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	same := r.last(lcpP, CodeConfigureRequest).data
	for i := range maxCollisions {
		r.in(lcpP, CodeConfigureRequest, uint8(i), same)
	}
	r.l.Open(r.now) // Closing to Stopping, so that it ends in Stopped
	r.advance(time.Minute)
	if f := must[Finished](r); f.Reason != loopReason || r.l.Status().LCP != Stopped {
		t.Fatalf("%+v in %v", f, r.l.Status().LCP)
	}
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 50, nil)
	r.last(lcpP, CodeConfigureAck)
}

// TestStrayProtocolReject: of a protocol that never spoke.
func TestStrayProtocolReject(t *testing.T) {
	r := newRig(t, Config{}).open("")
	r.clear()
	for _, p := range []string{"8021", "0057", "80fd"} {
		r.in(lcpP, CodeProtocolReject, 1, unhex(t, p))
	}
	if c := r.l.Status().Counters; len(r.sent) != 0 || c.Ignored != 3 || c.Illegal != 0 {
		t.Errorf("sent %v, %+v", r.sent, c)
	}
}

// TestRejectSizeBeforeOpened: the default MRU holds until LCP is Opened, even
// when the peer has asked for less (RFC 1661 §6.1).
func TestRejectSizeBeforeOpened(t *testing.T) {
	r := newRig(t, Config{}).start()
	unknown := bytes.Repeat([]byte{9}, 600)
	r.in(lcpP, 88, 1, unknown)
	if p := r.last(lcpP, CodeCodeReject); len(p.data) != 604 {
		t.Errorf("%d bytes before any request", len(p.data))
	}
	r.in(lcpP, CodeConfigureRequest, 1, unhex(t, "0104 0080"))
	r.in(lcpP, 88, 1, unknown)
	if p := r.last(lcpP, CodeCodeReject); len(p.data) != 604 {
		t.Errorf("%d bytes in Ack-Sent", len(p.data))
	}
}

// TestEchoReplyOfAnother: only a reply to a request that waits for one keeps
// the link alive.
func TestEchoReplyOfAnother(t *testing.T) {
	r := newRig(t, Config{EchoInterval: time.Second, EchoFailures: 3}).open("0506 cafef00d")
	r.advance(2 * time.Second)
	id := r.last(lcpP, CodeEchoRequest).id
	r.in(lcpP, CodeEchoReply, id+1, unhex(t, "cafef00d"))
	r.in(lcpP, CodeEchoReply, id-2, unhex(t, "cafef00d"))
	if c := r.l.Status().Counters; c.EchoRepliesIn != 0 || c.Ignored != 2 {
		t.Errorf("%+v", c)
	}
	r.in(lcpP, CodeEchoReply, id-1, unhex(t, "cafef00d")) // late, but ours
	r.in(lcpP, CodeEchoReply, id, unhex(t, "cafef00d"))   // nothing waits now
	if c := r.l.Status().Counters; c.EchoRepliesIn != 1 || c.Ignored != 3 {
		t.Errorf("%+v", c)
	}
}

// TestFramingForgotten: a dead link learns nothing, and a new lower layer
// starts with FF 03 again.
func TestFramingForgotten(t *testing.T) {
	bare := frame(lcpP, CodeConfigureRequest, 1, nil)[2:]
	r := newRig(t, Config{})
	r.raw(bare)
	r.start()
	if r.lastF[0] != 0xff {
		t.Errorf("learned while dead: %x", r.lastF)
	}
	r.raw(bare)
	if r.lastF[0] == 0xff {
		t.Errorf("not followed: %x", r.lastF)
	}
	r.l.Down(r.now)
	r.l.Up(r.now)
	r.drain()
	if r.lastF[0] != 0xff {
		t.Errorf("not forgotten: %x", r.lastF)
	}
}

// TestIPCPTakenBack: an address the peer suggested and then rejects is not
// ours, and one that no host can have is not taken.
func TestIPCPTakenBack(t *testing.T) {
	r := newRig(t, Config{IPv4: true}).open("")
	nak := func(addr string) pkt {
		q := r.last(ipcpP, CodeConfigureRequest)
		r.in(ipcpP, CodeConfigureNak, q.id, unhex(t, "0306"+addr))
		return r.last(ipcpP, CodeConfigureRequest)
	}
	for _, bad := range []string{"e0000001", "7f000001", "00000001", "ffffffff"} {
		if q := nak(bad); !bytes.Equal(q.data, unhex(t, "0306 00000000")) {
			t.Fatalf("took %s: %x", bad, q.data)
		}
	}
	r = newRig(t, Config{IPv4: true}).open("")
	q := nak("0a000002")
	r.in(ipcpP, CodeConfigureReject, q.id, q.data)
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000001"))
	mustNot[IPv4Up](r)
	if st := r.l.Status(); st.IPCPReason != "no local IPv4 address" {
		t.Errorf("%+v", st)
	}
}

// TestIPCPNotAskedForWhatWasRejected: a peer that followed our Reject is not
// asked for the option again.
func TestIPCPNotAskedForWhatWasRejected(t *testing.T) {
	r := newRig(t, open4).open("")
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 00000000"))
	r.last(ipcpP, CodeConfigureReject)
	r.in(ipcpP, CodeConfigureRequest, 2, nil)
	r.last(ipcpP, CodeConfigureAck)
}

// TestIPV6CPSameIDConfigured: a configuration that gives both ends one
// identifier still ends with two.
func TestIPV6CPSameIDConfigured(t *testing.T) {
	r := newRig(t, Config{IPv6: true, LocalID: ids, PeerID: ids}).open("")
	r.in(ipv6cpP, CodeConfigureRequest, 1, unhex(t, "010a 0200000000000001"))
	if n := r.last(ipv6cpP, CodeConfigureNak); bytes.Equal(n.data[2:], ids[:]) {
		t.Errorf("suggested our own %x", n.data)
	}
}

// TestFramingFollowsConfigurationOnly: any configuration packet teaches while
// LCP negotiates; in Opened the framing stays what LinkOpened said.
func TestFramingFollowsConfigurationOnly(t *testing.T) {
	r := newRig(t, Config{}).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.raw(frame(lcpP, CodeConfigureAck, q.id, q.data)[2:])
	r.advance(3 * time.Second)
	if r.lastF[0] == 0xff {
		t.Errorf("after a bare Ack: %x", r.lastF)
	}
	r = newRig(t, Config{}).open("")
	r.raw(frame(lcpP, CodeEchoRequest, 1, make([]byte, 4))[2:])
	if r.lastF[0] != 0xff {
		t.Errorf("answer to a bare echo: %x", r.lastF)
	}
}
