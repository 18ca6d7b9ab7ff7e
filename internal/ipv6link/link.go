package ipv6link

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// Action is something a Link wants done.
type Action interface{ action() }

// Send asks for a whole IPv6 packet to be sent to the peer.
type Send struct{ Packet []byte }

// AddRoute says that a prefix is delegated to the peer from now on: what is for it goes into the link.
type AddRoute struct{ Prefix netip.Prefix }

// RemoveRoute says that it is no longer.
type RemoveRoute struct{ Prefix netip.Prefix }

// Return gives the prefix that Options.Delegate gave back.
type Return struct{ Prefix netip.Prefix }

func (Send) action()        {}
func (AddRoute) action()    {}
func (RemoveRoute) action() {}
func (Return) action()      {}

// Options of a Link, for its whole life.
type Options struct {
	*Config
	// Server is our DUID (RFC 8415 section 11), 3 to 130 bytes.
	Server []byte
	// Delegate gives a prefix for networks behind the peer, until Return; nil: there are none. It is called from Input
	// and must not call the Link. An error says that none is left.
	Delegate func() (netip.Prefix, error)
	// Random is where delays come from.
	Random io.Reader
}

// State is what a link is like while IPv6 is up on it.
type State struct {
	// Local is our link-local address.
	Local netip.Addr
	// Prefix is that of the link, of length 64; zero: none.
	Prefix netip.Prefix
	// MTU of the link, in bytes.
	MTU int
}

// Counters count since NewLink. They wrap around.
type Counters struct {
	Solicitations, Advertisements uint32 // taken, sent
	Requests, Replies             uint32 // DHCPv6 messages taken, answered
	Malformed                     uint32 // packets and messages with wrong lengths, checksums or options
	Ignored                       uint32 // messages that are no server's business, or for another one
	Limited                       uint32 // DHCPv6 messages above the rate
}

// Link is the router's side of one link. It must not be copied.
type Link struct {
	o     Options
	up    bool
	state State
	now   time.Time
	out   []Action
	count Counters

	advertiser
	delegation
	// busy is when the DHCPv6 answers given so far will have been earned (token bucket).
	busy time.Time
}

// NewLink returns a link on which IPv6 is down.
func NewLink(o Options) *Link { return &Link{o: o} }

// Up says that IPv6 is up: the first advertisement goes out.
func (l *Link) Up(now time.Time, s State) {
	l.now, l.state, l.up = now, s, true
	l.beginAdvertising()
}

// Down says that IPv6 is down; what was delegated is taken back. Nothing is sent.
func (l *Link) Down(now time.Time) {
	l.now, l.up = now, false
	l.advertiser = advertiser{}
	l.giveBack()
}

// SetMTU tells a new MTU of the link, in bytes; advertisements have it from the next one on.
func (l *Link) SetMTU(mtu int) { l.state.MTU = mtu }

// Input takes an IPv6 packet of the peer.
func (l *Link) Input(now time.Time, packet []byte) {
	l.now = now
	if !l.up {
		l.count.Ignored++
		return
	}
	p, ok := parse(packet)
	switch {
	case !ok:
		l.count.Malformed++
	case p.solicitation:
		l.count.Solicitations++
		l.solicited(p.source)
	default:
		l.serve(p)
	}
}

// Tick runs what is due at now. Calling it early does nothing.
func (l *Link) Tick(now time.Time) {
	l.now = now
	if l.up {
		l.tickAdvertiser()
		l.tickDelegation()
	}
}

// Deadline returns when Tick is due next; the zero time: never.
func (l *Link) Deadline() time.Time {
	var d time.Time
	for _, t := range [...]time.Time{l.next, l.answerAt, l.expires} {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	return d
}

// Take returns the actions that came out since the last call, in order.
func (l *Link) Take() []Action {
	a := l.out
	l.out = nil
	return a
}

// Delegated is the prefix delegated to the peer, zero: none.
func (l *Link) Delegated() netip.Prefix {
	if !l.bound {
		return netip.Prefix{}
	}
	return l.delegation.prefix
}

// Counters returns a copy of the counters.
func (l *Link) Counters() Counters { return l.count }

func (l *Link) emit(a Action) { l.out = append(l.out, a) }

// between returns a random time from low to high. A source that fails gives low.
func (l *Link) between(low, high time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(l.o.Random, b[:]); err != nil || high <= low {
		return low
	}
	return low + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(high-low+1))
}
