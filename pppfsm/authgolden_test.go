package pppfsm

import (
	"bytes"
	"strings"
	"testing"

	"culvert/encap"
)

// TestGoldenAuthRoundTrip takes every authentication frame apart, field by
// field, and builds it again.
func TestGoldenAuthRoundTrip(t *testing.T) {
	g := golden(t)
	for name, names := range map[string]string{
		"d05": "lns", "d06": "user", "d07": "", "p01": "user", "p02": "", "p09": "srv", "p10": "User", "p11": "", "p12": "",
	} {
		p, info, f, err := encap.ParsePPP(g[name])
		if err != nil {
			t.Fatal(err)
		}
		in, err := parsePacket(info)
		if err != nil {
			t.Fatal(err)
		}
		data, got := in.data, ""
		switch {
		case p == encap.ProtoPAP && in.code == papRequestCode:
			r, err := parsePAPRequest(in.data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			data, got = r.encode(), string(r.name)
		case p == encap.ProtoPAP:
			msg, err := parsePAPMessage(in.data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			data = appendPAPMessage(nil, msg)
		case in.code <= chapResponse:
			v, err := parseCHAPValue(in.data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			data, got = v.encode(), string(v.name)
		}
		b := encap.AppendPPPHeader(nil, p, f)
		b = append(appendHeader(b, in.code, in.id, len(data)), data...)
		if !bytes.Equal(b, g[name]) || got != names {
			t.Errorf("%s: name %q, built %x from %x", name, got, b, g[name])
		}
	}
}

// TestGoldenAuth plays the golden exchanges: what we send is byte for byte
// what the golden frames have.
func TestGoldenAuth(t *testing.T) {
	g := golden(t)
	same := func(r *rig, want string) {
		t.Helper()
		if !bytes.Equal(r.lastF, g[want]) {
			t.Errorf("sent %x, %s is %x", r.lastF, want, g[want])
		}
	}
	challenge := func(r *rig, name string) { // what we drew
		s := &r.l.auth.server
		f := g[name]
		s.id, s.value = f[5], [16]byte(f[9:25])
		s.sendChallenge(r.l)
		r.drain()
		same(r, name)
	}

	r := newRig(t, proving(AuthCHAP)).enter(optCHAPHex)
	r.raw(g["d05"])
	same(r, "d06")
	r.raw(g["d07"])
	must[LinkOpened](r)

	r = newRig(t, demanding(AuthCHAP)).enter("")
	challenge(r, "d05")
	r.raw(g["d06"])
	q := must[AuthRequest](r)
	r.answer(judged(q, testUser, testSecret))
	same(r, "d07")

	cfg := proving(AuthPAP)
	cfg.Auth.Prove = prover("user", "pass")
	r = newRig(t, cfg).start()
	r.in(encap.ProtoLCP, CodeConfigureRequest, 1, unhex(t, optPAPHex))
	r.ackOurs(encap.ProtoLCP)
	r.lastF[5] = 1 // the identifier is ours to choose
	same(r, "p01")
	r.l.auth.client.id, r.l.auth.client.first = 1, 1
	r.raw(g["p02"])
	must[LinkOpened](r)

	r = newRig(t, demanding(AuthPAP)).enter("")
	r.raw(g["p01"])
	r.answer(AuthAnswer{Accepted: true, Message: "ok"})
	same(r, "p02")
}

// TestGoldenMSCHAPv2 does so with RFC 2759 §9.2's example, whose numbers come
// from the frames: the arithmetic is not ours.
func TestGoldenMSCHAPv2(t *testing.T) {
	g := golden(t)
	success := string(g["p11"][8:])
	verify, _, _ := strings.Cut(success, " ")
	cfg := Config{Auth: &Auth{
		Accept: []AuthMethod{AuthMSCHAPv2},
		Prove: func(c Challenge) (Proof, bool) {
			if c.Name != "srv" || !bytes.Equal(c.Value, g["p09"][9:25]) || !bytes.Equal(c.Peer[:], g["p10"][9:25]) {
				t.Errorf("asked to prove %+v", c)
			}
			return Proof{Name: "User", Value: g["p10"][33:57], Verify: verify}, true
		},
	}}
	r := newRig(t, cfg).enter(optMSHex)
	r.l.rnd = bytes.NewReader(g["p10"][9:25])
	r.raw(g["p09"])
	if !bytes.Equal(r.lastF, g["p10"]) {
		t.Errorf("Response %x, want %x", r.lastF, g["p10"])
	}
	r.raw(g["p11"])
	must[LinkOpened](r)

	for _, tc := range []struct {
		a    AuthAnswer
		want string
	}{{AuthAnswer{Accepted: true, Message: success}, "p11"}, {AuthAnswer{Message: "Denied"}, "p12"}} {
		cfg := demanding(AuthMSCHAPv2)
		cfg.Auth.Name = "srv"
		r := newRig(t, cfg).enter("")
		r.l.auth.server.id, r.l.auth.server.value = 1, [16]byte(g["p09"][9:25])
		r.raw(g["p10"])
		r.answer(tc.a)
		code := Code(g[tc.want][4])
		if p := r.last(encap.ProtoCHAP, code); p.id != 1 || !bytes.Equal(p.data, g[tc.want][8:]) {
			t.Errorf("%d %q, want %q", p.id, p.data, g[tc.want][8:])
		}
	}
}
