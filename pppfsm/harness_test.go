package pppfsm

import (
	"bytes"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"culvert/encap"
)

// epoch is where virtual time begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// seeded returns a random source that repeats itself.
func seeded(n uint64) io.Reader {
	var seed [32]byte
	seed[0], seed[1], seed[2] = byte(n), byte(n>>8), byte(n>>16)
	return rand.NewChaCha8(seed)
}

// unhex turns "01 04 05b4" into bytes.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// pkt is a control packet and its protocol, as tests see it.
type pkt struct {
	proto encap.PPPProtocol
	code  Code
	id    uint8
	data  []byte
}

// frame builds a frame with FF 03.
func frame(proto encap.PPPProtocol, code Code, id uint8, data []byte) []byte {
	b := encap.AppendPPPHeader(nil, proto, encap.PPPFraming{})
	return append(appendHeader(b, code, id, len(data)), data...)
}

// rig is a Link and a hand-played peer.
type rig struct {
	tb    testing.TB
	l     *Link
	now   time.Time
	acts  []Action // everything but frames, since the last clear
	sent  []pkt    // frames, since the last clear
	lastF []byte   // the last frame as bytes
}

func newRig(tb testing.TB, cfg Config) *rig {
	tb.Helper()
	return &rig{tb: tb, l: NewLink(cfg, seeded(1)), now: epoch}
}

// drain takes the actions and checks every frame.
func (r *rig) drain() {
	r.tb.Helper()
	for _, a := range r.l.Take() {
		f, ok := a.(SendFrame)
		if !ok {
			r.acts = append(r.acts, a)
			continue
		}
		p, info, _, err := encap.ParsePPP(f.Frame)
		if err != nil {
			r.tb.Fatalf("emitted frame %x: %v", f.Frame, err)
		}
		in, err := parsePacket(info)
		if err != nil || len(in.raw) != len(info) {
			r.tb.Fatalf("emitted packet %x: %v", info, err)
		}
		if len(f.Frame) > r.l.cfg.MaxReply {
			r.tb.Fatalf("emitted %d bytes, MaxReply is %d", len(f.Frame), r.l.cfg.MaxReply)
		}
		r.sent = append(r.sent, pkt{p, in.code, in.id, bytes.Clone(in.data)})
		r.lastF = f.Frame
	}
}

func (r *rig) clear() { r.acts, r.sent = nil, nil }

// start opens the link and brings the lower layer up.
func (r *rig) start() *rig {
	r.tb.Helper()
	r.l.Open(r.now)
	r.l.Up(r.now)
	r.drain()
	return r
}

// in hands over one packet and drains.
func (r *rig) in(proto encap.PPPProtocol, code Code, id uint8, data []byte) {
	r.tb.Helper()
	r.raw(frame(proto, code, id, data))
}

func (r *rig) raw(f []byte) {
	r.tb.Helper()
	r.l.Input(r.now, f)
	r.drain()
}

// advance lets virtual time pass, running timers when they are due.
func (r *rig) advance(d time.Duration) {
	r.tb.Helper()
	end := r.now.Add(d)
	for {
		next := r.l.Deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		r.now = next
		r.l.Tick(r.now)
		r.drain()
	}
	r.now = end
}

// last returns the last packet sent with a code, failing without one.
func (r *rig) last(proto encap.PPPProtocol, code Code) pkt {
	r.tb.Helper()
	for i := len(r.sent) - 1; i >= 0; i-- {
		if r.sent[i].proto == proto && r.sent[i].code == code {
			return r.sent[i]
		}
	}
	r.tb.Fatalf("no packet of %v with code %d among %v", proto, code, r.sent)
	return pkt{}
}

// count returns how many packets with a code were sent.
func (r *rig) count(proto encap.PPPProtocol, code Code) int {
	n := 0
	for _, p := range r.sent {
		if p.proto == proto && p.code == code {
			n++
		}
	}
	return n
}

// ackOurs acknowledges the last Configure-Request.
func (r *rig) ackOurs(proto encap.PPPProtocol) {
	r.tb.Helper()
	q := r.last(proto, CodeConfigureRequest)
	r.in(proto, CodeConfigureAck, q.id, q.data)
}

// open brings LCP to Opened, the peer asking for opts.
func (r *rig) open(opts string) *rig {
	r.tb.Helper()
	if r.l.Status().LCP == Initial {
		r.start()
	}
	r.ackOurs(encap.ProtoLCP)
	r.in(encap.ProtoLCP, CodeConfigureRequest, 1, unhex(r.tb, opts))
	if st := r.l.Status(); st.LCP != Opened || st.Phase != PhaseNetwork {
		r.tb.Fatalf("LCP %v, phase %v", st.LCP, st.Phase)
	}
	return r
}

// action returns the first action of type T since the last clear.
func action[T Action](r *rig) (T, bool) {
	for _, a := range r.acts {
		if v, ok := a.(T); ok {
			return v, true
		}
	}
	var zero T
	return zero, false
}

// must is action that fails without one.
func must[T Action](r *rig) T {
	r.tb.Helper()
	v, ok := action[T](r)
	if !ok {
		r.tb.Fatalf("no %T among %v", v, r.acts)
	}
	return v
}

// mustNot fails when there is an action of type T.
func mustNot[T Action](r *rig) {
	r.tb.Helper()
	if v, ok := action[T](r); ok {
		r.tb.Fatalf("unexpected %T: %+v", v, v)
	}
}
