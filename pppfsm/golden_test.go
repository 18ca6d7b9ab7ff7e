package pppfsm

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"culvert/encap"
)

// golden reads testdata/golden.txt: name -> frame.
func golden(tb testing.TB) map[string][]byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		tb.Fatal(err)
	}
	m := map[string][]byte{}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] != "#" {
			m[f[0][:3]] = unhex(tb, f[1])
		}
	}
	if len(m) != 32 {
		tb.Fatalf("%d golden frames, want 32", len(m))
	}
	return m
}

// TestGoldenRoundTrip takes every control frame apart and builds it again.
func TestGoldenRoundTrip(t *testing.T) {
	for name, f := range golden(t) {
		p, info, fr, err := encap.ParsePPP(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p < 0x8000 {
			continue
		}
		in, err := parsePacket(info)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b := encap.AppendPPPHeader(nil, p, fr)
		b = append(appendHeader(b, in.code, in.id, len(in.data)), in.data...)
		if !bytes.Equal(b, f) {
			t.Errorf("%s: built %x from %x", name, b, f)
		}
		if p < encap.ProtoLCP || p == encap.ProtoLCP && in.code <= CodeConfigureReject {
			if err := checkOptions(in.data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestGoldenAnswers feeds golden frames to links and compares the answers with
// golden frames.
func TestGoldenAnswers(t *testing.T) {
	g := golden(t)
	v4 := Config{IPv4: true, LocalAddress: ip4("10.0.0.1"), PeerAddress: ip4("10.0.0.2")}
	v4.DNS[0], v4.DNS[1] = ip4("10.0.0.53"), ip4("10.0.1.53")
	v6 := Config{IPv6: true}

	// LCP: a request we acknowledge, one with authentication, one with all.
	answer := func(r *rig, in string) []byte {
		t.Helper()
		r.clear()
		r.raw(g[in])
		if len(r.sent) != 1 {
			t.Fatalf("%s: %d frames in answer", in, len(r.sent))
		}
		return r.lastF
	}
	same := func(in string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, g[want]) {
			t.Errorf("answer to %s is %x, %s is %x", in, got, want, g[want])
		}
	}
	same("d01", answer(newRig(t, Config{}).start(), "d01"), "d04")
	want := unhex(t, "ff03c021 04070009 0305c22305")
	if got := answer(newRig(t, Config{}).start(), "d02"); !bytes.Equal(got, want) {
		t.Errorf("answer to d02 is %x", got)
	}
	// p05 rejects MRRU and endpoint discriminator; we reject authentication too.
	full := answer(newRig(t, Config{}).start(), "p03")
	want = append(unhex(t, "ff03c021 04010016 0305c22381"), g["p05"][8:]...)
	if !bytes.Equal(full, want) {
		t.Errorf("answer to p03 is %x", full)
	}

	// IPCP: addresses and servers by Nak, VJ rejected.
	same("d08", answer(newRig(t, v4).open(""), "d08"), "d09")
	same("d10", answer(newRig(t, v4).open(""), "d10"), "d11")
	if p := answer(newRig(t, v6).open(""), "d12"); !bytes.Equal(p[8:], g["d12"][8:]) || p[4] != 2 {
		t.Errorf("answer to d12 is %x", p)
	}
	// CCP: Protocol-Reject, whose identifier is ours to choose.
	rej := answer(newRig(t, v4).open(""), "d13")
	rej[5] = g["d14"][5]
	same("d13", rej, "d14")

	// Echo: the reply carries our magic number.
	r := newRig(t, Config{}).open("0506 deadbeef")
	r.l.lcp.magic = 0xcafef00d
	same("d18", answer(r, "d18"), "d19")
	if got := answer(r, "d20"); !bytes.Equal(got, g["p08"]) {
		t.Errorf("answer to d20 is %x", got)
	}
}

// TestGoldenUnanswered: frames that get no answer in any state.
func TestGoldenUnanswered(t *testing.T) {
	g := golden(t)
	r := newRig(t, Config{IPv4: true, IPv6: true}).open("0506 deadbeef")
	r.clear()
	for _, name := range []string{"d03", "d04", "d09", "d11", "d14", "d15", "d16", "d17", "d19", "p04", "p05", "p06", "p07"} {
		r.raw(g[name])
		if len(r.sent) != 0 || len(r.acts) != 0 {
			t.Errorf("%s: sent %v, %v", name, r.sent, r.acts)
		}
	}
	if s := r.l.Status(); s.LCP != Opened || s.Counters.Malformed != 0 {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"d05", "d06", "d07"} { // no authentication here
		r.clear()
		r.raw(g[name])
		if len(r.sent) != 1 || r.sent[0].code != CodeProtocolReject {
			t.Errorf("%s: sent %v", name, r.sent)
		}
	}
}
