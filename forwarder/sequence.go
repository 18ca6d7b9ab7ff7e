package forwarder

import "culvert/encap"

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
	oldNext  encap.Seq // number that would continue the present run of old packets
}

// check judges seq without moving the expected number, except when a run of old packets makes it resynchronise: the
// packet that completes the run is then the expected one.
func (r *rxSequence) check(seq encap.Seq) verdict {
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
func (r *rxSequence) accept(seq encap.Seq) { r.expected = seq.Next() }
