package pppfsm

import (
	"bytes"
	"testing"
	"time"

	"culvert/encap"
)

// TestLifecycle goes through every phase, down and up again, and checks the
// order of the actions.
func TestLifecycle(t *testing.T) {
	r := newRig(t, Config{IPv4: true, LocalAddress: ip4("10.0.0.1")})
	phase := func(want Phase) {
		t.Helper()
		if got := r.l.Status().Phase; got != want {
			t.Fatalf("phase %v, want %v", got, want)
		}
	}
	phase(PhaseDead)
	r.l.Up(r.now)
	phase(PhaseEstablish) // nothing happens before Open
	r.drain()
	r.l.Open(r.now)
	r.drain()
	r.open("0104 0578")
	if o := must[LinkOpened](r); o.PeerMRU != 1400 || o.Framing != (encap.PPPFraming{}) {
		t.Errorf("opened %+v", o)
	}
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	must[IPv4Up](r)
	r.clear()
	r.l.Down(r.now)
	r.drain()
	if len(r.acts) != 2 || r.acts[0] != (IPv4Down{}) || r.acts[1] != (LinkClosed{}) || len(r.sent) != 0 {
		t.Fatalf("down: %v, sent %v", r.acts, r.sent)
	}
	phase(PhaseDead)
	if !r.l.Deadline().IsZero() {
		t.Error("a timer runs on a dead link")
	}
	r.l.Down(r.now) // twice does nothing
	r.l.Up(r.now)
	r.l.Up(r.now)
	r.drain()
	if n := r.count(lcpP, CodeConfigureRequest); n != 1 || len(r.acts) != 2 {
		t.Fatalf("%d requests after Up", n)
	}
	r.clear()
	r.l.Close(r.now, "x")
	r.drain()
	phase(PhaseTerminate)
	q := r.last(lcpP, CodeTerminateRequest)
	r.in(lcpP, CodeTerminateAck, q.id, nil)
	must[Finished](r)
	phase(PhaseTerminate)
	r.clear()
	r.l.Open(r.now) // starts again
	r.drain()
	r.open("")
	if r.l.Status().Counters.Illegal != 0 {
		t.Error("illegal events")
	}
}

// TestCloseBeforeUp: nobody to tell, but the owner is.
func TestCloseBeforeUp(t *testing.T) {
	r := newRig(t, Config{})
	r.l.Open(r.now)
	r.l.Close(r.now, "changed my mind")
	r.drain()
	if f := must[Finished](r); f.Reason != "changed my mind" || len(r.sent) != 0 {
		t.Errorf("%+v, sent %v", f, r.sent)
	}
	r.l.Up(r.now)
	r.drain()
	if len(r.sent) != 0 || r.l.Status().LCP != Closed {
		t.Errorf("sent %v in %v", r.sent, r.l.Status().LCP)
	}
}

// TestReopen: an Open on a link that gave up starts again; on one that is up
// it does nothing.
func TestReopen(t *testing.T) {
	r := newRig(t, Config{}).start()
	r.advance(time.Minute)
	must[Finished](r)
	r.clear()
	r.l.Open(r.now)
	r.drain()
	r.open("")
	r.clear()
	r.l.Open(r.now)
	r.drain()
	if len(r.sent)+len(r.acts) != 0 {
		t.Errorf("%v %v", r.sent, r.acts)
	}
}

// TestRenegotiation: a Configure-Request in Opened takes everything down once
// and up once (RFC 1661 §3.4, §4.3).
func TestRenegotiation(t *testing.T) {
	r := both(t, Config{})
	old := r.l.Status().LocalMagic
	r.in(lcpP, CodeConfigureRequest, 50, unhex(t, "0104 0500 0506 0badcafe"))
	if len(r.acts) != 3 || r.acts[0] != (IPv4Down{}) || r.acts[1] != (IPv6Down{}) || r.acts[2] != (LinkClosed{}) {
		t.Fatalf("actions %v", r.acts)
	}
	if len(r.sent) != 2 || r.l.Status().LCP != AckSent || r.l.Status().Phase != PhaseEstablish {
		t.Fatalf("sent %v in %v", r.sent, r.l.Status().LCP)
	}
	r.in(ipcpP, CodeConfigureRequest, 2, nil) // not in this phase
	if len(r.sent) != 2 {
		t.Fatalf("answered IPCP in Establish: %v", r.sent)
	}
	r.clear()
	r.l.Input(r.now, frame(lcpP, CodeConfigureAck, 0, nil)) // wrong
	q := r.l.lcp.sent[:r.l.lcp.sentLen]
	r.in(lcpP, CodeConfigureAck, r.l.lcp.reqID, q)
	if o := must[LinkOpened](r); o.PeerMRU != 1280 {
		t.Errorf("%+v", o)
	}
	if s := r.l.Status(); s.LocalMagic == old || s.PeerMagic != 0x0badcafe {
		t.Errorf("magic %x, peer %x", s.LocalMagic, s.PeerMagic)
	}
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	r.ackOurs(ipv6cpP)
	r.in(ipv6cpP, CodeConfigureRequest, 1, unhex(t, "010a 0000000000000005"))
	must[IPv4Up](r)
	must[IPv6Up](r)
	mustNot[IPv4Down](r)
	mustNot[LinkClosed](r)
}

// TestPhaseDrops is what each phase admits (RFC 1661 §3).
func TestPhaseDrops(t *testing.T) {
	ip := unhex(t, "ff030021 4500")
	ccp := frame(encap.ProtoCCP, CodeConfigureRequest, 1, unhex(t, "1206 01000060"))
	ipcpReq := frame(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	cfg := Config{IPv4: true, LocalAddress: ip4("10.0.0.1")}
	quiet := func(name string, r *rig) {
		t.Helper()
		r.clear()
		before := r.l.Status()
		for _, f := range [][]byte{ip, ccp, ipcpReq} {
			r.raw(f)
		}
		after := r.l.Status()
		if len(r.sent)+len(r.acts) != 0 || after.LCP != before.LCP || after.IPCP != before.IPCP ||
			after.Counters.Discarded-before.Counters.Discarded != 3 {
			t.Errorf("%s: sent %v, %v, %+v", name, r.sent, r.acts, after.Counters)
		}
	}
	r := newRig(t, cfg)
	quiet("dead", r)
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	if len(r.sent) != 0 {
		t.Errorf("a dead link answered %v", r.sent)
	}
	r.start()
	quiet("establish", r)
	r = newRig(t, cfg).open("")
	r.l.Close(r.now, "")
	r.drain()
	quiet("terminate", r)

	r = newRig(t, cfg).open("") // network: data of what is not Opened is dropped
	r.clear()
	r.raw(ip)
	if len(r.sent) != 0 {
		t.Errorf("answered data: %v", r.sent)
	}
	for _, f := range []string{ // not configured, not known, or not a protocol
		"ff030057 60", "ff038057 01010004", "ff0380fd 01010004", "ff038053 01010004", "ff03802b 01010004",
		"ff038281 01010004", "ff03c025 00", "ff03c023 01010004", "ff03c227 01010004", "ff03003d 00",
		"fd 00", "80fd", "0020", "ff038022 00",
	} {
		r.clear()
		r.raw(unhex(t, f))
		if len(r.sent) != 1 || r.sent[0].code != CodeProtocolReject || r.l.Status().IPCP != ReqSent {
			t.Errorf("%s: %v", f, r.sent)
		}
	}
}

// TestCCPOfferedEarlyAndOften: kernels offer CCP all the time. It is not
// answered before LCP is Opened, rejected once each time after, and IPCP comes
// up as if it were not there.
func TestCCPOfferedEarlyAndOften(t *testing.T) {
	ccp := frame(encap.ProtoCCP, CodeConfigureRequest, 1, unhex(t, "1206 01000060"))
	r := newRig(t, Config{IPv4: true, LocalAddress: ip4("10.0.0.1")}).start()
	offer := func(n, want int) {
		t.Helper()
		before := r.count(lcpP, CodeProtocolReject)
		for range n {
			r.raw(ccp)
		}
		if got := r.count(lcpP, CodeProtocolReject) - before; got != want {
			t.Errorf("%d Protocol-Rejects for %d offers, want %d", got, n, want)
		}
	}
	offer(50, 0)
	r.ackOurs(lcpP)
	offer(50, 0)
	early := frame(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	r.raw(early) // its LCP is open, ours not
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	offer(50, 50)
	r.ackOurs(ipcpP)
	offer(50, 50)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002"))
	offer(50, 50)
	must[IPv4Up](r)
	mustNot[IPv4Down](r)
	if n := r.count(ipcpP, CodeTerminateAck) + r.count(ipcpP, CodeTerminateRequest); n != 0 {
		t.Errorf("IPCP told %d times that it is not wanted", n)
	}
	ids := map[uint8]bool{}
	for _, p := range r.sent {
		if p.code == CodeProtocolReject {
			if ids[p.id] {
				t.Fatal("Protocol-Reject with an identifier used before")
			}
			ids[p.id] = true
		}
	}
}

// TestTerminateStorm: a thousand Terminate-Requests give a thousand Acks and
// one end.
func TestTerminateStorm(t *testing.T) {
	r := both(t, Config{})
	for i := range 1000 {
		r.in(lcpP, CodeTerminateRequest, uint8(i), nil)
	}
	if n := r.count(lcpP, CodeTerminateAck); n != 1000 || len(r.sent) != 1000 {
		t.Errorf("%d Acks in %d frames", n, len(r.sent))
	}
	if len(r.acts) != 3 {
		t.Errorf("actions %v", r.acts)
	}
	r.advance(3 * time.Second)
	must[Finished](r)
}

// TestTerminateInNegotiation: answered, and the negotiation goes on.
func TestTerminateInNegotiation(t *testing.T) {
	r := newRig(t, Config{}).start()
	r.ackOurs(lcpP)
	r.in(lcpP, CodeTerminateRequest, 5, nil)
	if a := r.last(lcpP, CodeTerminateAck); a.id != 5 || r.l.Status().LCP != ReqSent {
		t.Errorf("%v in %v", a, r.l.Status().LCP)
	}
	mustNot[Finished](r)
}

// TestStrayAnswers: Closed and Stopped tell a peer that believes otherwise.
func TestStrayAnswers(t *testing.T) {
	r := newRig(t, Config{Silent: true}).start()
	r.in(lcpP, CodeConfigureAck, 5, nil)
	if a := r.last(lcpP, CodeTerminateAck); a.id != 5 {
		t.Errorf("%v", a)
	}
	r = newRig(t, Config{}).open("") // and an Opened one starts again
	r.clear()
	r.in(lcpP, CodeTerminateAck, 5, nil)
	must[LinkClosed](r)
	if r.l.Status().LCP != ReqSent {
		t.Errorf("in %v", r.l.Status().LCP)
	}
}

// TestFraming is the policy on FF 03 and the compressions.
func TestFraming(t *testing.T) {
	const hdr, bare = true, false
	comp := "0702 0802"
	type pf = encap.PPPFraming
	for _, tc := range []struct {
		name string
		cfg  Config
		peer bool   // the peer sends FF 03
		opts string // the peer's
		ctrl bool   // we send FF 03 in control frames once it spoke
		data pf
	}{
		{"auto", Config{}, hdr, "", hdr, pf{}},
		{"auto, bare peer", Config{}, bare, "", bare, pf{NoAddressControl: true}},
		{"hdlc, bare peer", Config{Framing: FramingHDLC}, bare, "", hdr, pf{}},
		{"bare", Config{Framing: FramingBare}, hdr, "", bare, pf{NoAddressControl: true}},
		{"offered, not asked for", Config{}, hdr, comp, hdr, pf{}},
		{"offered and asked for", Config{RequestACFC: true, RequestPFC: true}, hdr, comp, hdr, pf{NoAddressControl: true, CompressProtocol: true}},
		{"asked for, not offered", Config{RequestACFC: true, RequestPFC: true}, hdr, "", hdr, pf{}},
		{"PFC only", Config{RequestPFC: true}, hdr, comp, hdr, pf{CompressProtocol: true}},
		{"hdlc with both", Config{Framing: FramingHDLC, RequestACFC: true, RequestPFC: true}, hdr, comp, hdr, pf{CompressProtocol: true}},
		{"bare peer with PFC", Config{RequestPFC: true}, bare, comp, bare, pf{NoAddressControl: true, CompressProtocol: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.IPv4 = true
			r := newRig(t, tc.cfg).start()
			wantFirst := tc.cfg.Framing != FramingBare
			if has := r.lastF[0] == 0xff; has != wantFirst {
				t.Errorf("first frame %x", r.lastF)
			}
			q := r.last(lcpP, CodeConfigureRequest)
			req := frame(lcpP, CodeConfigureRequest, 1, unhex(t, tc.opts))
			ack := frame(lcpP, CodeConfigureAck, q.id, q.data)
			if !tc.peer {
				req, ack = req[2:], ack[2:]
			}
			r.raw(req)
			if has := r.lastF[0] == 0xff; has != tc.ctrl {
				t.Errorf("answer %x", r.lastF)
			}
			r.raw(ack)
			if has := r.lastF[0] == 0xff; has != tc.ctrl {
				t.Errorf("IPCP %x", r.lastF)
			}
			if o := must[LinkOpened](r); o.Framing != tc.data || r.l.Status().Framing != tc.data {
				t.Errorf("data framing %+v, want %+v", o.Framing, tc.data)
			}
		})
	}
}

// TestBounded: nobody calls Take, and nothing grows without limit.
func TestBounded(t *testing.T) {
	l := NewLink(Config{IPv4: true}, seeded(1))
	l.Open(epoch)
	l.Up(epoch)
	for i := range 10000 {
		l.Input(epoch, frame(lcpP, CodeTerminateRequest, uint8(i), nil))
		l.Input(epoch, frame(lcpP, CodeConfigureRequest, uint8(i), nil))
		l.Tick(epoch.Add(time.Duration(i) * time.Second))
	}
	if n := len(l.Take()); n > maxPending+16 {
		t.Errorf("%d actions", n)
	}
	if l.Status().Counters.Overflows == 0 {
		t.Error("not counted")
	}
}

// TestMaxReply: what cannot be sent whole is cut where the RFC allows it and
// dropped where not.
func TestMaxReply(t *testing.T) {
	r := newRig(t, Config{MaxReply: 200}).open("")
	r.clear()
	long := bytes.Repeat([]byte{2}, 1000)
	r.in(encap.ProtoCCP, 1, 1, long)
	r.in(lcpP, 99, 1, long)
	if len(r.sent) != 2 || len(r.lastF) != 200 {
		t.Errorf("%d frames, last of %d bytes", len(r.sent), len(r.lastF))
	}
	r.clear()
	r.in(lcpP, CodeEchoRequest, 1, bytes.Repeat([]byte{0}, 1000))
	if len(r.sent) != 1 || len(r.lastF) != 200 {
		t.Errorf("echo reply: %d frames, last of %d bytes", len(r.sent), len(r.lastF))
	}
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 1, bytes.Repeat([]byte{0xc8, 2}, 500))
	if len(r.sent) != 0 || r.l.Status().LCP != Opened || r.l.Status().Counters.Overflows != 1 {
		t.Errorf("sent %v in %v", r.sent, r.l.Status().LCP)
	}
	nakful := bytes.Repeat([]byte{1, 2, 5, 2, 2, 2, 7, 3, 0}, 20)
	r.in(lcpP, CodeConfigureRequest, 1, nakful)
	r.last(lcpP, CodeConfigureReject)
}

// TestInputKeepsNothing: the caller may overwrite its frame, and reads only.
func TestInputKeepsNothing(t *testing.T) {
	r := newRig(t, Config{}).start()
	f := frame(lcpP, CodeConfigureRequest, 1, unhex(t, "0104 0578 0506 cafef00d"))
	kept := bytes.Clone(f)
	r.l.Input(r.now, f)
	if !bytes.Equal(f, kept) {
		t.Error("Input wrote to the frame")
	}
	clear(f)
	r.drain()
	if a := r.last(lcpP, CodeConfigureAck); !bytes.Equal(a.data, kept[8:]) {
		t.Errorf("the answer changed with the frame: %x", a.data)
	}
}

func TestNames(t *testing.T) {
	if Opened.String() != "Opened" || State(99).String() != "invalid" || PhaseNetwork.String() != "Network" ||
		Phase(9).String() != "invalid" || FramingHDLC.String() != "hdlc" || FramingMode(9).String() != "invalid" {
		t.Error("names")
	}
}
