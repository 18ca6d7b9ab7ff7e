package pppfsm

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"culvert/encap"
)

// TestLCPRequests judges every option of a peer's Configure-Request
// (RFC 1661 §6, RFC 1570 §2, RFC 1990 §5.1).
func TestLCPRequests(t *testing.T) {
	const ack, nak, rej = CodeConfigureAck, CodeConfigureNak, CodeConfigureReject
	noComp := Config{NoACFC: true, NoPFC: true}
	for _, tc := range []struct {
		name string
		cfg  Config
		in   string
		code Code
		out  string // "" with Ack: the request itself
	}{
		{"nothing", Config{}, "", ack, ""},
		{"MRU 1500", Config{}, "0104 05dc", ack, ""},
		{"MRU 1400", Config{}, "0104 0578", ack, ""},
		{"MRU above the default", Config{}, "0104 2328", ack, ""},
		{"MRU 128", Config{}, "0104 0080", ack, ""},
		{"MRU 127", Config{}, "0104 007f", nak, "0104 0080"},
		{"MRU 0", Config{}, "0104 0000", nak, "0104 0080"},
		{"MRU short", Config{}, "0103 05", nak, "0104 05dc"},
		{"MRU long", Config{}, "0105 05dc00", nak, "0104 05dc"},
		{"ACCM 0", Config{}, "0206 00000000", ack, ""},
		{"ACCM any", Config{}, "0206 000a0000", ack, ""},
		{"ACCM short", Config{}, "0204 0000", nak, "0206 00000000"},
		{"auth PAP", Config{}, "0304 c023", rej, "0304 c023"},
		{"auth CHAP-MD5", Config{}, "0305 c22305", rej, "0305 c22305"},
		{"quality", Config{}, "0408 c025 00000bb8", rej, "0408 c025 00000bb8"},
		{"magic", Config{}, "0506 cafef00d", ack, ""},
		{"magic without ours", Config{NoMagic: true}, "0506 cafef00d", ack, ""},
		{"PFC", Config{}, "0702", ack, ""},
		{"ACFC", Config{}, "0802", ack, ""},
		{"PFC refused", noComp, "0702", rej, "0702"},
		{"ACFC refused", noComp, "0802", rej, "0802"},
		{"PFC with data", Config{}, "0703 01", nak, "0702"},
		{"ACFC with data", Config{}, "0804 0101", nak, "0802"},
		{"vendor", Config{}, "0006 00005e00", rej, "0006 00005e00"},
		{"FCS", Config{}, "0903 01", rej, "0903 01"},
		{"padding", Config{}, "0a03 04", rej, "0a03 04"},
		{"callback", Config{}, "0d03 06", rej, "0d03 06"},
		{"compound frames", Config{}, "0f02", rej, "0f02"},
		{"MRRU", Config{}, "1104 0640", rej, "1104 0640"},
		{"short sequence", Config{}, "1202", rej, "1202"},
		{"endpoint", Config{}, "1309 03020000000001", rej, "1309 03020000000001"},
		{"unknown 200", Config{}, "c802", rej, "c802"},
		{"reject wins over nak", Config{}, "0104 0010 1202 0506 cafef00d 0f02", rej, "1202 0f02"},
		{"nak keeps order", Config{}, "0703 01 0506 cafef00d 0104 0010", nak, "0702 0104 0080"},
		{"listed twice", Config{}, "0104 0578 0104 0577", rej, "0104 0577"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.cfg).start()
			r.clear()
			r.in(lcpP, CodeConfigureRequest, 0x5a, unhex(t, tc.in))
			want := tc.out
			if tc.code == ack {
				want = tc.in
			}
			if len(r.sent) != 1 {
				t.Fatalf("sent %v", r.sent)
			}
			if p := r.sent[0]; p.code != tc.code || p.id != 0x5a || !bytes.Equal(p.data, unhex(t, want)) {
				t.Errorf("answer %d id %x %x, want %d %s", p.code, p.id, p.data, tc.code, want)
			}
		})
	}
}

// TestLCPOurRequest checks what the configuration makes us ask for.
func TestLCPOurRequest(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		want string // the magic number's value as xxxxxxxx
	}{
		{"default", Config{}, "0506xxxxxxxx"},
		{"nothing", Config{NoMagic: true}, ""},
		{"MRU", Config{NoMagic: true, MRU: 1400}, "01040578"},
		{"MRU 1500", Config{NoMagic: true, MRU: 1500}, ""},
		{"MRU too small", Config{NoMagic: true, MRU: 5}, "01040080"},
		{"all", Config{MRU: 1460, RequestACFC: true, RequestPFC: true}, "010405b40506xxxxxxxx07020802"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := newRig(t, tc.cfg).start().last(lcpP, CodeConfigureRequest)
			if len(q.data)*2 != len(tc.want) {
				t.Fatalf("request %x, want %s", q.data, tc.want)
			}
			for i := 0; i < len(tc.want); i += 2 {
				if tc.want[i] != 'x' && q.data[i/2] != unhex(t, tc.want[i:i+2])[0] {
					t.Fatalf("request %x, want %s", q.data, tc.want)
				}
			}
		})
	}
}

// TestLCPAnswers checks what we make of a Nak or a Reject of ours.
func TestLCPAnswers(t *testing.T) {
	cfg := Config{MRU: 1400, RequestACFC: true, RequestPFC: true, NoMagic: true}
	for _, tc := range []struct {
		name string
		code Code
		in   string
		want string
	}{
		{"smaller MRU", CodeConfigureNak, "0104 0500", "0104 0500 0702 0802"},
		{"larger MRU than the path", CodeConfigureNak, "0104 05dc", "0104 0578 0702 0802"},
		{"absurd MRU", CodeConfigureNak, "0104 0001", "0104 0578 0702 0802"},
		{"MRU with odd length", CodeConfigureNak, "0103 05", "0104 0578 0702 0802"},
		{"flag nak'd", CodeConfigureNak, "0702", "0104 0578 0802"},
		{"option wanted by the peer", CodeConfigureNak, "0305 c22305", "0104 0578 0702 0802"},
		{"MRU rejected", CodeConfigureReject, "0104 0578", "0702 0802"},
		{"flags rejected", CodeConfigureReject, "0702 0802", "0104 0578"},
		{"all rejected", CodeConfigureReject, "0104 0578 0702 0802", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, cfg).start()
			q := r.last(lcpP, CodeConfigureRequest)
			r.clear()
			r.in(lcpP, tc.code, q.id, unhex(t, tc.in))
			n := r.last(lcpP, CodeConfigureRequest)
			if n.id == q.id || !bytes.Equal(n.data, unhex(t, tc.want)) {
				t.Errorf("next request id %d %x, want %s", n.id, n.data, tc.want)
			}
		})
	}
}

// TestIgnoredAnswers: what does not answer the request under way changes
// nothing (RFC 1661 §5.2 to §5.4).
func TestIgnoredAnswers(t *testing.T) {
	cfg := Config{MRU: 1400, NoMagic: true}
	for _, tc := range []struct {
		name string
		code Code
		dID  uint8
		in   string
	}{
		{"ack with another identifier", CodeConfigureAck, 1, "0104 0578"},
		{"ack with changed bytes", CodeConfigureAck, 0, "0104 0579"},
		{"ack with less", CodeConfigureAck, 0, ""},
		{"ack with more", CodeConfigureAck, 0, "0104 0578 0802"},
		{"nak with another identifier", CodeConfigureNak, 255, "0104 0500"},
		{"nak of nothing", CodeConfigureNak, 0, ""},
		{"nak with option length 0", CodeConfigureNak, 0, "0100"},
		{"nak with option past the end", CodeConfigureNak, 0, "0105 0500"},
		{"reject with another identifier", CodeConfigureReject, 7, "0104 0578"},
		{"reject of what was never sent", CodeConfigureReject, 0, "0506 cafef00d"},
		{"reject with changed value", CodeConfigureReject, 0, "0104 05dc"},
		{"reject of more than was sent", CodeConfigureReject, 0, "0104 0578 0802"},
		{"reject of nothing", CodeConfigureReject, 0, ""},
		{"code-reject of a code never sent", CodeCodeReject, 0, "0809 0004"},
		{"code-reject too short", CodeCodeReject, 0, "0101"},
		{"protocol-reject before Opened", CodeProtocolReject, 0, "c021"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, cfg).start()
			q := r.last(lcpP, CodeConfigureRequest)
			r.clear()
			before := r.l.Deadline()
			r.in(lcpP, tc.code, q.id+tc.dID, unhex(t, tc.in))
			if len(r.sent) != 0 || len(r.acts) != 0 || r.l.Status().LCP != ReqSent || r.l.Deadline() != before {
				t.Errorf("sent %v in %v", r.sent, r.l.Status().LCP)
			}
			c := r.l.Status().Counters
			if c.Ignored+c.Malformed+c.Discarded != 1 {
				t.Errorf("counters %+v", c)
			}
			r.ackOurs2(q)
			if r.l.Status().LCP != AckRcvd {
				t.Errorf("the right Ack leads to %v", r.l.Status().LCP)
			}
		})
	}
}

// ackOurs2 acknowledges q.
func (r *rig) ackOurs2(q pkt) {
	r.tb.Helper()
	r.in(q.proto, CodeConfigureAck, q.id, q.data)
}

// TestDuplicateAnswers: a tunnel that duplicates packets must not take an
// Opened link down.
func TestDuplicateAnswers(t *testing.T) {
	r := newRig(t, Config{}).start()
	q := r.last(lcpP, CodeConfigureRequest)
	r.ackOurs2(q)
	r.ackOurs2(q)
	if st := r.l.Status().LCP; st != AckRcvd {
		t.Fatalf("second Ack: %v", st)
	}
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	r.ackOurs2(q)
	r.in(lcpP, CodeConfigureNak, q.id, unhex(t, "0506 00000001"))
	if st := r.l.Status().LCP; st != Opened {
		t.Errorf("late answers: %v", st)
	}
	mustNot[LinkClosed](r)
}

// TestMalformed: wrong lengths never reach the automaton, and padding is
// ignored (RFC 1661 §5, §6).
func TestMalformed(t *testing.T) {
	bad := []string{
		"", "c0", "ff03", "ff03c0",
		"ff03c021", "ff03c021 01", "ff03c021 010100", // header cut short
		"ff03c021 01010000", "ff03c021 01010003", // Length below 4
		"ff03c021 01010005", "ff03c021 0101ffff", "ff03c021 0101000a 0104", // Length past the end
		"ff03c021 01010006 0100", "ff03c021 01010006 0101", // option length below 2
		"ff03c021 01010006 01ff", "ff03c021 01010005 01", // option past the end
		"ff03c021 0101000a 0104 05dc 0803",
	}
	for _, s := range bad {
		r := newRig(t, Config{}).start()
		r.clear()
		r.raw(unhex(t, s))
		if len(r.sent) != 0 || r.l.Status().LCP != ReqSent || r.l.Status().Counters.Malformed != 1 {
			t.Errorf("%q: sent %v, %+v", s, r.sent, r.l.Status())
		}
	}
	r := newRig(t, Config{}).start()
	r.raw(unhex(t, "ff03c021 01010008 0104 0578 ff ff ff"))
	if a := r.last(lcpP, CodeConfigureAck); !bytes.Equal(a.data, unhex(t, "0104 0578")) {
		t.Errorf("padding in the answer: %x", a.data)
	}
}

// TestMagicCollision is RFC 1661 §6.4: Nak with another value, no request of
// our own accord, a new number after the peer's Nak.
func TestMagicCollision(t *testing.T) {
	r := newRig(t, Config{}).start()
	q := r.last(lcpP, CodeConfigureRequest)
	ours := binary.BigEndian.Uint32(q.data[2:])
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 3, q.data)
	n := r.last(lcpP, CodeConfigureNak)
	if v := binary.BigEndian.Uint32(n.data[2:]); len(r.sent) != 1 || v == ours || v == 0 {
		t.Fatalf("answer %v", r.sent)
	}
	r.in(lcpP, CodeConfigureNak, q.id, n.data)
	if v := binary.BigEndian.Uint32(r.last(lcpP, CodeConfigureRequest).data[2:]); v == ours || v == 0 {
		t.Errorf("magic %x again", v)
	}
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 4, unhex(t, "0506 00000000"))
	if n := r.last(lcpP, CodeConfigureNak); binary.BigEndian.Uint32(n.data[2:]) == 0 {
		t.Errorf("zero magic nak'd with zero")
	}
	for i := range 9 { // a peer that insists on zero has none
		r.in(lcpP, CodeConfigureRequest, uint8(10+i), unhex(t, "0506 00000000"))
	}
	r.last(lcpP, CodeConfigureAck)
}

// TestLoop feeds a link its own frames: it ends after ten collisions.
func TestLoop(t *testing.T) {
	l := NewLink(Config{IPv4: true, IPv6: true}, seeded(3))
	now := epoch
	l.Open(now)
	l.Up(now)
	frames := 0
	for now.Sub(epoch) < time.Minute {
		quiet := true
		for _, a := range l.Take() {
			switch a := a.(type) {
			case SendFrame:
				frames++
				quiet = false
				l.Input(now, a.Frame)
			case LinkOpened:
				t.Fatal("a looped link opened")
			case Finished:
				if a.Reason != loopReason {
					t.Errorf("reason %q", a.Reason)
				}
				if c := l.Status().Counters.Loops; c != maxCollisions {
					t.Errorf("%d collisions", c)
				}
				return
			}
		}
		if quiet {
			now = now.Add(time.Second)
			l.Tick(now)
		}
	}
	t.Fatalf("not finished after %d frames: %+v", frames, l.Status())
}

// TestEcho is RFC 1661 §5.8 and the magic rules of §6.4.
func TestEcho(t *testing.T) {
	r := newRig(t, Config{}).start()
	r.clear()
	r.in(lcpP, CodeEchoRequest, 3, unhex(t, "00000000 01"))
	if len(r.sent) != 0 {
		t.Errorf("answered outside Opened: %v", r.sent)
	}
	r = newRig(t, Config{}).open("0506 cafef00d")
	magic := r.l.Status().LocalMagic
	ours := binary.BigEndian.AppendUint32(nil, magic)
	r.clear()
	for _, peer := range []string{"cafef00d", "00000000"} {
		r.in(lcpP, CodeEchoRequest, 3, unhex(t, peer+"aabb"))
		if a := r.last(lcpP, CodeEchoReply); a.id != 3 || !bytes.Equal(a.data, append(bytes.Clone(ours), 0xaa, 0xbb)) {
			t.Errorf("reply %v", a)
		}
	}
	r.clear()
	r.in(lcpP, CodeEchoRequest, 4, unhex(t, "12345678"))                 // from elsewhere
	r.in(lcpP, CodeEchoRequest, 4, unhex(t, "1234"))                     // no magic
	r.in(lcpP, CodeEchoReply, 4, unhex(t, "cafef00d"))                   // never asked
	r.in(lcpP, CodeDiscardRequest, 4, unhex(t, "cafef00d 00"))           // §5.9
	r.in(lcpP, CodeIdentification, 4, unhex(t, "cafef00d 41"))           // RFC 1570
	r.in(lcpP, CodeTimeRemaining, 4, unhex(t, "cafef00d ffffffff 4142")) // RFC 1570
	if len(r.sent) != 0 || len(r.acts) > 1 {
		t.Errorf("sent %v, %v", r.sent, r.acts)
	}
	for range maxCollisions - 1 {
		r.in(lcpP, CodeEchoRequest, 4, ours)
	}
	mustNot[LinkClosed](r)
	r.clear()
	r.in(lcpP, CodeEchoReply, 4, ours)
	must[LinkClosed](r)
	if q := r.last(lcpP, CodeTerminateRequest); string(q.data) != loopReason {
		t.Errorf("terminate text %q", q.data)
	}
}

// TestRejects: Code-Reject and Protocol-Reject in both directions.
func TestRejects(t *testing.T) {
	r := newRig(t, Config{IPv4: true, LocalAddress: ip4("10.0.0.1")}).open("0104 0080")
	r.clear()
	long := bytes.Repeat([]byte{7}, 1400)
	r.in(lcpP, 77, 9, long)
	if p := r.last(lcpP, CodeCodeReject); len(p.data) != 124 || p.data[0] != 77 || p.data[1] != 9 {
		t.Errorf("code-reject of %d bytes", len(p.data))
	}
	r.in(encap.ProtoIPCP, 8, 9, []byte{1, 2})
	if p := r.last(encap.ProtoIPCP, CodeCodeReject); !bytes.Equal(p.data, []byte{8, 9, 0, 6, 1, 2}) {
		t.Errorf("IPCP code-reject %x", p.data)
	}
	r.clear()
	r.in(encap.ProtoCCP, CodeConfigureRequest, 1, long)
	p := r.last(lcpP, CodeProtocolReject)
	if len(p.data) != 124 || !bytes.Equal(p.data[:4], []byte{0x80, 0xfd, 1, 1}) || len(r.sent) != 1 {
		t.Errorf("protocol-reject %x", p.data)
	}
	mustNot[LinkClosed](r)

	r.in(lcpP, CodeCodeReject, 1, []byte{8, 1, 0, 4}) // our Protocol-Reject: can be lived with
	if r.l.Status().LCP != Opened {
		t.Errorf("in %v", r.l.Status().LCP)
	}
	r.in(lcpP, CodeCodeReject, 1, []byte{1, 1, 0, 4})
	must[LinkClosed](r)
	r.advance(time.Minute)
	if f := must[Finished](r); f.Reason != "peer rejects code 1" {
		t.Errorf("reason %q", f.Reason)
	}

	r = newRig(t, Config{}).open("")
	r.in(lcpP, CodeProtocolReject, 1, []byte{0xc0, 0x21})
	r.advance(time.Minute)
	if f := must[Finished](r); f.Reason != "peer rejects LCP" {
		t.Errorf("reason %q", f.Reason)
	}
}

// TestEchoRejected: a peer without echo is not ended for it.
func TestEchoRejected(t *testing.T) {
	r := newRig(t, Config{EchoInterval: time.Second, EchoFailures: 2}).open("")
	r.advance(time.Second)
	q := r.last(lcpP, CodeEchoRequest)
	r.in(lcpP, CodeCodeReject, 1, append(appendHeader(nil, CodeEchoRequest, q.id, 4), q.data...))
	r.clear()
	r.advance(time.Hour)
	if len(r.sent) != 0 || r.l.Status().LCP != Opened {
		t.Errorf("sent %v in %v", r.sent, r.l.Status().LCP)
	}
}
