package pppfsm

import (
	"time"

	"culvert/encap"
)

// AuthMethod is an authentication protocol, with its algorithm where it has
// one: a value of the Authentication-Protocol option (RFC 1661 §6.2).
type AuthMethod uint8

// Authentication protocols.
const (
	// AuthNone is no authentication.
	AuthNone AuthMethod = iota
	// AuthPAP is the Password Authentication Protocol (RFC 1334 §2).
	AuthPAP
	// AuthCHAP is CHAP with MD5 (RFC 1994).
	AuthCHAP
	// AuthMSCHAPv2 is Microsoft's CHAP, version 2 (RFC 2759).
	AuthMSCHAPv2
)

// String returns the name the configuration file has for m.
func (m AuthMethod) String() string {
	switch m {
	case AuthNone:
		return "none"
	case AuthPAP:
		return "pap"
	case AuthCHAP:
		return "chap"
	case AuthMSCHAPv2:
		return "mschapv2"
	}
	return "invalid"
}

// title is what reasons call m.
func (m AuthMethod) title() string {
	switch m {
	case AuthPAP:
		return "PAP"
	case AuthMSCHAPv2:
		return "MS-CHAPv2"
	case AuthNone, AuthCHAP:
	}
	return "CHAP"
}

// protocol is the PPP protocol m runs on.
func (m AuthMethod) protocol() encap.PPPProtocol {
	switch m {
	case AuthPAP:
		return encap.ProtoPAP
	case AuthCHAP, AuthMSCHAPv2:
		return encap.ProtoCHAP
	case AuthNone:
	}
	return 0
}

// methodSet is a set of methods: bit n is method n.
type methodSet uint8

func (s methodSet) has(m AuthMethod) bool { return s&(1<<m) != 0 }

// CHAP algorithms (IANA "PPP Authentication Algorithms"; RFC 1994 §3, RFC 2759
// §2).
const (
	algorithmMD5      = 5
	algorithmMSCHAPv2 = 0x81
)

// appendAuth appends the Authentication-Protocol option for m
// (RFC 1661 §6.2, RFC 1334 §2.1, RFC 1994 §3).
func appendAuth(b []byte, m AuthMethod) []byte {
	p := m.protocol()
	switch m {
	case AuthCHAP:
		return appendOption(b, optAuth, byte(p>>8), byte(p), algorithmMD5)
	case AuthMSCHAPv2:
		return appendOption(b, optAuth, byte(p>>8), byte(p), algorithmMSCHAPv2)
	case AuthPAP:
		return appendOption(b, optAuth, byte(p>>8), byte(p))
	case AuthNone:
	}
	return b
}

// authOf is the method an Authentication-Protocol option names, AuthNone for
// one that is not known or malformed.
func authOf(o option) AuthMethod {
	var buf [8]byte
	for _, m := range [...]AuthMethod{AuthPAP, AuthCHAP, AuthMSCHAPv2} {
		if string(appendAuth(buf[:0], m)) == string(o) {
			return m
		}
	}
	return AuthNone
}

// Default values of authentication: those of pppd(8).
const (
	// DefaultPAPRestart is the time before an Authenticate-Request is
	// repeated (pppd: pap-restart).
	DefaultPAPRestart = 3 * time.Second
	// DefaultPAPMaxAuthReq is the number of Authenticate-Requests sent
	// without an answer (pppd: pap-max-authreq).
	DefaultPAPMaxAuthReq = 10
	// DefaultPAPTimeout is how long the peer has for its first
	// Authenticate-Request (pppd: pap-timeout).
	DefaultPAPTimeout = 30 * time.Second
	// DefaultCHAPRestart is the time before a Challenge, or a Response, is
	// repeated (pppd: chap-restart).
	DefaultCHAPRestart = 3 * time.Second
	// DefaultCHAPMaxChallenge is the number of Challenges, or Responses,
	// sent without an answer (pppd: chap-max-challenge).
	DefaultCHAPMaxChallenge = 10
	// DefaultAuthTimeout bounds the wait for Link.AuthResult.
	DefaultAuthTimeout = 30 * time.Second
	// DefaultCHAPTimeout is how long the peer has for its first Challenge
	// (pppd: chap-timeout).
	DefaultCHAPTimeout = time.Minute
)

// MaxAuthName is the longest name and the longest PAP password, in bytes: PAP
// counts them in one byte (RFC 1334 §2.2.1).
const MaxAuthName = 255

// Auth is how the two ends of a link prove who they are. Links only read it
// and may share one; it must not change while they do. Zero durations and
// counts mean the defaults.
type Auth struct {
	// Require lists the methods with one of which the peer must prove
	// itself, the preferred one first; empty: it need not.
	Require []AuthMethod
	// Accept lists the methods with which we prove ourselves when the peer
	// demands it, the preferred one first; empty: with none.
	Accept []AuthMethod
	// Name is ours in Challenges (pppd: name). A Challenge under this name
	// is taken for a reflected one and not answered, unless it is empty.
	Name string
	// Prove computes what proves us; false: nothing does. It must not keep
	// the slices of the Challenge, and is not called without Accept.
	Prove func(Challenge) (Proof, bool)

	// PAPRestart and PAPMaxAuthReq repeat our Authenticate-Requests,
	// PAPTimeout is how long we wait for the peer's.
	PAPRestart, PAPTimeout time.Duration
	PAPMaxAuthReq          int
	// CHAPRestart and CHAPMaxChallenge repeat Challenges and Responses.
	// CHAPTimeout is how long we wait for the peer's first Challenge.
	CHAPRestart, CHAPTimeout time.Duration
	CHAPMaxChallenge         int
	// CHAPInterval is the time between Challenges while the link is up, 0:
	// only the first (pppd: chap-interval).
	CHAPInterval time.Duration
	// Timeout bounds the wait for Link.AuthResult after an AuthRequest.
	Timeout time.Duration
}

// Challenge is what the peer wants proven.
type Challenge struct {
	// Method is what was negotiated. With AuthPAP the rest is zero.
	Method AuthMethod
	// ID is the Identifier of the packet and part of what MD5 hashes
	// (RFC 1994 §4.1).
	ID uint8
	// Name is what the authenticator calls itself; it may be empty.
	Name string
	// Value is the challenge, 16 bytes with AuthMSCHAPv2, at least one
	// with AuthCHAP. It is the link's: not to be kept.
	Value []byte
	// Peer is the Peer-Challenge of AuthMSCHAPv2 (RFC 2759 §4).
	Peer [16]byte
}

// Proof proves us.
type Proof struct {
	// Name is ours, at most MaxAuthName bytes.
	Name string
	// Value is the password with AuthPAP (at most MaxAuthName bytes), the
	// MD5 hash of 16 bytes with AuthCHAP (RFC 1994 §4.1), the NT-Response
	// of 24 bytes with AuthMSCHAPv2 (RFC 2759 §8.1).
	Value []byte
	// Verify is with AuthMSCHAPv2 how the message of Success must begin,
	// "S=" and 40 hexadecimal digits: it proves the authenticator to us
	// (RFC 2759 §8.7).
	Verify string
}

// AuthRequest asks the owner whether the peer is who it says. The answer goes
// to Link.AuthResult, at once or later; until then the peer waits.
type AuthRequest struct {
	// ID goes with the answer.
	ID uint32
	// Method is what was negotiated.
	Method AuthMethod
	// Name is what the peer calls itself, up to 255 bytes of any value.
	Name string
	// PacketID is the Identifier of the Challenge, Challenge its value of
	// 16 bytes; both zero with AuthPAP.
	PacketID  uint8
	Challenge [16]byte
	// Response is the password with AuthPAP, up to 255 bytes; else the
	// value of the Response: 16 bytes with AuthCHAP; with AuthMSCHAPv2 49:
	// Peer-Challenge 16, reserved 8, NT-Response 24, flags 1 (RFC 2759
	// §4). It belongs to the receiver of the action.
	Response []byte
}

// String leaves the response out: it may be a password.
func (r AuthRequest) String() string { return r.Method.String() + " of " + quotedName(r.Name) }

// GoString is String, for %#v.
func (r AuthRequest) GoString() string { return r.String() }

func (AuthRequest) action() {}

// AuthAnswer is the answer to an AuthRequest.
type AuthAnswer struct {
	// Accepted lets the peer in.
	Accepted bool
	// Message goes to the peer, cut to what fits. With AuthMSCHAPv2 and
	// Accepted it must begin with the authenticator response, "S=" and 40
	// hexadecimal digits (RFC 2759 §5). When AuthMSCHAPv2 is refused a
	// message that does not begin with "E=" becomes the text of one with
	// error 691 (RFC 2759 §6).
	Message string
}

func (a *Auth) papRestart() time.Duration { return durationOr(a.PAPRestart, DefaultPAPRestart) }

func (a *Auth) papTimeout() time.Duration { return durationOr(a.PAPTimeout, DefaultPAPTimeout) }

func (a *Auth) maxRequests() int { return counterOr(a.PAPMaxAuthReq, DefaultPAPMaxAuthReq) }

func (a *Auth) chapRestart() time.Duration { return durationOr(a.CHAPRestart, DefaultCHAPRestart) }

func (a *Auth) chapTimeout() time.Duration { return durationOr(a.CHAPTimeout, DefaultCHAPTimeout) }

func (a *Auth) maxChallenges() int { return counterOr(a.CHAPMaxChallenge, DefaultCHAPMaxChallenge) }

func (a *Auth) timeout() time.Duration { return durationOr(a.Timeout, DefaultAuthTimeout) }

// durationOr returns d, or def unless d is positive.
func durationOr(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
