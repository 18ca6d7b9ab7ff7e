package pppfsm

import (
	"testing"
	"time"

	"culvert/encap"
)

const lcpP = encap.ProtoLCP

// TestMaxConfigure: ten Configure-Requests 3 s apart, with one identifier,
// then TO- after another 3 s (RFC 1661 §4.6).
func TestMaxConfigure(t *testing.T) {
	r := newRig(t, Config{}).start()
	for want := 1; want <= 10; want++ {
		if n := r.count(lcpP, CodeConfigureRequest); n != want {
			t.Fatalf("after %v: %d requests, want %d", r.now.Sub(epoch), n, want)
		}
		if d := r.l.Deadline().Sub(r.now); d != 3*time.Second {
			t.Fatalf("timer runs %v", d)
		}
		r.l.Tick(r.now.Add(3*time.Second - 1)) // early: nothing
		mustNot[Finished](r)
		r.advance(3 * time.Second)
	}
	if f := must[Finished](r); f.Reason != "no answer to Configure-Requests" {
		t.Errorf("reason %q", f.Reason)
	}
	for _, p := range r.sent {
		if p.id != r.sent[0].id {
			t.Errorf("retransmission with a new identifier")
		}
	}
	if n := len(r.sent); n != 10 || !r.l.Deadline().IsZero() {
		t.Errorf("%d frames, deadline %v", n, r.l.Deadline())
	}
	if st := r.l.Status(); st.LCP != Stopped || st.Phase != PhaseTerminate {
		t.Errorf("%v, %v", st.LCP, st.Phase)
	}
}

// TestMaxTerminate: two Terminate-Requests, Finished after 6 s.
func TestMaxTerminate(t *testing.T) {
	r := newRig(t, Config{}).open("")
	r.clear()
	r.l.Close(r.now, "going home")
	r.drain()
	must[LinkClosed](r)
	r.advance(6*time.Second - 1)
	if n := r.count(lcpP, CodeTerminateRequest); n != 2 {
		t.Errorf("%d Terminate-Requests", n)
	}
	mustNot[Finished](r)
	if r.sent[0].id != r.sent[1].id || string(r.sent[0].data) != "going home" {
		t.Errorf("sent %v", r.sent)
	}
	r.advance(1)
	if f := must[Finished](r); f.Reason != "going home" || r.l.Status().LCP != Closed {
		t.Errorf("%q in %v", f.Reason, r.l.Status().LCP)
	}
}

// TestZeroRestartCount: after a Terminate-Request in Opened the automaton waits
// one Restart timer and sends nothing (RFC 1661 §3.7, §4.4 zrc).
func TestZeroRestartCount(t *testing.T) {
	r := newRig(t, Config{RestartTimer: 5 * time.Second}).open("")
	r.clear()
	r.in(lcpP, CodeTerminateRequest, 77, []byte("bye\n"))
	if a := r.last(lcpP, CodeTerminateAck); a.id != 77 || r.l.Status().LCP != Stopping {
		t.Errorf("ack %v in %v", a, r.l.Status().LCP)
	}
	r.advance(5*time.Second - 1)
	mustNot[Finished](r)
	r.advance(1)
	if f := must[Finished](r); f.Reason != `terminated by peer: "bye\n"` {
		t.Errorf("reason %q", f.Reason)
	}
	if len(r.sent) != 1 {
		t.Errorf("sent %v", r.sent)
	}
}

// TestCountersConfigured: the counters of the configuration are obeyed, and
// irc after an Ack gives the full number again.
func TestCountersConfigured(t *testing.T) {
	r := newRig(t, Config{MaxConfigure: 3, MaxTerminate: 4, RestartTimer: time.Second}).start()
	r.advance(time.Second)
	r.ackOurs(lcpP) // irc/7: TO+ sends three more, each with a new count
	r.clear()
	r.advance(time.Minute)
	if n := r.count(lcpP, CodeConfigureRequest); n != 3 {
		t.Errorf("%d requests after the Ack, want 3", n)
	}
	must[Finished](r)

	r = newRig(t, Config{MaxTerminate: 4, RestartTimer: time.Second}).open("")
	r.l.Close(r.now, "")
	r.advance(time.Minute)
	if n := r.count(lcpP, CodeTerminateRequest); n != 4 {
		t.Errorf("%d Terminate-Requests, want 4", n)
	}
}

// TestAckRcvdTimeout: a timeout in Ack-Rcvd goes back to Req-Sent with a new
// identifier, because the old request has its answer.
func TestAckRcvdTimeout(t *testing.T) {
	r := newRig(t, Config{}).start()
	first := r.last(lcpP, CodeConfigureRequest)
	r.ackOurs(lcpP)
	r.advance(3 * time.Second)
	if again := r.last(lcpP, CodeConfigureRequest); again.id == first.id || r.l.Status().LCP != ReqSent {
		t.Errorf("id %d after %d in %v", again.id, first.id, r.l.Status().LCP)
	}
}

// TestMaxFailure: five Naks, then the option is rejected (RFC 1661 §4.6); an
// Ack starts the count again.
func TestMaxFailure(t *testing.T) {
	r := newRig(t, Config{}).start()
	small := unhex(t, "0104 0010")
	for i := range 5 {
		r.clear()
		r.in(lcpP, CodeConfigureRequest, uint8(i), small)
		if n := r.last(lcpP, CodeConfigureNak); string(n.data) != string(unhex(t, "0104 0080")) {
			t.Fatalf("nak %x", n.data)
		}
	}
	r.in(lcpP, CodeConfigureRequest, 9, small)
	if j := r.last(lcpP, CodeConfigureReject); string(j.data) != string(small) {
		t.Errorf("reject %x", j.data)
	}
	r.in(lcpP, CodeConfigureRequest, 10, nil)
	r.last(lcpP, CodeConfigureAck)
	r.clear()
	r.in(lcpP, CodeConfigureRequest, 11, small)
	r.last(lcpP, CodeConfigureNak)
}

// TestStubbornPeer: a peer that answers every request with a Nak does not keep
// a negotiation alive for ever.
func TestStubbornPeer(t *testing.T) {
	r := newRig(t, Config{MRU: 1400}).start()
	for range 1000 {
		if _, done := action[Finished](r); done {
			break
		}
		q := r.last(lcpP, CodeConfigureRequest)
		r.in(lcpP, CodeConfigureNak, q.id, unhex(t, "1304 0102"))
		if r.last(lcpP, CodeConfigureRequest).id == q.id { // ignored now
			r.advance(3 * time.Second)
		}
	}
	must[Finished](r)
	if n := len(r.sent); n > 5+maxStubborn+10+1 {
		t.Errorf("%d frames", n)
	}
}

func TestSilentAndPassive(t *testing.T) {
	r := newRig(t, Config{Silent: true}).start()
	r.advance(time.Hour)
	if st := r.l.Status(); len(r.sent) != 0 || st.LCP != Stopped || st.Phase != PhaseEstablish {
		t.Errorf("silent: sent %v in %v, %v", r.sent, st.LCP, st.Phase)
	}
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	r.ackOurs(lcpP)
	must[LinkOpened](r)

	r = newRig(t, Config{Passive: true}).start()
	r.advance(time.Hour)
	mustNot[Finished](r)
	if n := len(r.sent); n != 10 || r.l.Status().Phase != PhaseEstablish {
		t.Errorf("passive: %d requests, %v", n, r.l.Status().Phase)
	}
	r.in(lcpP, CodeConfigureRequest, 1, nil)
	r.ackOurs(lcpP)
	must[LinkOpened](r)
}

func TestKeepalive(t *testing.T) {
	cfg := Config{EchoInterval: 10 * time.Second, EchoFailures: 3}
	r := newRig(t, cfg).open("0506 cafef00d")
	for range 100 {
		r.clear()
		r.advance(10 * time.Second)
		q := r.last(lcpP, CodeEchoRequest)
		if len(r.sent) != 1 || len(q.data) != 4 {
			t.Fatalf("sent %v", r.sent)
		}
		r.in(lcpP, CodeEchoReply, q.id, unhex(t, "cafef00d"))
	}
	if c := r.l.Status().Counters; c.EchoRepliesIn != 100 || c.EchoRequestsOut != 100 {
		t.Errorf("%+v", c)
	}
	r.clear()
	r.advance(39 * time.Second)
	mustNot[LinkClosed](r)
	r.advance(time.Second)
	must[LinkClosed](r)
	r.advance(6 * time.Second)
	if f := must[Finished](r); f.Reason != "no reply to 3 Echo-Requests" {
		t.Errorf("reason %q", f.Reason)
	}
	if n := r.count(lcpP, CodeEchoRequest); n != 3 || !r.l.Deadline().IsZero() {
		t.Errorf("%d echoes, deadline %v", n, r.l.Deadline())
	}

	r = newRig(t, Config{EchoInterval: time.Second}).open("") // no failure limit
	r.advance(time.Hour)
	mustNot[LinkClosed](r)
}
