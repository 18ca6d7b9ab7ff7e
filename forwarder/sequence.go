package forwarder

import (
	"time"

	"culvert/encap"
)

// resyncIdle is after how long without an accepted packet an old one is taken as its peer's new beginning (RFC 3931
// Appendix C allows a criterion of time). No network delays a duplicate by as much.
const resyncIdle = time.Second

// resyncRun is how many old packets in sequence among themselves make the receiver believe that its peer started
// again (RFC 3931 Appendix C; Linux uses the same number).
const resyncRun = 5

// verdict is what the sequence check says about a packet.
type verdict uint8

const (
	seqOld   verdict = iota // drop
	seqNext                 // the expected one: deliver
	seqAhead                // new, but others are missing before it
)

// rxSequence is the receiver's side of RFC 3931 section 4.6.1: the number it expects, and what it needs to notice a
// peer that began again. The zero value has received nothing: the first packet is accepted whatever its number, so
// that either end may start later than the other.
type rxSequence struct {
	started  bool
	oldRun   uint8
	expected encap.Seq
	oldNext  encap.Seq     // number that would continue the present run of old packets
	last     time.Duration // when a packet was accepted last
}

// check judges seq without moving the expected number, except when it resynchronises: after a run of old packets, whose
// last one is then the expected one, or with an old packet after silence.
func (r *rxSequence) check(seq encap.Seq, now time.Duration) verdict {
	if !r.started {
		r.started, r.expected = true, seq
		return seqNext
	}
	if seq == r.expected {
		r.oldRun = 0
		return seqNext
	}
	if !seq.Behind(r.expected) {
		r.oldRun = 0
		return seqAhead
	}
	if now-r.last >= resyncIdle {
		r.oldRun, r.expected = 0, seq
		return seqNext
	}
	if r.oldRun > 0 && seq == r.oldNext {
		r.oldRun++
	} else {
		r.oldRun = 1
	}
	r.oldNext = seq.Next()
	if r.oldRun < resyncRun {
		return seqOld
	}
	r.oldRun, r.expected = 0, seq
	return seqNext
}

// accept moves on behind a delivered packet.
func (r *rxSequence) accept(seq encap.Seq, now time.Duration) { r.expected, r.last = seq.Next(), now }
