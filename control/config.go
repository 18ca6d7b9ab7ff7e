package control

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"culvert/encap"
)

// Errors of Profile.Check and Call.Check.
var (
	// ErrProfile says that a Profile or Call cannot be used; the text says why.
	ErrProfile = errors.New("unusable")
	// ErrClosed says that a control connection is closing or gone.
	ErrClosed = errors.New("the control connection is closing")
	// ErrEndIDInUse says that a session with the same Remote End ID exists in the control connection.
	ErrEndIDInUse = errors.New("the Remote End ID is in use")
	// ErrSessionID says that a Local Session ID is in use.
	ErrSessionID = errors.New("the Local Session ID is in use")
	// ErrLimit says that Profile.MaxSessions is reached.
	ErrLimit = errors.New("too many sessions")
)

// Path is where the messages of a control connection go to and come from. Over IP 115 ports are 0. An IPv4 address is
// not wrapped in IPv6.
type Path struct {
	Transport     encap.Transport
	Local, Remote netip.AddrPort
}

// DigestMode says which Message Digest AVP a control connection sends. Either type is taken when it is right.
type DigestMode uint8

// Digest modes. With secrets a digest authenticates; without it checks integrity (RFC 3931 section 4.3).
const (
	// DigestAuto is HMAC-MD5 with secrets and none without; who answers uses the type the peer uses.
	DigestAuto DigestMode = iota
	DigestOff
	DigestModeMD5
	DigestModeSHA1
)

// AckMode says what acknowledges where no message is waiting to do so (RFC 3931 section 6.15). Both are taken always.
type AckMode uint8

// Acknowledgements.
const (
	AckAuto    AckMode = iota // the ACK message where digests are sent, ZLB elsewhere
	AckMessage                // always the ACK message
	AckZLB                    // ZLB unless digests are sent, which forbid it
)

// Profile is how we behave towards a peer. The zero value of a field means its default.
type Profile struct {
	// HostName (host_name) and RouterID say who we are. HostName has 1 to 255 bytes.
	HostName   string
	RouterID   uint32
	VendorName string // left out when empty
	// Pseudowires are the types we offer (PPP).
	Pseudowires []PseudowireType
	Reliability
	// HelloTimeout is the silence after which the peer is asked whether it lives (hello_timeout; 60 s). Up to an
	// eighth is taken off at random, so that tunnels to one peer do not ask together.
	HelloTimeout time.Duration
	// SetupTimeout is how long the peer may take for one step of setting up a connection or session (60 s).
	SetupTimeout time.Duration
	// Secrets are the shared secrets, none to two. Messages that are right under either are taken, so that one can
	// replace the other while connections live.
	Secrets [][]byte
	Digest  DigestMode
	Ack     AckMode
	// Challenge accepts Challenge and Challenge Response of RFC 2661 section 5.1.1 as authentication, from a peer that
	// sends no digests. It needs Secrets. With DigestOff it is the only authentication.
	Challenge bool
	// HideAVPs hides cookies and Remote End IDs; only where digests authenticate (RFC 3931 section 5.3).
	HideAVPs bool
	// TieBreaker lets only one connection come up when both ends dial at once (RFC 3931 section 5.4.3). Leave it off
	// for several connections to one peer.
	TieBreaker bool
	// MaxSessions bounds the sessions of a connection (65536).
	MaxSessions int
	// Strict refuses messages that lack an AVP which must be there, even one that nobody needs.
	Strict bool
	// Vendor is Decoder.Vendor.
	Vendor func(t MessageType, vendor uint32, a AVP) bool
}

// Defaults of Profile.
const (
	defaultHello       = 60 * time.Second
	defaultSetup       = 60 * time.Second
	defaultMaxSessions = 65536
	maxNameLen         = 255
	maxSecrets         = 2
	nonceLen           = 16 // RFC 3931 section 5.4.1 advises 16 or more
)

func (p Profile) normal() Profile {
	p.Reliability = p.Reliability.normal()
	if p.HelloTimeout <= 0 {
		p.HelloTimeout = defaultHello
	}
	if p.SetupTimeout <= 0 {
		p.SetupTimeout = defaultSetup
	}
	if len(p.Pseudowires) == 0 {
		p.Pseudowires = []PseudowireType{PseudowirePPP}
	}
	if p.MaxSessions <= 0 {
		p.MaxSessions = defaultMaxSessions
	}
	return p
}

// Check tells whether p can be used. Errors wrap ErrProfile.
func (p Profile) Check() error {
	switch {
	case len(p.HostName) == 0 || len(p.HostName) > maxNameLen:
		return fmt.Errorf("%w: the host name needs 1 to %d bytes", ErrProfile, maxNameLen)
	case len(p.VendorName) > maxNameLen:
		return fmt.Errorf("%w: the vendor name has more than %d bytes", ErrProfile, maxNameLen)
	case len(p.Pseudowires) > maxNameLen:
		return fmt.Errorf("%w: more than %d pseudowire types", ErrProfile, maxNameLen)
	case len(p.Secrets) > maxSecrets:
		return fmt.Errorf("%w: more than %d secrets", ErrProfile, maxSecrets)
	case p.Challenge && len(p.Secrets) == 0:
		return fmt.Errorf("%w: a challenge needs a secret", ErrProfile)
	case p.HideAVPs && !p.authenticates():
		return fmt.Errorf("%w: hidden AVPs need a secret and digests (RFC 3931 section 5.3)", ErrProfile)
	case len(p.Secrets) > 0 && p.Digest == DigestOff && !p.Challenge:
		return fmt.Errorf("%w: a secret without digests and without challenge protects nothing", ErrProfile)
	}
	return nil
}

// authenticates says that digests with a secret are wanted.
func (p *Profile) authenticates() bool { return len(p.Secrets) > 0 && p.Digest != DigestOff }

// offers says that we offer pseudowires of this type.
func (p *Profile) offers(t PseudowireType) bool {
	for _, have := range p.Pseudowires {
		if have == t {
			return true
		}
	}
	return false
}

// Call is what a session is asked for or answered with.
type Call struct {
	// Outgoing asks the peer to place a call (OCRQ) instead of reporting one (ICRQ).
	Outgoing       bool
	PseudowireType PseudowireType
	// RemoteEndID names the session to the peer: up to 255 bytes of any kind.
	RemoteEndID string
	// LocalSessionID is what arrives here; 0 lets a random one be chosen.
	LocalSessionID encap.SessionID
	// CookieLen is the size of the cookie we assign: 4 or 8 bytes, -1 for none; 0 means 8.
	CookieLen int
	// Sublayer is what we want to receive, Sequencing how. What we send is what the peer wants, unless ForceSublayer
	// says that it is Sublayer too, for peers whose word cannot be trusted (l2spec_type).
	Sublayer      SublayerType
	ForceSublayer bool
	Sequencing    Sequencing
	// Circuit is the state of our attachment circuit.
	Circuit CircuitStatus
	// TieBreaker settles it when both ends ask for the same Remote End ID at once; without one on either side both
	// attempts end (RFC 3931 section 5.4.4).
	TieBreaker bool
	// TxConnectSpeed and RxConnectSpeed are told the peer when they are not 0, in bit/s.
	TxConnectSpeed, RxConnectSpeed uint64
	// PhysicalChannelID is told the peer when it is not 0, for its logs.
	PhysicalChannelID uint32
}

// Check tells whether c can be used. Errors wrap ErrProfile.
func (c Call) Check() error {
	switch {
	case len(c.RemoteEndID) > maxNameLen:
		return fmt.Errorf("%w: the Remote End ID has more than %d bytes", ErrProfile, maxNameLen)
	case c.CookieLen != -1 && c.CookieLen != 0 && c.CookieLen != 4 && c.CookieLen != 8:
		return fmt.Errorf("%w: a cookie has 4 or 8 bytes", ErrProfile)
	case c.Sublayer > SublayerDefault:
		return fmt.Errorf("%w: sublayer %d", ErrProfile, c.Sublayer)
	case c.Sequencing > SequencingAll || c.Sequencing != SequencingNone && c.Sublayer == SublayerNone:
		return fmt.Errorf("%w: sequencing needs the default sublayer", ErrProfile)
	}
	return nil
}

// cookieLen returns the bytes of the cookie to assign.
func (c *Call) cookieLen() int {
	switch c.CookieLen {
	case 0:
		return encap.MaxCookieLen
	case -1:
		return 0
	}
	return c.CookieLen
}

// Policy decides about what peers ask for. It is called from within Endpoint.Receive, must answer at once and must not
// call the Endpoint.
type Policy interface {
	// Known reports whether addr is that of a configured peer. Its SCCRQs do not compete with those of strangers.
	Known(addr netip.Addr) bool
	// AcceptConnection returns how to behave towards the sender of an SCCRQ, or why it is refused. Nothing in m has been
	// verified: the profile it leads to does that.
	AcceptConnection(path Path, m *Message) (Profile, *Result)
	// AcceptCall returns how to answer the ICRQ or OCRQ m, or why it is refused. PseudowireType, RemoteEndID and Outgoing
	// of the Call are m's whatever it says.
	AcceptCall(c *Conn, m *Message) (Call, *Result)
}
