package pppfsm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"culvert/encap"
)

var welcome = AuthAnswer{Accepted: true, Message: "Welcome"}

// TestPAPServer: an Authenticate-Request is asked about once, and answered the
// same way as often as it comes (RFC 1334 §2.2.1).
func TestPAPServer(t *testing.T) {
	r := newRig(t, demanding(AuthPAP)).enter("")
	r.only(papP)
	creds := unhex(t, "0475736572 0470617373")
	r.in(papP, papRequestCode, 1, creds)
	r.in(papP, papRequestCode, 2, creds) // repeated while the answer is not there
	r.only(papP)
	q := r.answer(welcome)
	if q.Method != AuthPAP || q.Name != "user" || string(q.Response) != "pass" || q.Challenge != [16]byte{} {
		t.Errorf("asked %#v %q", q, q.Response)
	}
	if a := r.last(papP, papAckCode); a.id != 2 || string(a.data) != "\x07Welcome" {
		t.Errorf("Ack %d %q", a.id, a.data)
	}
	must[LinkOpened](r)
	r.clear()
	for i, data := range [][]byte{creds, unhex(t, "0475736572 0162"), unhex(t, "00 00")} {
		r.in(papP, papRequestCode, uint8(10+i), data)
	}
	r.only(papP, papAckCode, papAckCode, papAckCode)
	if r.sent[2].id != 12 {
		t.Errorf("Ack %d", r.sent[2].id)
	}
	mustNot[AuthRequest](r)
	if !r.l.Deadline().IsZero() {
		t.Error("a timer runs")
	}
}

// TestPAPServerRefuses: Nak, then the end of the link (RFC 1334 §2.2.2).
func TestPAPServerRefuses(t *testing.T) {
	r := newRig(t, demanding(AuthPAP)).enter("")
	r.in(papP, papRequestCode, 7, unhex(t, "0475736572 03626164"))
	r.in(papP, papRequestCode, 8, unhex(t, "056f74686572 03626164")) // another name waits its turn
	r.answer(AuthAnswer{Message: "go away"})
	if n := r.last(papP, papNakCode); n.id != 7 || string(n.data) != "\x07go away" {
		t.Errorf("Nak %d %q", n.id, n.data)
	}
	r.ended("peer failed to authenticate itself with PAP")
	mustNot[LinkOpened](r)
	r.clear()
	r.in(papP, papRequestCode, 9, unhex(t, "0475736572 0470617373")) // too late
	if len(r.sent)+len(r.acts) != 0 {
		t.Errorf("sent %v, %v", r.sent, r.acts)
	}
}

// TestPAPTimeout: a peer that never says who it is.
func TestPAPTimeout(t *testing.T) {
	r := newRig(t, demanding(AuthPAP)).enter("")
	r.advance(DefaultPAPTimeout - time.Second)
	r.in(papP, papRequestCode, 1, unhex(t, "04757365")) // malformed: does not count
	if c := r.l.Status().Counters; c.Malformed != 1 || r.l.Status().Phase != PhaseAuthenticate {
		t.Fatalf("%+v", c)
	}
	r.advance(time.Second)
	r.ended("no PAP Authenticate-Request")
}

// TestNoVerdict: whoever should know does not say.
func TestNoVerdict(t *testing.T) {
	cfg := demanding(AuthPAP)
	cfg.Auth.Timeout = 5 * time.Second
	r := newRig(t, cfg).enter("")
	r.in(papP, papRequestCode, 1, unhex(t, "0475736572 0470617373"))
	q := must[AuthRequest](r)
	r.advance(5 * time.Second)
	r.ended("no verdict about the peer's PAP authentication")
	r.l.AuthResult(r.now, q.ID, welcome)
	r.drain()
	mustNot[LinkOpened](r)
}

// TestCHAPServer: Challenge, Response, Success; repeated Responses get the same
// answer without asking again (RFC 1994 §4.1, §4.2).
func TestCHAPServer(t *testing.T) {
	r := newRig(t, demanding(AuthCHAP)).enter("")
	r.only(chapP, chapChallenge)
	c := r.sent[0]
	v, err := parseCHAPValue(c.data)
	if err != nil || len(v.value) != 16 || string(v.name) != testName {
		t.Fatalf("Challenge %x: %v", c.data, err)
	}
	good := response(t, c, AuthCHAP, testUser, testSecret)
	r.clear()
	r.in(chapP, chapResponse, c.id+1, good) // of another Challenge
	mustNot[AuthRequest](r)
	r.in(chapP, chapResponse, c.id, good)
	r.in(chapP, chapResponse, c.id, good) // again, before the answer
	q := r.answer(welcome)
	if q.Method != AuthCHAP || q.Name != testUser || q.PacketID != c.id || !bytes.Equal(q.Challenge[:], v.value) ||
		!bytes.Equal(q.Response, good[1:17]) || !judged(q, testUser, testSecret).Accepted {
		t.Errorf("asked %+v", q)
	}
	r.only(chapP, chapSuccess)
	must[LinkOpened](r)
	r.clear()
	r.in(chapP, chapResponse, c.id, good)
	r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, "somebody else", "x"))
	r.only(chapP, chapSuccess, chapSuccess)
	mustNot[AuthRequest](r)
	if s := r.sent[1]; s.id != c.id || string(s.data) != "Welcome" {
		t.Errorf("Success %d %q", s.id, s.data)
	}
}

// TestCHAPServerRefuses: Failure with the message, then the end of the link.
func TestCHAPServerRefuses(t *testing.T) {
	r := newRig(t, demanding(AuthCHAP)).enter("")
	c := r.sent[0]
	r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, testUser, "wrong"))
	q := must[AuthRequest](r)
	r.answer(judged(q, testUser, testSecret))
	if f := r.last(chapP, chapFailure); f.id != c.id || string(f.data) != "go away" {
		t.Errorf("Failure %d %q", f.id, f.data)
	}
	r.ended("peer failed to authenticate itself with CHAP")
	r.clear()
	r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, testUser, testSecret))
	if len(r.sent)+len(r.acts) != 0 {
		t.Errorf("a second attempt: sent %v, %v", r.sent, r.acts)
	}
}

// TestMSCHAPv2ServerRefuses: the Failure packet has RFC 2759 §6's form,
// whatever the text.
func TestMSCHAPv2ServerRefuses(t *testing.T) {
	for _, tc := range []struct{ message, want string }{
		{"Denied", "E=691 R=0 C=%s V=3 M=Denied"},
		{"", "E=691 R=0 C=%s V=3 M="},
		{"E=648 R=0 C=00 V=3 M=expired", "E=648 R=0 C=00 V=3 M=expired"},
	} {
		r := newRig(t, demanding(AuthMSCHAPv2)).enter("")
		c := r.sent[0]
		r.in(chapP, chapResponse, c.id, response(t, c, AuthMSCHAPv2, testUser, "wrong"))
		r.answer(AuthAnswer{Message: tc.message})
		want := strings.Replace(tc.want, "%s", strings.ToUpper(hex.EncodeToString(c.data[1:17])), 1)
		if f := r.last(chapP, chapFailure); string(f.data) != want {
			t.Errorf("Failure %q, want %q", f.data, want)
		}
		r.ended("peer failed to authenticate itself with MS-CHAPv2")
	}
}

// TestMSCHAPv2Server: the response goes to the owner whole, its answer to the
// peer as it is.
func TestMSCHAPv2Server(t *testing.T) {
	r := newRig(t, demanding(AuthMSCHAPv2)).enter("")
	c := r.sent[0]
	for _, n := range []int{0, 1, 16, 48, 50} { // lengths no Response has
		r.in(chapP, chapResponse, c.id, chapValue{make([]byte, n), []byte(testUser)}.encode())
	}
	if n := r.l.Status().Counters.Malformed; n != 5 {
		t.Errorf("%d malformed", n)
	}
	data := response(t, c, AuthMSCHAPv2, testUser, testSecret)
	r.in(chapP, chapResponse, c.id, data)
	q := must[AuthRequest](r)
	if !bytes.Equal(q.Response, data[1:50]) {
		t.Errorf("asked %x", q.Response)
	}
	a := judged(q, testUser, testSecret)
	r.answer(a)
	if s := r.last(chapP, chapSuccess); !a.Accepted || string(s.data) != a.Message {
		t.Errorf("Success %q", s.data)
	}
	must[LinkOpened](r)
}

// TestAnswersForgotten: a peer that has gone on gets the same code for what it
// repeats, without the message; with MS-CHAPv2 nothing.
func TestAnswersForgotten(t *testing.T) {
	for _, m := range allMethods {
		cfg := demanding(m)
		cfg.IPv6 = true
		r := newRig(t, cfg).enter("")
		proto, code, good, id, data := chapP, chapResponse, chapSuccess, uint8(5), papRequest{[]byte(testUser), []byte(testSecret)}.encode()
		if m == AuthPAP {
			proto, code, good = papP, papRequestCode, papAckCode
		} else {
			id, data = r.sent[0].id, response(t, r.sent[0], m, testUser, testSecret)
		}
		r.in(proto, code, id, data)
		r.answer(judged(must[AuthRequest](r), testUser, testSecret))
		first := r.last(proto, good)
		r.clear()
		r.in(proto, code, id, data)
		if again := r.last(proto, good); !bytes.Equal(again.data, first.data) || len(first.data) < 7 {
			t.Errorf("%v: %q, then %q", m, first.data, again.data)
		}
		r.in(ipv6cpP, CodeConfigureRequest, 1, unhex(t, "010a 0000000000000005"))
		r.clear()
		r.in(proto, code, id, data)
		if m == AuthMSCHAPv2 {
			r.only(proto)
		} else if again := r.last(proto, good); len(again.data) > 1 || len(r.sent) != 1 {
			t.Errorf("%v: sent %v", m, r.sent)
		}
	}
}

// TestCHAPRetransmission: the Challenge is repeated as it is, chap-max-challenge
// times, chap-restart apart; then the link ends.
func TestCHAPRetransmission(t *testing.T) {
	cfg := demanding(AuthCHAP)
	cfg.Auth.CHAPRestart, cfg.Auth.CHAPMaxChallenge = 2*time.Second, 4
	r := newRig(t, cfg).enter("")
	first := r.sent[0]
	r.advance(7 * time.Second)
	r.only(chapP, chapChallenge, chapChallenge, chapChallenge, chapChallenge)
	for _, c := range r.sent {
		if c.id != first.id || !bytes.Equal(c.data, first.data) {
			t.Errorf("repeated as %d %x", c.id, c.data)
		}
	}
	r.advance(time.Second)
	r.ended("no answer to CHAP Challenges")

	r = newRig(t, demanding(AuthCHAP)).enter("") // pppd's defaults
	r.advance(30*time.Second - 1)
	if n := r.count(chapP, chapChallenge); n != 10 || r.l.Status().Phase != PhaseAuthenticate {
		t.Errorf("%d Challenges in 30 s", n)
	}
	r.advance(1)
	r.ended("no answer to CHAP Challenges")
}

// TestCHAPRechallenge: with chap-interval the peer has to prove itself again
// and again while the link is up (RFC 1994 §4.1), under a new identifier and
// value each time.
func TestCHAPRechallenge(t *testing.T) {
	cfg := demanding(AuthCHAP)
	cfg.Auth.CHAPInterval = time.Minute
	up := func(t *testing.T) *rig {
		r := newRig(t, cfg).enter("")
		c := r.sent[0]
		r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, testUser, testSecret))
		r.answer(welcome)
		must[LinkOpened](r)
		r.clear()
		return r
	}
	t.Run("good", func(t *testing.T) {
		r := up(t)
		seen, lastID := map[string]bool{}, r.l.auth.server.id
		for range 300 { // identifiers wrap around
			r.advance(time.Minute)
			r.only(chapP, chapChallenge)
			c := r.sent[0]
			if seen[string(c.data)] || c.id == lastID {
				t.Fatal("the same Challenge again")
			}
			lastID = c.id
			seen[string(c.data)] = true
			r.in(chapP, chapResponse, c.id-1, response(t, c, AuthCHAP, testUser, testSecret))
			mustNot[AuthRequest](r)
			r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, testUser, testSecret))
			r.answer(welcome)
			if st := r.l.Status(); st.Phase != PhaseNetwork || st.PeerAuth != AuthCHAP || st.PeerName != testUser {
				t.Fatalf("%+v", st)
			}
			r.clear()
		}
		mustNot[LinkOpened](r)
	})
	t.Run("wrong", func(t *testing.T) {
		r := up(t)
		r.advance(time.Minute)
		c := r.sent[0]
		r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, testUser, "wrong"))
		r.answer(AuthAnswer{})
		r.last(chapP, chapFailure)
		r.ended("peer failed to authenticate itself with CHAP")
		must[LinkClosed](r)
	})
	t.Run("another name", func(t *testing.T) {
		r := up(t)
		r.advance(time.Minute)
		c := r.sent[0]
		r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, "other", testSecret))
		mustNot[AuthRequest](r)
		r.last(chapP, chapFailure)
		r.ended(`peer changed its name to "other"`)
	})
	t.Run("silence", func(t *testing.T) {
		r := up(t)
		r.advance(time.Minute + 30*time.Second)
		r.ended("no answer to CHAP Challenges")
		must[LinkClosed](r)
	})
}

// TestAuthNeedsRandomness: without a source nobody can predict there is no
// Challenge.
func TestAuthNeedsRandomness(t *testing.T) {
	r := newRig(t, demanding(AuthCHAP))
	r.l.rnd = brokenSource{}
	r.start()
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	r.ackOurs(lcpP)
	r.ended("no random numbers for a Challenge")
	if n := r.count(chapP, chapChallenge); n != 0 {
		t.Errorf("%d Challenges", n)
	}
}

type brokenSource struct{}

func (brokenSource) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestAuthMessagesFit: a message is cut to what the packet, the peer and
// MaxReply take.
func TestAuthMessagesFit(t *testing.T) {
	long := strings.Repeat("m", 2000)
	for _, m := range []AuthMethod{AuthPAP, AuthCHAP} {
		for _, tc := range []struct{ mru, maxReply, pap, chap int }{
			{1500, 0, 255, 1492}, {128, 0, 123, 124}, {1500, 200, 191, 192},
		} {
			cfg := demanding(m)
			cfg.MaxReply = tc.maxReply
			r := newRig(t, cfg).enter("0104" + hex.EncodeToString([]byte{byte(tc.mru >> 8), byte(tc.mru)}))
			if m == AuthPAP {
				r.in(papP, papRequestCode, 1, unhex(t, "0175 0170"))
				r.answer(AuthAnswer{Accepted: true, Message: long})
				msg, err := parsePAPMessage(r.last(papP, papAckCode).data)
				if err != nil || len(msg) != tc.pap {
					t.Errorf("PAP message of %d bytes, want %d: %v", len(msg), tc.pap, err)
				}
				continue
			}
			c := r.sent[0]
			r.in(chapP, chapResponse, c.id, response(t, c, m, "u", "x"))
			r.answer(AuthAnswer{Accepted: true, Message: long})
			if got := len(r.last(chapP, chapSuccess).data); got != tc.chap {
				t.Errorf("CHAP message of %d bytes, want %d", got, tc.chap)
			}
		}
	}
}

// TestAuthNames: names may have any bytes and up to 255 of them.
func TestAuthNames(t *testing.T) {
	name := strings.Repeat("\xff\x00", 127) + "n"
	r := newRig(t, demanding(AuthPAP)).enter("")
	r.in(papP, papRequestCode, 1, papRequest{[]byte(name), []byte(name)}.encode())
	if q := r.answer(welcome); q.Name != name || string(q.Response) != name {
		t.Errorf("%q", q.Name)
	}
	r = newRig(t, demanding(AuthCHAP)).enter("")
	c := r.sent[0]
	r.in(chapP, chapResponse, c.id, chapValue{make([]byte, 16), []byte(name + "x")}.encode())
	if n := r.l.Status().Counters.Malformed; n != 1 {
		t.Errorf("a name of 256 bytes: %d malformed", n)
	}
	r.in(chapP, chapResponse, c.id, chapValue{make([]byte, 16), []byte(name)}.encode())
	if q := must[AuthRequest](r); q.Name != name || strings.Contains(q.String(), "\xff") {
		t.Errorf("%v", q)
	}
}

// TestMutual: the link opens when both directions are done,
// whichever is first.
func TestMutual(t *testing.T) {
	for _, clientFirst := range []bool{true, false} {
		cfg := demanding(AuthCHAP)
		cfg.Auth.Accept, cfg.Auth.Prove = []AuthMethod{AuthPAP}, prover("me", "mine")
		r := newRig(t, cfg).enter(optPAPHex)
		c := r.last(chapP, chapChallenge)
		q := r.last(papP, papRequestCode)
		if string(q.data) != "\x02me\x04mine" {
			t.Fatalf("request %q", q.data)
		}
		steps := []func(){
			func() {
				r.in(chapP, chapResponse, c.id, response(t, c, AuthCHAP, testUser, testSecret))
				r.answer(welcome)
			},
			func() { r.in(papP, papAckCode, q.id, []byte{0}) },
		}
		if clientFirst {
			steps[0], steps[1] = steps[1], steps[0]
		}
		steps[0]()
		mustNot[LinkOpened](r)
		steps[1]()
		must[LinkOpened](r)
		st := r.l.Status()
		if st.PeerAuth != AuthCHAP || st.PeerName != testUser || st.LocalAuth != AuthPAP || st.LocalName != "me" {
			t.Errorf("%+v", st)
		}
		r.raw(frame(encap.ProtoPAP, papAckCode, q.id, nil)) // repeated: nothing happens
		if st := r.l.Status(); st.Phase != PhaseNetwork {
			t.Errorf("%+v", st)
		}
	}
}
