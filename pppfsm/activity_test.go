package pppfsm

import (
	"testing"
	"time"
)

// up4 brings LCP and IPCP to Opened.
func (r *rig) up4() *rig {
	r.tb.Helper()
	r.open("")
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(r.tb, "0306 0a000002"))
	must[IPv4Up](r)
	return r
}

// line is a Config with IPCP that needs nothing from the peer.
func line(c Config) Config {
	c.IPv4, c.LocalAddress = true, ip4("10.0.0.1")
	return c
}

// TestEchoAdaptive: nothing is asked while the peer sends data, however many
// replies are missing; silence is noticed as without the option.
func TestEchoAdaptive(t *testing.T) {
	r := newRig(t, Config{EchoInterval: 10 * time.Second, EchoFailures: 3, EchoAdaptive: true}).open("")
	r.clear()
	for n := range uint64(100) {
		r.l.Traffic(n+1, 0)
		r.advance(10 * time.Second)
	}
	if len(r.sent) != 0 {
		t.Fatalf("sent %v while data flowed", r.sent)
	}
	r.l.Traffic(100, 5000) // what we send says nothing about the peer
	r.advance(20 * time.Second)
	if n := r.count(lcpP, CodeEchoRequest); n != 2 {
		t.Fatalf("%d Echo-Requests in 20 s of silence", n)
	}
	r.l.Traffic(101, 5000) // and with data the count begins anew
	r.advance(40 * time.Second)
	mustNot[LinkClosed](r)
	r.advance(10 * time.Second)
	must[LinkClosed](r)
	if n := r.count(lcpP, CodeEchoRequest); n != 5 {
		t.Errorf("%d Echo-Requests, want 5", n)
	}
}

// TestIdleTimeout: the link ends when no data passed in either direction for
// that long, LCP's own frames not counted, and says so to the peer.
func TestIdleTimeout(t *testing.T) {
	const idle = 160 * time.Second
	r := newRig(t, line(Config{IdleTimeout: idle, EchoInterval: 20 * time.Second})).up4()
	up := r.now
	var rx, tx uint64
	for n := range 100 {
		if n%2 == 0 {
			rx++
		} else {
			tx++
		}
		r.l.Traffic(rx, tx)
		r.advance(idle - idle/idleLooks)
	}
	mustNot[LinkClosed](r)
	r.clear()
	last := r.now
	r.advance(idle + idle/idleLooks)
	must[LinkClosed](r)
	if q := r.last(lcpP, CodeTerminateRequest); string(q.data) != idleReason {
		t.Errorf("terminate text %q", q.data)
	}
	if f := must[Finished](r); !f.Idle || f.Reason != idleReason {
		t.Errorf("%+v", f)
	}
	if d := r.now.Sub(last); d < idle/2 || r.now.Sub(up) < 90*idle {
		t.Errorf("ended %v after the last data", d)
	}
	r.clear()
	r.l.Open(r.now) // begins anew, timeout and all
	r.drain()
	r.up4()
	r.advance(idle - 1)
	mustNot[LinkClosed](r)
	r.advance(1)
	must[LinkClosed](r)
}

// TestIdleIsNoticedInTime: data at any moment ends the link between one
// timeout and one and a sixteenth after it.
func TestIdleIsNoticedInTime(t *testing.T) {
	const idle = 320 * time.Second
	for at := time.Duration(0); at < idle; at += 7 * time.Second {
		r := newRig(t, line(Config{IdleTimeout: idle})).up4()
		r.advance(at)
		r.l.Traffic(1, 0)
		r.advance(idle)
		mustNot[LinkClosed](r)
		r.advance(idle / idleLooks)
		must[LinkClosed](r)
	}
}

// TestIdleWithoutNetwork: a link that never came up is not idle; its
// negotiation has limits of its own.
func TestIdleWithoutNetwork(t *testing.T) {
	r := newRig(t, line(Config{IdleTimeout: time.Second, SessionTimeout: time.Second})).open("")
	r.advance(time.Hour)
	mustNot[LinkClosed](r)
}

// TestSessionTimeout counts from the first network protocol, whatever passes.
func TestSessionTimeout(t *testing.T) {
	r := newRig(t, line(Config{SessionTimeout: time.Hour, IdleTimeout: 2 * time.Hour})).open("")
	r.advance(20 * time.Second)
	r.up4At()
	for n := range uint64(3599) {
		r.l.Traffic(n, n)
		r.advance(time.Second)
	}
	mustNot[LinkClosed](r)
	r.advance(time.Second)
	must[LinkClosed](r)
	if q := r.last(lcpP, CodeTerminateRequest); string(q.data) != sessionReason {
		t.Errorf("terminate text %q", q.data)
	}
	r.in(lcpP, CodeTerminateAck, r.last(lcpP, CodeTerminateRequest).id, nil)
	if f := must[Finished](r); f.Idle || f.Reason != sessionReason || !r.l.Deadline().IsZero() {
		t.Errorf("%+v, deadline %v", f, r.l.Deadline())
	}
}

// up4At brings IPCP to Opened on a link whose LCP is.
func (r *rig) up4At() {
	r.tb.Helper()
	r.ackOurs(ipcpP)
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(r.tb, "0306 0a000002"))
	must[IPv4Up](r)
}

// TestLimitsOfNetworkProtocols: IPCP and IPV6CP have counters and timer of
// their own where the configuration says so, and LCP's where not.
func TestLimitsOfNetworkProtocols(t *testing.T) {
	r := newRig(t, Config{
		IPv4: true, IPv6: true, LocalAddress: ip4("10.0.0.1"), RestartTimer: 2 * time.Second, MaxConfigure: 4,
		IPCP: Limits{RestartTimer: time.Second, MaxConfigure: 7, MaxFailure: 1},
	}).open("")
	r.in(ipcpP, CodeConfigureRequest, 1, unhex(t, "0306 0a000001")) // ours
	r.clear()
	r.advance(6 * time.Second)
	if n, m := r.count(ipcpP, CodeConfigureRequest), r.count(ipv6cpP, CodeConfigureRequest); n != 6 || m != 3 {
		t.Errorf("%d and %d requests in 6 s", n, m)
	}
	r.advance(2 * time.Second)
	if st := r.l.Status(); st.IPCP != Stopped || st.IPv6CP != Stopped {
		t.Errorf("IPCP %v, IPV6CP %v", st.IPCP, st.IPv6CP)
	}
	if n := r.count(ipcpP, CodeConfigureRequest); n != 6 {
		t.Errorf("%d requests, one was before", n)
	}
}

// TestEchoLog: round-trip times and losses of the last 16 requests.
func TestEchoLog(t *testing.T) {
	r := newRig(t, Config{EchoInterval: 10 * time.Second}).open("")
	if g := r.l.EchoLog(); g.Sent != 0 || len(g.Recent) != 0 {
		t.Fatalf("%+v", g)
	}
	echo := func(rtt time.Duration) {
		t.Helper()
		r.clear()
		r.advance(r.l.Deadline().Sub(r.now))
		q := r.last(lcpP, CodeEchoRequest)
		if rtt == 0 {
			return
		}
		r.advance(rtt)
		r.in(lcpP, CodeEchoReply, q.id, q.data[:0:0])
		r.in(lcpP, CodeEchoReply, q.id, unhex(t, "00000000"))
	}
	echo(3 * time.Millisecond)
	echo(1500 * time.Microsecond)
	echo(0)
	if g := r.l.EchoLog(); g.Sent != 2 || g.Lost != 0 {
		t.Fatalf("waiting for one: %+v", g)
	}
	echo(4500 * time.Microsecond)
	g := r.l.EchoLog()
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	near := func(d time.Duration, want float64) bool { return ms(d) <= want && ms(d) > want*0.999 }
	if g.Sent != 4 || g.Lost != 1 || !near(g.Last, 4.5) || !near(g.Min, 1.5) || !near(g.Max, 4.5) || !near(g.Mean, 3) ||
		len(g.Recent) != 4 || g.Recent[1] != -1 || !near(g.Recent[3], 3) {
		t.Errorf("%+v", g)
	}
	echo(0) // a reply that is later than the next request
	id := r.last(lcpP, CodeEchoRequest).id
	echo(0)
	r.advance(5 * time.Second)
	r.in(lcpP, CodeEchoReply, id, unhex(t, "00000000"))
	if g := r.l.EchoLog(); len(g.Recent) != 6 || !near(g.Recent[1], 15000) {
		t.Errorf("late reply: %+v", g)
	}
	for range 40 {
		echo(time.Millisecond)
	}
	if g := r.l.EchoLog(); g.Sent != 16 || g.Lost != 0 || !near(g.Max, 1) {
		t.Errorf("%+v", g)
	}
	r.in(lcpP, CodeConfigureRequest, 77, nil) // begins anew
	r.ackOurs(lcpP)
	if g := r.l.EchoLog(); g.Sent != 0 {
		t.Errorf("after renegotiation %+v", g)
	}
}

// TestRoundTripCoding: two bytes say a time to 1 part in 2048, or that there
// is none.
func TestRoundTripCoding(t *testing.T) {
	for us := int64(0); us < 200_000_000; us += 1 + us/1000 {
		d := time.Duration(us) * time.Microsecond
		got, ok := roundTrip(d).rtt()
		want := min(max(d, time.Microsecond), 4094<<15*time.Microsecond)
		if !ok || got > want || got < want-want/2048 {
			t.Fatalf("%v became %v, %v", d, got, ok)
		}
	}
	for _, r := range []echoResult{echoNone, echoOpen} {
		if _, ok := r.rtt(); ok {
			t.Errorf("%#x has a time", uint16(r))
		}
	}
}
