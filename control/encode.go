package control

import "encoding/binary"

// Encoder says what is added to the AVPs of a message when it is sent. The zero Encoder adds nothing.
type Encoder struct {
	// Digests are the types of the Message Digest AVPs, at most two; their bytes stay zero until sign fills them.
	Digests []DigestType
	// Hidden lists attributes to hide, of those that may be. Key, Vector and Padding are used for all of them.
	Hidden  []AVPType
	Keys    *Keys
	Vector  []byte // at least 1 byte, 16 advised; no two messages may share one
	Padding []byte // conceals lengths; may be empty
}

// Append appends the message as it begins with the T bit, with zero digests, to b.
func (e *Encoder) Append(b []byte, h Header, m *Message) []byte {
	start := len(b)
	b = appendHeader(b, h)
	if m.Type != ZLB {
		b = e.appendAVPs(b, m)
	}
	binary.BigEndian.PutUint16(b[start+offsetLength:], uint16(len(b)-start))
	return b
}

func (e *Encoder) appendAVPs(b []byte, m *Message) []byte {
	b = AVP{Mandatory: !m.Optional, Type: AVPMessageType, Value: []byte{byte(m.Type >> 8), byte(m.Type)}}.AppendTo(b)
	for _, t := range e.Digests {
		v := make([]byte, 1+t.size())
		v[0] = byte(t)
		b = AVP{Mandatory: true, Type: AVPMessageDigest, Value: v}.AppendTo(b)
	}
	hidden := e.hiddenSet() & m.has
	for i := range registry {
		if m.has&^hidden&(1<<i) != 0 {
			at := len(b)
			b = appendAVPHeader(b, registry[i].mandatory, 0, registry[i].typ)
			b = closeAVP(registry[i].build(m, b), at, false)
		}
	}
	if hidden == 0 {
		return b
	}
	b = AVP{Mandatory: true, Type: AVPRandomVector, Value: e.Vector}.AppendTo(b)
	for i := range registry {
		if hidden&(1<<i) != 0 {
			r := &registry[i]
			at := len(b)
			b = appendAVPHeader(b, r.mandatory, 0, r.typ)
			b = closeAVP(Hide(b, r.typ, e.Keys.hide, e.Vector, r.build(m, nil), e.Padding), at, true)
		}
	}
	return b
}

// hiddenSet is what can and shall be hidden, by row.
func (e *Encoder) hiddenSet() (set uint64) {
	if e.Keys == nil || len(e.Vector) == 0 {
		return 0
	}
	for _, t := range e.Hidden {
		if i := rowOf(t); i >= 0 && registry[i].hide {
			set |= 1 << i
		}
	}
	return set
}
