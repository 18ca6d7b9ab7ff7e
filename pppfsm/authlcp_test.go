package pppfsm

import (
	"bytes"
	"testing"

	"culvert/encap"
)

// TestAuthOffers judges a peer's demand that we prove ourselves
// (RFC 1661 §6.2).
func TestAuthOffers(t *testing.T) {
	const ack, nak, rej = CodeConfigureAck, CodeConfigureNak, CodeConfigureReject
	for _, tc := range []struct {
		name string
		cfg  Config
		in   string
		code Code
		out  string
	}{
		{"nothing to prove with", Config{}, optCHAPHex, rej, optCHAPHex},
		{"only demanding", demanding(AuthCHAP), optCHAPHex, rej, optCHAPHex},
		{"PAP", proving(allMethods...), optPAPHex, ack, optPAPHex},
		{"CHAP", proving(allMethods...), optCHAPHex, ack, optCHAPHex},
		{"MS-CHAPv2", proving(allMethods...), optMSHex, ack, optMSHex},
		{"MS-CHAP", proving(allMethods...), optMSCHAPv1, nak, optMSHex},
		{"EAP", proving(AuthCHAP, AuthPAP), optEAPHex, nak, optCHAPHex},
		{"refused PAP", proving(AuthCHAP), optPAPHex, nak, optCHAPHex},
		{"refused MS-CHAPv2", proving(AuthPAP, AuthCHAP), optMSHex, nak, optPAPHex},
		{"PAP with data", proving(AuthPAP), "0305 c02301", nak, optPAPHex},
		{"CHAP without algorithm", proving(AuthCHAP), "0304 c223", nak, optCHAPHex},
		{"short", proving(AuthCHAP), "0303 c2", nak, optCHAPHex},
		{"empty", proving(AuthCHAP), "0302", nak, optCHAPHex},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.cfg).start()
			r.clear()
			r.in(lcpP, CodeConfigureRequest, 9, unhex(t, tc.in))
			if p := r.sent[0]; len(r.sent) != 1 || p.code != tc.code || !bytes.Equal(p.data, unhex(t, tc.out)) {
				t.Errorf("answer %d %x, want %d %s", p.code, p.data, tc.code, tc.out)
			}
		})
	}
}

// TestAuthOffersInOrder: a peer that insists hears of our methods one after
// the other, and of none in the end.
func TestAuthOffersInOrder(t *testing.T) {
	r := newRig(t, proving(AuthMSCHAPv2, AuthCHAP, AuthPAP)).start()
	for i, want := range []string{optMSHex, optCHAPHex, optPAPHex, optMSHex, optCHAPHex} {
		r.in(lcpP, CodeConfigureRequest, uint8(i), unhex(t, optEAPHex))
		if n := r.last(lcpP, CodeConfigureNak); !bytes.Equal(n.data, unhex(t, want)) {
			t.Fatalf("Nak %d suggests %x, want %s", i, n.data, want)
		}
	}
	r.in(lcpP, CodeConfigureRequest, 9, unhex(t, optEAPHex))
	r.last(lcpP, CodeConfigureReject)
}

// authOption is the Authentication-Protocol option of our last request, empty
// without one.
func (r *rig) authOption() []byte {
	r.tb.Helper()
	for rest := r.last(lcpP, CodeConfigureRequest).data; len(rest) > 0; {
		o, left, err := nextOption(rest)
		if err != nil {
			r.tb.Fatal(err)
		}
		if o.kind() == optAuth {
			return o
		}
		rest = left
	}
	return nil
}

// TestAuthDemandFallback: our demand follows the peer's Naks, each method at
// most once, and the link ends when none is left (RFC 1661 §6.2).
func TestAuthDemandFallback(t *testing.T) {
	for _, tc := range []struct {
		name string
		want []AuthMethod
		naks []string // suggested, in order
		then []string // demanded after each; "" last: the link ended
	}{
		{"configured order", allMethods, []string{optEAPHex, optEAPHex, optEAPHex}, []string{optCHAPHex, optPAPHex, ""}},
		{"suggested", allMethods, []string{optPAPHex}, []string{optPAPHex}},
		{"suggested, then in order", allMethods, []string{optPAPHex, optEAPHex}, []string{optPAPHex, optCHAPHex}},
		{"suggested what was refused", allMethods, []string{optCHAPHex, optMSHex, optMSHex}, []string{optCHAPHex, optPAPHex, ""}},
		{"suggested what we ask for", allMethods, []string{optMSHex}, []string{optCHAPHex}},
		{"suggested what we do not take", []AuthMethod{AuthCHAP}, []string{optPAPHex}, []string{""}},
		{"malformed", []AuthMethod{AuthMSCHAPv2, AuthPAP}, []string{"0302"}, []string{optPAPHex}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, demanding(tc.want...)).start()
			if got := authOf(r.authOption()); got != tc.want[0] {
				t.Fatalf("demands %v first", got)
			}
			for i, nak := range tc.naks {
				q := r.last(lcpP, CodeConfigureRequest)
				r.in(lcpP, CodeConfigureNak, q.id, unhex(t, nak))
				if tc.then[i] == "" {
					r.ended(unwillingReason)
					return
				}
				if got := r.authOption(); !bytes.Equal(got, unhex(t, tc.then[i])) {
					t.Fatalf("after Nak %d demands %x, want %s", i, got, tc.then[i])
				}
			}
		})
	}
}

// TestAuthDemandRejected: a peer that rejects the option will not prove
// itself, and the link ends with a reason.
func TestAuthDemandRejected(t *testing.T) {
	r := newRig(t, demanding(allMethods...)).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.in(lcpP, CodeConfigureReject, q.id, r.authOption())
	r.ended(unwillingReason)
	r.in(lcpP, CodeTerminateAck, r.last(lcpP, CodeTerminateRequest).id, nil)
	if f := must[Finished](r); f.Reason != unwillingReason {
		t.Errorf("finished: %q", f.Reason)
	}
	// A new beginning demands the first method again.
	r.l.Open(r.now)
	r.drain()
	if got := authOf(r.authOption()); got != AuthMSCHAPv2 {
		t.Errorf("demands %v after a new Open", got)
	}
}

// TestAuthNeverDropped: a peer that suggests values for other options, for as
// long as it likes, does not get rid of the demand.
func TestAuthNeverDropped(t *testing.T) {
	cfg := demanding(AuthCHAP)
	cfg.MRU = 1400
	r := newRig(t, cfg).start()
	for range DefaultMaxFailure + 3 {
		q := r.last(lcpP, CodeConfigureRequest)
		r.in(lcpP, CodeConfigureNak, q.id, unhex(t, "0104 05dc"))
	}
	if got := authOf(r.authOption()); got != AuthCHAP {
		t.Errorf("demands %v", got)
	}
	// Nor does a suggestion make us demand what we do not want.
	r = newRig(t, Config{}).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.in(lcpP, CodeConfigureNak, q.id, unhex(t, optCHAPHex))
	if got := r.authOption(); got != nil {
		t.Errorf("demands %x", got)
	}
}

// TestAuthPhase: what the Authenticate phase admits (RFC 1661 §3.5), and that
// nothing passes it without proof.
func TestAuthPhase(t *testing.T) {
	cfg := demanding(AuthCHAP)
	cfg.IPv4, cfg.LocalAddress = true, ip4("10.0.0.1")
	r := newRig(t, cfg).enter("")
	mustNot[LinkOpened](r)
	r.clear()
	before := r.l.Status().Counters.Discarded
	for _, f := range [][]byte{
		frame(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000002")),
		frame(encap.ProtoCCP, CodeConfigureRequest, 1, nil),
		unhex(t, "ff030021 4500"),
		frame(papP, papRequestCode, 1, unhex(t, "0175 0170")),
		frame(encap.ProtoEAP, 1, 1, nil),
	} {
		r.raw(f)
	}
	st := r.l.Status()
	if len(r.sent)+len(r.acts) != 0 || st.Counters.Discarded-before != 5 || st.Phase != PhaseAuthenticate {
		t.Fatalf("sent %v, %v, %+v", r.sent, r.acts, st)
	}
	r.in(lcpP, CodeEchoRequest, 1, make([]byte, 4)) // LCP goes on
	r.last(lcpP, CodeEchoReply)
	r.l.Down(r.now)
	r.drain()
	if r.l.auth != nil || !r.l.Deadline().IsZero() {
		t.Error("something of authentication is left")
	}
	mustNot[LinkClosed](r) // it was never open
}

// TestAuthRenegotiation: a peer that begins again has to prove itself again,
// and an answer about its earlier life counts for nothing.
func TestAuthRenegotiation(t *testing.T) {
	r := newRig(t, demanding(AuthPAP)).enter("")
	r.in(papP, papRequestCode, 1, unhex(t, "0475736572 0470617373"))
	old := must[AuthRequest](r)
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 77, nil)
	r.ackOurs(lcpP)
	if st := r.l.Status(); st.Phase != PhaseAuthenticate {
		t.Fatalf("phase %v", st.Phase)
	}
	r.in(papP, papRequestCode, 2, unhex(t, "0475736572 0470617373"))
	r.l.AuthResult(r.now, old.ID, AuthAnswer{Accepted: true})
	r.drain()
	mustNot[LinkOpened](r)
	if st := r.l.Status(); st.Phase != PhaseAuthenticate || st.Counters.Ignored != 1 {
		t.Fatalf("%+v", st)
	}
	r.answer(AuthAnswer{Accepted: true})
	if o := must[LinkOpened](r); o.PeerName != testUser {
		t.Errorf("%+v", o)
	}
	r.l.AuthResult(r.now, old.ID, AuthAnswer{}) // nor later
	r.l.AuthResult(r.now, old.ID+1, AuthAnswer{})
	if st := r.l.Status(); st.Phase != PhaseNetwork || st.PeerName != testUser || st.PeerAuth != AuthPAP || st.LocalAuth != AuthNone {
		t.Errorf("%+v", st)
	}
}

// TestAuthUnsolicited: nobody gets a proof, or a verdict, that was not agreed
// on.
func TestAuthUnsolicited(t *testing.T) {
	both := proving(allMethods...)
	challenge := frame(chapP, chapChallenge, 1, unhex(t, "10 00112233445566778899aabbccddeeff 6c6e73"))
	request := frame(papP, papRequestCode, 1, unhex(t, "0175 0170"))
	r := newRig(t, both).open("") // the peer demanded nothing
	for _, f := range [][]byte{challenge, request} {
		r.clear()
		r.raw(f)
		r.only(lcpP, CodeProtocolReject)
	}
	r = newRig(t, both).enter(optPAPHex)
	r.clear()
	for _, f := range [][]byte{challenge, request, frame(papP, 9, 1, nil), unhex(t, "ff03c023 02")} {
		r.raw(f)
	}
	if c := r.l.Status().Counters; len(r.sent)+len(r.acts) != 0 || c.Discarded != 1 || c.Ignored != 2 || c.Malformed != 1 {
		t.Errorf("sent %v, %+v", r.sent, c)
	}
}

// TestAuthProtocolRejected: a peer that agreed on a protocol and then does not
// speak it ends the link.
func TestAuthProtocolRejected(t *testing.T) {
	r := newRig(t, demanding(AuthCHAP)).enter("")
	r.in(lcpP, CodeProtocolReject, 1, unhex(t, "c023 0101"))
	if r.l.Status().Phase != PhaseAuthenticate {
		t.Fatal("ended over another protocol")
	}
	r.in(lcpP, CodeProtocolReject, 1, unhex(t, "c223 0101"))
	r.ended("peer rejects CHAP")
}
