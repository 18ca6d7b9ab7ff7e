package pppfsm

import (
	"encoding/binary"
	"strconv"
	"time"
)

// echo is LCP's keepalive (RFC 1661 §5.8).
type echo struct {
	// echoAt is when the next Echo-Request is due, zero: never.
	echoAt moment
	// echoID is the identifier of the last one; echoMissed of them in a
	// row have no reply.
	echoID     uint8
	echoMissed uint8
	// echoSent is when the last one was sent, history what became of the
	// last 16.
	echoSent moment
	history  [echoHistory]echoResult
}

// startEcho arms the keepalive when LCP is Opened.
func (c *lcp) startEcho() {
	c.echoMissed, c.history = 0, [echoHistory]echoResult{}
	if d := c.link.cfg.EchoInterval; d > 0 {
		if c.link.cfg.EchoSpread {
			d = c.link.part(d)
		}
		c.echoAt = c.link.now.Add(d)
	}
}

func (c *lcp) stopEcho() { c.echoAt = 0 }

// tickEcho sends the Echo-Request that is due, or ends the link when too many
// stayed without a reply. Data of the peer is as good as one where the
// configuration says so (pppd: lcp-echo-adaptive).
func (c *lcp) tickEcho() {
	if c.echoAt.IsZero() || c.link.now.Before(c.echoAt) {
		return
	}
	if c.link.cfg.EchoAdaptive && !c.link.quiet() {
		c.echoMissed = 0
		c.echoAt = c.link.now.Add(c.link.cfg.EchoInterval)
		return
	}
	limit := c.link.cfg.EchoFailures
	if limit > 0 && int(c.echoMissed) >= limit {
		c.closeFor("no reply to " + strconv.Itoa(limit) + " Echo-Requests")
		return
	}
	c.echoAt = c.link.now.Add(c.link.cfg.EchoInterval)
	if c.echoMissed < 255 {
		c.echoMissed++
	}
	c.echoID++
	c.echoSent = c.link.now
	c.history[c.echoID%echoHistory] = echoOpen
	c.link.count.EchoRequestsOut++
	c.send(CodeEchoRequest, c.echoID, binary.BigEndian.AppendUint32(nil, c.magic))
}

// receiveOther takes LCP's own codes; false means that the code is unknown.
// Identification and Time-Remaining are informational and may come in any
// state (RFC 1570 §1.1, §1.2).
func (c *lcp) receiveOther(in packet) bool {
	switch in.code {
	case CodeProtocolReject:
		c.receiveProtocolReject(in)
	case CodeIdentification, CodeTimeRemaining:
		c.link.count.Identifications++
		c.step(evRXR, in, answer{})
	case CodeEchoRequest, CodeEchoReply, CodeDiscardRequest:
		if len(in.data) < 4 {
			c.link.count.Malformed++
			return true
		}
		c.step(evRXR, in, answer{})
	default:
		return false
	}
	return true
}

// exchange is Send-Echo-Reply: it answers an Echo-Request in Opened, with no
// more of its data than the peer takes, and takes note of the other packets of the event RXR (RFC 1661 §4.4, §5.8).
func (c *lcp) exchange(in packet) {
	if len(in.data) < 4 || !c.checkMagic(binary.BigEndian.Uint32(in.data)) {
		return
	}
	switch in.code {
	case CodeEchoRequest:
		c.link.count.EchoRequestsIn++
		rest := c.link.fit(in.data[4:], headerLen+4)
		data := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(rest)), c.magic)
		c.send(CodeEchoReply, in.id, append(data, rest...))
	case CodeEchoReply:
		late := c.echoID - in.id
		if late >= c.echoMissed {
			c.link.count.Ignored++
			return
		}
		c.link.count.EchoRepliesIn++
		c.echoMissed = 0
		if late < echoHistory { // those in between were sent an interval apart
			took := c.link.now.Sub(c.echoSent) + time.Duration(late)*c.link.cfg.EchoInterval
			c.history[in.id%echoHistory] = roundTrip(took)
		}
	}
}

// checkMagic compares the magic number of a packet in Opened (RFC 1661 §6.4):
// our own means a loop, one that is neither the peer's nor zero a frame from
// elsewhere. Without a negotiated magic number the peer may send anything.
func (c *lcp) checkMagic(v uint32) bool {
	switch {
	case v != 0 && v == c.magic:
		c.link.count.Loops++
		c.collisions++
		if c.looped() {
			c.closeFor(loopReason)
		}
		return false
	case v != 0 && c.theirs.magic != 0 && v != c.theirs.magic:
		c.link.count.Ignored++
		return false
	}
	c.collisions = 0
	return true
}

const loopReason = "looped link: our own magic number came back"
