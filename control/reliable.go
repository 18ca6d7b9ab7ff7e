package control

import (
	"math/bits"
	"slices"
	"time"
)

// Reliability are the limits of reliable delivery (RFC 3931 section 4.2). A zero field means its default.
type Reliability struct {
	// WindowSize is the Receive Window Size we advertise: how many messages beyond the one due are kept (window_size;
	// 32).
	WindowSize uint16
	// RetryTimeout is the time to the first retransmission; it doubles each time up to RetryCap (retry_timeout; 1 s,
	// 8 s).
	RetryTimeout, RetryCap time.Duration
	// MaxRetries is how many unanswered retransmissions end a control connection (max_retries; 10).
	MaxRetries int
}

// Defaults of RFC 3931 sections 4.2 and 5.4.3.
const (
	defaultWindow  = 32
	peerWindow     = 4 // of a peer that says nothing
	maxWindow      = 1024
	defaultRetry   = time.Second
	defaultCap     = 8 * time.Second
	defaultRetries = 10
	// minLinger is the shortest time for which the state of a closed connection is kept (RFC 3931 section 3.3.2).
	minLinger = 31 * time.Second
)

func (r Reliability) normal() Reliability {
	if r.WindowSize == 0 {
		r.WindowSize = defaultWindow
	}
	r.WindowSize = min(r.WindowSize, maxWindow)
	if r.RetryTimeout <= 0 {
		r.RetryTimeout = defaultRetry
	}
	if r.RetryCap <= 0 {
		r.RetryCap = defaultCap
	}
	r.RetryCap = max(r.RetryCap, r.RetryTimeout)
	if r.MaxRetries <= 0 {
		r.MaxRetries = defaultRetries
	}
	return r
}

// interval is the time from the n-th transmission of a message (counted from 0) to the next.
func (r Reliability) interval(n int) time.Duration {
	d := r.RetryTimeout
	for ; n > 0 && d < r.RetryCap; n-- {
		d *= 2
	}
	return min(d, r.RetryCap)
}

// cycle is the time after which the peer has given up a message, if it has the same limits: so long the state of a
// closed connection is kept (RFC 3931 sections 3.3.2, 4.2).
func (r Reliability) cycle() (d time.Duration) {
	for n := 0; n <= r.MaxRetries; n++ {
		d += r.interval(n)
	}
	return max(d, minLinger)
}

// outMessage is a message that waits for its acknowledgement.
type outMessage struct {
	ns   Seq
	typ  MessageType
	raw  []byte // with the digests of the last transmission
	sent time.Time
	// again says that it was sent more than once, lost that it has to be.
	again, lost bool
}

// sender is the sending half of reliable delivery: a window of unacknowledged messages, slow start, congestion
// avoidance (RFC 3931 section 4.2, appendix A) and the retransmission timer. It never sees what waits beyond the window:
// a message gets its number when it is sent, so that what is urgent overtakes what waits.
type sender struct {
	cfg    Reliability
	next   Seq          // Ns of the next new message
	flight []outMessage // oldest first
	lost   int          // of them, to be sent again
	peer   int          // the peer's Receive Window Size

	cwnd, threshold, acks int
	retries               int       // of the oldest, unanswered
	timer                 time.Time // zero when nothing is unacknowledged

	srtt, rttvar time.Duration
	count        SenderCounters
}

// SenderCounters count what reliable delivery had to do.
type SenderCounters struct {
	Messages        uint64 // sent for the first time
	Retransmissions uint64
	Timeouts        uint64
}

func newSender(cfg Reliability) sender {
	return sender{cfg: cfg, peer: 1, cwnd: 1, threshold: 1}
}

// setWindow takes the Receive Window Size of the peer; 0 says that it sent none (RFC 3931 section 5.4.3).
func (s *sender) setWindow(n uint16) {
	if n == 0 {
		n = peerWindow
	}
	s.peer = min(int(n), maxWindow)
	s.threshold = s.peer
}

// room reports whether a new message may be sent. One place of the peer's window is kept for messages of the control
// connection (urgent), which congestion does not hold up either: HELLO and StopCCN never wait behind sessions.
func (s *sender) room(urgent bool) bool {
	if urgent {
		return len(s.flight) < s.peer
	}
	limit := s.peer
	if limit > 1 {
		limit--
	}
	return len(s.flight) < min(limit, s.cwnd)
}

// push takes a new message into the window. raw is complete but for Nr and digests.
func (s *sender) push(now time.Time, t MessageType, raw []byte) *outMessage {
	if len(s.flight) == 0 {
		s.timer = now.Add(s.cfg.interval(0))
	}
	s.flight = append(s.flight, outMessage{ns: s.next, typ: t, raw: raw, sent: now})
	s.next++
	s.count.Messages++
	return &s.flight[len(s.flight)-1]
}

// valid reports whether nr can be an Nr of the peer: not beyond what we sent (RFC 3931 section 4.2). An old one is
// valid, it says nothing.
func (s *sender) valid(nr Seq) bool { return nr == s.next || nr.Before(s.next) }

// acked takes the Nr of a message and returns how many messages it acknowledges for the first time.
func (s *sender) acked(now time.Time, nr Seq) int {
	n := int(nr - s.next + Seq(len(s.flight)))
	if n <= 0 || n > len(s.flight) {
		return 0
	}
	if repeated := slices.ContainsFunc(s.flight[:n], func(m outMessage) bool { return m.again }); !repeated {
		s.sample(now.Sub(s.flight[n-1].sent)) // Karn's rule: what was sent twice measures nothing
	}
	for i := range n {
		if s.flight[i].lost {
			s.lost--
		}
	}
	clear(s.flight[:n])
	s.flight = s.flight[n:]
	s.retries = 0
	s.timer = time.Time{}
	if len(s.flight) > 0 {
		s.timer = now.Add(s.cfg.interval(0))
	}
	s.grow()
	return n
}

// grow is slow start and congestion avoidance (RFC 3931 appendix A).
func (s *sender) grow() {
	switch {
	case s.cwnd >= s.peer:
	case s.cwnd < s.threshold:
		s.cwnd++
	default:
		if s.acks++; s.acks >= s.cwnd {
			s.acks = 0
			s.cwnd++
		}
	}
}

// sample feeds the estimate of the round trip (RFC 6298 section 2). People see it; the timer is the configured one.
func (s *sender) sample(rtt time.Duration) {
	if s.srtt == 0 {
		s.srtt, s.rttvar = max(rtt, 1), rtt/2
		return
	}
	s.rttvar += ((s.srtt - rtt).Abs() - s.rttvar) / 4
	s.srtt += (rtt - s.srtt) / 8
}

// expire handles the timer: everything in flight counts as lost and is sent again from the oldest on, as the window
// opens anew. dead says that the oldest has been repeated often enough.
func (s *sender) expire(now time.Time) (dead bool) {
	if s.timer.IsZero() || now.Before(s.timer) {
		return false
	}
	s.count.Timeouts++
	if s.retries >= s.cfg.MaxRetries {
		return true
	}
	s.retries++
	s.threshold = max(s.cwnd/2, 1)
	s.cwnd, s.acks = 1, 0
	s.timer = now.Add(s.cfg.interval(s.retries))
	s.lose()
	return false
}

func (s *sender) lose() {
	for i := range s.flight {
		s.flight[i].lost = true
	}
	s.lost = len(s.flight)
}

// forget gives up everything in flight.
func (s *sender) forget() { s.flight, s.lost, s.timer = nil, 0, time.Time{} }

// repeat returns the oldest lost message if the window lets it be sent again, nil otherwise.
func (s *sender) repeat(now time.Time) *outMessage {
	for i := 0; s.lost > 0 && i < min(s.cwnd, len(s.flight)); i++ {
		if m := &s.flight[i]; m.lost {
			m.lost, m.again, m.sent = false, true, now
			s.lost--
			s.count.Retransmissions++
			return m
		}
	}
	return nil
}

// loseAll has everything in flight repeated at once: the peer has asked again.
func (s *sender) loseAll() {
	s.lose()
	s.cwnd = max(s.cwnd, len(s.flight))
}

// order is what the number of a received message says.
type order uint8

const (
	orderDue       order = iota // the one expected
	orderDuplicate              // an old one, to be acknowledged again
	orderAhead                  // one before it is missing
)

// receiver is the receiving half: the number due, and what came too early.
type receiver struct {
	next  Seq // Nr: the Ns due
	size  int // Receive Window Size
	early []earlyMessage
	held  int
}

// earlyMessage is a message that arrived before its turn.
type earlyMessage struct {
	packet Packet // owns its memory
	key    int    // the secret that verified it
}

// judge compares the Ns of a message that consumes a number with the one due.
func (r *receiver) judge(ns Seq) order {
	switch {
	case ns == r.next:
		return orderDue
	case ns.Before(r.next):
		return orderDuplicate
	}
	return orderAhead
}

// keep stores a copy of a message that is ahead, if it lies in the window we advertised; false when it does not.
func (r *receiver) keep(p Packet, key int) bool {
	if int(p.Ns-r.next) >= r.size {
		return false
	}
	if r.early == nil { // a power of two, so that numbers that wrap do not collide
		r.early = make([]earlyMessage, 1<<bits.Len(uint(r.size-1)))
	}
	e := r.slot(p.Ns)
	if e.packet.raw == nil {
		r.held++
		*e = earlyMessage{p.clone(), key}
	}
	return true
}

func (r *receiver) slot(ns Seq) *earlyMessage { return &r.early[int(ns)&(len(r.early)-1)] }

// advance counts the message due as received.
func (r *receiver) advance() { r.next++ }

// successor returns the message now due if it came early.
func (r *receiver) successor() (Packet, int, bool) {
	if r.held == 0 {
		return Packet{}, 0, false
	}
	e := r.slot(r.next)
	if e.packet.raw == nil || e.packet.Ns != r.next {
		return Packet{}, 0, false
	}
	p, key := e.packet, e.key
	*e = earlyMessage{}
	if r.held--; r.held == 0 {
		r.early = nil
	}
	return p, key, true
}
