package forwarder

import (
	"go.uber.org/zap"

	"culvert/encap"
	"culvert/forwarder/netio"
	"culvert/forwarder/offload"
)

const (
	// cutBuffers is how many sends may wait in one round. One, four and eight measured the same for one TCP flow: four
	// bounds memory and latency.
	cutBuffers = 4
)

// super sends a super-packet: cut into packets that lie one behind the other, each with its headers, which the kernel
// takes in one send where it can (UDP_SEGMENT).
func (o *outbound) super(m txMeta, sp *offload.Super, proto encap.PPPProtocol, fr encap.PPPFraming) {
	s := m.s
	own := 0 // of the pseudowire
	switch {
	case s.ppp:
		own = encap.PPPHeaderLen(proto, fr)
	case s.tags == tagsServed:
		own = encap.VLANTagLen
	}
	front := len(s.header) + own
	n, segment, _ := sp.Segments()
	o.bulk = o.bulk || len(m.inner) >= bulkFrame
	w := o.way(s)
	q := w.own
	if s.tooLong(front+segment) || s.overMTU(m.inner, segment) {
		if !mayFragment(m, segment) {
			m.packets = n
			o.tooBig(m, front)
			return
		}
		q = w.fragile
	}
	fit := sp.Fit(front, netio.MaxSegmentBytes, most(q, s))
	if fit == 0 {
		o.drops(s, DropMalformed, n)
		return
	}
	for first := 0; first < n; {
		// What is too much for one send is shared out evenly: a send of one packet costs as much as a full one.
		sends := (n - first + fit - 1) / fit
		k := (n - first + sends - 1) / sends
		wire := sp.Append(o.cut(), front, first, k)
		for at := 0; at < len(wire); at += front + segment {
			o.putHeader(s, wire[at:at+len(s.header)])
			switch {
			case s.ppp:
				encap.AppendPPPHeader(wire[at+len(s.header):at+len(s.header)], proto, fr)
			case s.tags == tagsServed:
				pushTag(wire, at+front, s.cfg.VLAN)
			}
		}
		o.sendCut(q, m, wire, front+segment, front)
		first += k
	}
}

// most is how many packets one buffer may be cut into.
func most(q *txQueue, s *Session) int {
	if n := q.cuts(s); n > 0 {
		return n
	}
	return queuePackets // packet by packet: only the buffer counts
}

// cuts is into how many packets the kernel cuts one message for s, 0: not at all.
func (q *txQueue) cuts(s *Session) int {
	if s.tunnel.whole.Load() {
		return 0
	}
	return q.segments
}

// cut gives an empty buffer for cut packets.
func (o *outbound) cut() []byte {
	if o.cutUsed == len(o.cuts) {
		used := o.used
		o.flush()
		o.used = used // the super-packet at hand is still in its slot
	}
	o.cutUsed++
	return o.cuts[o.cutUsed-1]
}

// sendCut queues cut packets, as one message or one by one.
func (o *outbound) sendCut(q *txQueue, m txMeta, wire []byte, segment, front int) {
	n := (len(wire) + segment - 1) / segment
	if n > 1 && n <= q.cuts(m.s) && m.s.fits(segment) {
		m.wire, m.segment, m.packets, m.bytes = wire, segment, n, len(wire)-n*front
		o.enqueue(q, m)
		return
	}
	for at := 0; at < len(wire); at += segment {
		m.wire = wire[at:min(at+segment, len(wire))]
		m.packets, m.bytes = 1, len(m.wire)-front
		o.enqueue(q, m)
	}
}

// refuseSegments handles a message that the kernel does not cut: it leaves packet by packet. When that goes, it was the
// cutting, which depends on the way to the peer (an interface without checksums, IPsec): this tunnel does without then.
func (o *outbound) refuseSegments(q *txQueue, m txMeta) {
	if o.sendSingly(q, m) == m.packets && !m.s.tunnel.whole.Swap(true) {
		o.f.log.Info("kernel refuses UDP_SEGMENT, sending packet by packet", zap.String("tunnel", m.s.tunnel.cfg.Name))
	}
}

// sendSingly sends a message packet by packet, at once, and returns how many went.
func (o *outbound) sendSingly(q *txQueue, m txMeta) int {
	one := newTxQueue(q.sock)
	o.sendCut(one, m, m.wire, m.piece(), m.overhead())
	return o.flushQueue(one)
}

// overhead is how many bytes each packet of a message has around the inner frame.
func (m *txMeta) overhead() int { return (len(m.wire) - m.bytes) / m.packets }

// piece is how many bytes of a message are one packet.
func (m *txMeta) piece() int {
	if m.segment > 0 {
		return m.segment
	}
	return len(m.wire)
}
