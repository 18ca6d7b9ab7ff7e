package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"culvert/encap"
)

// TestExplain: a whole conversation with digests and hidden AVPs in words. Who has the secret sees what is hidden; the
// secret itself is nowhere.
func TestExplain(t *testing.T) {
	const secret = "the shared secret"
	w := newWorld(3, weather{})
	p := testProfile("n", secret)
	p.HideAVPs = true
	var with, without strings.Builder
	keys := []Keys{DeriveKeys([]byte("another")), DeriveKeys([]byte(secret))}
	trace := func(_ *Conn, m TracedMessage) {
		for b, k := range map[*strings.Builder][]Keys{&with: keys, &without: nil} {
			e := Explain(m.Path.Transport, m.Payload, k)
			fmt.Fprintf(b, "%v %v %d/%d %d %d %v %s\n", m.Sent, e.Type, e.Ns, e.Nr, e.LocalSession, e.RemoteSession, e.AVPs, e.Problem)
		}
	}
	a, b := w.node("192.0.2.1:1701", p, Config{Trace: trace}), w.node("192.0.2.2:1701", p, Config{})
	c := a.dial(t, b, p)
	w.run(5e9, func() bool { return false })
	s := a.open(t, c, Call{RemoteEndID: "sub_1"})
	w.run(5e9, func() bool { return false })
	if !a.up[s] {
		t.Fatal("no session")
	}
	for _, want := range []string{
		"true SCCRQ 0/0 0 0 [{Message Digest HMAC-MD5 true false}", "{Host Name n true false}", "{Pseudowire Capabilities List PPP, Ethernet true false}",
		"{Router ID 110 (0.0.0.110) true false}", "false SCCRP 0/1", "{Control Message Authentication Nonce (16 bytes) true false}",
		"true ICRQ 2/1", "{Pseudowire Type PPP true false}", "{Circuit Status up", "true ICCN 3/2",
	} {
		for name, text := range map[string]string{"with": with.String(), "without": without.String()} {
			if !strings.Contains(text, want) {
				t.Errorf("%s keys: no %q in\n%s", name, want, text)
			}
		}
	}
	cookie := fmt.Sprintf("{Assigned Cookie %x true true}", s.Params().Local.Cookie.AppendTo(nil))
	for _, want := range []string{"{Remote End ID sub_1 true true}", cookie} {
		if !strings.Contains(with.String(), want) || strings.Contains(without.String(), want) {
			t.Errorf("%q not in\n%s\nor in\n%s", want, with.String(), without.String())
		}
	}
	if !strings.Contains(without.String(), "bytes, hidden) true true}") || strings.Contains(with.String(), secret) {
		t.Errorf("%s\n%s", with.String(), without.String())
	}
}

// TestExplainBad: what cannot be read is said to be so.
func TestExplainBad(t *testing.T) {
	h, _ := newHand(t, testProfile("n"))
	h.path.Remote = netip.MustParseAddrPort("192.0.2.9:999")
	m := AVP{Mandatory: true, Type: AVPMessageType, Value: []byte{0, 6}}.AppendTo(nil)
	for _, tt := range []struct {
		avps []byte
		want string
	}{
		{m, "HELLO [] "},
		{append(m[:8:8], 0x80, 4), "HELLO [] AVP ends behind its message"},
		{AVP{Type: AVPHostName}.AppendTo(nil), "ZLB [] message does not begin with a Message Type AVP"},
		{AVP{Mandatory: true, Vendor: 9, Type: 7, Value: []byte{1, 2}}.AppendTo(m[:8:8]), "HELLO [{vendor 9 attribute 7 0102 (258) true false}] "},
		{AVP{Type: 126, Value: make([]byte, 70)}.AppendTo(m[:8:8]), "HELLO [{attribute 126 " + strings.Repeat("0", 128) + "... (70 bytes) false false}] "},
		{AVP{Type: AVPLocalSessionID, Value: []byte{1, 2, 3}}.AppendTo(m[:8:8]), "HELLO [{Local Session ID 010203 (AVP has a wrong length) false false}] "},
		{AVP{Hidden: true, Type: AVPHostName, Value: []byte{1, 2, 3}}.AppendTo(m[:8:8]), "HELLO [{Host Name (3 bytes, hidden) false true}] "},
	} {
		raw := append(appendHeader(nil, Header{}), tt.avps...)
		raw[2], raw[3] = byte(len(raw)>>8), byte(len(raw))
		e := Explain(encap.TransportIP, onWire(encap.TransportIP, raw), []Keys{DeriveKeys([]byte("x"))})
		if got := fmt.Sprintf("%v %v %s", e.Type, e.AVPs, e.Problem); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
	if e := Explain(encap.TransportUDP, []byte{1}, nil); e.Problem != ErrTruncated.Error() || e.Length != 1 {
		t.Errorf("%v", e)
	}
}

// FuzzExplain: whatever it is, each AVP is shown once, and nothing wrong is found where the AVPs fill the message.
func FuzzExplain(f *testing.F) {
	for _, g := range goldenPackets(f) {
		f.Add(g.payload, g.transport == encap.TransportIP)
	}
	keys := []Keys{DeriveKeys([]byte(goldenSecret))}
	f.Fuzz(func(t *testing.T, b []byte, ip bool) {
		tr := encap.TransportUDP
		if ip {
			tr = encap.TransportIP
		}
		e := Explain(tr, b, keys)
		if _, _, err := ParsePacket(tr, b); (err != nil) != (e.Length == len(b) && e.AVPs == nil && e.Problem != "") && err != nil {
			t.Fatalf("%v, but %v", err, e)
		}
		if e.Length > len(b) || len(e.AVPs)*AVPHeaderLen > e.Length {
			t.Fatalf("%v of %d bytes", e, len(b))
		}
		for _, a := range e.AVPs {
			if a.Name == "" || len(a.Value) > 12*MaxAVPLen {
				t.Fatalf("%+v", a)
			}
		}
	})
}
