package control

import (
	"time"

	"culvert/encap"
)

// Session is one session (RFC 3931 section 3.3.2). It belongs to its Endpoint and is used as that is.
type Session struct {
	// Data is the owner's.
	Data any

	conn          *Conn
	call          Call
	machine       *table
	state         State
	queued        bool
	refused       bool       // exists only until its CDN is sent
	pending       messageSet // waits in Conn.answers
	local, remote encap.SessionID
	previous      encap.SessionID // see SessionReady
	serial        uint32
	localCookie   encap.Cookie // what arrives
	remoteCookie  encap.Cookie
	tie           uint64
	// What the peer wants to receive, and what it told.
	peerSublayer   SublayerType
	peerSequencing Sequencing
	peerCircuit    CircuitStatus
	reported       CircuitStatus // what the peer knows of our circuit
	peerTx, peerRx uint64
	result         Result // of a CDN that waits
	warning        *warning
	deadline       time.Time // in settling
	links          [numLinks]link
}

// warning is the last WEN.
type warning struct {
	errors CircuitErrors
	at     time.Time
}

// wenInterval is the shortest time between two WENs (RFC 3931 section 6.13).
const wenInterval = 60 * time.Second

// ending says how a session ended, for Reason.
type ending uint8

const (
	reasonOurs ending = iota
	reasonPeer
	reasonTimeout
)

// Open asks the peer for a session (local open request). It may be called before the connection is established, and as
// often as wanted at once: requests wait for their turn and hold nothing else up. SessionReady and SessionUp follow, or
// SessionDown. Errors: those of Call.Check, ErrClosed, ErrLimit, ErrEndIDInUse, ErrSessionID.
func (c *Conn) Open(now time.Time, call Call) (*Session, error) {
	e := c.ep
	e.now = now
	if err := call.Check(); err != nil {
		return nil, err
	}
	switch {
	case c.phase != phaseLive:
		return nil, ErrClosed
	case c.sessions() >= c.profile.MaxSessions:
		return nil, ErrLimit
	case c.byEndID[call.RemoteEndID] != nil:
		return nil, ErrEndIDInUse
	case call.LocalSessionID != 0 && e.sessionIDInUse(call.LocalSessionID):
		return nil, ErrSessionID
	}
	s := &Session{machine: callerTable}
	if call.Outgoing {
		s.machine = placerTable
	}
	e.serial++
	s.serial = e.serial
	c.enter(s, call)
	s.step(evOpen, nil, Result{})
	e.settle(c)
	return s, nil
}

// enter makes connection and Endpoint know s, under an id of our own.
func (c *Conn) enter(s *Session, call Call) {
	e := c.ep
	s.conn, s.call, s.local = c, call, call.LocalSessionID
	if s.local == 0 {
		s.local = e.newSessionID()
	}
	e.sessions[s.local] = s
	if call.RemoteEndID != "" {
		c.byEndID[call.RemoteEndID] = s
	}
	s.assignCookie()
	if call.TieBreaker {
		s.tie = e.random64()
	}
}

// assignCookie chooses the cookie of arriving data at random (RFC 3931 section 8.2).
func (s *Session) assignCookie() {
	b := make([]byte, s.call.cookieLen())
	s.conn.ep.random(b)
	c, err := encap.NewCookie(b)
	if err != nil {
		panic(err) // Call.Check has seen the length
	}
	s.localCookie = c
}

// Close ends the session with a CDN that says r. SessionDown comes out at once.
func (s *Session) Close(now time.Time, r Result) {
	s.conn.ep.now = now
	s.step(evClose, nil, r)
	s.conn.ep.settle(s.conn)
}

// SetCircuit reports the state of our attachment circuit to the peer, now by an SLI or with what is sent next anyway.
func (s *Session) SetCircuit(now time.Time, status CircuitStatus) {
	s.conn.ep.now = now
	s.call.Circuit = status &^ CircuitNew
	if s.state >= WaitReply && s.call.Circuit != s.reported {
		s.queue(SLI)
	}
	s.conn.ep.settle(s.conn)
}

// ReportErrors sends the counters of our circuit by a WEN. It does nothing and returns false within 60 s of the last one
// or when the session is not established.
func (s *Session) ReportErrors(now time.Time, errors CircuitErrors) bool {
	if s.state != Established || s.warning != nil && now.Sub(s.warning.at) < wenInterval {
		return false
	}
	s.conn.ep.now = now
	s.warning = &warning{errors, now}
	s.queue(WEN)
	s.conn.ep.settle(s.conn)
	return true
}

// CallUp says that the call PlaceCall asked for is up.
func (s *Session) CallUp(now time.Time) { s.placed(now, evCallUp, Result{}) }

// CallFailed says that the call PlaceCall asked for failed.
func (s *Session) CallFailed(now time.Time, r Result) { s.placed(now, evCallFailed, r) }

func (s *Session) placed(now time.Time, ev event, r Result) {
	s.conn.ep.now = now
	s.step(ev, nil, r)
	s.conn.ep.settle(s.conn)
}

// ID returns our Session ID: it selects the session in arriving data.
func (s *Session) ID() encap.SessionID { return s.local }

// Conn returns the control connection.
func (s *Session) Conn() *Conn { return s.conn }

// State returns the state; Idle when the session is gone.
func (s *Session) State() State { return s.state }

// RemoteEndID returns the name of the session.
func (s *Session) RemoteEndID() string { return s.call.RemoteEndID }

// Initiator reports whether we asked for the session.
func (s *Session) Initiator() bool { return s.machine == callerTable || s.machine == placerTable }

// Outgoing reports whether it is an outgoing call (OCRQ), whoever asked for it.
func (s *Session) Outgoing() bool { return s.call.Outgoing }

// PeerCircuit returns what the peer last reported of its attachment circuit. A peer that reports nothing is up.
func (s *Session) PeerCircuit() CircuitStatus { return s.peerCircuit }

// PeerSpeed returns the connect speeds the peer told, in bit/s; 0 when it told none.
func (s *Session) PeerSpeed() (tx, rx uint64) { return s.peerTx, s.peerRx }

// Params returns what the data of the session looks like.
func (s *Session) Params() DataParams {
	t := s.conn.path.Transport
	send := s.peerSublayer
	if s.call.ForceSublayer {
		send = s.call.Sublayer
	}
	return DataParams{
		PseudowireType: s.call.PseudowireType,
		Local: encap.DataHeader{
			Transport: t, SessionID: s.local, Cookie: s.localCookie, Sublayer: encap.Sublayer(s.call.Sublayer),
		},
		Remote: encap.DataHeader{
			Transport: t, SessionID: s.remote, Cookie: s.remoteCookie, Sublayer: encap.Sublayer(send),
		},
		LocalSequencing: s.call.Sequencing, RemoteSequencing: s.peerSequencing,
	}
}

// step runs one event of the session's machine (RFC 3931 sections 7.3, 7.4). m is the message that caused it, r what a
// CDN will say or has said.
func (s *Session) step(ev event, m *Message, r Result) {
	cl := s.machine[ev][s.state]
	if cl.kind == unset { // a message of the other kind of call
		cl = s.machine[evClose][s.state]
	}
	if cl.kind != legal {
		return
	}
	how := reasonOurs
	if ev == evCDN {
		how = reasonPeer
	}
	from := s.state
	s.state = cl.next
	s.run(cl.do, from, m, r, how)
}

// run carries out actions, in one order.
func (s *Session) run(do actions, from State, m *Message, r Result, how ending) {
	c := s.conn
	if do&openConn != 0 {
		c.requests.pushBack(s)
	}
	if do&dropOwn != 0 {
		s.abandon()
	}
	if do&(sendICRQ|sendOCRQ) != 0 {
		s.request()
	}
	for t := range answerActions {
		if do&answerActions[t].do != 0 {
			s.queue(answerActions[t].send)
		}
	}
	if do&placeCall != 0 {
		c.ep.emit(PlaceCall{s})
	}
	if do&refuse != 0 {
		c.refuseCall(m, Result{Code: CallTieLost})
	}
	if do&up != 0 {
		s.settled()
	}
	if do&beRecipient != 0 {
		s.receiveRequest(m)
	}
	if do&clean != 0 {
		if from == Idle { // there is nothing yet but what m asks for
			if do&sendCDN != 0 {
				c.refuseCall(m, r)
			}
			return
		}
		s.cleanUp(from, do&sendCDN != 0, r, how)
	}
}

// answerActions are the actions that queue a message.
var answerActions = [...]struct {
	do   actions
	send MessageType
}{{sendICRP, ICRP}, {sendICCN, ICCN}, {sendOCRP, OCRP}, {sendOCCN, OCCN}}

// settled is the moment from which data flows both ways.
func (s *Session) settled() {
	c := s.conn
	c.settling.remove(s)
	c.settled.pushBack(s)
	if s.pending == 0 { // else it is up when the peer has been told, see sendPending
		c.ep.emit(SessionUp{s})
	}
}

// wait gives the peer the time of Profile.SetupTimeout for its next step. All wait equally long, so the list is in the
// order of deadlines.
func (s *Session) wait(from *list) {
	if from != nil {
		from.remove(s)
	}
	s.deadline = s.conn.ep.now.Add(s.conn.profile.SetupTimeout)
	s.conn.settling.pushBack(s)
}

// queue lets the session send t when its turn comes. What it says is decided then.
func (s *Session) queue(t MessageType) {
	s.pending |= messages(t)
	if !s.queued {
		s.queued = true
		s.conn.answers.pushBack(s)
	}
}

// cleanUp forgets the session; cdn says that the peer has to be told. from is the state it was in.
func (s *Session) cleanUp(from State, cdn bool, r Result, how ending) {
	c := s.conn
	switch from {
	case WaitControlConn:
		c.requests.remove(s)
	case Established:
		c.settled.remove(s)
	default:
		c.settling.remove(s)
	}
	delete(c.ep.sessions, s.local)
	if c.byPeer[s.remote] == s {
		delete(c.byPeer, s.remote)
	}
	if c.byEndID[s.call.RemoteEndID] == s {
		delete(c.byEndID, s.call.RemoteEndID)
	}
	s.pending = 0
	switch {
	case cdn:
		s.result = r
		s.queue(CDN)
	case s.queued:
		c.answers.remove(s)
		s.queued = false
	}
	c.ep.emit(SessionDown{s, Reason{Result: r, ByPeer: how == reasonPeer, Silent: how == reasonTimeout}})
}

// end closes the session for a reason of ours.
func (s *Session) end(r Result, how ending) {
	cl := s.machine[evClose][s.state]
	if cl.kind != legal {
		return
	}
	from := s.state
	s.state = cl.next
	s.run(cl.do, from, nil, r, how)
}
