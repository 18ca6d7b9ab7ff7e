package control

import (
	"errors"
	"fmt"
	"strings"

	"culvert/encap"
)

// Errors of Decode that concern the message as a whole.
var (
	// ErrMessageType says that the first AVP is not a Message Type AVP (RFC 3931 section 5.4.1).
	ErrMessageType = errors.New("message does not begin with a Message Type AVP")
	// ErrUnknownMessage says that a message nobody knows has the M bit set: the control connection ends.
	ErrUnknownMessage = errors.New("unknown message type with the M bit set")
	// ErrMissingAVP says that an AVP without which the message means nothing is not there.
	ErrMissingAVP = errors.New("AVP is missing")
)

// maxValueLen is the longest value of an AVP, RFC 3931 section 5.1.
const maxValueLen = MaxAVPLen - AVPHeaderLen

// Message is a control message by its meaning. Has says which of the fields below Type came in it or shall go into it.
type Message struct {
	Type MessageType
	// Optional says that the Message Type AVP's M bit was 0: a message of unknown type may then be ignored.
	Optional bool
	has      uint64 // bit n: registry[n]
	// Ignored counts AVPs that were skipped: unknown ones without M, vendors', those that do not belong here, repetitions.
	Ignored int

	Result            Result
	Nonce             []byte
	HostName          string
	RouterID          uint32
	AssignedCCID      CCID
	Pseudowires       []PseudowireType
	ReceiveWindowSize uint16
	TieBreaker        uint64
	VendorName        string
	PreferredLanguage string
	Challenge         []byte
	ChallengeResponse []byte
	LocalSessionID    encap.SessionID
	RemoteSessionID   encap.SessionID
	SerialNumber      uint32
	PseudowireType    PseudowireType
	RemoteEndID       string // opaque bytes
	CircuitErrors     CircuitErrors
	CircuitStatus     CircuitStatus
	AssignedCookie    encap.Cookie
	Sublayer          SublayerType
	Sequencing        Sequencing
	TxConnectSpeed    uint64 // bit/s, 0 is unknown
	RxConnectSpeed    uint64
	PhysicalChannelID uint32
}

// NewMessage returns a message that has the AVPs which must be in every message of its type.
func NewMessage(t MessageType) Message {
	m := Message{Type: t}
	for i := range registry {
		if registry[i].must.has(t) {
			m.has |= 1 << i
		}
	}
	return m
}

// Add says that the message has these AVPs too; their values are in the fields. AVPs that do not belong into the
// message are not sent.
func (m *Message) Add(types ...AVPType) {
	for _, t := range types {
		if i := rowOf(t); i >= 0 && (registry[i].must | registry[i].may).has(m.Type) {
			m.has |= 1 << i
		}
	}
}

// Has reports whether the message has the AVP. False for all that Message has no field for.
func (m *Message) Has(t AVPType) bool {
	i := rowOf(t)
	return i >= 0 && m.has&(1<<i) != 0
}

// String returns type and AVPs for people, on one line and without secrets.
func (m *Message) String() string {
	var s strings.Builder
	s.WriteString(m.Type.String())
	for i := range registry {
		if m.has&(1<<i) != 0 {
			fmt.Fprintf(&s, ", %s %v", registry[i].name, registry[i].show(m))
		}
	}
	return s.String()
}
