package control

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of the AVP layer.
var (
	// ErrAVPTruncated says that fewer bytes remain than an AVP's header or its Length field asks for.
	ErrAVPTruncated = errors.New("AVP ends behind its message")
	// ErrAVPLength says that an AVP's Length field is below 6 or its value has a size the attribute cannot have.
	ErrAVPLength = errors.New("AVP has a wrong length")
	// ErrAVPValue says that an AVP's value is out of range.
	ErrAVPValue = errors.New("AVP has a value out of range")
	// ErrAVPUnknown says that an AVP nobody knows has the M bit set (RFC 3931 section 5.2).
	ErrAVPUnknown = errors.New("unknown AVP with the M bit set")
	// ErrAVPHidden says that a hidden AVP cannot be revealed: no Random Vector before it, no secret, or an impossible
	// length came out (RFC 3931 section 5.3).
	ErrAVPHidden = errors.New("hidden AVP cannot be revealed")
)

// Sizes of RFC 3931 section 5.1, in bytes.
const (
	AVPHeaderLen = 6
	// MaxAVPLen is the largest value of the 10-bit Length field.
	MaxAVPLen = 1023

	avpMandatory  = 0x8000
	avpHidden     = 0x4000
	avpLengthMask = 0x03ff
)

// AVP is one Attribute Value Pair (RFC 3931 section 5.1).
type AVP struct {
	Mandatory bool // M
	Hidden    bool // H: Value is ciphertext
	Vendor    uint16
	Type      AVPType // IETF's only where Vendor is 0
	// Value shares the memory of the message it was parsed from; at most 1017 bytes.
	Value []byte
}

// ParseAVP reads the AVP at the start of b and returns the bytes it takes, 6 to 1023 and never more than len(b). The
// reserved bits are ignored. Errors: ErrAVPTruncated, ErrAVPLength.
func ParseAVP(b []byte) (a AVP, n int, err error) {
	if len(b) < AVPHeaderLen {
		return AVP{}, 0, ErrAVPTruncated
	}
	w := binary.BigEndian.Uint16(b)
	n = int(w & avpLengthMask)
	switch {
	case n < AVPHeaderLen:
		return AVP{}, 0, ErrAVPLength
	case n > len(b):
		return AVP{}, 0, ErrAVPTruncated
	}
	return AVP{
		Mandatory: w&avpMandatory != 0,
		Hidden:    w&avpHidden != 0,
		Vendor:    binary.BigEndian.Uint16(b[2:]),
		Type:      AVPType(binary.BigEndian.Uint16(b[4:])),
		Value:     b[AVPHeaderLen:n:n],
	}, n, nil
}

// Len returns the bytes AppendTo writes.
func (a AVP) Len() int { return AVPHeaderLen + len(a.Value) }

// AppendTo appends the AVP to b. A value of more than 1017 bytes is our own mistake and panics.
func (a AVP) AppendTo(b []byte) []byte {
	at := len(b)
	b = appendAVPHeader(b, a.Mandatory, a.Vendor, a.Type)
	return closeAVP(append(b, a.Value...), at, a.Hidden)
}

// appendAVPHeader begins an AVP whose value follows; closeAVP writes its length.
func appendAVPHeader(b []byte, mandatory bool, vendor uint16, t AVPType) []byte {
	var w uint16
	if mandatory {
		w = avpMandatory
	}
	b = binary.BigEndian.AppendUint16(b, w)
	b = binary.BigEndian.AppendUint16(b, vendor)
	return binary.BigEndian.AppendUint16(b, uint16(t))
}

// closeAVP completes the header of the AVP that begins at and ends with b.
func closeAVP(b []byte, at int, hidden bool) []byte {
	n := len(b) - at
	if n > MaxAVPLen {
		panic(fmt.Sprintf("control: AVP of %d bytes", n))
	}
	w := binary.BigEndian.Uint16(b[at:]) | uint16(n)
	if hidden {
		w |= avpHidden
	}
	binary.BigEndian.PutUint16(b[at:], w)
	return b
}

// AVPError says which AVP of a message cannot be lived with. It wraps one of the AVP errors.
type AVPError struct {
	Vendor uint16
	Type   AVPType
	Err    error
}

// Error names the attribute: RFC 3931 section 5.4.2 wants it in the Error Message of error code 8.
func (e *AVPError) Error() string {
	if e.Vendor != 0 {
		return fmt.Sprintf("vendor %d attribute %d: %v", e.Vendor, e.Type, e.Err)
	}
	if name := e.Type.String(); rowOf(e.Type) >= 0 {
		return fmt.Sprintf("%s (%d): %v", name, e.Type, e.Err)
	}
	return fmt.Sprintf("attribute %d: %v", e.Type, e.Err)
}

// Unwrap returns the AVP error.
func (e *AVPError) Unwrap() error { return e.Err }

// code is the error code of the Result Code AVP that reports err.
func (e *AVPError) code() ErrorCode {
	switch {
	case errors.Is(e.Err, ErrAVPUnknown), errors.Is(e.Err, ErrAVPHidden):
		return ErrorUnknownAVP
	case errors.Is(e.Err, ErrAVPValue):
		return ErrorValue
	}
	return ErrorLength
}
