package pppfsm

import (
	"culvert/encap"
)

// protocol is what LCP, IPCP and IPV6CP bring to the automaton they share:
// their options, and what happens when the layer comes up and goes down.
type protocol interface {
	// reset starts a new negotiation with the options of the
	// configuration; what the peer asked for is left alone, see begin.
	reset()
	// request appends the options of our next Configure-Request, at most
	// maxRequest bytes.
	request(b []byte) []byte
	// begin says that a Configure-Request of the peer follows, which
	// replaces all it asked for before.
	begin()
	// offer judges one option of it. For verdictNak it appends the option
	// with an acceptable value to b.
	offer(o option, b []byte) ([]byte, verdict)
	// missing appends options that were not in the request but are
	// wanted. It is called at most once per negotiation (RFC 1661 §5.3).
	missing(have optionSet, b []byte) []byte
	// naked takes the value of an option the peer suggests, sent by us
	// (mine) or not; last says that suggestions went on for too long and
	// that the option should be given up where that is possible.
	naked(o option, mine, last bool)
	// rejected gives up an option of ours.
	rejected(o option)
	// up, down and finished are the actions tlu, tld and tlf.
	up()
	down()
	finished()
}

// verdict is the answer to one option of a Configure-Request.
type verdict uint8

const (
	verdictAck verdict = iota
	verdictNak
	// verdictInsist is a Nak that never turns into a Reject.
	verdictInsist
	verdictReject
)

const (
	// maxRequest is the longest option list we ever request: IPCP's, five
	// addresses.
	maxRequest = 32
	// maxStubborn Naks and Rejects in a row beyond Config.MaxFailure are
	// answered; later ones count as lost, so that Max-Configure ends a
	// negotiation that leads nowhere.
	maxStubborn = 16
)

// machine is one instance of the automaton of RFC 1661 §4.
type machine struct {
	link   *Link
	proto  encap.PPPProtocol
	state  State
	silent bool
	// passive keeps the lower layer when nobody answers (footnote p).
	passive bool
	// asked is set when missing was called in this negotiation.
	asked bool
	// pending is set while our Configure-Request has no valid answer; a
	// second answer to it is a duplicate and ignored.
	pending bool
	// gaveUp is set in Stopped when Max-Configure led there, until the
	// peer ends the protocol or begins it again.
	gaveUp bool

	// lastID is the last identifier used, reqID that of the pending
	// Configure-Request, termID that of the Terminate-Request, nakID that
	// of the peer's request we nak'd last.
	lastID, reqID, termID, nakID uint8
	// sentLen bytes of sent are the options of our last Configure-Request.
	sentLen uint8
	sent    [maxRequest]byte
	// sentCodes has bit n set when a packet with code n was sent.
	sentCodes uint16

	// counter is the restart counter; failures counts Naks sent without an
	// Ack, naks the Naks and Rejects received without one.
	counter, failures, naks uint16
	deadline                moment
	// reason is why the layer ended, for people.
	reason string
}

// answer is the Configure-Ack, -Nak or -Reject the current event may send.
type answer struct {
	code Code
	opts []byte
}

// p is the protocol that the automaton is of.
func (m *machine) p() protocol {
	switch m {
	case &m.link.lcp.machine:
		return &m.link.lcp
	case &m.link.ipcp.machine:
		return &m.link.ipcp
	}
	return &m.link.ipv6cp
}

// limits are the protocol's own timer and counters.
func (m *machine) limits() Limits {
	switch m {
	case &m.link.ipcp.machine:
		return m.link.cfg.IPCP
	case &m.link.ipv6cp.machine:
		return m.link.cfg.IPv6CP
	}
	return m.link.cfg.lcpLimits()
}

// nextID returns an identifier not used for the packet before.
func (m *machine) nextID() uint8 {
	m.lastID++
	return m.lastID
}

// step runs one event. in is the packet that caused it, re the judged answer
// to it; both may be empty for events that send none.
func (m *machine) step(ev event, in packet, re answer) {
	from := m.state
	c := table[ev][from]
	if c.kind != legal {
		m.link.count.Illegal++
		return
	}
	if c.note == restart && from == Stopped {
		m.step(evDown, packet{}, answer{})
		m.step(evUp, packet{}, answer{})
		return
	}
	if m.silent && c.do == irc|scr && (ev == evUp || ev == evOpen) {
		c = to(Stopped)
	}
	if c.note == passive && m.passive {
		c.do &^= tlf
	}
	m.state = c.next
	m.gaveUp = ev == evTOMinus && from.negotiating() ||
		m.gaveUp && c.next == Stopped && ev != evRTR && ev != evRXJMinus
	if !c.next.timed() {
		m.deadline = 0
	}
	if !c.next.negotiating() {
		m.failures, m.naks, m.asked, m.pending = 0, 0, false, false
	}
	m.run(c.do, ev, from, in, re)
}

// run is the only place where actions of the table are carried out, in one
// order: This-Layer-Down first, then counters, packets, and last what tells
// other layers, which may step this automaton again.
func (m *machine) run(do actions, ev event, from State, in packet, re answer) {
	if do&tld != 0 {
		m.p().down()
	}
	if do&irc != 0 {
		m.counter = m.limits().MaxConfigure
		if do&str != 0 {
			m.counter = m.limits().MaxTerminate
		}
	}
	if do&zrc != 0 {
		m.counter = 0
		m.startTimer()
	}
	m.runSends(do, ev, from, in, re)
	switch {
	case do&tlf != 0:
		m.p().finished()
	case do&tlu != 0:
		m.p().up()
	}
}

// runSends carries out the actions that send packets. tls needs nothing here:
// whoever calls Open brings the lower layer up.
func (m *machine) runSends(do actions, ev event, from State, in packet, re answer) {
	if do&scr != 0 {
		if !from.negotiating() {
			m.p().reset()
		}
		m.sendRequest(ev == evTOPlus && from != AckRcvd)
	}
	if do&(sca|scn) != 0 {
		m.sendAnswer(in.id, re)
	}
	if do&str != 0 {
		if ev != evTOPlus {
			m.termID = m.nextID()
		}
		m.spend()
		m.send(CodeTerminateRequest, m.termID, terminateText(m.reason))
	}
	if do&sta != 0 { // copies the identifier (RFC 1661 §5.5)
		m.send(CodeTerminateAck, in.id, nil)
	}
	if do&scj != 0 {
		m.link.count.CodeRejectsOut++
		m.send(CodeCodeReject, m.nextID(), m.link.fit(in.raw, headerLen))
	}
	if do&ser != 0 {
		m.link.lcp.exchange(in)
	}
}

// sendRequest sends a Configure-Request and starts the timer. A
// retransmission keeps identifier and options (RFC 1661 §5.1).
func (m *machine) sendRequest(again bool) {
	if !again {
		m.reqID = m.nextID()
		m.sentLen = uint8(len(m.p().request(m.sent[:0])))
	}
	m.pending = true
	m.spend()
	m.send(CodeConfigureRequest, m.reqID, m.sent[:m.sentLen])
}

// spend counts a transmission down and starts the Restart timer
// (RFC 1661 §4.6).
func (m *machine) spend() {
	if m.counter > 0 {
		m.counter--
	}
	m.startTimer()
}

func (m *machine) startTimer() { m.deadline = m.link.now.Add(m.limits().RestartTimer) }

// sendAnswer answers a Configure-Request and counts Naks for Max-Failure. A
// request that is repeated under its old identifier, because the Nak was lost,
// does not count again: the peer has had no chance to do better.
func (m *machine) sendAnswer(id uint8, re answer) {
	switch re.code {
	case CodeConfigureAck:
		m.failures = 0
	case CodeConfigureNak:
		if m.failures == 0 || id != m.nakID {
			m.failures++
		}
		m.nakID = id
	}
	m.send(re.code, id, re.opts)
}

// send sends one control packet of this protocol.
func (m *machine) send(code Code, id uint8, data []byte) {
	m.sentCodes |= 1 << code
	m.link.sendPacket(m.proto, code, id, data)
}

// tick runs the Restart timer when it is due (RFC 1661 §4.3, TO+ and TO-).
func (m *machine) tick() {
	if m.deadline.IsZero() || m.link.now.Before(m.deadline) {
		return
	}
	if m.counter > 0 {
		m.step(evTOPlus, packet{}, answer{})
		return
	}
	switch {
	case m.state == AckRcvd:
		m.reason = "no acceptable Configure-Request"
	case m.state.negotiating():
		m.reason = "no answer to Configure-Requests"
	}
	m.step(evTOMinus, packet{}, answer{})
}

// revive takes note of data of a network protocol that is not Opened here: the
// peer has it Opened, missed that we are not, and would send into the void for
// ever. One that gave up is opened again (RFC 1661 §4.3 leaves the event to
// us); of one that we closed the peer is told once more.
func (m *machine) revive() {
	switch {
	case m.gaveUp && m.state == Stopped:
		m.step(evOpen, packet{}, answer{})
	case m.state == Closed:
		m.send(CodeTerminateRequest, m.nextID(), terminateText(m.reason))
	}
}

// closeFor is the Close event with the reason for it. The first reason for an
// end under way is the one that counts.
func (m *machine) closeFor(reason string) {
	if m.state != Closing && m.state != Stopping {
		m.reason = reason
	}
	m.step(evClose, packet{}, answer{})
}

// maxTerminateText bounds the free text of a Terminate-Request, in bytes.
const maxTerminateText = 64

func terminateText(reason string) []byte {
	return []byte(reason[:min(len(reason), maxTerminateText)])
}
