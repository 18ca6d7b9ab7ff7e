package control

import (
	"errors"
	"hash/fnv"
	"net/netip"
	"slices"
)

// request takes an SCCRQ (RFC 3931 section 7.2: idle, receive SCCRQ). What it costs a stranger's victim is bounded: the
// rate is limited, a refusal keeps no state, an answer is no larger than the question where that can be, and it is
// repeated only when the question is.
func (e *Endpoint) request(path Path, p Packet) {
	if p.Ns != 0 || p.Nr != 0 {
		e.drop(DropUnknown)
		return
	}
	if !e.allow(path) {
		return
	}
	key, digest := keyOf(path, p), fingerprint(p)
	if c := e.requests[key]; c != nil {
		if c.question == digest {
			e.receive(c, path, p, SCCRQ)
			return
		}
		// the peer began anew under the same id: it has forgotten this connection, which a HELLO will show
		c.probe()
		e.settle(c)
	}
	m, _ := p.Decode(Decoder{}) // hidden AVPs wait for the secret; here it is about who asks
	if m.Type != SCCRQ {
		e.drop(DropMalformed)
		return
	}
	if c := e.tie(path, &m); c != nil {
		e.decideTie(c, path, p, &m, digest)
		return
	}
	profile, refusal := e.policy.AcceptConnection(path, &m)
	if refusal == nil && profile.Check() != nil {
		refusal = &Result{Code: StopGeneral}
	}
	if refusal != nil {
		e.refuseRequest(path, p, &m, &profile, *refusal)
		return
	}
	if e.halfOpen >= e.cfg.MaxHalfOpen {
		e.drop(DropHalfOpen)
		return
	}
	c := e.newConn(path, profile)
	if c.answer(evSCCRQPlus, evSCCRQMinus, &input{path: path, packet: p, msg: &m, digest: digest}) != nil {
		e.drop(DropDigest)
	}
	if c.owned {
		e.halfOpen++
	}
	e.settle(c)
}

// keyOf returns the key of an SCCRQ, or of a StopCCN that takes it back.
func keyOf(path Path, p Packet) requestKey {
	return requestKey{path.Transport, path.Remote, assigned(p)}
}

// assigned reads the Assigned CCID of a message of which nothing is verified; 0 where it is hidden or missing.
func assigned(p Packet) CCID {
	v, ok := p.Find(AVPAssignedCCID)
	if !ok || len(v) != 4 {
		return 0
	}
	return CCID(v[0])<<24 | CCID(v[1])<<16 | CCID(v[2])<<8 | CCID(v[3])
}

// fingerprint tells a repeated SCCRQ from another one of the same peer: Ns and Nr are 0 in both.
func fingerprint(p Packet) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(p.raw)
	return h.Sum64()
}

// refuseRequest refuses an SCCRQ before it has a connection, signed with the secret that it was signed with: of two the peer
// may know one. One that no secret of the profile verifies gets no answer, as elsewhere.
func (e *Endpoint) refuseRequest(path Path, p Packet, m *Message, profile *Profile, r Result) {
	var keys []Keys
	if m.Has(AVPNonce) {
		for _, s := range profile.Secrets {
			keys = append(keys, DeriveKeys(s))
		}
		v := verify(p, keys, nonces{})
		switch {
		case v.ok:
			keys = keys[v.key : v.key+1]
		case profile.authenticates():
			e.drop(DropDigest)
			return
		default:
			keys = nil
		}
	}
	e.refuse(path, p, m, keys, r)
}

// refuse answers an SCCRQ, or an SCCRP of nobody's, with a StopCCN without keeping any state: if it is lost the peer asks
// again. It is never longer than what it answers. keys may be nil; with them the StopCCN is signed with the peer's
// nonce and, as we sent none, an empty one of ours (RFC 3931 section 4.3 leaves this open).
func (e *Endpoint) refuse(path Path, p Packet, asked *Message, keys []Keys, r Result) {
	e.count.Refused++
	if asked.AssignedCCID == 0 {
		return
	}
	enc := Encoder{}
	var signers []*Keys
	if len(keys) > 0 {
		enc.Digests, signers = []DigestType{DigestMD5}, []*Keys{&keys[0]}
	}
	m := NewMessage(StopCCN)
	for _, m.Result = range []Result{r.clip(maxResultText), {Code: r.Code, Error: r.Error}, {Code: r.Code}} {
		raw := enc.Append(nil, Header{CCID: asked.AssignedCCID, Ns: p.Nr, Nr: p.Ns + 1}, &m)
		if len(raw) <= len(p.raw) {
			sign(raw, signers, nonces{receiver: asked.Nonce})
			e.emit(Send{path, onWire(path.Transport, raw)})
			return
		}
	}
}

// tie returns our own attempt that waits for an answer of the peer that sent the SCCRQ m, if there is a tie to break: at
// least one side sent a tie breaker (RFC 3931 section 5.4.3).
func (e *Endpoint) tie(path Path, m *Message) *Conn {
	for _, c := range e.dialing[path.Remote.Addr()] {
		if c.path.Transport == path.Transport && (c.hasTie || m.Has(AVPTieBreaker)) {
			return c
		}
	}
	return nil
}

// decideTie is wait-ctl-reply, receive SCCRQ (RFC 3931 sections 5.4.3, 7.2). The lower value wins; one against none wins.
func (e *Endpoint) decideTie(c *Conn, path Path, p Packet, m *Message, digest uint64) {
	defer e.settle(c)
	in := &input{path: path, packet: p, msg: m, digest: digest, forget: true}
	in.v = verify(p, c.keys, nonces{})
	theirs := m.Has(AVPTieBreaker)
	won := c.hasTie && !c.lost && (!theirs || c.tie < m.TieBreaker)
	equal := c.hasTie && !c.lost && theirs && c.tie == m.TieBreaker
	switch {
	case (won || equal) && c.digests && !in.v.ok:
		e.drop(DropDigest)
	case won:
		in.result = Result{Code: StopExists}
		c.step(evSCCRQWon, in)
	case equal: // both discard and begin anew; nobody answers
		c.restart()
	case c.answer(evSCCRQLostPlus, evSCCRQLostMinus, in) != nil:
		e.drop(DropDigest)
	}
}

// dial enters c into the attempts that a tie is looked for in, or removes it.
func (e *Endpoint) dial(c *Conn, waiting bool) {
	if list := e.dialing[c.dialed]; slices.Contains(list, c) {
		if list = slices.DeleteFunc(list, func(x *Conn) bool { return x == c }); len(list) > 0 {
			e.dialing[c.dialed] = list
		} else {
			delete(e.dialing, c.dialed)
		}
	}
	if waiting {
		c.dialed = c.path.Remote.Addr()
		e.dialing[c.dialed] = append(e.dialing[c.dialed], c)
	}
}

// sameHost reports whether two paths lead to one peer.
func sameHost(a, b netip.AddrPort) bool { return a.Addr() == b.Addr() }

// resultOf is the Result that tells a peer what was wrong with its message.
func resultOf(err error, stop bool) Result {
	code := CallError
	if stop {
		code = StopError
	}
	var ae *AVPError
	switch {
	case errors.As(err, &ae):
		return Result{Code: code, Error: ae.code(), Text: ae.Error()}
	case errors.Is(err, ErrUnknownMessage):
		return Result{Code: code, Error: ErrorUnknownAVP, Text: err.Error()}
	}
	return Result{Code: code, Error: ErrorValue, Text: err.Error()}
}
