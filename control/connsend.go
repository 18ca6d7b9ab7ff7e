package control

import "slices"

// emptyKeys are the keys of the integrity check.
var emptyKeys = []Keys{DeriveKeys(nil)}

// hiddenAVPs are what HideAVPs hides: what would let others into a session, or tell whose it is. The session ids stay
// readable, so that captures can be followed.
var hiddenAVPs = []AVPType{AVPAssignedCookie, AVPRemoteEndID}

// signers are the keys of the digests of our messages and the nonces that go into them. The first key is the one the
// peer has used itself, since it reveals hidden AVPs too (see Conn.encoder).
func (c *Conn) signers() ([]*Keys, nonces) {
	switch {
	case c.digests && len(c.keys) > 1:
		return []*Keys{&c.keys[c.proved], &c.keys[1-c.proved]}, nonces{c.nonce, c.peerNonce}
	case c.digests:
		return []*Keys{&c.keys[0], &c.keys[0]}, nonces{c.nonce, c.peerNonce}
	case c.integrity:
		return []*Keys{&emptyKeys[0], &emptyKeys[0]}, nonces{}
	}
	return nil, nonces{}
}

// encoder says what is added to our messages: a digest for each secret, and what is hidden. Hiding needs a peer that has
// shown which secret it knows: SCCRQ hides nothing.
func (c *Conn) encoder() Encoder {
	var e Encoder
	switch {
	case c.digests && len(c.keys) > 1:
		e.Digests = []DigestType{c.digestType, c.digestType}
	case c.digests, c.integrity:
		e.Digests = []DigestType{c.digestType}
	}
	if c.profile.HideAVPs && c.digests && c.peerNonce != nil {
		e.Hidden, e.Keys = hiddenAVPs, &c.keys[c.proved]
		e.Vector = make([]byte, nonceLen)
		c.ep.random(e.Vector)
		var n [1]byte
		c.ep.random(n[:])
		e.Padding = make([]byte, n[0]&15)
		c.ep.random(e.Padding)
	}
	return e
}

// encode returns m as the next message that consumes a number; Nr and digests are filled in when it leaves.
func (c *Conn) encode(m *Message) []byte {
	e := c.encoder()
	return e.Append(nil, Header{CCID: c.remote, Ns: c.send.next}, m)
}

// transmit sends a new message that consumes a number.
func (c *Conn) transmit(m *Message) {
	om := c.send.push(c.ep.now, m.Type, c.encode(m))
	c.emit(om.raw, m.Type)
}

// emit puts the current Nr into raw, signs it and sends it.
func (c *Conn) emit(raw []byte, t MessageType) {
	raw[offsetNr], raw[offsetNr+1] = byte(c.recv.next>>8), byte(c.recv.next)
	keys, n := c.signers()
	if t == SCCRQ {
		n = nonces{}
	}
	sign(raw, keys, n)
	payload := onWire(c.path.Transport, raw)
	if c.ep.cfg.Trace != nil {
		c.ep.cfg.Trace(c, TracedMessage{At: c.ep.now, Sent: true, Path: c.path, Payload: payload})
	}
	c.ep.emit(Send{c.path, payload})
	c.ackDue = false
}

// acknowledge sends an ACK message, or a ZLB, which must not be used where digests are (RFC 3931 section 6.15). Neither
// consumes a number.
func (c *Conn) acknowledge() {
	m := Message{Type: ACK}
	digests := c.digests || c.integrity
	if !digests && c.profile.Ack != AckMessage {
		m.Type = ZLB
	}
	c.emit(c.encode(&m), m.Type)
}

// pump sends all that may be sent now: first what is lost, then what concerns the connection, then what sessions have
// to say, and new requests last; an acknowledgement if nothing else carried it. No message has a number before it is
// here, so none waits behind a burst of others.
func (c *Conn) pump() {
	if c.phase == phaseGone {
		return
	}
	for om := c.send.repeat(c.ep.now); om != nil; om = c.send.repeat(c.ep.now) {
		c.emit(om.raw, om.typ)
	}
	for c.urgent != 0 && c.send.room(true) {
		c.sendUrgent()
	}
	for c.state == Established && c.answers.n > 0 && c.send.room(false) {
		c.answers.popFront().sendPending()
	}
	for c.state == Established && c.requests.n > 0 && c.send.room(false) {
		c.openNext()
	}
	if c.ackDue && c.remote != 0 {
		c.acknowledge()
	}
	c.ackDue = false
}

// openNext asks for the session whose turn it is. A peer must not be asked for a pseudowire it does not offer (RFC 3931
// section 5.4.4).
func (c *Conn) openNext() {
	s := c.requests.head
	if offers := c.peer.Pseudowires; len(offers) > 0 && !slices.Contains(offers, s.call.PseudowireType) {
		s.step(evClose, nil, Result{Code: CallPseudowireType, Text: "the peer does not offer it"})
		return
	}
	s.step(evConnOpen, nil, Result{})
}

func (c *Conn) sendUrgent() {
	if c.urgent.has(StopCCN) {
		c.urgent = 0
		c.transmitStop()
		return
	}
	c.urgent = 0
	m := NewMessage(HELLO)
	c.transmit(&m)
}

func (c *Conn) transmitStop() {
	m := NewMessage(StopCCN)
	m.Result, m.AssignedCCID = c.stop.clip(maxResultText), c.local
	m.Add(AVPAssignedCCID)
	c.transmit(&m)
}

func (c *Conn) sendSCCRQ() {
	c.register()
	c.ep.dial(c, true)
	// the peer may acknowledge and then take its time
	c.setupAt = c.ep.now.Add(c.profile.cycle() + c.profile.SetupTimeout)
	m := c.introduce(SCCRQ)
	if c.hasTie {
		m.TieBreaker = c.tie
		m.Add(AVPTieBreaker)
	}
	c.transmit(&m)
}

// introduce returns what SCCRQ and SCCRP have in common: who we are and what we can do.
func (c *Conn) introduce(t MessageType) Message {
	p := &c.profile
	m := NewMessage(t)
	m.HostName, m.RouterID, m.AssignedCCID, m.Pseudowires = p.HostName, p.RouterID, c.local, p.Pseudowires
	m.ReceiveWindowSize = p.WindowSize
	m.Add(AVPReceiveWindowSize)
	if c.digests {
		m.Nonce = c.nonce
		m.Add(AVPNonce)
	}
	if c.challenge != nil {
		m.Challenge = c.challenge
		m.Add(AVPChallenge)
	}
	if p.VendorName != "" {
		m.VendorName = p.VendorName
		m.Add(AVPVendorName)
	}
	return m
}

// sendSCCRP answers the SCCRQ of in. To a stranger, who has proven no secret, what can be left out is, if the answer would
// be larger than the question: whoever is flooded with it did not ask.
func (c *Conn) sendSCCRP(in *input) {
	c.register()
	c.owned = true
	c.questionKey, c.question, c.path = keyOf(in.path, in.packet), in.digest, in.path
	c.ep.requests[c.questionKey] = c
	c.setupAt = c.ep.now.Add(c.profile.SetupTimeout)
	c.arrived(in.path, in.packet)
	c.adopt(in)
	m := c.introduce(SCCRP)
	if c.response != nil {
		m.ChallengeResponse = c.response
		m.Add(AVPChallengeResponse)
	}
	stranger := !c.peer.Authenticated && !c.ep.policy.Known(in.path.Remote.Addr())
	for _, t := range []AVPType{AVPVendorName, AVPReceiveWindowSize} {
		if stranger && len(c.encode(&m)) > len(in.packet.raw) {
			m.has &^= 1 << rowOf(t)
		}
	}
	c.transmit(&m)
}

func (c *Conn) sendSCCCN() {
	m := NewMessage(SCCCN)
	if c.response != nil {
		m.ChallengeResponse = c.response
		m.Add(AVPChallengeResponse)
	}
	c.transmit(&m)
}
