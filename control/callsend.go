package control

import "math/bits"

// maxRefusals bounds the sessions that exist only to be refused, in a connection. What comes beyond gets no answer.
const maxRefusals = 256

// request sends ICRQ or OCRQ. The window has room: it is called from Conn.pump.
func (s *Session) request() {
	c := s.conn
	t := ICRQ
	if s.call.Outgoing {
		t = OCRQ
	}
	m := s.message(t)
	m.SerialNumber, m.PseudowireType, m.RemoteEndID = s.serial, s.call.PseudowireType, s.call.RemoteEndID
	if s.call.TieBreaker {
		m.TieBreaker = s.tie
		m.Add(AVPTieBreaker)
	}
	s.describe(&m)
	s.wait(&c.requests)
	s.ready()
	c.transmit(&m)
}

// ready says that frames may arrive.
func (s *Session) ready() {
	s.conn.ep.emit(SessionReady{s, s.previous})
	s.previous = 0
}

// message returns a message of the session with its ids.
func (s *Session) message(t MessageType) Message {
	m := NewMessage(t)
	m.LocalSessionID, m.RemoteSessionID = s.local, s.remote
	return m
}

// describe adds what request and reply say about our end: circuit, cookie, and how data shall arrive. The sublayer is
// always sent: peers differ in what they take its absence for.
func (s *Session) describe(m *Message) {
	m.CircuitStatus = s.call.Circuit | CircuitNew
	s.reported = s.call.Circuit
	if s.localCookie.Len() > 0 {
		m.AssignedCookie = s.localCookie
		m.Add(AVPAssignedCookie)
	}
	m.Sublayer = s.call.Sublayer
	m.Add(AVPL2SpecificSublayer)
	if s.call.Sequencing != SequencingNone {
		m.Sequencing = s.call.Sequencing
		m.Add(AVPDataSequencing)
	}
	if s.call.PhysicalChannelID != 0 {
		m.PhysicalChannelID = s.call.PhysicalChannelID
		m.Add(AVPPhysicalChannelID)
	}
}

// speeds adds the connect speeds.
func (s *Session) speeds(m *Message) {
	if s.call.TxConnectSpeed != 0 {
		m.TxConnectSpeed = s.call.TxConnectSpeed
		m.Add(AVPTxConnectSpeed)
	}
	if s.call.RxConnectSpeed != 0 {
		m.RxConnectSpeed = s.call.RxConnectSpeed
		m.Add(AVPRxConnectSpeed)
	}
}

// sendPending sends the first of the messages that wait. The session has just left the queue and goes to its end if
// there are more.
func (s *Session) sendPending() {
	c := s.conn
	s.queued = false
	t := MessageType(bits.TrailingZeros32(uint32(s.pending)))
	s.pending &^= messages(t)
	if s.pending != 0 {
		s.queued = true
		c.answers.pushBack(s)
	}
	m := s.message(t)
	switch t {
	case ICRP, OCRP:
		s.describe(&m)
		s.speeds(&m)
		s.ready()
	case ICCN, OCCN:
		s.speeds(&m)
		if s.call.Circuit != s.reported {
			s.report(&m)
		}
	case SLI:
		if s.call.Circuit == s.reported { // it went with another message, or is as it was
			return
		}
		s.report(&m)
	case WEN:
		m.CircuitErrors = s.warning.errors
	case CDN:
		m.Result = s.result.clip(maxResultText)
		if s.refused {
			c.refusals--
		}
	}
	c.transmit(&m)
	if t == ICCN || t == OCCN {
		c.ep.emit(SessionUp{s})
	}
}

// report adds the state of our circuit (RFC 3931 section 5.4.5; RFC 4719 section 2.3.3: without the N bit).
func (s *Session) report(m *Message) {
	m.CircuitStatus = s.call.Circuit
	m.Add(AVPCircuitStatus)
	s.reported = s.call.Circuit
}

// refuseCall answers a request, or a reply to nothing, with a CDN. There is room for maxRefusals: a peer that asks
// without listening is not answered.
func (c *Conn) refuseCall(m *Message, r Result) {
	e := c.ep
	if m.LocalSessionID == 0 || c.refusals >= maxRefusals {
		e.drop(DropRefusals)
		return
	}
	c.refusals++
	s := &Session{conn: c, refused: true, local: e.newSessionID(), remote: m.LocalSessionID, result: r}
	s.queue(CDN)
}
