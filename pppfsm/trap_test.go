package pppfsm

import (
	"bytes"
	"testing"
	"time"

	"culvert/encap"
)

// The cases in which implementations of PPP are known to fail. Two more are
// TestCCPOfferedEarlyAndOften and TestTerminateStorm; docs/rfc-matrix/ppp.md
// lists all.

// TestTrapFirstFrameEarly: the peer's first frames come before we are open,
// and before our lower layer is up. They are dropped, and its repetition is
// all it takes (RFC 1661 §3.3).
func TestTrapFirstFrameEarly(t *testing.T) {
	first := frame(lcpP, CodeConfigureRequest, 1, unhex(t, "0104 0578 0506 cafef00d"))
	r := newRig(t, Config{})
	r.raw(first)
	r.l.Open(r.now)
	r.drain()
	r.raw(first)
	if len(r.sent)+len(r.acts) != 0 || r.l.Status().Counters.Discarded != 2 || r.l.Status().Counters.Illegal != 0 {
		t.Fatalf("sent %v, %v", r.sent, r.acts)
	}
	r.l.Up(r.now)
	r.drain()
	r.raw(first)
	r.ackOurs(lcpP)
	if o := must[LinkOpened](r); o.PeerMRU != 1400 {
		t.Errorf("%+v", o)
	}
}

// TestTrapCompressedAnyway: ACFC and PFC are refused, and the peer uses them
// all the same. Its frames are understood; ours stay as agreed.
func TestTrapCompressedAnyway(t *testing.T) {
	r := newRig(t, line(Config{NoACFC: true, NoPFC: true})).start()
	r.in(lcpP, CodeConfigureRequest, 1, unhex(t, "0702 0802"))
	r.last(lcpP, CodeConfigureReject)
	r.open("")
	bare := func(p encap.PPPProtocol, code Code, id uint8, data []byte) {
		t.Helper()
		r.raw(frame(p, code, id, data)[2:])
	}
	q := r.last(ipcpP, CodeConfigureRequest)
	bare(ipcpP, CodeConfigureAck, q.id, q.data)
	bare(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	must[IPv4Up](r)
	r.clear()
	bare(lcpP, CodeEchoRequest, 7, make([]byte, 4))
	if e := r.last(lcpP, CodeEchoReply); e.id != 7 || r.lastF[0] != 0xff || r.lastF[1] != 3 {
		t.Errorf("answer %x", r.lastF)
	}
	before := r.l.Status().Counters
	r.raw(unhex(t, "21 45")) // IPv4 in one byte of protocol: known, though it is the data path's
	after := r.l.Status().Counters
	if after.Malformed != before.Malformed || after.ProtocolRejectsOut != before.ProtocolRejectsOut {
		t.Errorf("%+v", after)
	}
	mustNot[LinkClosed](r)
}

// TestTrapNoAddressControl: a peer that leaves FF 03 out from its first LCP
// frame on. It gets what it sends, and the link comes up.
func TestTrapNoAddressControl(t *testing.T) {
	r := newRig(t, line(Config{})).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.raw(frame(lcpP, CodeConfigureRequest, 1, nil)[2:])
	if r.lastF[0] != 0xc0 {
		t.Errorf("answer %x", r.lastF)
	}
	r.raw(frame(lcpP, CodeConfigureAck, q.id, q.data)[2:])
	if o := must[LinkOpened](r); !o.Framing.NoAddressControl {
		t.Errorf("%+v", o)
	}
	q = r.last(ipcpP, CodeConfigureRequest)
	r.raw(frame(ipcpP, CodeConfigureAck, q.id, q.data)[2:])
	r.raw(frame(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))[2:])
	must[IPv4Up](r)
}

// TestTrapChangedAck: an Ack whose bytes are not those of the request opens
// nothing, whatever bit is wrong; the true one still does (RFC 1661 §5.2).
func TestTrapChangedAck(t *testing.T) {
	r := newRig(t, Config{MRU: 1400, RequestACFC: true}).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	r.clear()
	for i := range len(q.data) * 8 {
		b := bytes.Clone(q.data)
		b[i/8] ^= 1 << (i % 8)
		r.in(lcpP, CodeConfigureAck, q.id, b)
	}
	for n := range q.data {
		r.in(lcpP, CodeConfigureAck, q.id, q.data[:n])
	}
	if st := r.l.Status(); len(r.sent)+len(r.acts) != 0 || st.LCP != AckSent {
		t.Fatalf("sent %v, %v in %v", r.sent, r.acts, st.LCP)
	}
	r.in(lcpP, CodeConfigureAck, q.id, q.data)
	must[LinkOpened](r)
}

// TestTrapRejectNeverSent: a Reject of options we did not ask for, or not with
// this value, gives nothing up (RFC 1661 §5.4).
func TestTrapRejectNeverSent(t *testing.T) {
	r := newRig(t, Config{MRU: 1400}).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.clear()
	for _, o := range []string{"0702", "0802", "0305 c22305", "0104 0579", "0506 00000001", "0104 0578 0702", "c802"} {
		r.in(lcpP, CodeConfigureReject, q.id, unhex(t, o))
	}
	if c := r.l.Status().Counters; len(r.sent) != 0 || c.Ignored != 7 {
		t.Fatalf("sent %v, %+v", r.sent, c)
	}
	r.in(lcpP, CodeConfigureReject, q.id, q.data[:4])
	if n := r.last(lcpP, CodeConfigureRequest); !bytes.Equal(n.data, q.data[4:]) {
		t.Errorf("then asks for %x", n.data)
	}
}

// TestTrapIdentifierReuse: a peer that uses one identifier for everything gets
// each request answered for what it says, and answers of an old request do not
// pass for those of the new one.
func TestTrapIdentifierReuse(t *testing.T) {
	r := newRig(t, Config{MRU: 1400}).start()
	for _, step := range []struct {
		opts string
		code Code
	}{{"0104 0010", CodeConfigureNak}, {"0104 0578", CodeConfigureAck}, {"1104 0640", CodeConfigureReject}, {"", CodeConfigureAck}} {
		r.clear()
		r.in(lcpP, CodeConfigureRequest, 9, unhex(t, step.opts))
		if len(r.sent) != 1 || r.sent[0].code != step.code || r.sent[0].id != 9 {
			t.Fatalf("%q: %v", step.opts, r.sent)
		}
	}
	r = newRig(t, Config{MRU: 1400}).start()
	old := r.last(lcpP, CodeConfigureRequest)
	r.in(lcpP, CodeConfigureNak, old.id, unhex(t, "0104 0500"))
	now := r.last(lcpP, CodeConfigureRequest)
	if now.id == old.id {
		t.Fatal("a changed request has the old identifier")
	}
	r.clear()
	r.in(lcpP, CodeConfigureAck, old.id, now.data)
	r.in(lcpP, CodeConfigureNak, old.id, unhex(t, "0104 0400"))
	if len(r.sent) != 0 || r.l.Status().LCP != ReqSent {
		t.Errorf("sent %v in %v", r.sent, r.l.Status().LCP)
	}
	r.in(lcpP, CodeConfigureAck, now.id, now.data)
	if r.l.Status().LCP != AckRcvd {
		t.Errorf("in %v", r.l.Status().LCP)
	}
}

// TestTrapEchoWrongMagic: an Echo-Request that carries neither the peer's
// magic number nor zero is not the peer's: no answer, no harm (RFC 1661 §6.4).
func TestTrapEchoWrongMagic(t *testing.T) {
	r := newRig(t, Config{}).open("0506 cafef00d")
	r.clear()
	for i := range 1000 {
		r.in(lcpP, CodeEchoRequest, uint8(i), unhex(t, "deadbeef"))
	}
	if c := r.l.Status().Counters; len(r.sent)+len(r.acts) != 0 || c.Ignored != 1000 || c.EchoRequestsIn != 0 {
		t.Fatalf("sent %v, %v, %+v", r.sent, r.acts, c)
	}
	r.in(lcpP, CodeEchoRequest, 1, unhex(t, "cafef00d"))
	r.last(lcpP, CodeEchoReply)
	r = newRig(t, Config{}).open("") // and one without a magic number may send any
	r.in(lcpP, CodeEchoRequest, 1, unhex(t, "deadbeef"))
	r.last(lcpP, CodeEchoReply)
}

// TestTrapProtocolRejectIPCP: IPv4 ends with its reason, IPv6 and the link go
// on, and the peer's IPCP is heard again should it change its mind.
func TestTrapProtocolRejectIPCP(t *testing.T) {
	r := both(t, Config{})
	q := append(appendHeader([]byte{0x80, 0x21}, CodeConfigureRequest, 1, 0), make([]byte, 0)...)
	r.in(lcpP, CodeProtocolReject, 1, q)
	must[IPv4Down](r)
	mustNot[IPv6Down](r)
	mustNot[LinkClosed](r)
	r.advance(time.Minute)
	st := r.l.Status()
	if st.LCP != Opened || st.IPv6CP != Opened || st.IPCP != Stopped || st.IPCPReason != "peer rejects IPCP" {
		t.Fatalf("%+v", st)
	}
	r.clear()
	r.in(ipcpP, CodeConfigureRequest, 9, unhex(t, "0306 0a000002"))
	r.ackOurs(ipcpP)
	must[IPv4Up](r)
}

// TestTrapProtocolRejectLCP: a peer that says it has no LCP has no PPP: the
// link ends and says why (RFC 1661 §5.7).
func TestTrapProtocolRejectLCP(t *testing.T) {
	r := both(t, Config{})
	r.in(lcpP, CodeProtocolReject, 1, unhex(t, "c021"))
	must[IPv4Down](r)
	must[IPv6Down](r)
	must[LinkClosed](r)
	r.last(lcpP, CodeTerminateRequest)
	r.advance(time.Minute)
	if f := must[Finished](r); f.Reason != "peer rejects LCP" {
		t.Errorf("reason %q", f.Reason)
	}
}

// TestTrapTerminateStormOfNCP: a thousand Terminate-Requests for IPCP end
// IPCP, once, and nothing else.
func TestTrapTerminateStormOfNCP(t *testing.T) {
	r := both(t, Config{})
	for i := range 1000 {
		r.in(ipcpP, CodeTerminateRequest, uint8(i), nil)
	}
	if n := r.count(ipcpP, CodeTerminateAck); n != 1000 || len(r.sent) != 1000 || len(r.acts) != 1 {
		t.Errorf("%d Acks in %d frames, %v", n, len(r.sent), r.acts)
	}
	if st := r.l.Status(); st.LCP != Opened || st.IPv6CP != Opened {
		t.Errorf("%+v", st)
	}
}

// TestTrapConfigureFlood: ten thousand Configure-Requests in a second. Each
// has one answer at most, beside the request that begins a negotiation; the
// link goes down once, holds nothing, and is usable when the flood is over.
func TestTrapConfigureFlood(t *testing.T) {
	r := both(t, Config{})
	start := r.now
	for i := range 10_000 {
		r.now = start.Add(time.Duration(i) * 100 * time.Microsecond)
		r.in(lcpP, CodeConfigureRequest, uint8(i), unhex(t, "0104 0578"))
		r.advance(0)
	}
	if n := r.count(lcpP, CodeConfigureAck); n != 10_000 || len(r.sent) > 10_001 {
		t.Errorf("%d Acks in %d frames", n, len(r.sent))
	}
	if len(r.acts) != 3 || len(r.l.out) != 0 {
		t.Errorf("actions %v", r.acts)
	}
	r.ackOurs(lcpP)
	must[LinkOpened](r)
}

// TestTrapRenegotiationOnce: a peer that restarts LCP on an open link, and
// repeats its request as one does, takes everything down once and up once.
func TestTrapRenegotiationOnce(t *testing.T) {
	r := both(t, Config{})
	for id := range uint8(5) {
		r.in(lcpP, CodeConfigureRequest, 60+id, unhex(t, "0506 0badcafe"))
	}
	r.ackOurs(lcpP)
	r.ackOurs(lcpP) // twice: tunnels duplicate
	r.up4At()
	r.ackOurs(ipv6cpP)
	r.in(ipv6cpP, CodeConfigureRequest, 1, unhex(t, "010a 0000000000000005"))
	count := map[Action]int{}
	for _, a := range r.acts {
		switch a.(type) {
		case LinkOpened:
			count[LinkOpened{}]++
		case IPv4Up:
			count[IPv4Up{}]++
		case IPv6Up:
			count[IPv6Up{}]++
		default:
			count[a]++
		}
	}
	for _, a := range []Action{LinkOpened{}, LinkClosed{}, IPv4Up{}, IPv4Down{}, IPv6Up{}, IPv6Down{}} {
		if count[a] != 1 {
			t.Errorf("%T %d times", a, count[a])
		}
	}
	if len(r.acts) != 6 {
		t.Errorf("actions %v", r.acts)
	}
}

// TestTrapAbsurdMRU: 0, 1 and 127 are nak'd with the least we agree to, and
// rejected when the peer insists; 65535 is taken and not made use of. What we
// send never exceeds what the peer takes.
func TestTrapAbsurdMRU(t *testing.T) {
	for _, mru := range []string{"0000", "0001", "007f"} {
		r := newRig(t, Config{}).start()
		for id := range uint8(DefaultMaxFailure) {
			r.in(lcpP, CodeConfigureRequest, id, unhex(t, "0104"+mru))
			if n := r.last(lcpP, CodeConfigureNak); !bytes.Equal(n.data, unhex(t, "0104 0080")) {
				t.Fatalf("MRU %s: Nak %x", mru, n.data)
			}
		}
		r.in(lcpP, CodeConfigureRequest, 99, unhex(t, "0104"+mru))
		if n := r.last(lcpP, CodeConfigureReject); !bytes.Equal(n.data, unhex(t, "0104"+mru)) {
			t.Errorf("MRU %s: Reject %x", mru, n.data)
		}
		r.open("")
		if got := r.l.Status().PeerMRU; got != DefaultMRU {
			t.Errorf("MRU %s: then %d", mru, got)
		}
	}
	r := newRig(t, Config{IPv6: true}).open("0104 04ff") // 1279: no room for IPv6
	r.clear()
	r.in(ipv6cpP, CodeConfigureRequest, 1, unhex(t, "010a 0000000000000005"))
	if p := r.last(lcpP, CodeProtocolReject); !bytes.Equal(p.data[:2], unhex(t, "8057")) || r.l.Status().IPv6CPReason != narrowReason {
		t.Errorf("IPV6CP with an MRU of 1279: %v, %+v", r.sent, r.l.Status())
	}
	r.in(lcpP, CodeConfigureRequest, 2, unhex(t, "0104 0500"))
	r.ackOurs(lcpP)
	r.last(ipv6cpP, CodeConfigureRequest)

	r = newRig(t, Config{}).open("0104 ffff")
	if o := must[LinkOpened](r); o.PeerMRU != 65535 {
		t.Errorf("%+v", o)
	}
	r.raw(append(unhex(t, "ff0380fd"), make([]byte, 4000)...))
	if len(r.lastF) > DefaultMaxReply {
		t.Errorf("frame of %d bytes", len(r.lastF))
	}
	r = newRig(t, Config{}).open("0104 0080")
	for _, f := range [][]byte{
		append(unhex(t, "ff0380fd"), make([]byte, 4000)...),
		frame(lcpP, 99, 1, make([]byte, 1000)),
		frame(lcpP, CodeEchoRequest, 1, make([]byte, 1000)),
	} {
		r.raw(f)
		if len(r.lastF) != 4+128 {
			t.Errorf("frame of %d bytes to a peer that takes 128", len(r.lastF))
		}
	}
}
