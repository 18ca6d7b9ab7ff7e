package pppfsm

import "errors"

// errAuthPacket is a PAP or CHAP packet whose inner lengths do not fit: it is
// dropped silently (RFC 1334 §2.2, RFC 1994 §4).
var errAuthPacket = errors.New("pppfsm: authentication packet length out of range")

// Codes of PAP (RFC 1334 §2.2).
const (
	papRequestCode Code = 1 // Authenticate-Request
	papAckCode     Code = 2 // Authenticate-Ack
	papNakCode     Code = 3 // Authenticate-Nak
)

// Codes of CHAP (RFC 1994 §4).
const (
	chapChallenge Code = 1
	chapResponse  Code = 2
	chapSuccess   Code = 3
	chapFailure   Code = 4
)

// papRequest is the data of an Authenticate-Request (RFC 1334 §2.2.1). It
// aliases the packet.
type papRequest struct{ name, password []byte }

// parsePAPRequest takes apart the data of an Authenticate-Request. What
// follows the password is ignored.
func parsePAPRequest(b []byte) (r papRequest, err error) {
	if r.name, b, err = counted(b); err != nil {
		return papRequest{}, err
	}
	if r.password, _, err = counted(b); err != nil {
		return papRequest{}, err
	}
	return r, nil
}

// encode gives the data of the request; both fields have at most 255 bytes.
func (r papRequest) encode() []byte {
	b := append([]byte{byte(len(r.name))}, r.name...)
	return append(append(b, byte(len(r.password))), r.password...)
}

// parsePAPMessage is the message of an Ack or Nak (RFC 1334 §2.2.2). Some
// peers leave an empty one's length out.
func parsePAPMessage(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	msg, _, err := counted(b)
	return msg, err
}

// appendPAPMessage appends a message of at most 255 bytes.
func appendPAPMessage(b, msg []byte) []byte { return append(append(b, byte(len(msg))), msg...) }

// chapValue is the data of a Challenge or Response (RFC 1994 §4.1). It aliases
// the packet.
type chapValue struct{ value, name []byte }

// parseCHAPValue takes apart the data of a Challenge or Response. A value has
// at least one byte; names longer than MaxAuthName are refused.
func parseCHAPValue(b []byte) (v chapValue, err error) {
	if v.value, v.name, err = counted(b); err != nil {
		return chapValue{}, err
	}
	if len(v.value) == 0 || len(v.name) > MaxAuthName {
		return chapValue{}, errAuthPacket
	}
	return v, nil
}

// encode gives the data of a Challenge or Response; the value has at most 255
// bytes.
func (v chapValue) encode() []byte {
	b := append([]byte{byte(len(v.value))}, v.value...)
	return append(b, v.name...)
}

// counted cuts a field off b that has its length in front of it, in one byte.
func counted(b []byte) (field, rest []byte, err error) {
	if len(b) == 0 || len(b) <= int(b[0]) {
		return nil, nil, errAuthPacket
	}
	n := 1 + int(b[0])
	return b[1:n:n], b[n:], nil
}
