package control

import (
	"encoding/binary"
	"errors"

	"culvert/encap"
)

// Errors of ParsePacket. All mean that the packet is dropped silently (RFC 3931 section 7.1).
var (
	// ErrTruncated says that a packet is shorter than a control header or than its Length field.
	ErrTruncated = errors.New("control message is cut short")
	// ErrFlags says that one of the bits T, L and S is not set, or that a control message over IP does not begin with
	// Session ID 0.
	ErrFlags = errors.New("not a control message: T, L and S must be set")
	// ErrVersion says that the version is not 3, nor 2 in what may be an SCCRQ.
	ErrVersion = errors.New("control message of another version")
	// ErrLength says that the Length field is below 12.
	ErrLength = errors.New("control message with a wrong length")
)

// The control header, RFC 3931 sections 3.2.1 and 4.1.1.2.
const (
	HeaderLen   = 12 // from the T bit, without the 4 zero bytes in front of it over IP
	ipPrefixLen = 4

	controlBits  = 0xc800 // T, L, S
	versionBits  = 0x000f
	version2     = 2
	version3     = 3
	controlWord  = controlBits | version3
	offsetLength = 2
	offsetCCID   = 4
	offsetNs     = 8
	offsetNr     = 10
)

// Header is what precedes the AVPs of a control message.
type Header struct {
	CCID   CCID // the receiver's, 0 when the sender does not know it yet
	Ns, Nr Seq
}

// Packet is a view of one control message as it was received. It shares the memory it was parsed from.
type Packet struct {
	Header
	// Version is 3; 2 only in the SCCRQ of a peer that speaks both (RFC 3931 section 4.7.3).
	Version uint8
	raw     []byte // from the T bit to the end of the message
}

// ParsePacket reads the control message that is the whole payload b of a UDP datagram or of an IP packet of protocol
// 115. n is how many bytes belong to the message; what follows is ignored. Errors: ErrTruncated, ErrFlags,
// ErrVersion, ErrLength.
func ParsePacket(t encap.Transport, b []byte) (p Packet, n int, err error) {
	prefix := 0
	if t == encap.TransportIP {
		if !encap.ControlIP(b) {
			return Packet{}, 0, ErrFlags
		}
		prefix = ipPrefixLen
		b = b[prefix:]
	}
	if len(b) < HeaderLen {
		return Packet{}, 0, ErrTruncated
	}
	w := binary.BigEndian.Uint16(b)
	if w&controlBits != controlBits {
		return Packet{}, 0, ErrFlags
	}
	p.Version = uint8(w & versionBits)
	p.CCID = CCID(binary.BigEndian.Uint32(b[offsetCCID:]))
	if p.Version != version3 && (p.Version != version2 || p.CCID != 0 || t == encap.TransportIP) {
		return Packet{}, 0, ErrVersion
	}
	length := int(binary.BigEndian.Uint16(b[offsetLength:]))
	switch {
	case length < HeaderLen:
		return Packet{}, 0, ErrLength
	case length > len(b):
		return Packet{}, 0, ErrTruncated
	}
	p.Ns = Seq(binary.BigEndian.Uint16(b[offsetNs:]))
	p.Nr = Seq(binary.BigEndian.Uint16(b[offsetNr:]))
	p.raw = b[:length:length]
	return p, prefix + length, nil
}

// Type returns the message type and the M bit of its AVP; ZLB for a message without AVPs. ok is false when the first
// AVP is not a proper Message Type (RFC 3931 section 5.4.1).
func (p Packet) Type() (t MessageType, mandatory, ok bool) {
	if len(p.raw) == HeaderLen {
		return ZLB, false, true
	}
	a, _, err := ParseAVP(p.raw[HeaderLen:])
	if err != nil || a.Vendor != 0 || a.Type != AVPMessageType || a.Hidden || len(a.Value) != 2 {
		return 0, false, false
	}
	return MessageType(binary.BigEndian.Uint16(a.Value)), a.Mandatory, true
}

// Find returns the value of the first AVP of the IETF's with this type that is not hidden. It serves what must be
// known before the digest can be verified, and so cannot be trusted: the Nonce of an SCCRP (RFC 3931 section 4.3).
func (p Packet) Find(t AVPType) (value []byte, ok bool) {
	for rest := p.raw[HeaderLen:]; len(rest) > 0; {
		a, n, err := ParseAVP(rest)
		if err != nil {
			return nil, false
		}
		if a.Vendor == 0 && a.Type == t && !a.Hidden {
			return a.Value, true
		}
		rest = rest[n:]
	}
	return nil, false
}

// clone returns a copy that owns its memory.
func (p Packet) clone() Packet {
	p.raw = append([]byte(nil), p.raw...)
	return p
}

// appendHeader appends a control header whose length closeMessage writes.
func appendHeader(b []byte, h Header) []byte {
	b = binary.BigEndian.AppendUint16(b, controlWord)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(h.CCID))
	b = binary.BigEndian.AppendUint16(b, uint16(h.Ns))
	return binary.BigEndian.AppendUint16(b, uint16(h.Nr))
}

// onWire returns a copy of the message raw as the payload of a UDP datagram or an IP packet: over IP it has Session ID
// 0 in front (RFC 3931 section 4.1.1.2).
func onWire(t encap.Transport, raw []byte) []byte {
	b := make([]byte, 0, ipPrefixLen+len(raw))
	if t == encap.TransportIP {
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, raw...)
}
