package pppfsm

import (
	"bytes"
	"strconv"
)

// receive takes the information field of a frame of this protocol. What is
// malformed, or not a valid answer, is counted and dropped before it reaches
// the automaton (RFC 1661 §5).
func (m *machine) receive(info []byte) {
	in, err := parsePacket(info)
	if err != nil {
		m.link.count.Malformed++
		return
	}
	if m.state <= Starting {
		m.link.count.Discarded++
		return
	}
	switch in.code {
	case CodeConfigureRequest:
		m.receiveRequest(in)
	case CodeConfigureAck:
		m.receiveAck(in)
	case CodeConfigureNak, CodeConfigureReject:
		m.receiveNak(in)
	case CodeTerminateRequest:
		if m.state >= ReqSent {
			m.reason = "terminated by peer" + quoted(in.data)
		}
		m.step(evRTR, in, answer{})
	case CodeTerminateAck:
		if m.state == Opened {
			m.reason = "peer is not open"
		}
		m.step(evRTA, in, answer{})
	case CodeCodeReject:
		m.receiveCodeReject(in)
	default:
		if m != &m.link.lcp.machine || !m.link.lcp.receiveOther(in) {
			m.step(evRUC, in, answer{})
		}
	}
}

// receiveRequest judges a Configure-Request and steps RCR+ or RCR-.
func (m *machine) receiveRequest(in packet) {
	if checkOptions(in.data) != nil {
		m.link.count.Malformed++
		return
	}
	if m.state < ReqSent && m.state != Stopped {
		m.step(evRCRPlus, in, answer{})
		return
	}
	if len(in.raw) > m.link.room() {
		m.link.count.Overflows++ // even an Ack could not be sent
		return
	}
	re := m.judge(in.data)
	if m.link.lcp.looped() {
		m.link.lcp.closeFor(loopReason)
		return
	}
	if re.code == CodeConfigureAck {
		m.step(evRCRPlus, in, re)
		return
	}
	m.step(evRCRMinus, in, re)
}

// judge builds the answer of RFC 1661 §5.2 to §5.4 to a well-formed option
// list: Reject before Nak before Ack, each with the options in order.
func (m *machine) judge(list []byte) answer {
	var naks, rejects []byte
	var have optionSet
	exhausted := m.failures >= m.limits().MaxFailure
	m.p().begin()
	for rest := list; len(rest) > 0; {
		o, left, err := nextOption(rest)
		if err != nil {
			break // checkOptions was here before
		}
		rest = left
		if have.has(o.kind()) {
			rejects = append(rejects, o...) // listed twice, RFC 1661 §6
			continue
		}
		have.add(o.kind())
		longer, v := m.p().offer(o, naks)
		switch {
		case v == verdictReject, v == verdictNak && exhausted:
			rejects = append(rejects, o...)
		case v != verdictAck:
			naks = longer
		}
	}
	if len(rejects) > 0 {
		return answer{CodeConfigureReject, rejects}
	}
	if !exhausted && !m.asked {
		m.asked = true
		naks = m.p().missing(have, naks)
	}
	if len(naks) > 0 {
		return answer{CodeConfigureNak, m.link.fitOptions(naks)}
	}
	return answer{CodeConfigureAck, list}
}

// receiveAck checks that an Ack answers our last request byte for byte
// (RFC 1661 §5.2). Closed and Stopped have no request: every Ack is stray and
// tells that the peer has to be told (RFC 1661 §4.3, RCA).
func (m *machine) receiveAck(in packet) {
	if m.answered(in) {
		if !bytes.Equal(in.data, m.sent[:m.sentLen]) {
			m.link.count.Ignored++
			return
		}
		m.pending, m.naks = false, 0
		m.step(evRCA, in, answer{})
		return
	}
	m.stray(evRCA, in)
}

// receiveNak takes a Nak or a Reject. Options of a Reject must be among those
// of the request, unchanged (RFC 1661 §5.4).
func (m *machine) receiveNak(in packet) {
	if !m.answered(in) {
		m.stray(evRCN, in)
		return
	}
	sent := m.sent[:m.sentLen]
	switch {
	case checkOptions(in.data) != nil:
		m.link.count.Malformed++
		return
	case len(in.data) == 0,
		int(m.naks) >= int(m.limits().MaxFailure)+maxStubborn,
		in.code == CodeConfigureReject && !subset(in.data, sent):
		m.link.count.Ignored++
		return
	}
	m.pending = false
	m.naks++
	m.learn(in)
	if l := m.link; m == &l.lcp.machine && l.lcp.unwilling {
		l.lcp.closeFor(unwillingReason)
		return
	}
	m.step(evRCN, in, answer{})
}

// learn hands the options of a valid Nak or Reject to the protocol.
func (m *machine) learn(in packet) {
	var ours, done optionSet
	for rest := m.sent[:m.sentLen]; len(rest) > 0; {
		o, left, err := nextOption(rest)
		if err != nil {
			break
		}
		ours.add(o.kind())
		rest = left
	}
	last := m.naks >= m.limits().MaxFailure
	for rest := in.data; len(rest) > 0; {
		o, left, err := nextOption(rest)
		if err != nil {
			break
		}
		rest = left
		if done.has(o.kind()) {
			continue
		}
		done.add(o.kind())
		if in.code == CodeConfigureReject {
			m.p().rejected(o)
			continue
		}
		m.p().naked(o, ours.has(o.kind()), last)
	}
}

// answered says that in has the identifier of the request under way and is
// the first valid answer to it (RFC 1661 §5.2 to §5.4).
func (m *machine) answered(in packet) bool {
	return m.state.negotiating() && m.pending && in.id == m.reqID
}

// stray handles an answer nobody waits for: Closed and Stopped tell the peer
// by a Terminate-Ack, every other state ignores it.
func (m *machine) stray(ev event, in packet) {
	if m.state == Closed || m.state == Stopped {
		m.step(ev, in, answer{})
		return
	}
	m.link.count.Ignored++
}

// receiveCodeReject steps RXJ+ or RXJ-: no protocol works without codes 1 to
// 7 (RFC 1661 §5.6). A reject of a code we never sent is no answer to us.
func (m *machine) receiveCodeReject(in packet) {
	if len(in.data) < headerLen {
		m.link.count.Malformed++
		return
	}
	code := Code(in.data[0])
	if code > 15 || m.sentCodes&(1<<code) == 0 {
		m.link.count.Ignored++
		return
	}
	m.link.count.CodeRejectsIn++
	if code <= CodeCodeReject {
		m.reason = "peer rejects code " + strconv.Itoa(int(code))
		m.step(evRXJMinus, in, answer{})
		return
	}
	m.step(evRXJPlus, in, answer{})
	if m == &m.link.lcp.machine && code == CodeEchoRequest {
		m.link.lcp.stopEcho()
	}
}

// maxQuoted bounds what is kept of a peer's free text, in bytes.
const maxQuoted = 64

// quoted returns ": " and the text in quotes, or nothing for an empty text.
func quoted(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	return ": " + strconv.QuoteToASCII(string(text[:min(len(text), maxQuoted)]))
}
