package pppfsm

import (
	"bytes"
	"testing"

	"culvert/encap"
)

// authSeeds are the data of the golden authentication packets.
func authSeeds(f *testing.F) {
	f.Helper()
	for name, g := range golden(f) {
		switch name {
		case "d05", "d06", "d07", "p01", "p02", "p09", "p10", "p11", "p12":
			f.Add(g[8:])
		}
	}
	f.Add([]byte{})
	f.Add([]byte{0, 0})
	f.Add([]byte{255})
}

// FuzzPAP: what is taken apart lies inside the input and encodes to its
// beginning, and no prefix that is shorter than that is taken.
func FuzzPAP(f *testing.F) {
	authSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parsePAPRequest(b); err == nil {
			again := r.encode()
			if !bytes.HasPrefix(b, again) {
				t.Fatalf("%x encodes to %x", b, again)
			}
			for n := range again {
				if _, err := parsePAPRequest(b[:n]); err == nil {
					t.Fatalf("prefix of %d bytes accepted", n)
				}
			}
		}
		if msg, err := parsePAPMessage(b); err == nil && len(b) > 0 {
			if again := appendPAPMessage(nil, msg); !bytes.HasPrefix(b, again) {
				t.Fatalf("%x encodes to %x", b, again)
			}
		}
	})
}

// FuzzCHAP: the same for Challenges and Responses, which fill the packet.
func FuzzCHAP(f *testing.F) {
	authSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseCHAPValue(b)
		if err != nil {
			return
		}
		if again := v.encode(); !bytes.Equal(again, b) || len(v.value) == 0 || len(v.name) > MaxAuthName {
			t.Fatalf("%x encodes to %x", b, again)
		}
		for n := range 1 + len(v.value) {
			if _, err := parseCHAPValue(b[:n]); err == nil {
				t.Fatalf("prefix of %d bytes accepted", n)
			}
		}
	})
}

// FuzzAuthOption: an option is one of ours exactly when it encodes to itself.
func FuzzAuthOption(f *testing.F) {
	for _, s := range []string{optPAPHex, optCHAPHex, optMSHex, optMSCHAPv1, optEAPHex, "0302"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, _, err := nextOption(b)
		if err != nil {
			return
		}
		m := authOf(o)
		if again := appendAuth(nil, m); m != AuthNone && !bytes.Equal(again, o) || m > AuthMSCHAPv2 {
			t.Fatalf("%x is %v, which is %x", o, m, again)
		}
	})
}

// mutual is authentication in both directions.
func mutual(require, accept []AuthMethod, secret string) *Auth {
	return &Auth{
		Require: require, Accept: accept, Name: testName,
		Prove: func(c Challenge) (Proof, bool) {
			p, ok := prover(testUser, secret)(c)
			return p, ok && secret != ""
		},
	}
}

// authFrame is a packet that gets through: it has the identifier that the link
// waits for.
func authFrame(l *Link, arg byte) []byte {
	a := l.auth
	if a == nil {
		a = &auth{}
	}
	proof := make([]byte, a.server.method.responseLen())
	switch arg % 8 {
	case 0:
		return frame(encap.ProtoCHAP, chapChallenge, arg, challengeData(16, arg, "peer"))
	case 1:
		return frame(encap.ProtoCHAP, chapResponse, a.server.id, chapValue{proof, []byte("name")}.encode())
	case 2:
		return frame(encap.ProtoCHAP, chapResponse, a.server.id, chapValue{proof, []byte{arg}}.encode())
	case 3:
		msg := []byte("ok")
		if a.client.proof != nil {
			msg = []byte(a.client.proof.verify)
		}
		return frame(encap.ProtoCHAP, chapSuccess, a.client.id, msg)
	case 4:
		return frame(encap.ProtoCHAP, chapFailure, a.client.id, []byte("no"))
	case 5:
		return frame(encap.ProtoPAP, papRequestCode, arg, papRequest{[]byte("name"), []byte{arg}}.encode())
	case 6:
		return frame(encap.ProtoPAP, papAckCode, a.client.id, nil)
	default:
		return frame(encap.ProtoPAP, papNakCode, a.client.id, nil)
	}
}

// checkAuth: authentication exists only while LCP is Opened, has a timer
// wherever it waits, and nothing passes it without proof.
func checkAuth(t *testing.T, l *Link) {
	t.Helper()
	a := l.auth
	if a == nil {
		if l.phase == PhaseAuthenticate || l.phase == PhaseNetwork && l.lcp.auth != AuthNone {
			t.Fatalf("%v without authentication", l.phase)
		}
		return
	}
	s, c := &a.server, &a.client
	waits := s.state == serverWaiting || s.state == serverAsking
	pending := c.state == clientWaiting || c.state == clientSent
	switch {
	case l.lcp.state != Opened:
		t.Fatalf("authentication while LCP is %v", l.lcp.state)
	case waits == s.deadline.IsZero() && s.state != serverDone, pending == c.deadline.IsZero():
		t.Fatalf("timers: %+v", a)
	case (c.state == clientSent) != (c.proof != nil):
		t.Fatalf("proof: %+v", a)
	case int(s.sends) > l.cfg.Auth.maxChallenges(), int(c.sends) > max(l.cfg.Auth.maxRequests(), l.cfg.Auth.maxChallenges()):
		t.Fatalf("counters: %+v", a)
	case l.phase == PhaseNetwork && (s.method != AuthNone && !s.proven || c.method != AuthNone && !c.proven):
		t.Fatalf("Network phase without proof: %+v", a)
	case l.phase == PhaseAuthenticate && (s.method == AuthNone || s.proven) && (c.method == AuthNone || c.proven):
		t.Fatalf("Authenticate phase with all proven: %+v", a)
	}
}
