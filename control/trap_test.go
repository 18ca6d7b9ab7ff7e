package control

import (
	"errors"
	"slices"
	"testing"
	"time"

	"culvert/encap"
)

// TestTrapRemoteSessionIDZero: the first message of a session cannot name the peer's id.
func TestTrapRemoteSessionIDZero(t *testing.T) {
	w, a, _, c := pair(t, testProfile("a"), testProfile("b"))
	a.keep = true
	a.open(t, c, Call{RemoteEndID: "x"})
	p, _, err := ParsePacket(encap.TransportUDP, a.sends[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Decode(Decoder{Strict: true})
	if err != nil || m.Type != ICRQ || m.RemoteSessionID != 0 || m.LocalSessionID == 0 || !m.Has(AVPRemoteSessionID) || !m.Has(AVPL2SpecificSublayer) {
		t.Errorf("%s, error %v", m.String(), err)
	}
	w.check(t)
}

// TestTrapSessionIDsRepeat: two peers may choose the same id; ours are never given twice.
func TestTrapSessionIDsRepeat(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	s := h.call(4711, "x")
	h2 := &hand{t: t, n: n, path: h.path, ccid: 78}
	h2.path.Transport = encap.TransportIP
	h2.connect()
	reply := h2.send(icrq(4711, "x"))
	h2.expect(reply, ICRP)
	if id := reply[0].LocalSessionID; id == s.ID() || n.Session(id) == nil || len(n.sessions) != 2 {
		t.Errorf("ids %d and %d", id, s.ID())
	}
	if _, err := c.Open(n.w.now, Call{LocalSessionID: s.ID(), PseudowireType: PseudowirePPP}); !errors.Is(err, ErrSessionID) {
		t.Errorf("our own id twice: error %v", err)
	}
	// a CDN of the one connection does not reach the session of the other
	cdn := NewMessage(CDN)
	cdn.Result, cdn.LocalSessionID, cdn.RemoteSessionID = Result{Code: CallAdministrative}, 4711, s.ID()
	if h2.send(cdn); s.State() != Established || n.count.Drops[DropSession] != 1 {
		t.Errorf("state %v", s.State())
	}
}

// TestTrapSublayer: what is not said is none; l2spec_type forces it.
func TestTrapSublayer(t *testing.T) {
	for _, c := range []struct {
		call     Call
		in       func(m *Message)
		refused  uint16
		sublayer encap.Sublayer
	}{
		{Call{}, func(*Message) {}, 0, encap.SublayerNone},
		{Call{Sublayer: SublayerDefault}, func(*Message) {}, 0, encap.SublayerNone},
		{Call{}, func(m *Message) { m.Sublayer = 1; m.Add(AVPL2SpecificSublayer) }, 0, encap.SublayerDefault},
		{Call{Sublayer: SublayerDefault, ForceSublayer: true}, func(*Message) {}, 0, encap.SublayerDefault},
		{Call{ForceSublayer: true}, func(m *Message) { m.Sublayer = 1; m.Add(AVPL2SpecificSublayer) }, 0, encap.SublayerNone},
		{Call{}, func(m *Message) { m.Sublayer = 2; m.Add(AVPL2SpecificSublayer) }, CallError, 0},
		{Call{}, func(m *Message) { m.Sequencing = 1; m.Add(AVPDataSequencing) }, CallSequencing, 0},
		{Call{Sublayer: SublayerDefault, ForceSublayer: true}, func(m *Message) { m.Sequencing = 2; m.Add(AVPDataSequencing) }, 0, encap.SublayerDefault},
		{Call{Sublayer: SublayerDefault, ForceSublayer: true}, func(m *Message) { m.Sequencing = 3; m.Add(AVPDataSequencing) }, CallError, 0},
	} {
		h, n := newHand(t, testProfile("n"))
		n.call = c.call
		h.connect()
		m := icrq(5, "x")
		c.in(&m)
		got := h.send(m)
		if c.refused != 0 {
			h.expect(got, CDN)
			if got[0].Result.Code != c.refused || got[0].RemoteSessionID != 5 {
				t.Errorf("%+v: %s", c, got[0].String())
			}
			continue
		}
		h.expect(got, ICRP)
		if s := n.Session(got[0].LocalSessionID); s.Params().Remote.Sublayer != c.sublayer || got[0].Sublayer != c.call.Sublayer || !got[0].Has(AVPL2SpecificSublayer) {
			t.Errorf("%+v: %+v", c, s.Params())
		}
	}
}

// TestTrapStatusAtAnyTime: SLI and WEN before the peer knows our id, found by its own.
func TestTrapStatusAtAnyTime(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.connect()
	h.send(icrq(5, "x"))
	sli := NewMessage(SLI)
	sli.LocalSessionID = 5
	sli.Add(AVPCircuitStatus)
	h.expect(h.send(sli))
	wen := NewMessage(WEN)
	wen.LocalSessionID, wen.CircuitErrors = 5, CircuitErrors{Timeouts: 3}
	h.expect(h.send(wen))
	s := n.Session(h.got[1].LocalSessionID)
	if s.PeerCircuit().Up() || len(n.errors) != 1 || n.errors[0].Timeouts != 3 || !slices.Contains(n.log, "control.CircuitChanged") {
		t.Errorf("circuit %v, errors %v, log %v", s.PeerCircuit(), n.errors, n.log)
	}
	sli.RemoteSessionID, sli.CircuitStatus = s.ID(), CircuitUp|CircuitNew
	if h.send(sli); s.PeerCircuit() != CircuitUp {
		t.Errorf("circuit %v", s.PeerCircuit())
	}
	sli.RemoteSessionID, sli.LocalSessionID = 0, 6 // of nobody's
	if h.expect(h.send(sli)); n.count.Drops[DropSession] != 1 {
		t.Errorf("drops %v", n.count.Drops)
	}
	// and ours, before the ICRP of the peer
	w, a, b, c := pair(t, testProfile("a"), testProfile("b"))
	call := a.open(t, c, Call{RemoteEndID: "y"})
	call.SetCircuit(w.now, 0)
	a.collect()
	if w.run(time.Second, nil); b.started[0].PeerCircuit().Up() || a.sent[SLI]+a.sent[ICCN] == 0 {
		t.Errorf("peer's circuit %v", b.started[0].PeerCircuit())
	}
	if call.ReportErrors(w.now, CircuitErrors{CRC: 1}); call.ReportErrors(w.now.Add(59*time.Second), CircuitErrors{}) {
		t.Error("two WENs within a minute (RFC 3931 section 6.13)")
	}
	a.collect()
	if w.run(time.Second, nil); len(b.errors) != 1 || b.errors[0].CRC != 1 {
		t.Errorf("WEN brought %v", b.errors)
	}
}

// TestTrapAVPLength: an AVP that is too short or goes past the end ends the connection, whatever it would have been.
func TestTrapAVPLength(t *testing.T) {
	hello := AVP{Mandatory: true, Type: AVPMessageType, Value: []byte{0, 6}}.AppendTo(nil)
	for _, tail := range []string{"80050000", "800500000063", "000000000000", "00ff00000063", "8007000000630"[:12]} {
		h, n := newHand(t, testProfile("n"))
		h.connect()
		got := h.raw(true, append(slices.Clone(hello), unhex(t, tail)...))
		h.expect(got, StopCCN)
		if got[0].Result.Code != StopError || got[0].Result.Error != ErrorLength || len(n.downs) != 1 {
			t.Errorf("%s: %s", tail, got[0].String())
		}
	}
}

// TestTrapStopCCN: in every state it is acknowledged, ends the connection, and is acknowledged again for a full cycle.
func TestTrapStopCCN(t *testing.T) {
	stop := NewMessage(StopCCN)
	stop.Result = Result{Code: StopShutdown}
	for _, state := range []State{WaitCtlReply, WaitCtlConn, Established, Idle} {
		h, n := newHand(t, testProfile("n"))
		switch state {
		case WaitCtlReply:
			c, err := n.Dial(n.w.now, h.path, n.profile)
			if err != nil {
				t.Fatal(err)
			}
			n.collect()
			h.remote = c.ID()
			h.read()
			stop.AssignedCCID = 77
			stop.Add(AVPAssignedCCID)
		case WaitCtlConn:
			h.remote = h.send(h.sccrq())[0].AssignedCCID
		case Established:
			h.connect()
			h.call(5, "x")
		default: // we are closing ourselves
			h.connect().Close(n.w.now, Result{Code: StopGeneral})
			n.collect()
			h.read()
		}
		acks := n.sent[ZLB]
		h.expect(h.send(stop))
		if len(n.downs) != 1 || n.sent[ZLB] != acks+1 || len(n.sessions) != 0 {
			t.Errorf("%v: %d ended, %v sent, %v", state, len(n.downs), n.sent, n.log)
		}
		for range 5 {
			n.w.run(10*time.Second, nil)
			h.ns--
			h.send(stop)
		}
		if n.sent[ZLB] != acks+6 {
			t.Errorf("%v: repetitions acknowledged %d times", state, n.sent[ZLB]-acks-1)
		}
		if n.w.run(40*time.Second, nil); len(n.Endpoint.conns) != 0 || len(n.downs) != 1 {
			t.Errorf("%v: %d connections kept", state, len(n.Endpoint.conns))
		}
	}
	// before the peer knows our CCID, by its own
	h, n := newHand(t, testProfile("n"))
	h.send(h.sccrq())
	stop.AssignedCCID = h.ccid
	stop.Add(AVPAssignedCCID)
	if h.send(stop); len(n.downs) != 1 || n.downs[0].Reason.String() != "peer: shutting down" {
		t.Errorf("StopCCN with CCID 0: %v", n.log)
	}
	// but not when it has shown that it knows ours
	h, n = newHand(t, testProfile("n"))
	h.connect()
	h.remote = 0
	if h.send(stop); len(n.downs) != 0 || n.count.Drops[DropUnknown] != 1 {
		t.Errorf("StopCCN with CCID 0 ended a connection: %v", n.log)
	}
}

// TestTrapBothDial: the tie breakers decide (RFC 3931 section 5.4.3).
func TestTrapBothDial(t *testing.T) {
	for _, secret := range [][][]byte{nil, secrets("s")} {
		for _, c := range []struct {
			name     string
			tieA     bool
			tieB     bool
			equal    bool
			conns    int
			outcomes int
		}{
			{"both", true, true, false, 1, 0},
			{"equal", true, true, true, 1, 0},
			{"one", true, false, false, 1, 0},
			{"other", false, true, false, 1, 0},
			{"none", false, false, false, 2, 0},
		} {
			w := newWorld(7, weather{delay: 5 * time.Millisecond})
			pa, pb := testProfile("a"), testProfile("b")
			pa.TieBreaker, pb.TieBreaker, pa.Secrets, pb.Secrets = c.tieA, c.tieB, secret, secret
			a, b := w.node("192.0.2.1:1701", pa, Config{}), w.node("192.0.2.2:1701", pb, Config{})
			ca, cb := a.dial(t, b, pa), b.dial(t, a, pb)
			if c.equal {
				ca.tie, cb.tie = 5, 5
				for i := range w.wire { // as they would have been sent
					p, _, _ := ParsePacket(encap.TransportUDP, w.wire[i].payload)
					m, _ := p.Decode(Decoder{})
					m.TieBreaker = 5
					enc := ca.encoder()
					raw := enc.Append(nil, p.Header, &m)
					keys, _ := ca.signers()
					sign(raw, keys, nonces{})
					w.wire[i].payload = raw
				}
			}
			w.run(5*time.Second, nil)
			if len(a.conns) != c.conns || len(b.conns) != c.conns || len(a.Endpoint.conns) != c.conns || len(b.Endpoint.conns) != c.conns {
				t.Fatalf("%s: a %v, b %v", c.name, a.log, b.log)
			}
			if c.conns == 1 && (a.conns[0] != ca || b.conns[0] != cb || ca.local != cb.remote || ca.initiator == cb.initiator || len(a.downs)+len(b.downs) > 0) {
				t.Errorf("%s: not the connections that were dialed", c.name)
			}
			s := a.open(t, ca, Call{RemoteEndID: "x"})
			if w.run(time.Second, nil); !a.up[s] {
				t.Errorf("%s: no session: %v", c.name, a.log)
			}
			w.check(t)
		}
	}
}

// TestTrapLostLastAck: SCCCN and ICCN come again when their acknowledgement is lost, and change nothing.
func TestTrapLostLastAck(t *testing.T) {
	w := newWorld(1, weather{delay: time.Millisecond})
	p := testProfile("a")
	a, b := w.node("192.0.2.1:1701", p, Config{}), w.node("192.0.2.2:1701", testProfile("b"), Config{})
	lose := true
	w.filter = func(from *node, typ MessageType, payload []byte) []byte {
		if from == b && typ == ZLB && lose {
			return nil
		}
		return payload
	}
	c := a.dial(t, b, p)
	w.run(2500*time.Millisecond, nil)
	if a.sent[SCCCN] != 2 || len(b.log) != 1 || len(b.conns) != 1 {
		t.Fatalf("SCCCN: sent %v, log %v", a.sent, b.log)
	}
	lose = false
	w.run(10*time.Second, nil)
	lose = true
	s := a.open(t, c, Call{RemoteEndID: "x"})
	w.run(2500*time.Millisecond, nil)
	if a.sent[ICCN] != 2 || len(b.started) != 1 || len(b.sdowns) != 0 || !a.up[s] {
		t.Fatalf("ICCN: sent %v, log %v", a.sent, b.log)
	}
	if lose = false; !w.run(10*time.Second, func() bool { return c.Status().InFlight == 0 }) {
		t.Error("still not acknowledged")
	}
}

// TestTrapNsWraps sets up and ends sessions across number 65535, on a bad wire.
func TestTrapNsWraps(t *testing.T) {
	w, a, b, c := pair(t, testProfile("a", "s"), testProfile("b", "s"))
	cb := b.conns[0]
	c.send.next, cb.recv.next = 65500, 65500
	cb.send.next, c.recv.next = 65520, 65520
	w.w = weather{loss: 0.2, dup: 0.1, delay: 5 * time.Millisecond, jitter: 40 * time.Millisecond, calm: 20 * time.Second}
	for range 60 {
		a.open(t, c, Call{})
	}
	w.run(100*time.Second, func() bool { return len(a.up) == 60 && len(b.up) == 60 && len(c.send.flight)+len(cb.send.flight) == 0 })
	if len(a.up) != 60 || len(b.up) != 60 || c.send.next > 200 || cb.send.next > 200 || c.early == 0 {
		t.Errorf("%d and %d sessions, Ns %d and %d", len(a.up), len(b.up), c.send.next, cb.send.next)
	}
	w.check(t)
}

// TestTrapReboot: a peer that has forgotten us dials again while the old connection lives here. It gets a new one at
// once, even under the id it had, and the old one is found out without waiting for the HELLO timeout.
func TestTrapReboot(t *testing.T) {
	for _, ccid := range []CCID{77, 78} {
		h, n := newHand(t, testProfile("n"))
		old := h.connect()
		h.call(5, "x")
		n.w.run(20*time.Second, nil)
		h.read()
		h.ccid, h.remote, h.ns, h.nr = ccid, 0, 0, 0
		m := h.sccrq()
		m.TieBreaker = 99 // another boot, another value
		m.Add(AVPTieBreaker)
		got := h.send(m)
		h.nr = 0
		for i := range got {
			if got[i].Type == SCCRP {
				h.remote, h.nr = got[i].AssignedCCID, 1
			}
		}
		h.send(NewMessage(SCCCN))
		if len(n.conns) != 2 || n.sent[HELLO] != 1 || old.State() != Established {
			t.Fatalf("CCID %d: %d connections, sent %v", ccid, len(n.conns), n.sent)
		}
		h.call(5, "x") // ids are scoped by connection
		n.w.run(72*time.Second, nil)
		if len(n.downs) != 1 || n.downs[0].Conn != old || !n.downs[0].Reason.Silent || len(n.downs[0].Sessions) != 1 {
			t.Errorf("CCID %d: the old connection ended with %+v", ccid, n.downs)
		}
	}
}

// TestTrapHelloWhileWindowFull: HELLO and StopCCN have a place of their own, and only one HELLO is under way.
func TestTrapHelloWhileWindowFull(t *testing.T) {
	p := testProfile("n")
	p.HelloTimeout, p.MaxRetries, p.RetryTimeout, p.RetryCap = 5*time.Second, 20, 4*time.Second, 8*time.Second
	h, n := newHand(t, p)
	c := h.connect()
	c.send.cwnd = 4
	for range 1000 {
		n.open(t, c, Call{})
	}
	if got := h.read(); len(got) != 3 { // the window is 4
		t.Fatalf("%d messages", len(got))
	}
	h.nr = 0
	n.w.run(20*time.Second, nil)
	if st := c.Status(); n.sent[HELLO] < 1 || st.InFlight != 4 || st.Ns != 5 || c.send.flight[3].typ != HELLO {
		t.Errorf("sent %v, status %+v", n.sent, st)
	}
	c.Close(n.w.now, Result{Code: StopShutdown})
	n.collect()
	h.nr = 2
	before := n.sent[StopCCN]
	if h.ack(); n.sent[StopCCN] != before+1 || n.sent[ICRQ] > 30 {
		t.Errorf("StopCCN did not go out first: sent %v", n.sent)
	}
}

// TestTrapResultWithoutError: a 2-byte Result Code.
func TestTrapResultWithoutError(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	h.connect()
	s := h.call(5, "x")
	cdn := NewMessage(CDN)
	cdn.Result, cdn.LocalSessionID, cdn.RemoteSessionID = Result{Code: CallCarrierLost}, 5, s.ID()
	if h.expect(h.send(cdn)); len(n.sdowns) != 1 || n.sdowns[0].Reason.String() != "peer: carrier or circuit lost" {
		t.Errorf("%+v", n.sdowns)
	}
	stop := NewMessage(StopCCN)
	stop.Result = Result{Code: StopGeneral}
	if h.expect(h.send(stop)); len(n.downs) != 1 || n.downs[0].Reason.String() != "peer: cleared" {
		t.Errorf("%+v", n.downs)
	}
}

// TestTrapDigestOfRefusal: a StopCCN that refuses an SCCRQ is signed without a nonce of its sender, who has sent none.
// One that is not signed does not end an attempt that wants digests.
func TestTrapDigestOfRefusal(t *testing.T) {
	pa := testProfile("a", "s")
	w := newWorld(1, weather{delay: time.Millisecond})
	a, b := w.node("192.0.2.1:1701", pa, Config{}), w.node("192.0.2.2:1701", testProfile("b", "s"), Config{})
	b.accept = func(Path, *Message) (Profile, *Result) {
		return testProfile("b", "s"), &Result{Code: StopUnauthorized, Text: "go away"}
	}
	a.dial(t, b, pa)
	if w.run(time.Second, nil); len(a.downs) != 1 || a.downs[0].Reason.String() != "peer: not authorized: go away" || len(b.Endpoint.conns) != 0 {
		t.Fatalf("a %+v", a.downs)
	}
	b.accept = func(Path, *Message) (Profile, *Result) { return Profile{}, &Result{Code: StopUnauthorized} }
	a.dial(t, b, pa)
	if w.run(10*time.Second, nil); len(a.downs) != 1 || a.count.Drops[DropDigest] == 0 || len(a.dialing) != 1 {
		t.Errorf("an unsigned StopCCN counted: %+v", a.downs)
	}
	if w.run(80*time.Second, nil); len(a.downs) != 2 || !a.downs[1].Reason.Silent {
		t.Errorf("a %+v", a.downs)
	}
	// and who wants digests refuses those who send none
	b.accept = nil
	a.dial(t, b, testProfile("a"))
	if w.run(time.Second, nil); len(a.downs) != 3 || a.downs[2].Reason.String() != "peer: not authorized" {
		t.Errorf("a %+v", a.downs)
	}
	// as who wants none drops those who send them: nothing it says could be believed
	b.profile = testProfile("b")
	a.dial(t, b, pa)
	if w.run(time.Second, nil); len(a.downs) != 3 || b.count.Drops[DropDigest] == 0 {
		t.Errorf("b %v", b.log)
	}
}

// TestRefusalOfTwoSecrets: while one secret replaces the other a refusal has the digest of the one that the peer uses, and
// who knows neither gets none.
func TestRefusalOfTwoSecrets(t *testing.T) {
	for _, both := range [][]string{{"old", "new"}, {"new", "old"}} {
		w := newWorld(1, weather{delay: time.Millisecond})
		a, b := w.node("192.0.2.1:1701", testProfile("a"), Config{}), w.node("192.0.2.2:1701", testProfile("b"), Config{})
		b.accept = func(Path, *Message) (Profile, *Result) {
			return testProfile("b", both...), &Result{Code: StopUnauthorized}
		}
		for i, secret := range both {
			a.dial(t, b, testProfile("a", secret))
			if w.run(time.Second, nil); len(a.downs) != i+1 || a.downs[i].Reason.String() != "peer: not authorized" {
				t.Errorf("%s of %v: %+v", secret, both, a.downs)
			}
		}
		a.dial(t, b, testProfile("a", "neither"))
		if w.run(time.Second, nil); len(a.downs) != 2 || b.sent[StopCCN] != 2 || b.count.Drops[DropDigest] == 0 {
			t.Errorf("neither of %v: %+v", both, a.downs)
		}
	}
}

// TestTrapHostName: a host name of no bytes is a malformed AVP; one that is missing is tolerated.
func TestTrapHostName(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	m := h.sccrq()
	m.HostName = ""
	got := h.send(m)
	h.expect(got, StopCCN)
	if r := got[0].Result; r.Code != StopError || r.Error != ErrorLength || len(n.Endpoint.conns) != 0 {
		t.Errorf("%s", got[0].String())
	}
	h.ns, h.nr = 0, 0
	m.has &^= 1 << rowOf(AVPHostName)
	h.expect(h.send(m), SCCRP)
	p := testProfile("n")
	p.Strict = true
	h, _ = newHand(t, p)
	h.expect(h.send(m), StopCCN)
}

// TestTrapEndIDInUse: a second ICRQ for a session that exists is refused and does it no harm.
func TestTrapEndIDInUse(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	s := h.call(5, "x")
	got := h.send(icrq(6, "x"))
	h.expect(got, CDN)
	if got[0].Result.Code != CallNoFacilities || got[0].RemoteSessionID != 6 || s.State() != Established {
		t.Errorf("%s", got[0].String())
	}
	if _, err := c.Open(n.w.now, Call{RemoteEndID: "x", PseudowireType: PseudowirePPP}); !errors.Is(err, ErrEndIDInUse) {
		t.Errorf("error %v", err)
	}
	// nor does an ICRQ with a peer's id that is in use, except to that session (RFC 3931 section 7.3.2)
	got = h.send(icrq(5, "y"))
	if h.expect(got, CDN); got[0].RemoteSessionID != 5 || s.State() != Idle || len(n.sessions) != 0 {
		t.Errorf("%s", got[0].String())
	}
}
