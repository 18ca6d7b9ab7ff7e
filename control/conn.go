package control

import (
	"net/netip"
	"slices"
	"time"

	"culvert/encap"
)

// peerKey is who a peer says it is, and where.
type peerKey struct {
	addr     netip.Addr
	hostName string
	routerID uint32
}

// maxProbes bounds how many older connections to a peer a new one has asked for.
const maxProbes = 16

// phase is what remains of a control connection beside its state.
type phase uint8

const (
	phaseLive    phase = iota
	phaseClosing       // our StopCCN waits for its acknowledgement
	phaseLinger        // the peer's StopCCN came; its repetitions are acknowledged
	phaseGone
)

// Conn is one control connection (RFC 3931 section 3.3.1). It belongs to its Endpoint and is used as that is.
type Conn struct {
	// Data is the owner's.
	Data any

	ep      *Endpoint
	profile Profile
	path    Path
	state   State
	phase   phase

	initiator     bool
	local, remote CCID
	peer          Peer
	hasTie        bool
	tie           uint64
	dialed        netip.Addr // where our SCCRQ waits for an answer
	lost          bool       // the peer's StopCCN says so, its SCCRQ is still to come
	question      uint64     // fingerprint of the SCCRQ this connection answers
	questionKey   requestKey
	peerKey       peerKey // in Endpoint.peers once established
	owned         bool    // the owner knows of it: it was dialed or accepted
	// proven says that the initiator receives what we send: it has acknowledged something. Until then nothing is
	// repeated but as an answer.
	proven bool

	keys             []Keys
	proved           int  // index in keys of the secret the peer used last, 0 before
	digests          bool // digests authenticate
	integrity        bool // digests check integrity only
	digestType       DigestType
	nonce, peerNonce []byte
	challenge        []byte // ours, RFC 2661
	response         []byte // to the peer's challenge

	send   sender
	recv   receiver
	ackDue bool
	urgent messageSet // HELLO, StopCCN
	stop   Result     // of the StopCCN

	// Every session of the connection is in one of three lists: requests wait for their turn to be sent, settling wait
	// for the peer (the first has the earliest deadline), settled are established. answers have something to send.
	requests, settling, settled, answers list
	refusals                             int // in answers: sessions that exist only to be refused
	byPeer                               map[encap.SessionID]*Session
	byEndID                              map[string]*Session

	heard      time.Time
	helloAfter time.Duration
	helloOut   bool      // a HELLO waits or is unacknowledged
	setupAt    time.Time // the end of the patience with a connection that is not established
	lingerAt   time.Time // the end of a closed one
	deadline   time.Time // in Endpoint.timers
	timer      int

	received, duplicates, early uint64
}

// input is what an event came with.
type input struct {
	path   Path
	packet Packet
	msg    *Message
	// result is what a StopCCN will say; byPeer that it is what one said, silent that nobody says anything any more.
	result         Result
	byPeer, silent bool
	// An SCCRQ: what its digests prove, that a challenge does instead, and its fingerprint.
	v      verdict
	plain  bool
	digest uint64
	forget bool // nothing is owed to the peer
}

// newConn returns a connection that the Endpoint does not know yet.
func (e *Endpoint) newConn(path Path, p Profile) *Conn {
	p = p.normal()
	c := &Conn{
		ep: e, profile: p, path: path, timer: -1,
		byPeer:  map[encap.SessionID]*Session{},
		byEndID: map[string]*Session{},
	}
	c.answers.which = queueLink
	c.setSecrets(p.Secrets)
	c.helloAfter = p.HelloTimeout - time.Duration(e.random64()%uint64(p.HelloTimeout/8+1))
	c.reset()
	return c
}

// reset gives a connection new numbers, so that it can begin.
func (c *Conn) reset() {
	e, p := c.ep, &c.profile
	c.state, c.remote, c.peer, c.proved, c.urgent = Idle, 0, Peer{}, 0, 0
	c.send = newSender(p.Reliability)
	c.recv = receiver{size: int(p.WindowSize)}
	c.heard, c.ackDue, c.helloOut, c.lost = e.now, false, false, false
	c.peerNonce, c.nonce, c.challenge, c.response = nil, nil, nil, nil
	c.digestType = DigestMD5
	if p.Digest == DigestModeSHA1 {
		c.digestType = DigestSHA1
	}
	c.digests = p.authenticates()
	c.integrity = len(p.Secrets) == 0 && (p.Digest == DigestModeMD5 || p.Digest == DigestModeSHA1)
	if c.digests {
		c.nonce = make([]byte, nonceLen)
		e.random(c.nonce)
	}
	if p.Challenge {
		c.challenge = make([]byte, nonceLen)
		e.random(c.challenge)
	}
	if c.hasTie = p.TieBreaker; c.hasTie {
		c.tie = e.random64()
	}
}

// register makes the Endpoint know c under a new CCID.
func (c *Conn) register() {
	delete(c.ep.conns, c.local)
	c.local = c.ep.newCCID()
	c.ep.conns[c.local] = c
}

func (c *Conn) setSecrets(secrets [][]byte) {
	c.keys = nil
	for _, s := range secrets {
		c.keys = append(c.keys, DeriveKeys(s))
	}
}

// SetSecrets replaces the shared secrets, none of which may be lost at once: give the old and the new one until the
// peer has both, then the new one (RFC 3931 section 4.3). Errors: those of Profile.Check.
func (c *Conn) SetSecrets(secrets [][]byte) error {
	p := c.profile
	p.Secrets = secrets
	if err := p.Check(); err != nil {
		return err
	}
	var used Keys
	if len(c.keys) > 0 {
		used = c.keys[c.proved]
	}
	c.profile = p
	c.setSecrets(secrets)
	c.proved = max(0, slices.Index(c.keys, used)) // the peer may know no other yet
	return nil
}

// Close ends the connection with a StopCCN (administrative close). ConnDown comes out at once, with all sessions.
func (c *Conn) Close(now time.Time, r Result) {
	c.ep.now = now
	c.step(evClose, &input{result: r})
	c.ep.settle(c)
}

// Heard says that data of the peer arrived: no HELLO is needed for a while (RFC 3931 section 4.4).
func (c *Conn) Heard(now time.Time) { c.heard = now }

// State returns the state; Idle when it is closing or gone.
func (c *Conn) State() State { return c.state }

// Path returns where the peer is.
func (c *Conn) Path() Path { return c.path }

// Peer returns what the peer said about itself.
func (c *Conn) Peer() Peer { return c.peer }

// ID returns our CCID.
func (c *Conn) ID() CCID { return c.local }

func (c *Conn) sessions() int { return c.requests.n + c.settling.n + c.settled.n }

// Sessions calls fn for each session until it returns false. fn may close the session it is called with.
func (c *Conn) Sessions(fn func(*Session) bool) {
	for _, l := range []*list{&c.requests, &c.settling, &c.settled} {
		for s := l.head; s != nil; {
			next := s.links[placeLink].next
			if !fn(s) {
				return
			}
			s = next
		}
	}
}

// step runs one event of the machine of RFC 3931 section 7.2.
func (c *Conn) step(ev event, in *input) {
	cl := connTable[ev][c.state]
	if cl.kind != legal {
		return
	}
	from := c.state
	c.state = cl.next
	c.run(cl.do, from, in)
}

// run carries out actions, in one order.
func (c *Conn) run(do actions, from State, in *input) {
	if do&dropOwn != 0 {
		c.abandon()
	}
	if do&sendSCCRQ != 0 {
		c.sendSCCRQ()
	}
	if do&sendSCCRP != 0 {
		c.sendSCCRP(in)
	}
	if do&sendSCCCN != 0 {
		c.sendSCCCN()
	}
	if do&refuse != 0 {
		c.refuse(in)
	}
	if do&sendStopCCN != 0 {
		if from == Idle || do&dropOwn != 0 {
			c.refuse(in)
		} else {
			c.stop = in.result
			c.urgent = messages(StopCCN)
		}
	}
	if do&up != 0 && from != Established {
		c.established()
	}
	if do&clean != 0 {
		c.cleanUp(in)
	}
}

// refuse answers the SCCRQ of in with a StopCCN, signed with the key it was made with itself, if any.
func (c *Conn) refuse(in *input) {
	var keys []Keys
	if in.v.ok && len(c.keys) > 0 {
		keys = c.keys[in.v.key : in.v.key+1]
	}
	c.ep.refuse(in.path, in.packet, in.msg, keys, in.result)
}

// abandon forgets our own SCCRQ: the peer's has won. What follows registers the connection anew.
func (c *Conn) abandon() {
	state := c.state
	c.ep.dial(c, false)
	c.reset()
	c.state, c.initiator = state, false
}

// restart begins again with new values: both ends had the same tie breaker.
func (c *Conn) restart() {
	c.abandon()
	c.initiator, c.state = true, Idle
	c.step(evOpen, nil)
}

// established is the moment from which sessions can be set up.
func (c *Conn) established() {
	e := c.ep
	e.dial(c, false)
	c.prove()
	c.setupAt = time.Time{}
	e.emit(ConnUp{c})
	// a peer that began anew does not know our older connections to it any more: look now, not after HelloTimeout
	key := peerKey{c.path.Remote.Addr(), c.peer.HostName, c.peer.RouterID}
	for i, other := range e.peers[key] {
		if i >= maxProbes {
			break
		}
		other.probe()
		e.settle(other)
	}
	e.peers[key] = append(e.peers[key], c)
	c.peerKey = key
}

// prove notes that the peer receives what we send.
func (c *Conn) prove() {
	if !c.proven {
		c.proven = true
		c.ep.halfOpen--
	}
}

// probe asks the peer whether it knows the connection.
func (c *Conn) probe() {
	if c.state == Established && c.phase == phaseLive && !c.helloOut {
		c.urgent |= messages(HELLO)
		c.helloOut = true
	}
}

// cleanUp ends everything but what reliable delivery still owes the peer.
func (c *Conn) cleanUp(in *input) {
	e := c.ep
	if c.phase != phaseLive || !c.owned {
		return
	}
	e.dial(c, false)
	c.setupAt = time.Time{}
	c.forgetPeer()
	down := ConnDown{Conn: c, Reason: Reason{Result: in.result, ByPeer: in.byPeer, Silent: in.silent, stop: true}}
	down.Sessions = make([]*Session, 0, c.sessions())
	c.Sessions(func(s *Session) bool {
		down.Sessions = append(down.Sessions, s)
		delete(e.sessions, s.local)
		s.state, s.pending = Idle, 0
		return true
	})
	c.requests, c.settling, c.settled = list{}, list{}, list{}
	c.answers = list{which: queueLink}
	c.byPeer, c.byEndID, c.refusals = nil, nil, 0
	for _, s := range down.Sessions {
		s.links = [numLinks]link{}
	}
	e.emit(down)
	switch {
	case in.silent, in.forget:
		c.remove()
		return
	case in.byPeer:
		c.phase, c.urgent = phaseLinger, 0
		c.send.forget()
	default:
		c.phase = phaseClosing
	}
	c.lingerAt = e.now.Add(c.profile.cycle())
}

func (c *Conn) forgetPeer() {
	list := c.ep.peers[c.peerKey]
	if i := slices.Index(list, c); i >= 0 {
		if list = slices.Delete(list, i, i+1); len(list) == 0 {
			delete(c.ep.peers, c.peerKey)
		} else {
			c.ep.peers[c.peerKey] = list
		}
	}
}

// remove forgets the connection.
func (c *Conn) remove() {
	e := c.ep
	c.phase = phaseGone
	c.prove()
	delete(e.conns, c.local)
	if e.requests[c.questionKey] == c {
		delete(e.requests, c.questionKey)
	}
	c.urgent, c.ackDue = 0, false
	c.send.forget()
	c.recv.early = nil
}

// due returns when tick has something to do; the zero time when never.
func (c *Conn) due() (d time.Time) {
	earlier := func(t time.Time) {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	if c.phase == phaseGone {
		return d
	}
	if c.proven {
		earlier(c.send.timer)
	}
	earlier(c.setupAt)
	earlier(c.lingerAt)
	if c.state == Established && !c.helloOut {
		earlier(c.heard.Add(c.helloAfter))
	}
	if s := c.settling.head; s != nil {
		earlier(s.deadline)
	}
	return d
}

// tick runs the timers that are due.
func (c *Conn) tick() {
	now := c.ep.now
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if c.proven && c.send.expire(now) {
		if c.phase == phaseLive {
			c.step(evExhausted, &input{silent: true, result: Result{Code: StopStateMachine}})
		} else {
			c.remove()
		}
		return
	}
	if due(c.lingerAt) {
		c.remove()
		return
	}
	if due(c.setupAt) {
		c.setupAt = time.Time{}
		c.step(evClose, &input{result: Result{Code: StopStateMachine, Text: "timeout in " + c.state.String()}})
		return
	}
	if c.state == Established && !c.helloOut && due(c.heard.Add(c.helloAfter)) {
		c.probe()
	}
	for s := c.settling.head; s != nil && due(s.deadline); s = c.settling.head {
		s.end(Result{Code: CallStateMachine, Text: "timeout in " + s.state.String()}, reasonTimeout)
	}
}
