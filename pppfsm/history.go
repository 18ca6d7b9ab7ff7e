package pppfsm

import (
	"math/bits"
	"time"
)

// echoHistory is how many Echo-Requests are remembered, a power of two: the
// place of one follows from its identifier.
const echoHistory = 16

// echoResult is what became of an Echo-Request, in two bytes: a round-trip
// time as mantissa of 12 and exponent of 4 bits, in microseconds up to 134
// seconds, at most 1 part in 2048 too small.
type echoResult uint16

const (
	echoNone echoResult = 0      // none was sent
	echoOpen echoResult = 0xffff // no reply yet
)

// roundTrip returns the result for a reply after d.
func roundTrip(d time.Duration) echoResult {
	us := uint64(min(max(d.Microseconds(), 1), 4094<<15))
	e := max(0, bits.Len64(us)-12)
	return min(echoResult(e)<<12|echoResult(us>>e), echoOpen-1)
}

// rtt returns the round-trip time; false when there was no reply.
func (r echoResult) rtt() (time.Duration, bool) {
	if r == echoNone || r == echoOpen {
		return 0, false
	}
	return time.Duration(r&0xfff) << (r >> 12) * time.Microsecond, true
}

// EchoLog is what the last Echo-Requests, at most 16, say about the path.
type EchoLog struct {
	// Sent is how many are remembered, Lost how many of them have no
	// reply; the one that is still waited for is in neither.
	Sent, Lost int
	// Last is the round-trip time of the newest one that was answered;
	// Min, Mean and Max are those of all. 0 without any.
	Last, Min, Mean, Max time.Duration
	// Recent are the results of all that are remembered, the newest first:
	// round-trip times, or below 0 for one that was lost.
	Recent []time.Duration
}

// EchoLog returns what is remembered of the keepalive since LCP opened last.
func (l *Link) EchoLog() EchoLog {
	c := &l.lcp
	log := EchoLog{Recent: make([]time.Duration, 0, echoHistory)}
	var sum time.Duration
	for i := range uint8(echoHistory) {
		r := c.history[(c.echoID-i)%echoHistory]
		d, answered := r.rtt()
		switch {
		case r == echoNone, r == echoOpen && i == 0 && c.echoMissed > 0:
			continue
		case !answered:
			log.Sent, log.Lost = log.Sent+1, log.Lost+1
			log.Recent = append(log.Recent, -1)
			continue
		}
		if log.Last == 0 {
			log.Last, log.Min = d, d
		}
		log.Sent++
		log.Min, log.Max = min(log.Min, d), max(log.Max, d)
		sum += d
		log.Recent = append(log.Recent, d)
	}
	if n := log.Sent - log.Lost; n > 0 {
		log.Mean = sum / time.Duration(n)
	}
	return log
}
