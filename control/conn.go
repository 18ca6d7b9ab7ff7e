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
	// Data and Log are the owner's. Log is there for Config.Trace, which sees messages before Data is known.
	Data, Log any

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

	heard      time.Time // zero: never
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
	c.heard, c.ackDue, c.helloOut, c.lost = time.Time{}, false, false, false
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

// SetMaxSessions replaces Profile.MaxSessions. Sessions that are more stay.
func (c *Conn) SetMaxSessions(n int) {
	if c.profile.MaxSessions = n; n <= 0 {
		c.profile.MaxSessions = defaultMaxSessions
	}
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
