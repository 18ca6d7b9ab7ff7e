package control

import (
	"net/netip"
	"strings"
	"testing"

	"culvert/encap"
)

// body returns the AVPs of a message.
func body(m Message) []byte { return (&Encoder{}).Append(nil, Header{}, &m)[HeaderLen:] }

// TestBadMessages sends messages that are right in form and wrong in place or content, to a connection in the state
// that matters, and looks at the answer.
func TestBadMessages(t *testing.T) {
	unknown := AVP{Mandatory: true, Type: 999}.AppendTo(nil)
	sccrp := func(h *hand) Message { m := h.sccrq(); m.Type = SCCRP; return m }
	for _, c := range []struct {
		name   string
		state  State
		avps   func(h *hand) []byte
		answer MessageType
		result Result
	}{
		{"SCCRP with an unknown AVP", WaitCtlReply, func(h *hand) []byte { return append(body(sccrp(h)), unknown...) }, StopCCN, Result{Code: StopError, Error: ErrorUnknownAVP}},
		{"SCCRP without CCID", WaitCtlReply, func(h *hand) []byte { m := sccrp(h); m.has &^= 1 << rowOf(AVPAssignedCCID); return body(m) }, StopCCN, Result{Code: StopError, Error: ErrorLength}},
		{"ICRQ before SCCRP", WaitCtlReply, func(*hand) []byte { return body(icrq(5, "x")) }, StopCCN, Result{Code: StopStateMachine}},
		{"SCCCN instead of SCCRP", WaitCtlReply, func(*hand) []byte { return body(NewMessage(SCCCN)) }, StopCCN, Result{Code: StopStateMachine}},
		{"SCCCN with an unknown AVP", WaitCtlConn, func(*hand) []byte { return append(body(NewMessage(SCCCN)), unknown...) }, StopCCN, Result{Code: StopError, Error: ErrorUnknownAVP}},
		{"SCCRP instead of SCCCN", WaitCtlConn, func(h *hand) []byte { return body(sccrp(h)) }, StopCCN, Result{Code: StopStateMachine}},
		{"ICRQ before SCCCN", WaitCtlConn, func(*hand) []byte { return body(icrq(5, "x")) }, StopCCN, Result{Code: StopStateMachine}},
		{"SCCRQ for a connection", Established, func(h *hand) []byte { return body(h.sccrq()) }, StopCCN, Result{Code: StopStateMachine}},
		{"SCCRP again", Established, func(h *hand) []byte { return body(sccrp(h)) }, StopCCN, Result{Code: StopStateMachine}},
		{"SCCCN again", Established, func(*hand) []byte { return body(NewMessage(SCCCN)) }, StopCCN, Result{Code: StopStateMachine}},
		{"HELLO with an unknown AVP", Established, func(*hand) []byte { return append(body(NewMessage(HELLO)), unknown...) }, StopCCN, Result{Code: StopError, Error: ErrorUnknownAVP}},
		{"ICRQ with an unknown AVP", Established, func(*hand) []byte { return append(body(icrq(5, "x")), unknown...) }, CDN, Result{Code: CallError, Error: ErrorUnknownAVP}},
		{"ICRQ with a pseudowire nobody offers", Established, func(*hand) []byte { m := icrq(5, "x"); m.PseudowireType = 99; return body(m) }, CDN, Result{Code: CallPseudowireType}},
		{"OCRQ with a short AVP", Established, func(*hand) []byte {
			m := icrq(5, "x")
			m.Type = OCRQ
			return append(body(m), AVP{Mandatory: true, Type: AVPAssignedCookie, Value: []byte{1}}.AppendTo(nil)...)
		}, CDN, Result{Code: CallError, Error: ErrorLength}},
		{"OCRP for nothing", Established, func(*hand) []byte {
			m := NewMessage(OCRP)
			m.LocalSessionID, m.RemoteSessionID = 5, 6
			return body(m)
		}, CDN, Result{Code: CallError, Error: ErrorSessionID}},
	} {
		h, n := newHand(t, testProfile("n"))
		switch c.state {
		case WaitCtlReply:
			conn, err := n.Dial(epoch, h.path, n.profile)
			if err != nil {
				t.Fatal(err)
			}
			n.collect()
			h.read()
			h.remote = conn.ID()
		case WaitCtlConn:
			h.remote = h.send(h.sccrq())[0].AssignedCCID
		default:
			h.connect()
		}
		got := h.raw(true, c.avps(h))
		h.expect(got, c.answer)
		r := got[0].Result
		if r.Text = ""; r != c.result {
			t.Errorf("%s: %s", c.name, got[0].String())
		}
		wantDown := 0
		if c.answer == StopCCN {
			wantDown = 1
		}
		if len(n.downs) != wantDown || n.Conn(h.remote) == nil {
			t.Errorf("%s: %d connections ended", c.name, len(n.downs))
		}
	}
}

// TestBadSessionMessages does the same with messages for a session of ours.
func TestBadSessionMessages(t *testing.T) {
	unknown := AVP{Mandatory: true, Type: 999}.AppendTo(nil)
	reply := func(s *Session, typ MessageType, id encap.SessionID) Message {
		m := NewMessage(typ)
		m.LocalSessionID, m.RemoteSessionID, m.CircuitStatus = id, s.ID(), CircuitUp
		return m
	}
	for _, c := range []struct {
		name   string
		avps   func(s *Session) []byte
		answer []MessageType
		result Result
	}{
		{"ICRP", func(s *Session) []byte { return body(reply(s, ICRP, 5)) }, []MessageType{ICCN}, Result{}},
		{"ICRP with id 0", func(s *Session) []byte { return body(reply(s, ICRP, 0)) }, []MessageType{CDN}, Result{CallError, ErrorSessionID, ""}},
		{"ICRP with an id in use", func(s *Session) []byte { return body(reply(s, ICRP, 4)) }, []MessageType{CDN}, Result{CallError, ErrorSessionID, ""}},
		{"ICRP with an unknown AVP", func(s *Session) []byte { return append(body(reply(s, ICRP, 5)), unknown...) }, []MessageType{CDN}, Result{CallError, ErrorUnknownAVP, ""}},
		{"ICRP that wants sequence numbers without a sublayer", func(s *Session) []byte {
			m := reply(s, ICRP, 5)
			m.Sequencing = 2
			m.Add(AVPDataSequencing)
			return body(m)
		}, []MessageType{CDN}, Result{Code: CallSequencing}},
		{"ICCN", func(s *Session) []byte { return body(reply(s, ICCN, 5)) }, nil, Result{}},
		{"OCRP", func(s *Session) []byte { return body(reply(s, OCRP, 5)) }, []MessageType{CDN}, Result{Code: CallStateMachine}},
		{"OCCN", func(s *Session) []byte { return body(reply(s, OCCN, 5)) }, []MessageType{CDN}, Result{Code: CallStateMachine}},
		{"SLI with an unknown AVP", func(s *Session) []byte { return append(body(reply(s, SLI, 5)), unknown...) }, []MessageType{CDN}, Result{CallError, ErrorUnknownAVP, ""}},
		{"CDN with an unknown AVP", func(s *Session) []byte { return append(body(reply(s, CDN, 5)), unknown...) }, nil, Result{}},
	} {
		h, n := newHand(t, testProfile("n"))
		conn := h.connect()
		h.call(4, "other")
		s := n.open(t, conn, Call{RemoteEndID: "x"})
		h.expect(h.read(), ICRQ)
		got := h.raw(true, c.avps(s))
		h.expect(got, c.answer...)
		if len(c.answer) == 0 || c.answer[0] == CDN {
			if s.State() != Idle || n.Session(s.ID()) != nil || len(n.sdowns) != 1 || conn.State() != Established || len(n.sessions) != 1 {
				t.Errorf("%s: state %v, %v", c.name, s.State(), n.log)
			}
		}
		if len(got) == 1 && got[0].Type == CDN {
			r := got[0].Result
			if r.Text = ""; r != c.result || got[0].LocalSessionID != s.ID() {
				t.Errorf("%s: %s", c.name, got[0].String())
			}
		}
	}
}

// TestDrops: what cannot be meant for the connection, or is beyond what it may be sent, is counted and changes nothing.
func TestDrops(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	before := c.Status()
	h.nr += 5 // acknowledges what was never sent
	h.ack()
	h.nr -= 5
	h.path.Transport = encap.TransportIP
	h.ack()
	h.path.Transport = encap.TransportUDP
	h.ns += defaultWindow // too far ahead
	h.send(NewMessage(HELLO))
	h.ns -= defaultWindow + 1
	if n.count.Drops != [numDrops]uint64{DropNr: 1, DropSource: 1, DropWindow: 1} {
		t.Errorf("drops %v", n.Counters().Drops)
	}
	if after := c.Status(); after.Nr != before.Nr || after.State != Established {
		t.Errorf("status %+v", after)
	}
	h.ns++ // one before its turn is kept, and acted on when the other has come
	sli := NewMessage(StopCCN)
	sli.Result = Result{Code: StopShutdown}
	h.send(sli)
	if st := c.Status(); st.Early != 1 || len(n.downs) != 0 {
		t.Errorf("status %+v", st)
	}
	h.ns -= 2
	h.send(NewMessage(HELLO))
	if len(n.downs) != 1 {
		t.Errorf("log %v", n.log)
	}
	// while it lingers nothing counts any more
	h.ns++
	h.send(icrq(5, "x"))
	if len(n.sessions) != 0 || len(n.downs) != 1 {
		t.Errorf("log %v", n.log)
	}
}

// TestHiddenCCID: even the Assigned CCID of an SCCRQ may be hidden; the secret comes from who the peer says it is.
func TestHiddenCCID(t *testing.T) {
	h, n := newHand(t, testProfile("n", "s"))
	keys := DeriveKeys([]byte("s"))
	m := h.sccrq()
	m.Nonce = []byte("0123456789abcdef")
	m.Add(AVPNonce)
	e := Encoder{Digests: []DigestType{DigestSHA1}, Hidden: []AVPType{AVPAssignedCCID, AVPPseudowireCapsList}, Keys: &keys, Vector: []byte("v")}
	raw := e.Append(nil, Header{}, &m)
	sign(raw, []*Keys{&keys}, nonces{})
	n.Receive(epoch, h.path, raw)
	n.Receive(epoch, h.path, raw) // asked again
	n.collect()
	got := h.read()
	h.expect(got, SCCRP)
	if p, _, _ := ParsePacket(encap.TransportUDP, n.sends[0].Payload); p.CCID != h.ccid || n.sent[SCCRP] != 2 || len(n.Endpoint.conns) != 1 ||
		!verify(p, []Keys{keys}, nonces{got[0].Nonce, m.Nonce}).ok {
		t.Errorf("CCID %d, sent %v", p.CCID, n.sent)
	}
}

// TestTieThatCannotBeLost: the other end's SCCRQ wins the tie but is nothing we can accept, so both attempts end; one
// that is not authentic changes nothing.
func TestTieThatCannotBeLost(t *testing.T) {
	for _, secret := range []string{"", "s"} {
		p := testProfile("n")
		p.TieBreaker = true
		if secret != "" {
			p.Secrets = secrets(secret)
		}
		h, n := newHand(t, p)
		c, err := n.Dial(epoch, h.path, p)
		if err != nil {
			t.Fatal(err)
		}
		n.collect()
		h.read()
		m := h.sccrq()
		m.Add(AVPTieBreaker) // 0 wins
		if secret != "" {
			m.Nonce = []byte("n")
			m.Add(AVPNonce)
		}
		h.nr = 0
		h.raw(true, append(body(m), AVP{Mandatory: true, Type: 999}.AppendTo(nil)...))
		if secret != "" {
			m.TieBreaker = ^uint64(0) // loses, and is not even told so
			h.ns = 0
			h.send(m)
			if c.State() != WaitCtlReply || n.count.Drops[DropDigest] != 2 || n.sent[StopCCN] != 0 {
				t.Errorf("state %v, drops %v", c.State(), n.count.Drops)
			}
			continue
		}
		if n.sent[StopCCN] != 1 || len(n.downs) != 1 || len(n.Endpoint.conns)+len(n.dialing) != 0 {
			t.Errorf("sent %v, log %v", n.sent, n.log)
		}
	}
}

// TestLostTieMisfits: the peer's request wins the tie but asks for another pseudowire, so both end.
func TestLostTieMisfits(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	s := n.open(t, c, Call{RemoteEndID: "x"})
	s.SetCircuit(n.w.now, 0) // an SLI that waits goes with the attempt
	h.read()
	m := icrq(5, "x")
	m.PseudowireType = PseudowireEthernet
	m.Add(AVPTieBreaker)
	got := h.send(m)
	if len(got) == 0 || got[len(got)-1].Type != CDN || got[len(got)-1].Result.Code != CallPseudowireType || got[len(got)-1].RemoteSessionID != 5 {
		t.Errorf("%v", got)
	}
	if len(n.sdowns) != 1 || s.State() != Idle || len(n.sessions) != 0 || c.sessions() != 0 {
		t.Errorf("log %v", n.log)
	}
}

// TestOwnersView goes through what the owner can ask for.
func TestOwnersView(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	var ids []encap.SessionID
	for i, end := range []string{"a", "b", "c"} {
		ids = append(ids, h.call(encap.SessionID(10+i), end).ID())
	}
	seen := 0
	c.Sessions(func(s *Session) bool {
		if seen++; s.ID() != ids[seen-1] || s.Conn() != c {
			t.Errorf("session %d", s.ID())
		}
		s.Close(n.w.now, Result{Code: CallAdministrative}) // allowed here
		return seen < 2
	})
	n.collect()
	if seen != 2 || len(n.sdowns) != 2 || c.Status().Sessions != 1 {
		t.Errorf("%d seen, %d ended", seen, len(n.sdowns))
	}
	n.Conns(func(x *Conn) bool {
		if x != c || x.Peer().HostName != "hand" || n.Conn(x.ID()) != c {
			t.Errorf("connection %+v", x.Status())
		}
		return false
	})
	m := icrq(20, "s")
	m.TxConnectSpeed = 100
	m.Add(AVPTxConnectSpeed)
	got := h.send(m)
	m = iccn(20, got[len(got)-1].LocalSessionID)
	m.RxConnectSpeed, m.CircuitStatus = 50, CircuitUp|CircuitStandby
	m.Add(AVPRxConnectSpeed, AVPCircuitStatus)
	h.send(m)
	s := n.Session(m.RemoteSessionID)
	if tx, rx := s.PeerSpeed(); tx != 100 || rx != 50 || s.PeerCircuit() != CircuitUp|CircuitStandby || s.Initiator() {
		t.Errorf("speed %d %d, circuit %v", tx, rx, s.PeerCircuit())
	}
}

// TestTrace: the owner sees every message of a connection, both ways.
func TestTrace(t *testing.T) {
	w := newWorld(1, weather{})
	var seen []string
	n := w.node("192.0.2.2:1701", testProfile("n"), Config{Trace: func(_ *Conn, m TracedMessage) {
		way := "<"
		if m.Sent {
			way = ">"
		}
		_, text, _ := strings.Cut(Describe(m.Path.Transport, m.Payload), ": ")
		name, _, _ := strings.Cut(text, ",")
		seen = append(seen, way+name)
	}})
	n.keep = true
	h := &hand{t: t, n: n, path: Path{encap.TransportIP, n.addr, netip.MustParseAddrPort("192.0.2.9:0")}, ccid: 77}
	h.connect()
	h.send(NewMessage(HELLO))
	h.path.Remote = netip.MustParseAddrPort("192.0.2.66:0")
	h.send(NewMessage(HELLO)) // of somebody else
	if n.Counters().Drops[DropSource] != 1 {
		t.Error("message from elsewhere was taken")
	}
	if got, want := strings.Join(seen, " "), "<SCCRQ >SCCRP <SCCCN >ZLB <HELLO >ZLB"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestVersion2Request: an initiator that speaks both versions asks with a header of version 2 and its v3 AVPs without M
// (RFC 3931 section 4.7.3). It is answered with version 3; one that speaks only version 2 is not answered.
func TestVersion2Request(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	m := h.sccrq()
	raw := append(appendHeader(nil, Header{}), AVP{Mandatory: true, Type: AVPMessageType, Value: []byte{0, 1}}.AppendTo(nil)...)
	for _, a := range []AVP{{Type: 2, Mandatory: true, Value: []byte{1, 0}}, {Type: 3, Mandatory: true, Value: make([]byte, 4)}, {Type: 9, Mandatory: true, Value: []byte{0, 77}}} {
		raw = a.AppendTo(raw)
	}
	for rest := body(m)[8:]; len(rest) > 0; {
		a, size, err := ParseAVP(rest)
		if err != nil {
			t.Fatal(err)
		}
		a.Mandatory, rest = false, rest[size:]
		raw = a.AppendTo(raw)
	}
	raw[1], raw[2], raw[3] = 2, byte(len(raw)>>8), byte(len(raw))
	n.Receive(epoch, h.path, raw)
	n.collect()
	h.expect(h.read(), SCCRP)
	if p, _, _ := ParsePacket(encap.TransportUDP, n.sends[0].Payload); p.Version != version3 {
		t.Errorf("version %d", p.Version)
	}
	n.Receive(epoch, h.path, golden(t, "v01").payload)
	n.collect()
	h.expect(h.read())
	if len(n.Endpoint.conns) != 1 || n.count.Refused != 1 {
		t.Errorf("%d connections", len(n.Endpoint.conns))
	}
}

// TestDigestWithoutNonce: a digest alone does not say that authentication is on (RFC 3931 section 5.4.1), so an end that
// wants it refuses.
func TestDigestWithoutNonce(t *testing.T) {
	keys := DeriveKeys([]byte("s"))
	h, n := newHand(t, testProfile("n", "s"))
	m := h.sccrq()
	raw := (&Encoder{Digests: []DigestType{DigestMD5}}).Append(nil, Header{}, &m)
	sign(raw, []*Keys{&keys}, nonces{})
	n.Receive(epoch, h.path, raw)
	n.collect()
	got := h.read()
	if h.expect(got, StopCCN); got[0].Result.Code != StopUnauthorized || len(n.Endpoint.conns) != 0 {
		t.Errorf("%s", got[0].String())
	}
	c, err := n.Dial(epoch, h.path, n.profile)
	if err != nil {
		t.Fatal(err)
	}
	n.collect()
	h.nr = 0
	request := h.read()
	h.expect(request, SCCRQ)
	m.Type = SCCRP
	raw = (&Encoder{Digests: []DigestType{DigestMD5}}).Append(nil, Header{CCID: c.ID(), Nr: 1}, &m)
	sign(raw, []*Keys{&keys}, nonces{receiver: request[0].Nonce})
	n.Receive(epoch, h.path, raw)
	n.collect()
	if got = h.read(); len(n.conns) != 0 || len(n.downs) != 1 {
		t.Errorf("up without a nonce: %v", n.log)
	}
	h.expect(got, StopCCN)
}
