package ipv6link

import (
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"

	"culvert/encap"
)

// Constants of RFC 4861 section 10.
const (
	maxInitialInterval = 16 * time.Second // MAX_INITIAL_RTR_ADVERT_INTERVAL
	maxInitial         = 3                // MAX_INITIAL_RTR_ADVERTISEMENTS
	minDelay           = 3 * time.Second  // MIN_DELAY_BETWEEN_RAS
	maxAnswerDelay     = 500 * time.Millisecond
)

// advertiser sends router advertisements (RFC 4861 section 6.2).
type advertiser struct {
	next     time.Time // of the next one to all
	sent     time.Time // of the last one to all
	initial  uint8     // how many to all were sent, until there are maxInitial
	answerAt time.Time // when the solicitation under way is answered, zero: there is none
	answerTo netip.Addr
}

func (l *Link) beginAdvertising() {
	l.advertiser = advertiser{}
	l.advertiseToAll()
}

// minInterval is MinRtrAdvInterval (RFC 4861 section 6.2.1, with erratum 1317).
func minInterval(longest time.Duration) time.Duration {
	if longest < 9*time.Second {
		return max(longest*3/4, 3*time.Second)
	}
	return max(longest*33/100, 3*time.Second)
}

// advertiseToAll sends one to all nodes, which is the peer, and arms the next.
func (l *Link) advertiseToAll() {
	l.advertise(allNodes)
	l.sent = l.now
	wait := l.between(minInterval(l.o.Interval), l.o.Interval)
	if l.initial < maxInitial {
		l.initial++
		wait = min(wait, maxInitialInterval)
	}
	l.next = l.now.Add(wait)
}

// solicited arms the answer to a solicitation (RFC 4861 section 6.2.6): to its sender after at most half a second; to all
// when it has no address, but not before three seconds since the last one.
func (l *Link) solicited(from netip.Addr) {
	at := l.now.Add(l.between(0, maxAnswerDelay))
	if !from.IsUnspecified() {
		if l.answerAt.IsZero() {
			l.answerAt, l.answerTo = at, from
		}
		return
	}
	if earliest := l.sent.Add(minDelay); at.Before(earliest) {
		at = earliest
	}
	if at.Before(l.next) {
		l.next = at
	}
}

func (l *Link) tickAdvertiser() {
	if !l.answerAt.IsZero() && !l.now.Before(l.answerAt) {
		l.answerAt = time.Time{}
		l.advertise(l.answerTo)
	}
	if !l.now.Before(l.next) {
		l.advertiseToAll()
	}
}

// advertise sends one advertisement (RFC 4861 section 4.2, 6.2.3).
func (l *Link) advertise(to netip.Addr) {
	c := l.o.Config
	ra := &ndp.RouterAdvertisement{
		CurrentHopLimit:    64, // RFC 1700's default TTL, as IANA lists it
		OtherConfiguration: len(c.DNS) > 0,
		RouterLifetime:     c.RouterLifetime,
	}
	mtu := c.MTU
	if mtu == 0 {
		mtu = l.state.MTU
	}
	ra.Options = append(ra.Options, ndp.NewMTU(uint32(mtu)))
	if p := l.state.Prefix; p.IsValid() {
		ra.Options = append(ra.Options, &ndp.PrefixInformation{
			PrefixLength:                   uint8(p.Bits()),
			OnLink:                         true,
			AutonomousAddressConfiguration: true,
			ValidLifetime:                  c.Valid,
			PreferredLifetime:              c.Preferred,
			Prefix:                         p.Addr(),
		})
	}
	if len(c.DNS) > 0 { // RFC 8106 section 5.1: three intervals
		ra.Options = append(ra.Options, &ndp.RecursiveDNSServer{Lifetime: 3 * c.Interval, Servers: c.DNS})
	}
	b, err := ndp.MarshalMessage(ra)
	if err != nil { // a configuration that no advertisement can carry: checked before
		l.count.Malformed++
		return
	}
	l.count.Advertisements++
	l.emit(Send{build(l.state.Local, to, encap.ProtocolICMPv6, b, 2)})
}
