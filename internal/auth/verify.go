package auth

import (
	"crypto/md5"
	"crypto/subtle"
	"strings"

	"layeh.com/radius/rfc2759"

	"culvert/pppfsm"
)

// Request is a peer that wants to be let in.
type Request struct {
	pppfsm.AuthRequest
	// Session names the session, "tunnel/session".
	Session string
}

// Verdict is the answer to a Request.
type Verdict struct {
	pppfsm.AuthAnswer
	// Addresses are those an accepted peer may use.
	Addresses Addresses
}

// Authenticator decides whether peers are who they say.
type Authenticator interface {
	// Authenticate judges r and calls answer once with the verdict: before it returns or later, on any goroutine.
	// It must not block; answer does not block. One that never answers costs the peer its link, nothing else. There
	// is at most one request of a session at a time.
	Authenticate(r Request, answer func(Verdict))
}

// Local judges peers by secrets that are here. It answers at once.
type Local struct {
	// Name is ours: the server of a secrets file.
	Name string
	// Peer and Secret let one peer in besides those of Table; an empty Peer is any name.
	Peer   string
	Secret Secret
	// Table is the secrets file, nil: none.
	Table *Table
}

// decoy is what an unknown peer's proof is compared with, so that it takes as long as a known one's.
var decoy = Entry{Secret: NewSecret("nobody has this secret")}

// Messages for peers. They do not tell why.
const (
	granted = "Access granted"
	denied  = "Access denied"
)

// Authenticate implements Authenticator.
func (l *Local) Authenticate(r Request, answer func(Verdict)) { answer(l.judge(r)) }

func (l *Local) judge(r Request) Verdict {
	e, known := l.find(r.Name)
	if !known {
		e = decoy
	}
	good, message := check(&r.AuthRequest, e.Secret)
	if !good || !known {
		return Verdict{AuthAnswer: pppfsm.AuthAnswer{Message: denied}}
	}
	return Verdict{pppfsm.AuthAnswer{Accepted: true, Message: message}, e.Addresses}
}

// find gives a peer's secret and addresses.
func (l *Local) find(name string) (Entry, bool) {
	if !l.Secret.IsZero() && (l.Peer == "" || l.Peer == name) {
		return Entry{l.Secret, AnyAddress()}, true
	}
	return l.Table.Lookup(name, l.Name)
}

// check compares what the peer sent with what the secret gives, in constant time, and says what to tell it.
func check(r *pppfsm.AuthRequest, secret Secret) (good bool, message string) {
	switch r.Method {
	case pppfsm.AuthPAP:
		return NewSecret(string(r.Response)).Equal(secret), granted
	case pppfsm.AuthCHAP:
		want := chapMD5(r.PacketID, secret, r.Challenge[:])
		return subtle.ConstantTimeCompare(want, r.Response) == 1, granted
	case pppfsm.AuthMSCHAPv2:
		if len(r.Response) != 49 { // RFC 2759 section 4
			return false, ""
		}
		peer, nt := r.Response[:16], r.Response[24:48]
		want, success, err := mschapv2(r.Name, secret, r.Challenge[:], peer)
		return err == nil && subtle.ConstantTimeCompare(want, nt) == 1, success + " M=" + granted
	case pppfsm.AuthNone:
	}
	return false, ""
}

// chapMD5 is the Response's value of RFC 1994 section 4.1.
func chapMD5(id uint8, secret Secret, challenge []byte) []byte {
	h := md5.New()
	h.Write([]byte{id})
	h.Write([]byte(secret.reveal()))
	h.Write(challenge)
	return h.Sum(nil)
}

// mschapv2 gives the NT-Response of 24 bytes (RFC 2759 section 8.1) and the authenticator response, "S=" and 40
// digits (section 8.7). A Windows domain before the name is not part of what is hashed (section 4).
func mschapv2(name string, secret Secret, challenge, peer []byte) (nt []byte, success string, err error) {
	if _, user, ok := strings.Cut(name, `\`); ok {
		name = user
	}
	password := []byte(secret.reveal())
	if nt, err = rfc2759.GenerateNTResponse(challenge, peer, []byte(name), password); err != nil {
		return nil, "", err
	}
	success, err = rfc2759.GenerateAuthenticatorResponse(challenge, peer, nt, []byte(name), password)
	return nt, success, err
}
