package pppfsm

import (
	"crypto/subtle"
	"hash/fnv"
)

// clientState is where our own authentication is.
type clientState uint8

const (
	clientIdle    clientState = iota // we need not authenticate ourselves
	clientWaiting                    // for a Challenge
	clientSent                       // an Authenticate-Request or Response
	clientDone                       // we were let in
)

// authClient is the peer's side, in the words of the RFCs: we prove ourselves.
type authClient struct {
	method AuthMethod
	state  clientState
	// proven stays set while a later Challenge is under way.
	proven bool
	// id is that of our last Authenticate-Request, first that of our
	// first one; or id is that of the Challenge answered.
	id, first uint8
	// sends counts transmissions of the proof.
	sends uint16
	// deadline is when the proof is repeated, or when we no longer wait;
	// zero: no timer.
	deadline moment
	// name is ours.
	name string
	// seen is a hash of the Challenge answered, to tell a repetition.
	seen uint64
	// proof is what was sent, while there is no answer.
	proof *sentProof
}

// sentProof is the data of an Authenticate-Request or Response, and how the
// message of Success must begin.
type sentProof struct {
	data   []byte
	verify string
}

// start begins: with PAP it is our turn, with CHAP the peer's.
func (c *authClient) start(l *Link) {
	switch c.method {
	case AuthPAP:
		if p, ok := c.prove(l, Challenge{Method: AuthPAP}); ok {
			c.first = c.id + 1
			c.send(l, papRequest{[]byte(p.Name), p.Value}.encode(), "")
		}
	case AuthCHAP, AuthMSCHAPv2:
		c.state, c.deadline = clientWaiting, l.now.Add(l.cfg.Auth.chapTimeout())
	case AuthNone:
	}
}

// prove asks for the proof, and ends the link where there is none.
func (c *authClient) prove(l *Link, ch Challenge) (Proof, bool) {
	p, ok := l.cfg.Auth.Prove(ch)
	want := len(p.Value)
	switch ch.Method {
	case AuthPAP:
		want = min(want, MaxAuthName)
	case AuthMSCHAPv2:
		want = 24
	case AuthCHAP, AuthNone:
		want = 16
	}
	if !ok || len(p.Value) != want || len(p.Name) > MaxAuthName {
		l.lcp.closeFor("no secret to answer " + c.method.title() + forName(ch.Name))
		return Proof{}, false
	}
	c.name = p.Name
	return p, true
}

// send sends the proof for the first time.
func (c *authClient) send(l *Link, data []byte, verify string) {
	c.state, c.sends = clientSent, 0
	c.proof = &sentProof{data: data, verify: verify}
	c.transmit(l)
}

// transmit sends the proof: an Authenticate-Request under a new identifier
// each time (RFC 1334 §2.2.1), a Response under the Challenge's.
func (c *authClient) transmit(l *Link) {
	c.sends++
	if c.method == AuthPAP {
		c.id++
		c.deadline = l.now.Add(l.cfg.Auth.papRestart())
		l.sendPacket(c.method.protocol(), papRequestCode, c.id, c.proof.data)
		return
	}
	c.deadline = l.now.Add(l.cfg.Auth.chapRestart())
	l.sendPacket(c.method.protocol(), chapResponse, c.id, c.proof.data)
}

// tick runs the timer when it is due. A Response is repeated because its
// Success may be lost (RFC 1994 §4.2).
func (c *authClient) tick(l *Link) {
	if c.deadline.IsZero() || l.now.Before(c.deadline) {
		return
	}
	switch {
	case c.state == clientWaiting:
		l.lcp.closeFor("no " + c.method.title() + " Challenge")
	case c.method == AuthPAP && int(c.sends) >= l.cfg.Auth.maxRequests():
		l.lcp.closeFor("no answer to PAP Authenticate-Requests")
	case c.method != AuthPAP && int(c.sends) >= l.cfg.Auth.maxChallenges():
		l.lcp.closeFor("no answer to our " + c.method.title() + " Response")
	default:
		c.transmit(l)
	}
}

// receiveChallenge answers a Challenge, at any time while the link is up
// (RFC 1994 §4.1). One that was answered before gets the same Response, or
// nothing when we know what came of it.
func (c *authClient) receiveChallenge(l *Link, in packet) {
	v, err := parseCHAPValue(in.data)
	if err != nil || c.method == AuthMSCHAPv2 && len(v.value) != 16 {
		l.count.Malformed++
		return
	}
	h := fnv.New64a()
	_, _ = h.Write(v.value)
	switch seen := h.Sum64(); {
	case l.auth.reflected(l, v):
		l.count.Loops++
		l.lcp.closeFor("our own " + c.method.title() + " Challenge came back")
		return
	case c.state == clientWaiting || in.id != c.id || seen != c.seen:
		c.id, c.seen = in.id, seen
	case c.state == clientSent:
		c.transmit(l)
		return
	default:
		l.count.Ignored++
		return
	}
	ch := Challenge{Method: c.method, ID: in.id, Name: string(v.name), Value: v.value}
	if c.method == AuthMSCHAPv2 && !l.unpredictable(ch.Peer[:]) {
		l.lcp.closeFor("no random numbers for a Peer-Challenge")
		return
	}
	if p, ok := c.prove(l, ch); ok {
		c.respond(l, ch, p)
	}
}

// respond sends the Response to a new Challenge. With MS-CHAPv2 its value is
// Peer-Challenge, 8 reserved bytes, NT-Response, flags (RFC 2759 §4).
func (c *authClient) respond(l *Link, ch Challenge, p Proof) {
	value := p.Value
	if c.method == AuthMSCHAPv2 {
		value = make([]byte, 49)
		copy(value, ch.Peer[:])
		copy(value[24:], p.Value)
	}
	c.send(l, chapValue{value, []byte(p.Name)}.encode(), p.Verify)
}

// receivePAP takes an Authenticate-Ack or -Nak, to any of the requests of this
// round: they were all the same.
func (c *authClient) receivePAP(l *Link, in packet) {
	msg, err := parsePAPMessage(in.data)
	switch {
	case err != nil:
		l.count.Malformed++
	case c.state != clientSent, in.id-c.first > c.id-c.first:
		l.count.Ignored++
	case in.code == papAckCode:
		c.succeed(l)
	default:
		c.fail(l, msg)
	}
}

// receiveResult takes a Success or Failure. With MS-CHAPv2 the authenticator
// proves itself to us in Success, or the link ends (RFC 2759 §5).
func (c *authClient) receiveResult(l *Link, in packet) {
	switch {
	case c.state != clientSent, in.id != c.id:
		l.count.Ignored++
	case in.code == chapFailure:
		c.fail(l, in.data)
	case c.method == AuthMSCHAPv2 && !c.verified(in.data):
		l.lcp.closeFor("peer does not prove with MS-CHAPv2 that it knows our secret")
	default:
		c.succeed(l)
	}
}

func (c *authClient) verified(msg []byte) bool {
	want := []byte(c.proof.verify)
	return len(want) > 0 && len(msg) >= len(want) && subtle.ConstantTimeCompare(msg[:len(want)], want) == 1
}

func (c *authClient) succeed(l *Link) {
	c.state, c.proven, c.deadline, c.proof = clientDone, true, 0, nil
	l.authenticated()
}

func (c *authClient) fail(l *Link, msg []byte) {
	l.lcp.closeFor("peer refuses our authentication with " + c.method.title() + quoted(msg))
}
