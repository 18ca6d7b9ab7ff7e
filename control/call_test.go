package control

import (
	"slices"
	"testing"
	"time"

	"culvert/encap"
)

// TestCallTies: both ends ask for one Remote End ID at once (RFC 3931 section 5.4.4).
func TestCallTies(t *testing.T) {
	for _, outgoing := range []bool{false, true} {
		for _, c := range []struct {
			name   string
			tA, tB bool
			equal  bool
			up     int
		}{{"both", true, true, false, 1}, {"equal", true, true, true, 1}, {"one", true, false, false, 1}, {"other", false, true, false, 1}, {"none", false, false, false, 0}} {
			w, a, b, ca := pair(t, testProfile("a"), testProfile("b"))
			cb := b.conns[0]
			sa := a.open(t, ca, Call{RemoteEndID: "x", TieBreaker: c.tA, Outgoing: outgoing})
			sb := b.open(t, cb, Call{RemoteEndID: "x", TieBreaker: c.tB, Outgoing: outgoing})
			if c.equal {
				sa.tie, sb.tie = 5, 5
				for i := range w.wire {
					p, _, _ := ParsePacket(encap.TransportUDP, w.wire[i].payload)
					m, _ := p.Decode(Decoder{})
					m.TieBreaker = 5
					w.wire[i].payload = (&Encoder{}).Append(nil, p.Header, &m)
				}
			}
			if c.name == "none" {
				w.run(time.Second, nil)
				if len(a.sdowns) != 1 || len(b.sdowns) != 1 || a.sdowns[0].Reason.Code != CallTieLost || len(a.sessions)+len(b.sessions) != 0 {
					t.Errorf("%v %s: %+v, %+v", outgoing, c.name, a.sdowns, b.sdowns)
				}
				continue
			}
			w.run(time.Second, func() bool { return len(a.placed)+len(b.placed) > 0 })
			for _, n := range []*node{a, b} {
				for _, s := range n.placed {
					s.CallUp(w.now)
					n.collect()
				}
			}
			w.run(time.Second, nil)
			w.check(t)
			if !a.up[sa] || !b.up[sb] || !mirrored(sa.Params(), sb.Params()) || sa.Initiator() == sb.Initiator() || len(a.sessions) != 1 || len(b.sessions) != 1 {
				t.Errorf("outgoing %v, %s: a %v %v, b %v %v", outgoing, c.name, a.log, sa.State(), b.log, sb.State())
			}
		}
	}
}

// TestOutgoingCall: OCRQ, OCRP, OCCN (RFC 3931 section 7.4).
func TestOutgoingCall(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	s := a.open(t, c, Call{RemoteEndID: "x", Outgoing: true})
	failed := a.open(t, c, Call{RemoteEndID: "y", Outgoing: true})
	w.run(time.Second, nil)
	if len(b.placed) != 2 || s.State() != WaitConnect || b.placed[0].State() != WaitCSAnswer || len(a.up)+len(b.up) != 0 {
		t.Fatalf("b %v, a %v", b.log, s.State())
	}
	b.placed[0].CallUp(w.now)
	b.placed[1].CallFailed(w.now, Result{Code: 8})
	b.collect()
	w.run(time.Second, nil)
	if !a.up[s] || !b.up[b.placed[0]] || !mirrored(s.Params(), b.placed[0].Params()) || failed.State() != Idle || a.sdowns[0].Reason.String() != "peer: busy" {
		t.Errorf("a %v, b %v", a.log, b.log)
	}
	w.check(t)
}

// TestReadyBeforeSent: data and LCP may arrive before the ICRP, and before the ICCN, so both ends are told to take them
// before the message that lets the peer send them leaves.
func TestReadyBeforeSent(t *testing.T) {
	_, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	order := func(n *Endpoint) (list []string) {
		for _, x := range n.Take() {
			switch x := x.(type) {
			case SessionReady:
				list = append(list, "ready")
			case Send:
				p, _, _ := ParsePacket(encap.TransportUDP, x.Payload)
				typ, _, _ := p.Type()
				list = append(list, typ.String())
				a.w.inject(a.w.now, x.Path, x.Payload)
			case SessionUp:
				list = append(list, "up")
			}
		}
		return list
	}
	if _, err := c.Open(a.w.now, Call{RemoteEndID: "x", PseudowireType: PseudowirePPP}); err != nil {
		t.Fatal(err)
	}
	if got := order(a.Endpoint); !slices.Equal(got, []string{"ready", "ICRQ"}) {
		t.Error(got)
	}
	b.Receive(b.w.now, Path{encap.TransportUDP, b.addr, a.addr}, b.w.wire[len(b.w.wire)-1].payload)
	if got := order(b.Endpoint); !slices.Equal(got, []string{"ready", "ICRP"}) {
		t.Error(got)
	}
	a.Receive(b.w.now, Path{encap.TransportUDP, a.addr, b.addr}, b.w.wire[len(b.w.wire)-1].payload)
	if got := order(a.Endpoint); !slices.Equal(got, []string{"ICCN", "up"}) {
		t.Error(got)
	}
}

// TestCDNAnsweredByCDN: a peer that answers a CDN with a CDN gets no third one.
func TestCDNAnsweredByCDN(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.connect()
	s := h.call(5, "x")
	s.Close(n.w.now, Result{Code: CallAdministrative})
	n.collect()
	h.expect(h.read(), CDN)
	cdn := NewMessage(CDN)
	cdn.Result, cdn.LocalSessionID, cdn.RemoteSessionID = Result{Code: CallAdministrative}, 5, s.ID()
	h.expect(h.send(cdn))
	if n.conns[0].State() != Established || n.count.Drops[DropSession] != 1 {
		t.Errorf("drops %v", n.count.Drops)
	}
}

// TestSlowPeer: 50 s between the steps is slow, not dead; 60 s is.
func TestSlowPeer(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.remote = h.send(h.sccrq())[0].AssignedCCID
	h.ack()
	n.w.run(50*time.Second, nil)
	h.send(NewMessage(SCCCN))
	got := h.send(icrq(5, "x"))
	h.expect(got, ICRP)
	h.ack()
	n.w.run(50*time.Second, nil)
	h.send(iccn(5, got[0].LocalSessionID))
	if len(n.up) != 1 {
		t.Fatalf("log %v", n.log)
	}
	late := h.send(icrq(6, "y"))
	h.ack()
	n.w.run(45*time.Second, nil)
	h.ack()
	n.w.run(16*time.Second, nil)
	var cdn *Message
	for _, m := range h.read() {
		if m.Type == CDN {
			cdn = &m
		}
	}
	if cdn == nil || cdn.Result.Code != CallStateMachine || cdn.RemoteSessionID != 6 || n.Session(late[0].LocalSessionID) != nil || !n.sdowns[0].Reason.Silent {
		t.Errorf("log %v", n.log)
	}
	if n.conns[0].State() != Established || len(n.up) != 1 {
		t.Error("the rest suffered")
	}
}

// TestDeadPeer: a peer that does not answer ends the connection with all its sessions in one batch, after the time of
// HELLO and of its repetitions.
func TestDeadPeer(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	for range 50 {
		a.open(t, c, Call{})
	}
	w.run(time.Second, nil)
	b.dead = true
	start := w.now
	w.run(10*time.Minute, func() bool { return len(a.downs) > 0 })
	if took := w.now.Sub(start); took < 120*time.Second || took > 132*time.Second {
		t.Errorf("took %v", took)
	}
	if len(a.downs[0].Sessions) != 50 || a.downs[0].Reason.String() != "peer does not answer" || len(a.sdowns) != 0 || len(a.sessions) != 0 {
		t.Errorf("%d sessions, %v", len(a.downs[0].Sessions), a.downs[0].Reason)
	}
	// traffic is life
	w, a, b, _ = pair(t, testProfile("a"), testProfile("b"))
	for range 30 {
		a.conns[0].Heard(w.now)
		b.conns[0].Heard(w.now)
		w.run(10*time.Second, nil)
	}
	if a.sent[HELLO]+b.sent[HELLO] != 0 {
		t.Error("HELLO although data came")
	}
}

// TestRotation replaces the secret of both ends, one after the other, while sessions live and come.
func TestRotation(t *testing.T) {
	pa, pb := testProfile("a", "old"), testProfile("b", "old")
	pa.HideAVPs, pb.HideAVPs = true, true
	w, a, b, c := pair(t, pa, pb)
	open := func() {
		t.Helper()
		s := a.open(t, c, Call{})
		for range 3 {
			b.conns[0].probe()
			b.settle(b.conns[0])
			b.collect()
			w.run(time.Second, nil)
		}
		if !a.up[s] || len(a.up) != len(b.up) || !mirrored(s.Params(), b.started[len(b.started)-1].Params()) {
			t.Fatalf("a %v, drops %v; b drops %v", a.log, a.count.Drops, b.count.Drops)
		}
	}
	set := func(c *Conn, s ...string) {
		t.Helper()
		if err := c.SetSecrets(secrets(s...)); err != nil {
			t.Fatal(err)
		}
	}
	open()
	set(c, "new", "old")
	open()
	set(b.conns[0], "new", "old")
	open()
	set(c, "new")
	open()
	set(b.conns[0], "new")
	open()
	if a.count.Drops != [numDrops]uint64{} || b.count.Drops != [numDrops]uint64{} || len(a.downs) != 0 {
		t.Errorf("drops %v and %v", a.count.Drops, b.count.Drops)
	}
	if err := c.SetSecrets(secrets("1", "2", "3")); err == nil {
		t.Error("three secrets")
	}
	set(c, "other")
	a.open(t, c, Call{})
	if w.run(100*time.Second, nil); len(a.downs) != 1 {
		t.Error("another secret works too")
	}
}

// TestUnknownSession: replies to nothing are refused, the rest is counted.
func TestUnknownSession(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.connect()
	m := NewMessage(ICRP)
	m.LocalSessionID, m.RemoteSessionID = 5, 12345
	got := h.send(m)
	if h.expect(got, CDN); got[0].RemoteSessionID != 5 || got[0].Result.Error != ErrorSessionID {
		t.Errorf("%s", got[0].String())
	}
	h.expect(h.send(iccn(5, 12345)))
	h.expect(h.send(func() Message { m := NewMessage(SLI); m.RemoteSessionID = 3; return m }()))
	if n.count.Drops[DropSession] != 3 {
		t.Errorf("drops %v", n.count.Drops)
	}
	// an unknown AVP with M ends its session only
	s := h.call(7, "x")
	sli := NewMessage(SLI)
	sli.LocalSessionID, sli.RemoteSessionID = 7, s.ID()
	b := (&Encoder{}).Append(nil, Header{}, &sli)[HeaderLen:]
	got = h.raw(true, AVP{Mandatory: true, Type: 999}.AppendTo(b))
	if h.expect(got, CDN); got[0].Result.Error != ErrorUnknownAVP || got[0].Result.Text != "attribute 999: unknown AVP with the M bit set" || n.conns[0].State() != Established {
		t.Errorf("%s", got[0].String())
	}
	// an unknown message without M is acknowledged and ignored; with M it ends the connection
	acks := n.sent[ZLB]
	h.expect(h.raw(true, unhex(t, "0008000000000015")))
	if n.sent[ZLB] != acks+1 {
		t.Error("not acknowledged")
	}
	h.expect(h.raw(true, unhex(t, "8008000000000015")), StopCCN)
}

// TestPseudowireTypes: nobody asks for, or gets, what is not offered.
func TestPseudowireTypes(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	s := a.open(t, c, Call{PseudowireType: PseudowireHDLC})
	if len(a.sdowns) != 1 || a.sdowns[0].Session != s || a.sdowns[0].Reason.Code != CallPseudowireType || a.sent[ICRQ]+a.sent[CDN] != 0 {
		t.Errorf("%+v, sent %v", a.sdowns, a.sent)
	}
	c.peer.Pseudowires = nil // a peer that says nothing may be asked
	a.open(t, c, Call{PseudowireType: PseudowireHDLC})
	if w.run(time.Second, nil); len(a.sdowns) != 2 || a.sdowns[1].Reason.String() != "peer: unsupported pseudowire type" || len(b.sessions) != 0 {
		t.Errorf("%+v", a.sdowns)
	}
}

// TestChallengeRefused: a wrong answer to a challenge ends the attempt, at either end.
func TestChallengeRefused(t *testing.T) {
	for _, c := range []struct{ a, b string }{{"s", "x"}, {"s", ""}} {
		w := newWorld(1, weather{})
		pa, pb := testProfile("a", c.a), testProfile("b")
		pa.Challenge, pa.Digest = true, DigestOff
		if c.b != "" {
			pb.Secrets, pb.Challenge = secrets(c.b), true
		}
		a, b := w.node("192.0.2.1:1701", pa, Config{}), w.node("192.0.2.2:1701", pb, Config{})
		a.dial(t, b, pa)
		if w.run(time.Second, nil); len(a.downs) != 1 || a.downs[0].Reason.Code != StopUnauthorized || len(a.conns)+len(b.conns) != 0 {
			t.Errorf("%+v: %+v", c, a.downs)
		}
		if c.b != "" { // the other way round: b checks a
			b.dial(t, a, pb)
			if w.run(time.Second, nil); len(a.conns)+len(b.conns) != 0 {
				t.Errorf("%+v: up", c)
			}
		}
	}
}
