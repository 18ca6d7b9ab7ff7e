package pppfsm

import (
	"io"
	"strconv"
	"time"

	"culvert/encap"
)

// auth is the Authenticate phase of a link and what is left of it while the
// link is up. It exists only where a method was negotiated.
type auth struct {
	server authServer
	client authClient
}

// authenticate is the Authenticate phase (RFC 1661 §3.5), entered when LCP is
// Opened: both directions begin at once. Where nobody demands anything the
// phase is passed through.
func (l *Link) authenticate() {
	l.phase = PhaseAuthenticate
	if l.lcp.auth == AuthNone && l.lcp.theirs.auth == AuthNone {
		l.network()
		return
	}
	a := &auth{}
	l.auth = a
	var ids [2]byte
	l.random(ids[:])
	a.server.method, a.server.id = l.lcp.auth, ids[0]
	a.client.method, a.client.id = l.lcp.theirs.auth, ids[1]
	a.server.start(l)
	if l.auth == a { // else the link has ended
		a.client.start(l)
	}
}

// authenticated goes on to the Network phase when nobody has anything left to
// prove (RFC 1661 §3.5).
func (l *Link) authenticated() {
	a := l.auth
	open := a.server.method != AuthNone && !a.server.proven || a.client.method != AuthNone && !a.client.proven
	if !open && l.phase == PhaseAuthenticate {
		l.network()
	}
}

// speaks says that p is an authentication protocol both ends agreed on.
func (a *auth) speaks(p encap.PPPProtocol) bool {
	return a != nil && (a.server.method.protocol() == p || a.client.method.protocol() == p)
}

// heardNCP says that the peer has come to the Network phase.
func (a *auth) heardNCP() {
	if a != nil {
		a.server.forget()
	}
}

// receiveAuth takes a frame of an agreed protocol. A packet for a side that
// has not agreed on the protocol gets no answer: what nobody negotiated must
// not make us reveal or judge anything.
func (l *Link) receiveAuth(p encap.PPPProtocol, info []byte) {
	in, err := parsePacket(info)
	if err != nil {
		l.count.Malformed++
		return
	}
	s, c := &l.auth.server, &l.auth.client
	forServer, forClient := s.method.protocol() == p, c.method.protocol() == p
	pap := p == encap.ProtoPAP
	switch {
	case pap && forServer && in.code == papRequestCode:
		s.receivePAP(l, in)
	case pap && forClient && (in.code == papAckCode || in.code == papNakCode):
		c.receivePAP(l, in)
	case !pap && forServer && in.code == chapResponse:
		s.receiveResponse(l, in)
	case !pap && forClient && in.code == chapChallenge:
		c.receiveChallenge(l, in)
	case !pap && forClient && (in.code == chapSuccess || in.code == chapFailure):
		c.receiveResult(l, in)
	default:
		l.count.Ignored++
	}
}

// AuthResult is the answer to the AuthRequest with that ID. It does nothing
// when the link has moved on since.
func (l *Link) AuthResult(now time.Time, id uint32, a AuthAnswer) {
	l.now = momentOf(now)
	if l.auth == nil || l.auth.server.state != serverAsking || l.auth.server.request != id {
		l.count.Ignored++
		return
	}
	l.auth.server.judge(l, a)
	l.settle()
}

// reflected says that a Challenge is one of ours, or under our name: whoever
// sends it wants us to answer it for him.
func (a *auth) reflected(l *Link, v chapValue) bool {
	name := l.cfg.Auth.Name
	return name != "" && name == string(v.name) ||
		a.server.method.protocol() == encap.ProtoCHAP && string(v.value) == string(a.server.value[:])
}

// tickAuth runs the timers of authentication.
func (l *Link) tickAuth() {
	a := l.auth
	if a == nil {
		return
	}
	a.server.tick(l)
	if l.auth == a {
		a.client.tick(l)
	}
}

// rejectedAuth ends a link whose peer does not speak a protocol it agreed on.
func (l *Link) rejectedAuth(p encap.PPPProtocol) bool {
	if !l.auth.speaks(p) {
		return false
	}
	l.lcp.closeFor("peer rejects " + p.String())
	return true
}

// unpredictable fills b with bytes nobody can guess; unlike random it does not
// do with less.
func (l *Link) unpredictable(b []byte) bool {
	if l.rnd == nil {
		return false
	}
	_, err := io.ReadFull(l.rnd, b)
	return err == nil
}

// forName names the authenticator in a reason.
func forName(name string) string {
	if name == "" {
		return ""
	}
	return " of " + quotedName(name)
}

// quotedName is a peer's name in quotes, cut.
func quotedName(name string) string {
	return strconv.QuoteToASCII(name[:min(len(name), maxQuoted)])
}
