package control

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// ErrorCode is the second field of the Result Code AVP (RFC 3931 section 5.4.2).
type ErrorCode uint16

// General error codes of RFC 3931 section 5.4.2.
const (
	ErrorNone         ErrorCode = 0
	ErrorNoConnection ErrorCode = 1
	ErrorLength       ErrorCode = 2
	ErrorValue        ErrorCode = 3
	ErrorResources    ErrorCode = 4
	ErrorSessionID    ErrorCode = 5
	ErrorVendor       ErrorCode = 6
	ErrorTryAnother   ErrorCode = 7
	ErrorUnknownAVP   ErrorCode = 8
	ErrorTryDirected  ErrorCode = 9
	errorHopUnreached ErrorCode = 10
	errorHopBusy      ErrorCode = 11
	errorTSABusy      ErrorCode = 12
	numErrorCodes               = 13
)

var errorNames = [numErrorCodes]string{
	ErrorNone:         "no general error",
	ErrorNoConnection: "no control connection exists yet",
	ErrorLength:       "length is wrong",
	ErrorValue:        "value out of range",
	ErrorResources:    "insufficient resources",
	ErrorSessionID:    "invalid session id",
	ErrorVendor:       "vendor-specific error",
	ErrorTryAnother:   "try another",
	ErrorUnknownAVP:   "unknown AVP with the M bit set",
	ErrorTryDirected:  "try another, directed",
	errorHopUnreached: "next hop unreachable",
	errorHopBusy:      "next hop busy",
	errorTSABusy:      "TSA busy",
}

// String returns the RFC's meaning.
func (e ErrorCode) String() string {
	if e < numErrorCodes {
		return errorNames[e]
	}
	return "error " + strconv.Itoa(int(e))
}

// Result codes of StopCCN (RFC 3931 section 5.4.2).
const (
	StopGeneral      uint16 = 1
	StopError        uint16 = 2
	StopExists       uint16 = 3
	StopUnauthorized uint16 = 4
	StopVersion      uint16 = 5
	StopShutdown     uint16 = 6
	StopStateMachine uint16 = 7
)

// Result codes of CDN (RFC 3931 section 5.4.2, RFC 4349 section 3).
const (
	CallCarrierLost    uint16 = 1
	CallError          uint16 = 2
	CallAdministrative uint16 = 3
	CallNoFacilities   uint16 = 4 // for now
	CallNever          uint16 = 5 // for good
	CallTieLost        uint16 = 13
	CallPseudowireType uint16 = 14
	CallSequencing     uint16 = 15
	CallStateMachine   uint16 = 16
)

var stopNames = map[uint16]string{
	StopGeneral: "cleared", StopError: "general error", StopExists: "control connection already exists",
	StopUnauthorized: "not authorized", StopVersion: "protocol version not supported", StopShutdown: "shutting down",
	StopStateMachine: "state machine error or timeout", 8: "CCDS mismatch",
}

var callNames = map[uint16]string{
	CallCarrierLost: "carrier or circuit lost", CallError: "general error", CallAdministrative: "administrative reasons",
	CallNoFacilities: "no facilities for now", CallNever: "no facilities",
	6: "invalid destination", 7: "no carrier", 8: "busy", 9: "no dial tone", 10: "not established in time",
	11: "no framing detected", 12: "SDS mismatch",
	CallTieLost: "lost the tie", CallPseudowireType: "unsupported pseudowire type",
	CallSequencing: "sequencing needs a sublayer", CallStateMachine: "state machine error or timeout",
	17: "frame relay PVC deleted", 18: "frame relay PVC inactive for too long", 19: "frame relay signalling",
	20: "HDLC link removed", 21: "HDLC link inactive for too long", 22: "ATM OAM", 23: "interface MTU mismatch",
	24: "no such forwarder", 25: "forwarder not authorized", 26: "loop detected",
	27: "attachment circuit bound elsewhere", 28: "attachment circuit bound elsewhere", 30: "TDM parameters",
	31: "sequencing not supported",
}

// Result is the value of the Result Code AVP: why a control connection (StopCCN) or a session (CDN) ends.
type Result struct {
	// Code means something else in StopCCN and CDN.
	Code uint16
	// Error says more; 0 when it says nothing.
	Error ErrorCode
	// Text is for people, at most maxResultText bytes on the wire.
	Text string
}

const (
	maxResultText = 128 // ours; what is received may be longer
	resultLen     = 2
	resultErrLen  = 4
)

// Describe returns the meaning of r in a StopCCN or CDN, for people.
func (r Result) Describe(t MessageType) string {
	names := stopNames
	if t == CDN {
		names = callNames
	}
	s, ok := names[r.Code]
	if !ok {
		s = "result " + strconv.Itoa(int(r.Code))
	}
	switch {
	case r.Error == 0:
	case t == StopCCN && r.Code == StopVersion:
		s += fmt.Sprintf(", highest version %d", r.Error)
	default:
		s += ", " + r.Error.String()
	}
	if r.Text != "" {
		s += ": " + printable(r.Text)
	}
	return s
}

// parseResult reads the AVP in its three forms: result; result and error; result, error and text (RFC 3931 section
// 5.4.2). A single byte behind the result is not a form of it, but nothing is lost by ignoring it.
func parseResult(v []byte) (Result, bool) {
	if len(v) < resultLen {
		return Result{}, false
	}
	r := Result{Code: binary.BigEndian.Uint16(v)}
	if len(v) >= resultErrLen {
		r.Error = ErrorCode(binary.BigEndian.Uint16(v[2:]))
		r.Text = string(v[resultErrLen:])
	}
	return r, true
}

// appendTo writes the shortest form that says everything.
func (r Result) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, r.Code)
	if r.Error == 0 && r.Text == "" {
		return b
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(r.Error)), r.Text...)
}

// clip shortens the text to n bytes without cutting a character in two.
func (r Result) clip(n int) Result {
	if len(r.Text) > n {
		for n > 0 && !utf8.RuneStart(r.Text[n]) {
			n--
		}
		r.Text = r.Text[:n]
	}
	return r
}

// printable replaces what a terminal might act on.
func printable(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			q := strconv.QuoteToASCII(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}
