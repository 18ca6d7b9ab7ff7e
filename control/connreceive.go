package control

import (
	"crypto/md5"
	"crypto/subtle"
	"errors"
)

// receive takes a message that names this connection. Nothing of it counts before its digest is verified, and nothing
// happens twice for a repeated one.
func (c *Conn) receive(path Path, p Packet, t MessageType) Drop {
	key, d := c.admit(path, p, t)
	if d != dropNothing {
		return d
	}
	now := c.ep.now
	if !c.send.valid(p.Nr) {
		return DropNr
	}
	c.arrived(path, p)
	c.heard = now
	c.received++
	if c.send.acked(now, p.Nr) > 0 {
		c.acknowledged()
	}
	if t.sequenced() {
		d = c.sequence(path, p, t, key)
	}
	if c.phase == phaseClosing && c.urgent == 0 && len(c.send.flight) == 0 {
		if c.ackDue {
			c.acknowledge()
		}
		c.remove()
	}
	return d
}

// arrived shows a message that was taken to the owner.
func (c *Conn) arrived(path Path, p Packet) {
	if c.ep.cfg.Trace != nil {
		c.ep.cfg.Trace(c, TracedMessage{At: c.ep.now, Path: path, Payload: onWire(path.Transport, p.raw)})
	}
}

// admit verifies digest and source. key is the index of the secret that verified the message.
func (c *Conn) admit(path Path, p Packet, t MessageType) (key int, d Drop) {
	if path.Transport != c.path.Transport {
		return 0, DropSource
	}
	key, authentic, ok := c.verify(p, t)
	if !ok {
		return 0, DropDigest
	}
	if path == c.path {
		return key, dropNothing
	}
	switch {
	case authentic && t.sequenced() && c.recv.judge(p.Ns) == orderDue && p.CCID != 0:
		// a NAT gave the peer another address: only something new and authentic proves that
	case c.state == WaitCtlReply && t == SCCRP && sameHost(path.Remote, c.path.Remote):
		// RFC 3931 section 4.1.2.2: the answer may come from any port
	default:
		return 0, DropSource
	}
	return key, dropNothing
}

// verify checks the digests of p as RFC 3931 section 4.3 has it for the state of the connection. authentic says that a
// secret of ours did.
func (c *Conn) verify(p Packet, t MessageType) (key int, authentic, ok bool) {
	if !c.digests {
		v := c.verifyPlain(p, t)
		if v.present && v.ok && c.profile.Digest == DigestAuto && len(c.profile.Secrets) == 0 {
			c.integrity, c.digestType = true, v.typ
		}
		return 0, false, v.ok || !v.present
	}
	n := nonces{sender: c.peerNonce, receiver: c.nonce}
	switch {
	case t == SCCRQ:
		n = nonces{}
	case p.CCID == 0: // the peer does not know our nonce
		n.receiver = nil
	case t == SCCRP && c.state == WaitCtlReply: // brings it
		n.sender, _ = p.Find(AVPNonce)
	}
	v := verify(p, c.keys, n)
	if v.ok {
		return v.key, true, true
	}
	// a peer that our challenge may authenticate sends no digests
	plain := c.state == WaitCtlReply && c.profile.Challenge && !v.present
	if t == SCCRP {
		_, nonce := p.Find(AVPNonce)
		plain = plain && !nonce
	}
	return 0, false, plain && (t == SCCRP || !t.sequenced())
}

// verifyPlain checks digests where none authenticate: they must be right all the same, with the empty secret. An SCCRQ may
// come from a peer that offers digests and a challenge, of which we want the latter.
func (c *Conn) verifyPlain(p Packet, t MessageType) verdict {
	v := verify(p, emptyKeys, nonces{})
	if v.present && !v.ok && t == SCCRQ && c.profile.Challenge {
		v.ok = verify(p, c.keys, nonces{}).ok
	}
	return v
}

// acknowledged looks what the acknowledgement of our messages changes.
func (c *Conn) acknowledged() {
	c.prove()
	if c.helloOut && c.urgent == 0 {
		c.helloOut = false
		for i := range c.send.flight {
			c.helloOut = c.helloOut || c.send.flight[i].typ == HELLO
		}
	}
}

// sequence puts a message into its place (RFC 3931 section 4.2).
func (c *Conn) sequence(path Path, p Packet, t MessageType, key int) Drop {
	c.ackDue = true
	switch c.recv.judge(p.Ns) {
	case orderDuplicate:
		c.duplicates++
		if t == SCCRQ && !c.proven {
			c.send.loseAll()
		}
		return DropDuplicate
	case orderAhead:
		if !c.recv.keep(p, key) {
			return DropWindow
		}
		c.early++
		return dropNothing
	case orderDue:
	}
	if path != c.path {
		c.path = path
		c.ep.emit(PathChanged{c, path})
	}
	for ok := true; ok; p, key, ok = c.recv.successor() {
		c.recv.advance()
		c.take(p, key)
	}
	return dropNothing
}

// take acts on the message that is due.
func (c *Conn) take(p Packet, key int) {
	switch c.phase {
	case phaseGone, phaseLinger:
		c.ep.drop(DropClosed)
		return
	case phaseClosing: // only the peer's own StopCCN matters, and that it gets its acknowledgement
		if t, _, _ := p.Type(); t == StopCCN {
			c.phase, c.urgent = phaseLinger, 0
			c.send.forget()
		} else {
			c.ep.drop(DropClosed)
		}
		return
	case phaseLive:
	}
	d := Decoder{Vendor: c.profile.Vendor, Strict: c.profile.Strict}
	if c.digests && len(c.keys) > 0 {
		c.proved = min(key, len(c.keys)-1)
		d.Keys = &c.keys[c.proved]
	}
	m, err := p.Decode(d)
	c.ep.count.IgnoredAVPs += uint64(m.Ignored)
	if sessionMessages.has(m.Type) {
		c.takeSession(&m, err)
		return
	}
	switch {
	case m.Type == StopCCN: // whatever it looks like
		if c.remote == 0 {
			c.remote = m.AssignedCCID
		}
		if c.state == WaitCtlReply && c.hasTie && !c.lost && m.Result.Code == StopExists {
			c.loseTie()
			return
		}
		c.step(evStopCCN, &input{result: m.Result, byPeer: true})
	case m.Type == SCCRP:
		c.takeSCCRP(&m, err)
	case m.Type == SCCRQ: // one that opens a connection has CCID 0
		c.step(evSCCRQPlus, &input{path: c.path, packet: p, msg: &m, result: Result{Code: StopStateMachine}})
	case err != nil && m.Type == SCCCN:
		c.step(evSCCCNMinus, &input{result: resultOf(err, true)})
	case err != nil:
		c.step(evClose, &input{result: resultOf(err, true)})
	case m.Type == SCCCN:
		c.takeSCCCN(&m)
	}
}

// loseTie takes a StopCCN that the winner of a tie sent for our SCCRQ and that was faster than its own SCCRQ, which
// turns this connection into the answering end (see Endpoint.decideTie). If none comes the attempt times out.
func (c *Conn) loseTie() {
	c.lost = true
	c.send.forget()
	c.setupAt = c.ep.now.Add(c.profile.SetupTimeout)
}

// takeSCCRP judges the answer to our SCCRQ.
func (c *Conn) takeSCCRP(m *Message, err error) {
	if c.state != WaitCtlReply {
		c.step(evSCCRPPlus, &input{result: Result{Code: StopStateMachine}})
		return
	}
	c.remote = m.AssignedCCID
	if err != nil {
		c.step(evSCCRPMinus, &input{result: resultOf(err, true)})
		return
	}
	c.learn(m)
	wanted := c.digests
	c.digests = wanted && m.Has(AVPNonce) // both sides or none (RFC 3931 section 5.4.1), but see Profile.Challenge
	answered := c.profile.Challenge && c.answered(SCCRP, m.ChallengeResponse)
	if !c.digests && (wanted || c.profile.Challenge) && !answered {
		c.step(evSCCRPMinus, &input{result: Result{Code: StopUnauthorized}})
		return
	}
	c.peer.Authenticated = len(c.keys) > 0
	c.step(evSCCRPPlus, nil)
}

func (c *Conn) takeSCCCN(m *Message) {
	if c.state == WaitCtlConn && c.challenge != nil && !c.digests {
		if !c.answered(SCCCN, m.ChallengeResponse) {
			c.step(evSCCCNMinus, &input{result: Result{Code: StopUnauthorized}})
			return
		}
		c.peer.Authenticated = true
	}
	c.step(evSCCCNPlus, &input{result: Result{Code: StopStateMachine}})
}

// learn takes what SCCRQ and SCCRP say about the peer.
func (c *Conn) learn(m *Message) {
	c.remote = m.AssignedCCID
	c.peer = Peer{HostName: m.HostName, VendorName: m.VendorName, RouterID: m.RouterID, Pseudowires: m.Pseudowires}
	c.peerNonce = m.Nonce
	c.send.setWindow(m.ReceiveWindowSize)
	if m.Has(AVPChallenge) && len(c.profile.Secrets) > 0 && c.profile.Challenge {
		reply := SCCRP
		if m.Type == SCCRP {
			reply = SCCCN
		}
		c.response = challengeResponse(reply, c.profile.Secrets[0], m.Challenge)
	}
}

// answered reports whether response answers our challenge under one of the secrets.
func (c *Conn) answered(t MessageType, response []byte) bool {
	ok := 0
	for _, s := range c.profile.Secrets {
		ok |= subtle.ConstantTimeCompare(challengeResponse(t, s, c.challenge), response)
	}
	return ok == 1
}

// challengeResponse is RFC 2661 section 4.4.3.
func challengeResponse(t MessageType, secret, challenge []byte) []byte {
	h := md5.New()
	_, _ = h.Write([]byte{byte(t)})
	_, _ = h.Write(secret)
	_, _ = h.Write(challenge)
	return h.Sum(nil)
}

// errUnsigned says that an SCCRQ is not authentic and gets no answer.
var errUnsigned = errors.New("digest wrong or missing")

// answer takes an SCCRQ whose sender the profile of c fits: verifies it, decodes it with the secrets, and steps the
// machine by plus or minus. It returns errUnsigned when the SCCRQ is to be dropped.
func (c *Conn) answer(plus, minus event, in *input) error {
	p := in.packet
	in.v = verify(p, c.keys, nonces{})
	switch {
	case c.digests && !in.v.ok && (in.v.present || in.msg.Has(AVPNonce)):
		return errUnsigned
	case c.digests && in.msg.Has(AVPNonce):
	case c.digests && !c.profile.Challenge:
		in.result = Result{Code: StopUnauthorized}
		c.step(minus, in)
		return nil
	case c.digests:
		in.plain = true
	default:
		if in.v = c.verifyPlain(p, SCCRQ); in.v.present && !in.v.ok {
			return errUnsigned
		}
	}
	d := Decoder{Vendor: c.profile.Vendor, Strict: c.profile.Strict}
	if c.digests && !in.plain {
		d.Keys = &c.keys[in.v.key]
	}
	m, err := p.Decode(d)
	if m.AssignedCCID == 0 {
		m.AssignedCCID = in.msg.AssignedCCID
	}
	in.msg = &m
	if err != nil {
		in.result = resultOf(err, true)
		c.step(minus, in)
		return nil
	}
	c.step(plus, in)
	return nil
}

// adopt takes over what an accepted SCCRQ says.
func (c *Conn) adopt(in *input) {
	switch {
	case in.plain:
		c.digests, c.nonce = false, nil
	case c.digests:
		c.proved, c.challenge, c.peer.Authenticated = in.v.key, nil, true
		if c.profile.Digest == DigestAuto {
			c.digestType = in.v.typ
		}
	case in.v.ok && c.profile.Digest == DigestAuto:
		c.integrity, c.digestType = true, in.v.typ
	}
	authenticated := c.peer.Authenticated
	c.learn(in.msg)
	c.peer.Authenticated = authenticated
	c.recv.advance() // the SCCRQ had Ns 0
	c.heard = c.ep.now
}
