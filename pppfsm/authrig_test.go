package pppfsm

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"culvert/encap"
)

const (
	papP  = encap.ProtoPAP
	chapP = encap.ProtoCHAP
)

// Options of a peer that demands authentication.
const (
	optPAPHex    = "0304 c023"
	optCHAPHex   = "0305 c22305"
	optMSHex     = "0305 c22381"
	optMSCHAPv1  = "0305 c22380"
	optEAPHex    = "0304 c227"
	testName     = "lns"
	testUser     = "user"
	testSecret   = "chap-secret"
	testResponse = "e034529a7255035fc609ca00ceadf331" // golden d06
)

var allMethods = []AuthMethod{AuthMSCHAPv2, AuthCHAP, AuthPAP}

// fakeMSCHAPv2 stands in for the arithmetic of RFC 2759, which is not ours:
// NT-Response and authenticator response.
func fakeMSCHAPv2(secret, name string, challenge, peer []byte) (nt []byte, verify string) {
	h := sha256.New()
	for _, b := range [][]byte{[]byte(secret), []byte(name), challenge, peer} {
		h.Write([]byte{byte(len(b))})
		h.Write(b)
	}
	sum := h.Sum(nil)
	again := sha256.Sum256(sum)
	return sum[:24], "S=" + strings.ToUpper(hex.EncodeToString(again[:20]))
}

// prover answers Challenges under a name.
func prover(name, secret string) func(Challenge) (Proof, bool) {
	return func(c Challenge) (Proof, bool) {
		p := Proof{Name: name}
		switch c.Method {
		case AuthPAP:
			p.Value = []byte(secret)
		case AuthCHAP:
			sum := md5.Sum(append(append([]byte{c.ID}, secret...), c.Value...))
			p.Value = sum[:]
		case AuthMSCHAPv2:
			p.Value, p.Verify = fakeMSCHAPv2(secret, name, c.Value, c.Peer[:])
		case AuthNone:
			return p, false
		}
		return p, true
	}
}

// judged judges a request by the one secret there is.
func judged(r AuthRequest, name, secret string) AuthAnswer {
	ch := Challenge{Method: r.Method, ID: r.PacketID, Value: r.Challenge[:]}
	got := r.Response
	if r.Method == AuthMSCHAPv2 {
		ch.Peer = [16]byte(got[:16])
		got = got[24:48]
	}
	p, _ := prover(r.Name, secret)(ch)
	if r.Name != name || string(p.Value) != string(got) {
		return AuthAnswer{Message: "go away"}
	}
	if r.Method == AuthMSCHAPv2 {
		return AuthAnswer{Accepted: true, Message: p.Verify + " M=Welcome"}
	}
	return AuthAnswer{Accepted: true, Message: "Welcome"}
}

// demanding is a Config that wants one of the methods from its peer.
func demanding(m ...AuthMethod) Config {
	return Config{Auth: &Auth{Require: m, Name: testName}}
}

// proving is a Config that proves itself with the methods.
func proving(m ...AuthMethod) Config {
	return Config{Auth: &Auth{Accept: m, Prove: prover(testUser, testSecret)}}
}

// enter opens LCP, the peer asking for opts, and stops where authentication
// begins. What was sent for it is kept.
func (r *rig) enter(opts string) *rig {
	r.tb.Helper()
	r.start()
	r.in(encap.ProtoLCP, CodeConfigureRequest, 1, unhex(r.tb, opts))
	r.last(encap.ProtoLCP, CodeConfigureAck)
	q := r.last(encap.ProtoLCP, CodeConfigureRequest)
	r.clear()
	r.in(encap.ProtoLCP, CodeConfigureAck, q.id, q.data)
	if st := r.l.Status(); st.LCP != Opened || st.Phase != PhaseAuthenticate {
		r.tb.Fatalf("LCP %v, phase %v", st.LCP, st.Phase)
	}
	return r
}

// answer gives the verdict about the AuthRequest under way.
func (r *rig) answer(a AuthAnswer) AuthRequest {
	r.tb.Helper()
	q := must[AuthRequest](r)
	r.l.AuthResult(r.now, q.ID, a)
	r.drain()
	return q
}

// ended checks that the link ends, with that reason told to the peer, and
// that nothing of authentication is left.
func (r *rig) ended(reason string) {
	r.tb.Helper()
	if st := r.l.Status(); st.Phase != PhaseTerminate || st.Reason != reason || r.l.auth != nil {
		r.tb.Fatalf("phase %v, reason %q, want %q", st.Phase, st.Reason, reason)
	}
	if q := r.last(encap.ProtoLCP, CodeTerminateRequest); string(q.data) != reason[:min(len(reason), maxTerminateText)] {
		r.tb.Fatalf("Terminate-Request says %q, want %q", q.data, reason)
	}
}

// only fails unless exactly the packets with these codes were sent.
func (r *rig) only(proto encap.PPPProtocol, codes ...Code) {
	r.tb.Helper()
	ok := len(r.sent) == len(codes)
	for i := range r.sent {
		ok = ok && r.sent[i].proto == proto && r.sent[i].code == codes[i]
	}
	if !ok {
		r.tb.Fatalf("sent %v, want %v of %v", r.sent, codes, proto)
	}
}

// response is a Response to a Challenge under a name.
func response(tb testing.TB, c pkt, m AuthMethod, name, secret string) []byte {
	tb.Helper()
	v, err := parseCHAPValue(c.data)
	if err != nil {
		tb.Fatal(err)
	}
	ch := Challenge{Method: m, ID: c.id, Value: v.value}
	copy(ch.Peer[:], "peer challenge 16")
	p, _ := prover(name, secret)(ch)
	value := p.Value
	if m == AuthMSCHAPv2 {
		value = append(append(append([]byte{}, ch.Peer[:]...), make([]byte, 8)...), append(p.Value, 0)...)
	}
	return chapValue{value, []byte(name)}.encode()
}
