package pppfsm

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"culvert/encap"
)

// maxPending bounds the actions that wait for Take: more frames are neither
// sent nor taken.
const maxPending = 64

// Link is one end of a PPP link: LCP, IPCP and IPV6CP with their timers. It
// must not be copied and is used by one goroutine at a time.
type Link struct {
	cfg    *Config
	rnd    io.Reader
	now    moment
	lcp    lcp
	ipcp   ipcp
	ipv6cp ipv6cp
	out    []Action
	count  Counters
	// auth is nil where nobody authenticates himself; asked numbers the
	// AuthRequests.
	auth  *auth
	asked uint32
	*activity
	// phase is kept by phase.go; bare says that control frames leave FF 03
	// out; framing is what the last LinkOpened said.
	phase   Phase
	bare    bool
	framing encap.PPPFraming
}

// NewLink returns a link in the Dead phase: not open, lower layer down. rnd
// is the source of Challenges, magic numbers, interface identifiers and first
// packet identifiers, usually crypto/rand.Reader; with authentication it must
// be one that nobody can predict.
func NewLink(cfg Config, rnd io.Reader) *Link { return NewLinkOf(cfg.Normal(), rnd) }

// NewLinkOf does the same with a Config that came out of Normal. Any number of
// links may have the same one, which is 328 bytes; it must not change.
func NewLinkOf(cfg *Config, rnd io.Reader) *Link {
	l := &Link{cfg: cfg, rnd: rnd, activity: newActivity(cfg)}
	l.bare = l.cfg.Framing == FramingBare
	var ids [3]byte
	l.random(ids[:])
	l.lcp.machine = machine{link: l, proto: encap.ProtoLCP, lastID: ids[0]}
	l.lcp.silent, l.lcp.passive = l.cfg.Silent, l.cfg.Passive
	l.ipcp.machine = machine{link: l, proto: encap.ProtoIPCP, lastID: ids[1]}
	l.ipv6cp.machine = machine{link: l, proto: encap.ProtoIPv6CP, lastID: ids[2]}
	return l
}

// Open allows the link to come up (RFC 1661 §4.3): now if the lower layer is
// up, else when Up is called. On a link that finished it starts again; on a
// link that is up it does nothing.
func (l *Link) Open(now time.Time) {
	l.now = momentOf(now)
	l.lcp.step(evOpen, packet{}, answer{})
	l.settle()
}

// Close ends the link in order: the network protocols go down, the peer is
// told reason in a Terminate-Request (its first 64 bytes), and Finished comes
// out when it answered or Max-Terminate is reached.
func (l *Link) Close(now time.Time, reason string) {
	l.now = momentOf(now)
	l.lcp.closeFor(reason)
	l.settle()
}

// SetPeerAddress is the IPv4 address the peer is to have from now on, before
// that of the configuration; the zero Addr takes it back. Its place is after
// LinkOpened, before the next Input: the first request of the peer is judged
// by it. What has been agreed on stays.
func (l *Link) SetPeerAddress(a netip.Addr) { l.ipcp.assigned = ipv4Of(a) }

// CloseIPv4 ends IPCP, or keeps it from opening, until LCP opens again; the
// peer is told reason in a Terminate-Request. The link and IPv6 go on.
func (l *Link) CloseIPv4(now time.Time, reason string) { l.closeNetwork(now, &l.ipcp.machine, reason) }

// CloseIPv6 does so for IPV6CP.
func (l *Link) CloseIPv6(now time.Time, reason string) {
	l.closeNetwork(now, &l.ipv6cp.machine, reason)
}

func (l *Link) closeNetwork(now time.Time, m *machine, reason string) {
	l.now = momentOf(now)
	if m.state > Starting {
		m.closeFor(reason)
	}
	l.settle()
}

// Up says that the lower layer is ready to carry frames. It does nothing when
// it was up already.
func (l *Link) Up(now time.Time) {
	l.now = momentOf(now)
	if l.lcp.state <= Starting {
		l.lcp.step(evUp, packet{}, answer{})
	}
	l.settle()
}

// Down says that the lower layer is gone; no frames come out. An open link
// starts again from the beginning at the next Up. It does nothing when it was
// down already.
func (l *Link) Down(now time.Time) {
	l.now = momentOf(now)
	if l.lcp.state > Starting {
		l.lcp.step(evDown, packet{}, answer{})
	}
	l.bare = l.cfg.Framing == FramingBare
	l.settle()
}

// Tick runs the timers that are due at now. Calling it early does nothing.
func (l *Link) Tick(now time.Time) {
	l.now = momentOf(now)
	l.lcp.tick()
	l.lcp.tickEcho()
	l.tickAuth()
	l.tickActivity()
	l.ipcp.tick()
	l.ipv6cp.tick()
	l.settle()
}

// Deadline returns when Tick is due next; the zero time when no timer runs.
// It changes with every call but Take, Traffic and Status.
func (l *Link) Deadline() time.Time {
	d := l.lcp.deadline
	sooner := func(t moment) {
		if d.IsZero() || !t.IsZero() && t.Before(d) {
			d = t
		}
	}
	sooner(l.lcp.echoAt)
	sooner(l.ipcp.deadline)
	sooner(l.ipv6cp.deadline)
	if a := l.activity; a != nil {
		sooner(a.idleAt)
		sooner(a.endAt)
	}
	if a := l.auth; a != nil {
		sooner(a.server.deadline)
		sooner(a.client.deadline)
	}
	return d.Time()
}

// Take returns the actions that came out since the last call, in order, and
// forgets them. It must be called after every call that takes the time: a
// link with 64 actions waiting neither sends nor takes frames.
func (l *Link) Take() []Action {
	a := l.out
	l.out = nil
	return a
}

func (l *Link) emit(a Action) { l.out = append(l.out, a) }

// sendPacket emits a frame with one control packet. LCP and the network
// control protocols never use the compressions (RFC 1661 §6.5, §6.6 forbid it
// for LCP): the few bytes are not worth a peer that takes them amiss.
func (l *Link) sendPacket(proto encap.PPPProtocol, code Code, id uint8, data []byte) {
	f := encap.PPPFraming{NoAddressControl: l.bare}
	n := encap.PPPHeaderLen(proto, f) + headerLen + len(data)
	if n > l.cfg.MaxReply || len(l.out) >= maxPending {
		l.count.Overflows++
		return
	}
	b := encap.AppendPPPHeader(make([]byte, 0, n), proto, f)
	b = appendHeader(b, code, id, len(data))
	l.count.FramesOut++
	l.emit(SendFrame{append(b, data...)})
}

// fits returns how many of n bytes of information field may be sent: what the
// peer takes (RFC 1661 §5.6, §5.7) and what Config.MaxReply leaves.
func (l *Link) fits(n int) int {
	return min(n, l.lcp.peerMRU(), l.room())
}

// room is the longest control packet Config.MaxReply allows.
func (l *Link) room() int {
	return l.cfg.MaxReply - encap.PPPHeaderLen(encap.ProtoLCP, encap.PPPFraming{NoAddressControl: l.bare})
}

// fit cuts data so that it is sent whole behind used bytes of packet.
func (l *Link) fit(data []byte, used int) []byte {
	return data[:max(0, l.fits(used+len(data))-used)]
}

// fitOptions drops whole options from the end of a list that is too long.
func (l *Link) fitOptions(list []byte) []byte {
	limit := l.fits(headerLen+len(list)) - headerLen
	n := 0
	for n < len(list) && n+int(list[n+1]) <= limit {
		n += int(list[n+1])
	}
	return list[:n]
}

// random fills b. A source that fails leaves its rest to a mix of time and
// counters: good enough to tell two ends apart, which is all it is for.
func (l *Link) random(b []byte) {
	if l.rnd != nil {
		if _, err := io.ReadFull(l.rnd, b); err == nil {
			return
		}
	}
	x := uint64(l.now) ^ uint64(l.count.FramesIn)<<32 ^ uint64(l.lcp.magic)
	for i := range b {
		x += 0x9e3779b97f4a7c15 // splitmix64's increment
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		b[i] ^= byte(z >> 56)
	}
}

// part returns a random part of d, which is not 0.
func (l *Link) part(d time.Duration) time.Duration {
	var b [2]byte
	l.random(b[:])
	return d * (time.Duration(binary.BigEndian.Uint16(b[:])) + 1) / (1 << 16)
}

// randomMagic returns a magic number other than 0 and not.
func (l *Link) randomMagic(not uint32) uint32 {
	var b [4]byte
	l.random(b[:])
	v := binary.BigEndian.Uint32(b[:])
	for v == 0 || v == not {
		v += 0x9e3779b9
	}
	return v
}
