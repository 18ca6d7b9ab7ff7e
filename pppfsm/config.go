package pppfsm

import (
	"cmp"
	"net/netip"
	"time"
)

// FramingMode says how the Address and Control fields, the bytes FF 03 in
// front of the protocol number (RFC 1662 §3.1), are treated in frames we send.
// Frames with and without them are accepted in every mode.
type FramingMode uint8

// Framing modes. Implementations of PPP in tunnels disagree about FF 03, so
// the default follows the peer.
const (
	// FramingAuto starts with FF 03 and follows the peer's LCP
	// configuration packets: LCP always carries the fields (RFC 1661 §6.6),
	// so a peer that leaves them out there never uses them.
	FramingAuto FramingMode = iota
	// FramingHDLC sends FF 03 in every frame, even when ACFC was agreed on.
	FramingHDLC
	// FramingBare never sends FF 03, not even for LCP.
	FramingBare
)

// String returns the value ppp_framing has in the configuration file.
func (m FramingMode) String() string {
	switch m {
	case FramingAuto:
		return "auto"
	case FramingHDLC:
		return "hdlc"
	case FramingBare:
		return "bare"
	}
	return "invalid"
}

// Default values of RFC 1661 §4.6 and of this package.
const (
	// DefaultMRU is the information field every PPP receiver takes, in
	// bytes (RFC 1661 §6.1).
	DefaultMRU = 1500
	// MinMRU is the smallest MRU we agree to, in bytes (pppd's MINMRU).
	MinMRU = 128
	// DefaultRestartTimer is the Restart timer (RFC 1661 §4.6).
	DefaultRestartTimer = 3 * time.Second
	// DefaultMaxConfigure is the number of Configure-Requests sent without
	// a valid answer (RFC 1661 §4.6).
	DefaultMaxConfigure = 10
	// DefaultMaxTerminate is the number of Terminate-Requests sent without
	// an answer (RFC 1661 §4.6).
	DefaultMaxTerminate = 2
	// DefaultMaxFailure is the number of Configure-Naks sent without a
	// Configure-Ack before Naks become Rejects (RFC 1661 §4.6).
	DefaultMaxFailure = 5
	// DefaultMaxReply is the longest frame sent, in bytes.
	DefaultMaxReply = 1500
)

// minMaxReply keeps Config.MaxReply large enough for every frame that starts
// or ends a negotiation.
const minMaxReply = 128

// Config is what one side of a PPP link wants. The zero value negotiates LCP
// alone, with a magic number and nothing else. Names follow pppd(8) where it
// has the option.
type Config struct {
	// MRU is the largest information field we want to receive, in bytes
	// (RFC 1661 §6.1). 0 and 1500 send no option; values outside
	// [MinMRU, 65535] are moved to the nearer end.
	MRU int
	// NoMagic sends no Magic-Number (pppd: nomagic). Looped links are then
	// not noticed.
	NoMagic bool
	// NoACFC and NoPFC reject the peer's offer of address and control, or
	// protocol field compression (pppd: noaccomp, nopcomp). Otherwise the
	// offer is acknowledged, whether or not it is made use of.
	NoACFC, NoPFC bool
	// RequestACFC and RequestPFC offer the compressions to the peer
	// (RFC 1661 §6.5, §6.6), and use them in data frames when the peer
	// offered them too.
	RequestACFC, RequestPFC bool
	// Framing is the treatment of FF 03.
	Framing FramingMode

	// IPv4 runs IPCP (RFC 1332), IPv6 runs IPV6CP (RFC 5072).
	IPv4, IPv6 bool
	// LocalAddress is our IPv4 address; zero or 0.0.0.0 asks the peer.
	// PeerAddress is the address the peer must have; zero or 0.0.0.0 takes
	// what it says. Link.SetPeerAddress overrides it.
	LocalAddress, PeerAddress netip.Addr
	// AcceptLocal takes the address the peer wants us to have instead of
	// LocalAddress, AcceptPeer the one it wants for itself instead of
	// PeerAddress (pppd: ipcp-accept-local, ipcp-accept-remote).
	AcceptLocal, AcceptPeer bool
	// AllowPeer, where it is set, judges every address the peer chooses for
	// itself. It is called from Input and must not call the Link.
	AllowPeer func(netip.Addr) bool
	// DNS and NBNS are the IPv4 servers told to a peer that asks
	// (RFC 1877); the zero address is not offered (pppd: ms-dns, ms-wins).
	DNS, NBNS [2]netip.Addr
	// UsePeerDNS and UsePeerNBNS ask the peer for its servers (pppd:
	// usepeerdns, usepeerwins).
	UsePeerDNS, UsePeerNBNS bool
	// LocalID is our first IPv6 interface identifier, zero: random.
	// PeerID is the identifier the peer must have, zero: any.
	LocalID, PeerID [8]byte

	// Auth is the authentication demanded of the peer and given to it, nil:
	// none in either direction.
	Auth *Auth

	// EchoInterval is the time between LCP Echo-Requests, 0: none (pppd:
	// lcp-echo-interval). EchoFailures unanswered ones in a row end the
	// link, 0: never (pppd: lcp-echo-failure).
	EchoInterval time.Duration
	EchoFailures int
	// EchoSpread sends the first Echo-Request of a link at a random time
	// within EchoInterval: of very many links that open together, an equal
	// share is due each second.
	EchoSpread bool
	// EchoAdaptive leaves an Echo-Request out when the peer's data arrived
	// since the one before was due: that says as much as a reply (pppd:
	// lcp-echo-adaptive). The owner must tell by Link.Traffic.
	EchoAdaptive bool
	// IdleTimeout ends the link when no data passed for that long (pppd:
	// idle), SessionTimeout that long after the first network protocol
	// came up (pppd: maxconnect); 0: never. Idleness is known by
	// Link.Traffic and noticed up to a sixteenth of the time late.
	IdleTimeout, SessionTimeout time.Duration

	// RestartTimer, MaxConfigure, MaxTerminate and MaxFailure are the
	// timer and counters of RFC 1661 §4.6; 0 means 3 s, 10, 2 and 5.
	RestartTimer                           time.Duration
	MaxConfigure, MaxTerminate, MaxFailure int
	// IPCP and IPv6CP are those of the network protocols where they are
	// others; 0 means as above.
	IPCP, IPv6CP Limits
	// Silent waits for the peer's first Configure-Request instead of
	// sending one. Passive sends them, but when nobody answers it waits
	// for the peer instead of finishing (pppd: silent, passive).
	Silent, Passive bool
	// MaxReply is the longest frame we may send, in bytes including FF 03
	// and the protocol number; 0 means 1500, less than 128 means 128.
	MaxReply int
}

// Limits are the timer and the counters of one automaton (RFC 1661 §4.6).
type Limits struct {
	RestartTimer                           time.Duration
	MaxConfigure, MaxTerminate, MaxFailure uint16
}

// or returns l with what is zero taken from d.
func (l Limits) or(d Limits) Limits {
	return Limits{
		RestartTimer: cmp.Or(max(l.RestartTimer, 0), d.RestartTimer),
		MaxConfigure: cmp.Or(l.MaxConfigure, d.MaxConfigure),
		MaxTerminate: cmp.Or(l.MaxTerminate, d.MaxTerminate),
		MaxFailure:   cmp.Or(l.MaxFailure, d.MaxFailure),
	}
}

// Normal returns a copy of c with defaults filled in and values brought into
// range, for NewLinkOf.
func (c Config) Normal() *Config {
	n := c.normal()
	return &n
}

// normal returns c with defaults filled in and values brought into range.
func (c Config) normal() Config {
	switch {
	case c.MRU <= 0:
		c.MRU = DefaultMRU
	default:
		c.MRU = min(max(c.MRU, MinMRU), 65535)
	}
	if c.RestartTimer <= 0 {
		c.RestartTimer = DefaultRestartTimer
	}
	c.MaxConfigure = counterOr(c.MaxConfigure, DefaultMaxConfigure)
	c.MaxTerminate = counterOr(c.MaxTerminate, DefaultMaxTerminate)
	c.MaxFailure = counterOr(c.MaxFailure, DefaultMaxFailure)
	lcp := c.lcpLimits()
	c.IPCP, c.IPv6CP = c.IPCP.or(lcp), c.IPv6CP.or(lcp)
	if c.MaxReply <= 0 {
		c.MaxReply = DefaultMaxReply
	}
	c.MaxReply = min(max(c.MaxReply, minMaxReply), 65535)
	c.EchoFailures = min(max(c.EchoFailures, 0), 255)
	c.EchoInterval = max(c.EchoInterval, 0)
	c.IdleTimeout, c.SessionTimeout = max(c.IdleTimeout, 0), max(c.SessionTimeout, 0)
	return c
}

// lcpLimits are LCP's, which the counters of a normal Config fit into.
func (c *Config) lcpLimits() Limits {
	return Limits{c.RestartTimer, uint16(c.MaxConfigure), uint16(c.MaxTerminate), uint16(c.MaxFailure)}
}

// counterOr returns v limited to 16 bits, or def for values below one.
func counterOr(v, def int) int {
	if v <= 0 {
		return def
	}
	return min(v, 65535)
}
