package auth

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"culvert/pppfsm"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask has l judge what p proves.
func ask(t *testing.T, l *Local, p *Prover, m pppfsm.AuthMethod) (Verdict, pppfsm.Proof) {
	t.Helper()
	ch := pppfsm.Challenge{Method: m, ID: 7, Name: l.Name, Value: unhex(t, "000102030405060708090a0b0c0d0e0f"), Peer: [16]byte{9, 8, 7}}
	proof, ok := p.Prove(ch)
	if !ok {
		t.Fatalf("%v: nothing to prove", m)
	}
	r := Request{Session: "t/s", AuthRequest: pppfsm.AuthRequest{Method: m, Name: proof.Name, Response: proof.Value}}
	if m != pppfsm.AuthPAP {
		r.PacketID, r.Challenge = ch.ID, [16]byte(ch.Value)
	}
	if m == pppfsm.AuthMSCHAPv2 {
		r.Response = append(append(append([]byte{}, ch.Peer[:]...), make([]byte, 8)...), append(proof.Value, 0)...)
	}
	var v Verdict
	n := 0
	l.Authenticate(r, func(got Verdict) { v = got; n++ })
	if n != 1 {
		t.Fatalf("%d answers", n)
	}
	return v, proof
}

var methods = []pppfsm.AuthMethod{pppfsm.AuthPAP, pppfsm.AuthCHAP, pppfsm.AuthMSCHAPv2}

// TestBothEnds: with every method the right secret is accepted, every other and every unknown name refused, with one
// and the same message.
func TestBothEnds(t *testing.T) {
	tab := mustParse(t, "joe lns right 10.0.0.1\n* other guest\n\"DOM\\\\joe\" lns right *\n")
	for _, m := range methods {
		l := &Local{Name: "lns", Table: tab}
		v, proof := ask(t, l, &Prover{User: "joe", Table: tab}, m)
		if !v.Accepted || v.Message == "" {
			t.Errorf("%v: %+v", m, v)
		}
		if a, ok := v.Addresses.Only(); !ok || a.String() != "10.0.0.1" {
			t.Errorf("%v: addresses %+v", m, v.Addresses)
		}
		if want := proof.Verify + " M=" + granted; m == pppfsm.AuthMSCHAPv2 && (len(proof.Verify) != 42 || v.Message != want) {
			t.Errorf("message %q, want %q", v.Message, want)
		}
		if v, _ := ask(t, l, &Prover{User: `DOM\joe`, Table: tab}, m); !v.Accepted {
			t.Errorf("%v with a domain: %+v", m, v)
		}
		for _, p := range []*Prover{
			{User: "joe", Secret: NewSecret("wrong")},
			{User: "joe", Secret: NewSecret("righ")},
			{User: "joe", Secret: NewSecret("right ")},
			{User: "Joe", Secret: NewSecret("right")},
			{User: "", Secret: NewSecret("right")},
			{User: "nobody", Secret: decoy.Secret}, // nor what stands for nobody's
		} {
			if v, _ := ask(t, l, p, m); v.Accepted || v.Message != denied || v.Addresses.Allows(netip.IPv4Unspecified()) {
				t.Errorf("%v of %q: %+v", m, p.User, v)
			}
		}
	}
}

// TestMalformedResponses: lengths that pppfsm would not let through are refused all the same.
func TestMalformedResponses(t *testing.T) {
	l := &Local{Name: "lns", Secret: NewSecret("x")}
	for _, m := range append(methods, pppfsm.AuthNone) {
		for _, n := range []int{0, 1, 15, 17, 24, 48, 50} {
			l.Authenticate(Request{AuthRequest: pppfsm.AuthRequest{Method: m, Response: make([]byte, n)}}, func(v Verdict) {
				if v.Accepted {
					t.Errorf("%v with %d bytes was accepted", m, n)
				}
			})
		}
	}
}

// TestProfilePeer: the peer of a profile goes before the file, and may have any name or one.
func TestProfilePeer(t *testing.T) {
	tab := mustParse(t, "joe lns file\n")
	l := &Local{Name: "lns", Peer: "joe", Secret: NewSecret("profile"), Table: tab}
	for _, tc := range []struct {
		user, secret, peer string
		want               bool
	}{
		{"joe", "profile", "joe", true},
		{"joe", "file", "joe", false},
		{"joe", "file", "ann", true},
		{"bob", "profile", "joe", false},
		{"bob", "profile", "", true},
	} {
		l.Peer = tc.peer
		if v, _ := ask(t, l, &Prover{User: tc.user, Secret: NewSecret(tc.secret)}, pppfsm.AuthCHAP); v.Accepted != tc.want {
			t.Errorf("%+v: %v", tc, v.Accepted)
		}
	}
}

// TestProverChooses: which secret proves us to whom.
func TestProverChooses(t *testing.T) {
	tab := mustParse(t, "me isp one\nme * two\n* isp three\n")
	for _, tc := range []struct {
		p    Prover
		name string
		want string
	}{
		{Prover{User: "me", Table: tab}, "isp", "one"},
		{Prover{User: "me", Table: tab}, "", "two"},
		{Prover{User: "me", Table: tab, RemoteName: "isp"}, "says something else", "one"},
		{Prover{User: "you", Table: tab}, "isp", "three"},
		{Prover{User: "you", Table: tab}, "other", ""},
		{Prover{User: "me", Table: tab, Secret: NewSecret("mine")}, "isp", "mine"},
		{Prover{User: "me"}, "isp", ""},
	} {
		got, ok := tc.p.Prove(pppfsm.Challenge{Method: pppfsm.AuthPAP, Name: tc.name})
		if ok != (tc.want != "") || string(got.Value) != tc.want {
			t.Errorf("%+v to %q: %q, %v", tc.p, tc.name, got.Value, ok)
		}
	}
	if _, ok := (&Prover{User: "me", Secret: NewSecret("x")}).Prove(pppfsm.Challenge{}); ok {
		t.Error("proved nothing")
	}
}

// TestVectors: RFC 2759 section 9.2, and a CHAP-MD5 value that OpenSSL computed.
func TestVectors(t *testing.T) {
	challenge := unhex(t, "5b5d7c7d7b3f2f3e3c2c602132262628")
	p := Prover{User: "User", Secret: NewSecret("clientPass")}
	got, ok := p.Prove(pppfsm.Challenge{
		Method: pppfsm.AuthMSCHAPv2, Value: challenge, Peer: [16]byte(unhex(t, "21402324255e262a28295f2b3a337c7e")),
	})
	if !ok || hex.EncodeToString(got.Value) != "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df" ||
		got.Verify != "S=407A5589115FD0D6209F510FE9C04566932CDA56" {
		t.Errorf("%x %s", got.Value, got.Verify)
	}
	p = Prover{User: "user", Secret: NewSecret("chap-secret")}
	got, _ = p.Prove(pppfsm.Challenge{Method: pppfsm.AuthCHAP, ID: 42, Value: unhex(t, "000102030405060708090a0b0c0d0e0f")})
	if hex.EncodeToString(got.Value) != "e034529a7255035fc609ca00ceadf331" {
		t.Errorf("%x", got.Value)
	}
}
