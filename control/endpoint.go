package control

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"time"

	"culvert/encap"
)

// Config are the limits of an Endpoint. A zero field means its default.
type Config struct {
	// MaxHalfOpen bounds the connections whose initiator has not proven that it receives our answers (1024).
	MaxHalfOpen int
	// RequestRate is how many SCCRQs of strangers a second are looked at (1000), PrefixRate how many from one source
	// prefix, known or not (50).
	RequestRate, PrefixRate float64
	// SessionIDInUse says that a Local Session ID is taken by somebody else than this Endpoint. May be nil.
	SessionIDInUse func(id encap.SessionID) bool
	// Trace sees every message of a connection, in order. May be nil. What arrives is shown when its digest and source have
	// been found right, so that forgeries do not appear: Counters have those.
	Trace func(c *Conn, m TracedMessage)
}

// TracedMessage is a control message of a connection as it arrived or leaves.
type TracedMessage struct {
	At   time.Time
	Sent bool
	Path Path
	// Payload is what UDP or IP carries. It may be kept but not changed.
	Payload []byte
}

const (
	defaultHalfOpen    = 1024
	defaultRequestRate = 1000
	defaultPrefixRate  = 50
)

// Endpoint is the control plane of one LCCE: all its control connections and their sessions, both roles, over UDP and
// IP. It is used by one goroutine at a time, and all times given to it come from one clock and do not go back.
type Endpoint struct {
	cfg    Config
	policy Policy
	rnd    io.Reader
	now    time.Time
	out    []Action

	conns    map[CCID]*Conn
	sessions map[encap.SessionID]*Session
	// requests finds the connection an SCCRQ has made already, dialing our own attempts.
	requests map[requestKey]*Conn
	dialing  map[netip.Addr][]*Conn
	peers    map[peerKey][]*Conn // established
	halfOpen int
	timers   timers
	limiter  limiter
	serial   uint32
	count    Counters
}

// requestKey identifies the sender of an SCCRQ: every repetition has it, and CCID 0 in its header (RFC 3931 section
// 5.4.3).
type requestKey struct {
	transport encap.Transport
	remote    netip.AddrPort
	ccid      CCID
}

// NewEndpoint returns an Endpoint without connections. rnd is the source of ids, cookies, nonces and tie breakers and
// must be cryptographic, usually crypto/rand.Reader (RFC 3931 section 8.2).
func NewEndpoint(cfg Config, policy Policy, rnd io.Reader) *Endpoint {
	if cfg.MaxHalfOpen <= 0 {
		cfg.MaxHalfOpen = defaultHalfOpen
	}
	if cfg.RequestRate <= 0 {
		cfg.RequestRate = defaultRequestRate
	}
	if cfg.PrefixRate <= 0 {
		cfg.PrefixRate = defaultPrefixRate
	}
	e := &Endpoint{
		cfg: cfg, policy: policy, rnd: rnd,
		conns:    map[CCID]*Conn{},
		sessions: map[encap.SessionID]*Session{},
		requests: map[requestKey]*Conn{},
		dialing:  map[netip.Addr][]*Conn{},
		peers:    map[peerKey][]*Conn{},
	}
	e.limiter.key = e.random64()
	return e
}

// Dial starts a control connection to path.Remote (local open request, RFC 3931 section 7.2). ConnUp or ConnDown
// follows. Errors: those of Profile.Check.
func (e *Endpoint) Dial(now time.Time, path Path, p Profile) (*Conn, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	e.now = now
	c := e.newConn(path, p)
	c.initiator, c.proven, c.owned = true, true, true
	c.step(evOpen, nil)
	e.settle(c)
	return c, nil
}

// Receive takes the payload of a UDP datagram or of an IP packet of protocol 115 that is a control message
// (encap.ControlUDP, encap.ControlIP). It keeps nothing of b.
func (e *Endpoint) Receive(now time.Time, path Path, b []byte) {
	e.now = now
	p, _, err := ParsePacket(path.Transport, b)
	if err != nil {
		d := DropMalformed
		if errors.Is(err, ErrVersion) {
			d = DropVersion
		}
		e.drop(d)
		return
	}
	t, _, ok := p.Type()
	if !ok {
		e.drop(DropMalformed)
		return
	}
	if p.CCID == 0 {
		e.receiveUnaddressed(path, p, t)
		return
	}
	c := e.conns[p.CCID]
	if c == nil {
		e.receiveStray(path, p, t)
		return
	}
	e.receive(c, path, p, t)
}

func (e *Endpoint) receive(c *Conn, path Path, p Packet, t MessageType) {
	if d := c.receive(path, p, t); d != dropNothing {
		e.drop(d)
	}
	e.settle(c)
}

// receiveUnaddressed takes what a peer sends before it knows our CCID: SCCRQ, and StopCCN if it gives up again (RFC 3931
// section 5.4.3).
func (e *Endpoint) receiveUnaddressed(path Path, p Packet, t MessageType) {
	switch t {
	case SCCRQ:
		e.request(path, p)
	case StopCCN:
		if c := e.requests[keyOf(path, p)]; c != nil && c.state == WaitCtlConn && p.Version == version3 {
			e.receive(c, path, p, t)
			return
		}
		e.drop(DropUnknown)
	default:
		e.drop(DropUnknown)
	}
}

// receiveStray takes what is for no connection of ours. Only an SCCRP names the CCID that an answer needs (RFC 3931
// section 7.2: idle, StopCCN).
func (e *Endpoint) receiveStray(path Path, p Packet, t MessageType) {
	e.drop(DropUnknown)
	if t != SCCRP || !e.allow(path) {
		return
	}
	(&Conn{ep: e}).step(evSCCRPPlus, &input{
		path: path, packet: p, msg: &Message{AssignedCCID: assigned(p)}, result: Result{Code: StopStateMachine},
	})
}

func (e *Endpoint) allow(path Path) bool {
	a := path.Remote.Addr()
	if e.limiter.allow(e.now, a, e.policy.Known(a), e.cfg.PrefixRate, e.cfg.RequestRate) {
		return true
	}
	e.drop(DropRate)
	return false
}

// Tick runs the timers that are due at now. Calling it early does nothing.
func (e *Endpoint) Tick(now time.Time) {
	e.now = now
	for len(e.timers) > 0 && !e.timers[0].deadline.After(now) {
		c := e.timers[0]
		c.tick()
		e.settle(c)
		if c.timer >= 0 && !c.deadline.After(now) {
			panic("control: timer does not advance")
		}
	}
}

// Deadline returns when Tick is due next; the zero time when no timer runs. It changes with every call that takes the
// time.
func (e *Endpoint) Deadline() time.Time {
	if len(e.timers) == 0 {
		return time.Time{}
	}
	return e.timers[0].deadline
}

// Take returns the actions that came out since the last call, in order, and forgets them. It must be called after every
// call that takes the time.
func (e *Endpoint) Take() []Action {
	a := e.out
	e.out = nil
	return a
}

func (e *Endpoint) emit(a Action) { e.out = append(e.out, a) }

// settle brings a connection that was touched up to date: what can be sent is sent, and its timer set.
func (e *Endpoint) settle(c *Conn) {
	c.pump()
	e.timers.set(c, c.due())
}

// Conn returns the control connection with our CCID id, nil if there is none.
func (e *Endpoint) Conn(id CCID) *Conn { return e.conns[id] }

// Session returns the session with our id, nil if there is none.
func (e *Endpoint) Session(id encap.SessionID) *Session { return e.sessions[id] }

// Conns calls fn for each control connection that is not yet closing, in no order, until it returns false.
func (e *Endpoint) Conns(fn func(*Conn) bool) {
	for _, c := range e.conns {
		if c.phase == phaseLive && !fn(c) {
			return
		}
	}
}

// random fills b. Without random numbers nothing of this is safe, so a source that fails is a panic.
func (e *Endpoint) random(b []byte) {
	if _, err := io.ReadFull(e.rnd, b); err != nil {
		panic("control: no random numbers: " + err.Error())
	}
}

func (e *Endpoint) random32() uint32 {
	var b [4]byte
	e.random(b[:])
	return binary.BigEndian.Uint32(b[:])
}

func (e *Endpoint) random64() uint64 {
	var b [8]byte
	e.random(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// newCCID returns a CCID that is not 0 and nobody's.
func (e *Endpoint) newCCID() CCID {
	for {
		if id := CCID(e.random32()); id != 0 && e.conns[id] == nil {
			return id
		}
	}
}

// newSessionID returns a Local Session ID that is not 0 and nobody's: they select the session alone (RFC 3931 section
// 4.1), so they are unique over all connections, over UDP and IP.
func (e *Endpoint) newSessionID() encap.SessionID {
	for {
		if id := encap.SessionID(e.random32()); id != 0 && !e.sessionIDInUse(id) {
			return id
		}
	}
}

func (e *Endpoint) sessionIDInUse(id encap.SessionID) bool {
	return e.sessions[id] != nil || e.cfg.SessionIDInUse != nil && e.cfg.SessionIDInUse(id)
}
