package pppfsm

import (
	"encoding/hex"
	"strings"
)

// serverState is where the peer's authentication is.
type serverState uint8

const (
	serverIdle    serverState = iota // the peer need not authenticate itself
	serverWaiting                    // for an Authenticate-Request or Response
	serverAsking                     // for Link.AuthResult
	serverDone                       // the peer was let in
)

// authServer is the authenticator's side: the peer proves itself to us.
type authServer struct {
	method AuthMethod
	state  serverState
	// proven stays set while a later Challenge is under way; told says
	// that the peer knows what came of the last one.
	proven, told bool
	// id is that of the Challenge, or of the peer's last
	// Authenticate-Request.
	id uint8
	// sends counts transmissions of the Challenge.
	sends uint16
	// request is the ID of the AuthRequest under way.
	request uint32
	// deadline is when the Challenge is repeated or a new one due, or when
	// we no longer wait; zero: no timer.
	deadline moment
	// value is that of the Challenge.
	value [16]byte
	// name is the peer's, message what it was told: it is told again when
	// it repeats itself (RFC 1994 §4.2, RFC 1334 §2.2.1).
	name, message string
}

// start demands the proof.
func (s *authServer) start(l *Link) {
	switch s.method {
	case AuthPAP:
		s.state = serverWaiting
		s.deadline = l.now.Add(l.cfg.Auth.papTimeout())
	case AuthCHAP, AuthMSCHAPv2:
		s.challenge(l)
	case AuthNone:
	}
}

// challenge begins with a new identifier and value (RFC 1994 §4.1).
func (s *authServer) challenge(l *Link) {
	if !l.unpredictable(s.value[:]) {
		l.lcp.closeFor("no random numbers for a Challenge")
		return
	}
	s.id++
	s.state, s.sends, s.message, s.told = serverWaiting, 0, "", false
	s.sendChallenge(l)
}

// sendChallenge sends the Challenge, also again: a repetition is the same
// packet, so that a Response to either is good.
func (s *authServer) sendChallenge(l *Link) {
	s.sends++
	s.deadline = l.now.Add(l.cfg.Auth.chapRestart())
	v := chapValue{s.value[:], []byte(l.cfg.Auth.Name)}
	l.sendPacket(s.method.protocol(), chapChallenge, s.id, v.encode())
}

// tick runs the timer when it is due.
func (s *authServer) tick(l *Link) {
	if s.deadline.IsZero() || l.now.Before(s.deadline) {
		return
	}
	switch {
	case s.state == serverDone:
		s.challenge(l)
	case s.state == serverAsking:
		l.lcp.closeFor("no verdict about the peer's " + s.method.title() + " authentication")
	case s.method == AuthPAP:
		l.lcp.closeFor("no PAP Authenticate-Request")
	case int(s.sends) >= l.cfg.Auth.maxChallenges():
		l.lcp.closeFor("no answer to " + s.method.title() + " Challenges")
	default:
		s.sendChallenge(l)
	}
}

// receivePAP takes an Authenticate-Request. Once let in, the peer gets the
// same answer whatever it sends (RFC 1334 §2.2.1).
func (s *authServer) receivePAP(l *Link, in packet) {
	r, err := parsePAPRequest(in.data)
	switch {
	case err != nil:
		l.count.Malformed++
	case s.state == serverWaiting:
		s.id = in.id
		s.ask(l, r.name, r.password)
	case s.state == serverAsking && s.name == string(r.name):
		s.id = in.id // repeated: the answer goes to the last one
	case s.state == serverDone:
		s.id = in.id
		s.answer(l, true)
	default:
		l.count.Ignored++
	}
}

// receiveResponse takes a CHAP Response. One that repeats an answered
// Challenge gets the same answer without asking again (RFC 1994 §4.2).
func (s *authServer) receiveResponse(l *Link, in packet) {
	v, err := parseCHAPValue(in.data)
	switch {
	case err != nil, len(v.value) != s.method.responseLen():
		l.count.Malformed++
	case in.id != s.id, s.state == serverAsking, s.told && s.method == AuthMSCHAPv2:
		l.count.Ignored++
	case s.state == serverDone:
		s.answer(l, true)
	case s.proven && s.name != string(v.name):
		s.refuse(l, "peer changed its name to "+quotedName(string(v.name)), "")
	default:
		s.ask(l, v.name, v.value)
	}
}

// responseLen is the length of a Response's value, in bytes (RFC 1994 §4.1
// with MD5, RFC 2759 §4).
func (m AuthMethod) responseLen() int {
	if m == AuthMSCHAPv2 {
		return 49
	}
	return 16
}

// ask puts the question to the owner.
func (s *authServer) ask(l *Link, name, response []byte) {
	l.asked++
	s.state, s.request, s.name = serverAsking, l.asked, string(name)
	s.deadline = l.now.Add(l.cfg.Auth.timeout())
	a := AuthRequest{ID: s.request, Method: s.method, Name: s.name, Response: append([]byte(nil), response...)}
	if s.method != AuthPAP {
		a.PacketID, a.Challenge = s.id, s.value
	}
	l.emit(a)
}

// forget drops the message to a peer that has gone on to the Network phase: it
// has our answer. What it repeats late gets an answer without a message, and
// with MS-CHAPv2, whose Success is nothing without one, none.
func (s *authServer) forget() {
	if s.state == serverDone {
		s.message, s.told = "", true
	}
}

// judge takes the owner's answer.
func (s *authServer) judge(l *Link, a AuthAnswer) {
	if !a.Accepted {
		s.refuse(l, "peer failed to authenticate itself with "+s.method.title(), a.Message)
		return
	}
	s.state, s.proven, s.message, s.deadline = serverDone, true, a.Message, 0
	if d := l.cfg.Auth.CHAPInterval; d > 0 && s.method != AuthPAP {
		s.deadline = l.now.Add(d)
	}
	s.answer(l, true)
	l.authenticated()
}

// refuse tells the peer and ends the link: there is one attempt a link, as in
// pppd (RFC 1334 §2.2.2, RFC 1994 §4.2 ask for the end).
func (s *authServer) refuse(l *Link, reason, message string) {
	s.message = message
	if s.method == AuthMSCHAPv2 && !strings.HasPrefix(message, "E=") {
		s.message = s.error691(message)
	}
	s.answer(l, false)
	l.lcp.closeFor(reason)
}

// error691 is the message of an MS-CHAPv2 Failure: ERROR_AUTHENTICATION_FAILURE
// without another try (RFC 2759 §6).
func (s *authServer) error691(text string) string {
	return "E=691 R=0 C=" + strings.ToUpper(hex.EncodeToString(s.value[:])) + " V=3 M=" + text
}

// answer sends Ack or Nak, Success or Failure, with as much of the message as
// fits (RFC 1334 §2.2.2, RFC 1994 §4.2).
func (s *authServer) answer(l *Link, good bool) {
	text := []byte(s.message)
	if s.method == AuthPAP {
		text = l.fit(text[:min(len(text), MaxAuthName)], headerLen+1)
		code := papNakCode
		if good {
			code = papAckCode
		}
		l.sendPacket(s.method.protocol(), code, s.id, appendPAPMessage(nil, text))
		return
	}
	code := chapFailure
	if good {
		code = chapSuccess
	}
	l.sendPacket(s.method.protocol(), code, s.id, l.fit(text, headerLen))
}
