package control

// takeSession acts on a message that belongs to a session. err is what was wrong with it.
func (c *Conn) takeSession(m *Message, err error) {
	if c.state != Established { // RFC 3931 section 7.2 has no place for it
		c.step(evClose, &input{result: Result{Code: StopStateMachine}})
		return
	}
	if requestMessages.has(m.Type) {
		c.takeRequest(m, err)
		return
	}
	s := c.find(m)
	if s == nil {
		c.ep.drop(DropSession)
		switch unknown := (Result{Code: CallError, Error: ErrorSessionID}); m.Type {
		case ICRP:
			c.idle(ICRQ).step(evICRPPlus, m, unknown)
		case OCRP:
			c.idle(OCRQ).step(evOCRPPlus, m, unknown)
		}
		return
	}
	if m.Type == CDN { // whatever it looks like: a CDN is never answered
		s.step(evCDN, m, m.Result)
		return
	}
	bad := Result{Code: CallStateMachine}
	if err != nil {
		bad = resultOf(err, false)
	} else if r := s.negotiate(m); r != nil {
		bad, err = *r, ErrAVPValue
	}
	s.take(m, bad, err == nil)
}

// take steps the machine for a reply or what follows it.
func (s *Session) take(m *Message, bad Result, ok bool) {
	ev := evClose
	switch m.Type {
	case ICRP:
		ev = pick(ok, evICRPPlus, evICRPMinus)
	case OCRP:
		ev = pick(ok, evOCRPPlus, evOCRPMinus)
	case ICCN:
		ev = pick(ok, evICCNPlus, evICCNMinus)
	case OCCN:
		ev = pick(ok, evOCCN, evClose)
	case SLI, WEN:
		if ok {
			s.takeStatus(m)
			return
		}
	}
	if m.LocalSessionID != 0 && s.state == WaitReply {
		s.learn(m) // the CDN of a refusal needs the peer's id too
	} else if ok {
		s.learnData(m)
	}
	if s.step(ev, m, bad); m.Type == OCRP && s.state == WaitConnect {
		s.conn.ep.emit(CallAccepted{s})
	}
}

func pick(ok bool, plus, minus event) event {
	if ok {
		return plus
	}
	return minus
}

// find returns the session a message belongs to: by our id, or, while the peer does not know that, by its own (RFC 3931
// section 5.4.4). A message with another id of the peer's than the session has is for no session.
func (c *Conn) find(m *Message) *Session {
	if m.RemoteSessionID == 0 {
		if m.Type == CDN || m.Type == SLI || m.Type == WEN {
			return c.byPeer[m.LocalSessionID]
		}
		return nil
	}
	s := c.ep.sessions[m.RemoteSessionID]
	if s == nil || s.conn != c {
		return nil
	}
	if s.remote != 0 && m.LocalSessionID != s.remote && m.LocalSessionID != 0 {
		return nil
	}
	return s
}

// negotiate tells why what the message asks for cannot be done; nil when it can.
func (s *Session) negotiate(m *Message) *Result {
	sublayer, sequencing := s.peerSublayer, s.peerSequencing
	if m.Has(AVPL2SpecificSublayer) {
		sublayer = m.Sublayer
	}
	if m.Has(AVPDataSequencing) {
		sequencing = m.Sequencing
	}
	if s.call.ForceSublayer {
		sublayer = s.call.Sublayer
	}
	c := s.conn
	switch {
	case sublayer > SublayerDefault:
		return &Result{CallError, ErrorValue, "unsupported L2-Specific Sublayer"}
	case sequencing > SequencingAll:
		return &Result{CallError, ErrorValue, "unsupported Data Sequencing"}
	case sequencing != SequencingNone && sublayer == SublayerNone:
		return &Result{Code: CallSequencing}
	case m.Type != ICRP && m.Type != OCRP || s.state != WaitReply:
		return nil
	case m.LocalSessionID == 0 || c.byPeer[m.LocalSessionID] != nil:
		return &Result{Code: CallError, Error: ErrorSessionID}
	}
	return nil
}

// learn takes the peer's id and what else its request or reply says.
func (s *Session) learn(m *Message) {
	c := s.conn
	s.remote = m.LocalSessionID
	if c.byPeer[s.remote] == nil {
		c.byPeer[s.remote] = s
	}
	s.peerCircuit = CircuitUp
	s.remoteCookie = m.AssignedCookie
	s.learnData(m)
}

// learnData takes what any message of setting up may say (RFC 3931 section 5.4.4: the later one counts).
func (s *Session) learnData(m *Message) {
	if m.Has(AVPL2SpecificSublayer) {
		s.peerSublayer = m.Sublayer
	}
	if m.Has(AVPDataSequencing) {
		s.peerSequencing = m.Sequencing
	}
	if m.Has(AVPTxConnectSpeed) {
		s.peerTx = m.TxConnectSpeed
		if s.peerRx == 0 {
			s.peerRx = s.peerTx // without Rx the link is symmetric, RFC 3931 section 5.4.4
		}
	}
	if m.Has(AVPRxConnectSpeed) {
		s.peerRx = m.RxConnectSpeed
	}
	if m.Has(AVPCircuitStatus) {
		s.peerCircuit = m.CircuitStatus &^ CircuitNew // RFC 5641 section 2: N is ignored
	}
}

// takeStatus takes SLI and WEN, which may come at any time.
func (s *Session) takeStatus(m *Message) {
	if m.Type == WEN {
		s.conn.ep.emit(CircuitErrorsReported{s, m.CircuitErrors})
		return
	}
	if before := s.peerCircuit; m.Has(AVPCircuitStatus) {
		s.peerCircuit = m.CircuitStatus &^ CircuitNew
		if s.peerCircuit != before {
			s.conn.ep.emit(CircuitChanged{s})
		}
	}
}

// idle returns a recipient of ICRQ or OCRQ that nobody knows yet.
func (c *Conn) idle(t MessageType) *Session {
	if t == OCRQ {
		return &Session{conn: c, machine: placedTable}
	}
	return &Session{conn: c, machine: calleeTable}
}

// takeRequest takes ICRQ and OCRQ.
func (c *Conn) takeRequest(m *Message, err error) {
	plus, minus, asked := evICRQPlus, evICRQMinus, callerTable
	if m.Type == OCRQ {
		plus, minus, asked = evOCRQPlus, evOCRQMinus, placerTable
	}
	if err != nil {
		c.idle(m.Type).step(minus, m, resultOf(err, false))
		return
	}
	if s := c.byPeer[m.LocalSessionID]; s != nil { // once more for a session that exists
		s.step(plus, m, Result{Code: CallStateMachine})
		return
	}
	if s := c.byEndID[m.RemoteEndID]; s != nil && s.state == WaitReply && s.machine == asked {
		c.decideCallTie(s, m)
		return
	}
	s := c.idle(m.Type)
	call, refusal := c.judgeCall(m)
	if refusal == nil {
		s.call = call
		refusal = s.negotiate(m)
	}
	if refusal != nil {
		s.step(minus, m, *refusal)
		return
	}
	c.enter(s, call)
	s.learn(m)
	s.wait(nil)
	s.step(plus, m, Result{})
}

// judgeCall asks whether and how a request is answered.
func (c *Conn) judgeCall(m *Message) (Call, *Result) {
	switch {
	case m.LocalSessionID == 0:
		return Call{}, &Result{Code: CallError, Error: ErrorSessionID}
	case c.byEndID[m.RemoteEndID] != nil:
		return Call{}, &Result{Code: CallNoFacilities, Text: ErrEndIDInUse.Error()}
	case !c.profile.offers(m.PseudowireType):
		return Call{}, &Result{Code: CallPseudowireType}
	case c.sessions() >= c.profile.MaxSessions || c.answers.n > 2*c.profile.MaxSessions:
		return Call{}, &Result{Code: CallNoFacilities, Text: ErrLimit.Error()}
	}
	call, refusal := c.ep.policy.AcceptCall(c, m)
	if refusal != nil {
		return Call{}, refusal
	}
	call.PseudowireType, call.RemoteEndID, call.Outgoing = m.PseudowireType, m.RemoteEndID, m.Type == OCRQ
	if call.Check() != nil || call.LocalSessionID != 0 && c.ep.sessionIDInUse(call.LocalSessionID) {
		return Call{}, &Result{Code: CallNoFacilities}
	}
	return call, nil
}

// decideCallTie settles that both ends asked for one Remote End ID at once (RFC 3931 section 5.4.4). The lower value
// wins; one against none wins; with none both attempts end.
func (c *Conn) decideCallTie(s *Session, m *Message) {
	won, lost := evICRQWon, evICRQLost
	if m.Type == OCRQ {
		won, lost = evOCRQWon, evOCRQLost
	}
	ours, theirs := s.call.TieBreaker, m.Has(AVPTieBreaker)
	switch {
	case !ours && !theirs:
		c.refuseCall(m, Result{Code: CallTieLost})
		s.step(evClose, nil, Result{Code: CallTieLost})
	case ours && theirs && s.tie == m.TieBreaker: // both discard and ask anew; nobody answers
		s.abandon()
		c.settling.remove(s)
		s.state = WaitControlConn
		c.requests.pushBack(s)
	case ours && (!theirs || s.tie < m.TieBreaker):
		s.step(won, m, Result{})
	default:
		s.step(lost, m, Result{})
	}
}

// abandon forgets our own request: what comes for its id is for nobody.
func (s *Session) abandon() {
	e := s.conn.ep
	delete(e.sessions, s.local)
	s.previous, s.local = s.local, e.newSessionID()
	e.sessions[s.local] = s
	s.assignCookie()
	s.tie = e.random64()
	if s.queued {
		s.conn.answers.remove(s)
		s.queued, s.pending = false, 0
	}
}

// receiveRequest goes on as the recipient of the request that won the tie.
func (s *Session) receiveRequest(m *Message) {
	r := s.negotiate(m)
	if r == nil && m.PseudowireType != s.call.PseudowireType {
		r = &Result{Code: CallPseudowireType}
	}
	ev := evICRQPlus
	if m.Type == OCRQ {
		ev = evOCRQPlus
	}
	s.machine = s.conn.idle(m.Type).machine
	s.learn(m)
	s.wait(&s.conn.settling)
	s.step(ev, m, Result{})
	if r != nil {
		s.end(*r, reasonOurs)
	}
}
