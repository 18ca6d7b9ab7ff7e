package encap

import (
	"encoding/binary"
	"errors"
)

// Errors of DataHeader.Split. Both mean that the packet is dropped silently
// (RFC 3931 sections 4.1, 4.5).
var (
	// ErrDataTruncated says that a packet ends inside cookie or sublayer.
	ErrDataTruncated = errors.New("data packet ends inside its header")
	// ErrCookieMismatch says that a packet carries another cookie than the one
	// we assigned.
	ErrCookieMismatch = errors.New("data packet carries a wrong cookie")
)

// Sizes of the fixed parts of the data headers, in bytes.
const (
	udpDataLen = 8 // flags and version, reserved, Session ID: RFC 3931 section 4.1.2.1
	ipDataLen  = 4 // Session ID: RFC 3931 section 4.1.1.1

	// MaxDataHeaderLen is the longest data header: UDP form, 8-byte cookie and
	// default sublayer. The outer IP and UDP headers are not in it.
	MaxDataHeaderLen = udpDataLen + MaxCookieLen + SublayerLen
)

// The first 16 bits over UDP, RFC 3931 sections 3.2.1 and 4.1.2.1. The other bits are
// reserved in data messages and ignored on receipt.
const (
	flagT       = 0x80 // in byte 0: control message
	versionMask = 0x0f // in byte 1: Ver
	version3    = 3
)

// UDPData is a view of a whole UDP payload as an L2TPv3 data packet, RFC 3931
// section 4.1.2.1. Call Valid before any other method.
type UDPData []byte

// Valid reports whether d can be a data packet: 8 bytes or more, T bit clear,
// version 3. Reserved bits are ignored (RFC 3931 section 4.1.2.1); Session ID 0 passes
// and is no session's.
func (d UDPData) Valid() bool {
	return len(d) >= udpDataLen && d[0]&flagT == 0 && d[1]&versionMask == version3
}

// SessionID returns the Session ID field.
func (d UDPData) SessionID() SessionID { return SessionID(binary.BigEndian.Uint32(d[4:8])) }

// Body returns what follows the Session ID: cookie, sublayer and tunnelled
// frame. It shares d's memory.
func (d UDPData) Body() []byte { return d[udpDataLen:] }

// IPData is a view of a whole IP payload of protocol 115 as an L2TPv3 data
// packet, RFC 3931 section 4.1.1.1. Call Valid before any other method.
type IPData []byte

// Valid reports whether d can be a data packet: 4 bytes or more and a Session ID
// other than 0, which marks control messages (RFC 3931 section 4.1.1.2).
func (d IPData) Valid() bool { return len(d) >= ipDataLen && d.SessionID() != 0 }

// SessionID returns the Session ID field.
func (d IPData) SessionID() SessionID { return SessionID(binary.BigEndian.Uint32(d[0:4])) }

// Body returns what follows the Session ID: cookie, sublayer and tunnelled
// frame. It shares d's memory.
func (d IPData) Body() []byte { return d[ipDataLen:] }

// ControlUDP reports whether the UDP payload b is a control message: two bytes
// or more and T bit set (RFC 3931 section 4.1.2.1). The version is not looked at,
// because an SCCRQ of version 2 may be the start of a fallback negotiation
// (RFC 3931 section 4.7.3); the control plane decides.
func ControlUDP(b []byte) bool { return len(b) >= 2 && b[0]&flagT != 0 }

// ControlIP reports whether the IP payload b is a control message: it starts
// with Session ID 0 (RFC 3931 section 4.1.1.2).
func ControlIP(b []byte) bool { return len(b) >= ipDataLen && binary.BigEndian.Uint32(b) == 0 }

// DataHeader is all that precedes the tunnelled frame in one direction of a
// session. It is a comparable value of per-session state: nothing in a packet
// says which cookie length or sublayer it has (RFC 3931 section 4.1).
type DataHeader struct {
	Transport Transport
	SessionID SessionID
	Cookie    Cookie
	Sublayer  Sublayer
}

// Len returns the header's bytes, 4 to MaxDataHeaderLen.
func (h DataHeader) Len() int {
	n := udpDataLen
	if h.Transport == TransportIP {
		n = ipDataLen
	}
	return n + h.Cookie.Len() + h.Sublayer.Len()
}

// AppendTo appends the header to b. The sublayer is four zero bytes, which is
// what an unsequenced packet carries; PutSeq on the last four bytes numbers it.
func (h DataHeader) AppendTo(b []byte) []byte {
	if h.Transport == TransportUDP {
		b = append(b, 0, version3, 0, 0)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(h.SessionID))
	b = h.Cookie.AppendTo(b)
	if h.Sublayer == SublayerDefault {
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

// Split takes the Body of a packet whose Session ID has led to h, checks the
// cookie and returns sublayer (empty when h has none) and tunnelled frame, which
// may be empty. Both share body's memory. Errors: ErrDataTruncated,
// ErrCookieMismatch.
func (h DataHeader) Split(body []byte) (sublayer L2Sublayer, frame []byte, err error) {
	c, s := h.Cookie.Len(), h.Sublayer.Len()
	if len(body) < c+s {
		return nil, nil, ErrDataTruncated
	}
	if !h.Cookie.Matches(body) {
		return nil, nil, ErrCookieMismatch
	}
	return L2Sublayer(body[c : c+s]), body[c+s:], nil
}

// Bits of the first word of the Default L2-Specific Sublayer, RFC 3931 section 4.6.
const sublayerS = 0x40000000

// L2Sublayer is a view of the Default L2-Specific Sublayer, RFC 3931 section 4.6. Call
// Valid before any other method.
type L2Sublayer []byte

// Valid reports whether the four bytes are there.
func (l L2Sublayer) Valid() bool { return len(l) >= SublayerLen }

// S reports whether the packet carries a sequence number.
func (l L2Sublayer) S() bool { return l[0]&(sublayerS>>24) != 0 }

// Seq returns the Sequence Number field, which means something only where S is
// set.
func (l L2Sublayer) Seq() Seq { return Seq(binary.BigEndian.Uint32(l[0:4]) & seqMask) }

// PutSeq writes a sublayer into the first four bytes of sublayer, which must
// have them: S and seq, or four zero bytes when s is false.
func PutSeq(sublayer []byte, s bool, seq Seq) {
	var w uint32
	if s {
		w = sublayerS | uint32(seq)&seqMask
	}
	binary.BigEndian.PutUint32(sublayer, w)
}
