package pppfsm

import (
	"bytes"
	"testing"
	"time"
)

// challengeData is the data of a Challenge with a value of n bytes.
func challengeData(n int, first byte, name string) []byte {
	v := bytes.Repeat([]byte{0xaa}, n)
	if n > 0 {
		v[0] = first
	}
	return chapValue{v, []byte(name)}.encode()
}

// TestPAPClient: the request is repeated under new identifiers
// (RFC 1334 §2.2.1); an answer to any of them counts.
func TestPAPClient(t *testing.T) {
	r := newRig(t, proving(AuthPAP)).enter(optPAPHex)
	r.only(papP, papRequestCode)
	if want := unhex(t, "04 75736572 0b 636861702d736563726574"); !bytes.Equal(r.sent[0].data, want) {
		t.Fatalf("request %x", r.sent[0].data)
	}
	r.advance(7 * time.Second)
	r.only(papP, papRequestCode, papRequestCode, papRequestCode)
	if r.sent[1].id != r.sent[0].id+1 || r.sent[2].id != r.sent[0].id+2 || !bytes.Equal(r.sent[2].data, r.sent[0].data) {
		t.Errorf("repeated as %v", r.sent)
	}
	r.in(papP, papAckCode, r.sent[0].id-1, nil) // of none of them
	r.in(papP, papAckCode, r.sent[2].id+1, nil)
	r.in(papP, papAckCode, r.sent[1].id, []byte{5, 'x'}) // malformed
	mustNot[LinkOpened](r)
	r.in(papP, papAckCode, r.sent[1].id, nil) // some leave the message's length out
	must[LinkOpened](r)
	if st := r.l.Status(); st.LocalAuth != AuthPAP || st.LocalName != testUser || st.PeerAuth != AuthNone || r.l.auth.client.proof != nil {
		t.Errorf("%+v", st)
	}
	r.in(papP, papNakCode, r.sent[1].id, nil) // too late
	if c := r.l.Status().Counters; c.Ignored != 3 || c.Malformed != 1 || r.l.Status().Phase != PhaseNetwork {
		t.Errorf("%+v", c)
	}
}

// TestPAPClientRefused: Nak ends the link with what the peer said.
func TestPAPClientRefused(t *testing.T) {
	r := newRig(t, proving(AuthPAP)).enter(optPAPHex)
	r.in(papP, papNakCode, r.sent[0].id, []byte("\x03bad"))
	r.ended(`peer refuses our authentication with PAP: "bad"`)
}

// TestPAPClientUnanswered: pap-max-authreq requests, pap-restart apart.
func TestPAPClientUnanswered(t *testing.T) {
	r := newRig(t, proving(AuthPAP)).enter(optPAPHex)
	r.advance(30*time.Second - 1)
	if n := r.count(papP, papRequestCode); n != 10 {
		t.Errorf("%d requests", n)
	}
	r.advance(1)
	r.ended("no answer to PAP Authenticate-Requests")
	cfg := proving(AuthPAP)
	cfg.Auth.PAPRestart, cfg.Auth.PAPMaxAuthReq = time.Second, 2
	r = newRig(t, cfg).enter(optPAPHex)
	r.advance(2 * time.Second)
	if n := r.count(papP, papRequestCode); n != 2 {
		t.Errorf("%d requests", n)
	}
	r.ended("no answer to PAP Authenticate-Requests")
}

// TestCHAPClient: every Challenge gets a Response with its identifier; the
// same one the same, one that is answered for good none (RFC 1994 §4.1).
func TestCHAPClient(t *testing.T) {
	r := newRig(t, proving(AuthCHAP)).enter(optCHAPHex)
	r.only(chapP)
	r.in(chapP, chapSuccess, 5, nil) // before anything
	mustNot[LinkOpened](r)
	data := unhex(t, "10 000102030405060708090a0b0c0d0e0f 6c6e73")
	r.in(chapP, chapChallenge, 42, data)
	r.in(chapP, chapChallenge, 42, data)
	r.only(chapP, chapResponse, chapResponse)
	want := append(unhex(t, "10"+testResponse), testUser...)
	for _, p := range r.sent {
		if p.id != 42 || !bytes.Equal(p.data, want) {
			t.Errorf("Response %d %x", p.id, p.data)
		}
	}
	r.in(chapP, chapSuccess, 41, nil)
	mustNot[LinkOpened](r)
	r.in(chapP, chapSuccess, 42, []byte("Welcome"))
	must[LinkOpened](r)
	if st := r.l.Status(); st.LocalAuth != AuthCHAP || st.LocalName != testUser || r.l.auth.client.proof != nil || !r.l.Deadline().IsZero() {
		t.Errorf("%+v", st)
	}
	r.clear()
	r.in(chapP, chapChallenge, 42, data) // late and known
	r.only(chapP)
	r.in(chapP, chapFailure, 42, nil)
	if r.l.Status().Phase != PhaseNetwork {
		t.Fatal("ended by a Failure nobody waited for")
	}
	r.in(chapP, chapChallenge, 42, challengeData(16, 9, testName)) // the same identifier, another value
	r.in(chapP, chapChallenge, 43, challengeData(16, 9, testName))
	r.only(chapP, chapResponse, chapResponse)
	r.in(chapP, chapSuccess, 42, nil) // of the one before
	if r.l.auth.client.state != clientSent {
		t.Error("took the success of another Challenge")
	}
	r.in(chapP, chapFailure, 43, []byte("changed \x1b"))
	r.ended(`peer refuses our authentication with CHAP: "changed \x1b"`)
	must[LinkClosed](r)
}

// TestCHAPClientRepeats: Success may be lost, so the Response is repeated; and
// there is an end to it.
func TestCHAPClientRepeats(t *testing.T) {
	cfg := proving(AuthCHAP)
	cfg.Auth.CHAPRestart, cfg.Auth.CHAPMaxChallenge = time.Second, 3
	r := newRig(t, cfg).enter(optCHAPHex)
	r.in(chapP, chapChallenge, 1, challengeData(16, 1, ""))
	r.advance(3*time.Second - 1)
	r.only(chapP, chapResponse, chapResponse, chapResponse)
	r.advance(1)
	r.ended("no answer to our CHAP Response")
}

// TestCHAPTimeout: a peer that demands CHAP and never challenges.
func TestCHAPTimeout(t *testing.T) {
	r := newRig(t, proving(AuthCHAP)).enter(optCHAPHex)
	r.advance(DefaultCHAPTimeout)
	r.ended("no CHAP Challenge")
}

// TestChallengeForms: what may be answered.
func TestChallengeForms(t *testing.T) {
	for _, tc := range []struct {
		name    string
		method  AuthMethod
		opt     string
		data    []byte
		answers bool
	}{
		{"one byte", AuthCHAP, optCHAPHex, challengeData(1, 1, "x"), true},
		{"255 bytes", AuthCHAP, optCHAPHex, challengeData(255, 1, ""), true},
		{"empty value", AuthCHAP, optCHAPHex, challengeData(0, 0, "x"), false},
		{"nothing", AuthCHAP, optCHAPHex, nil, false},
		{"cut", AuthCHAP, optCHAPHex, []byte{16, 1, 2, 3}, false},
		{"long name", AuthCHAP, optCHAPHex, challengeData(16, 1, string(make([]byte, 256))), false},
		{"MS-CHAPv2", AuthMSCHAPv2, optMSHex, challengeData(16, 1, ""), true},
		{"MS-CHAPv2 short", AuthMSCHAPv2, optMSHex, challengeData(8, 1, ""), false},
		{"MS-CHAPv2 long", AuthMSCHAPv2, optMSHex, challengeData(17, 1, ""), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, proving(tc.method)).enter(tc.opt)
			r.in(chapP, chapChallenge, 1, tc.data)
			if got := r.count(chapP, chapResponse) == 1; got != tc.answers || !got && r.l.Status().Counters.Malformed != 1 {
				t.Errorf("sent %v, %+v", r.sent, r.l.Status().Counters)
			}
		})
	}
}

// TestMSCHAPv2Client: the Response has RFC 2759 §4's form, and the peer must
// prove in Success that it knows the secret too (§5).
func TestMSCHAPv2Client(t *testing.T) {
	data := challengeData(16, 7, "srv")
	begin := func(t *testing.T) (r *rig, verify string) {
		r = newRig(t, proving(AuthMSCHAPv2)).enter(optMSHex)
		r.in(chapP, chapChallenge, 1, data)
		v, err := parseCHAPValue(r.last(chapP, chapResponse).data)
		if err != nil || len(v.value) != 49 || string(v.name) != testUser {
			t.Fatalf("Response %x: %v", v.value, err)
		}
		nt, verify := fakeMSCHAPv2(testSecret, testUser, data[1:17], v.value[:16])
		if !bytes.Equal(v.value[16:24], make([]byte, 8)) || v.value[48] != 0 || !bytes.Equal(v.value[24:48], nt) || bytes.Equal(v.value[:16], make([]byte, 16)) {
			t.Fatalf("value %x", v.value)
		}
		return r, verify
	}
	t.Run("good", func(t *testing.T) {
		r, verify := begin(t)
		r.in(chapP, chapSuccess, 1, []byte(verify+" M=Welcome"))
		must[LinkOpened](r)
	})
	for name, msg := range map[string]string{
		"nothing": "", "no S": "Welcome", "cut": "short", "wrong": "S=0000000000000000000000000000000000000000 M=Welcome",
	} {
		t.Run(name, func(t *testing.T) {
			r, verify := begin(t)
			if msg == "short" {
				msg = verify[:41]
			}
			r.in(chapP, chapSuccess, 1, []byte(msg))
			mustNot[LinkOpened](r)
			r.ended("peer does not prove with MS-CHAPv2 that it knows our secret")
		})
	}
	t.Run("refused", func(t *testing.T) {
		r, _ := begin(t)
		r.in(chapP, chapFailure, 1, []byte("E=691 R=1 C=00 V=3 M=no"))
		r.ended(`peer refuses our authentication with MS-CHAPv2: "E=691 R=1 C=00 V=3 M=no"`)
	})
	t.Run("repeated Challenge", func(t *testing.T) {
		r, verify := begin(t)
		first := r.last(chapP, chapResponse)
		r.in(chapP, chapChallenge, 1, data) // a new Peer-Challenge would make the Success wrong
		if again := r.last(chapP, chapResponse); r.count(chapP, chapResponse) != 2 || !bytes.Equal(again.data, first.data) {
			t.Errorf("Response %x, then %x", first.data, again.data)
		}
		r.in(chapP, chapSuccess, 1, []byte(verify))
		must[LinkOpened](r)
	})
}

// TestReflection: a Challenge of ours, or under our name, is not answered.
func TestReflection(t *testing.T) {
	both := func() Config {
		cfg := demanding(AuthCHAP)
		cfg.Auth.Accept, cfg.Auth.Prove = []AuthMethod{AuthCHAP}, prover(testName, testSecret)
		return cfg
	}
	const reason = "our own CHAP Challenge came back"
	r := newRig(t, both()).enter(optCHAPHex)
	ours := r.last(chapP, chapChallenge)
	r.in(chapP, chapChallenge, ours.id, ours.data)
	r.ended(reason)
	if r.count(chapP, chapResponse) != 0 || r.l.Status().Counters.Loops != 1 {
		t.Error("answered")
	}
	r = newRig(t, both()).enter(optCHAPHex) // under another name
	ours = r.last(chapP, chapChallenge)
	r.in(chapP, chapChallenge, 77, append(bytes.Clone(ours.data[:17]), "other"...))
	r.ended(reason)
	r = newRig(t, both()).enter(optCHAPHex) // another value under our name
	r.in(chapP, chapChallenge, 77, challengeData(16, 1, testName))
	r.ended(reason)
	cfg := proving(AuthCHAP) // without a name anybody may have none, too
	r = newRig(t, cfg).enter(optCHAPHex)
	r.in(chapP, chapChallenge, 77, challengeData(16, 1, ""))
	r.last(chapP, chapResponse)
}

// TestNoSecret: what cannot be proven, or not in this protocol, ends the link.
func TestNoSecret(t *testing.T) {
	for _, tc := range []struct {
		name   string
		proof  Proof
		ok     bool
		method AuthMethod
		opt    string
		reason string
	}{
		{"none, PAP", Proof{}, false, AuthPAP, optPAPHex, "no secret to answer PAP"},
		{"none, CHAP", Proof{}, false, AuthCHAP, optCHAPHex, `no secret to answer CHAP of "x"`},
		{"long password", Proof{Value: make([]byte, 256)}, true, AuthPAP, optPAPHex, "no secret to answer PAP"},
		{"long name", Proof{Name: string(make([]byte, 256))}, true, AuthPAP, optPAPHex, "no secret to answer PAP"},
		{"no hash", Proof{}, true, AuthCHAP, optCHAPHex, `no secret to answer CHAP of "x"`},
		{"wrong hash", Proof{Value: make([]byte, 16)}, true, AuthMSCHAPv2, optMSHex, `no secret to answer MS-CHAPv2 of "x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{Auth: &Auth{Accept: []AuthMethod{tc.method}, Prove: func(Challenge) (Proof, bool) { return tc.proof, tc.ok }}}
			r := newRig(t, cfg).start()
			r.in(lcpP, CodeConfigureRequest, 1, unhex(t, tc.opt))
			r.ackOurs(lcpP)
			if tc.method != AuthPAP {
				r.in(chapP, chapChallenge, 1, challengeData(16, 1, "x"))
			}
			r.ended(tc.reason)
		})
	}
}
