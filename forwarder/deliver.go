package forwarder

import (
	"time"

	"culvert/encap"
)

// deliver hands the frame at buf[front:] to the session's device, or punts it.
func (in *inbound) deliver(s *Session, buf []byte, front int) {
	link := s.link.Load()
	frame := buf[front:]
	if in.tap != nil {
		in.tap.inner(s, false, nil, frame)
	}
	if !s.ppp {
		switch {
		case len(frame) < encap.EthernetLen:
			in.drop(s, DropMalformed)
			return
		case link&linkEthernet == 0:
			in.drop(s, DropNotOpen)
			return
		case s.tags != tagsIgnored:
			if !tagged(frame) {
				in.drop(s, DropUntagged)
				return
			}
			if s.tags == tagsServed {
				front = popTag(buf, front)
				frame = buf[front:]
			}
		}
		if s.cfg.ClampMSS {
			encap.ClampMSSEthernet(frame, int(s.mtu.Load()))
		}
		if s.port != nil {
			in.bridge(s, buf, front)
		} else {
			in.pass(s, buf, front)
		}
		return
	}
	proto, info, _, err := encap.ParsePPP(frame)
	if err != nil {
		in.drop(s, DropPPPProtocol)
		return
	}
	var need uint32
	switch proto {
	case encap.ProtoIPv4:
		need = linkIPv4
	case encap.ProtoIPv6:
		need = linkIPv6
	default:
		in.punt(EventFrame, s, frame)
		return
	}
	switch {
	case link&need == 0:
		in.notOpen(s, frame)
		return
	case len(info) == 0 || info[0]>>4 != ipVersion(proto):
		in.drop(s, DropMalformed) // a TUN takes the protocol from the packet: it must not lie about it
		return
	}
	if link&linkRouter != 0 && need == linkIPv6 && toRouter(info) {
		in.punt(EventRouter, s, info)
		return
	}
	if s.shared != nil && !in.permits(s, info, need) {
		return
	}
	if s.cfg.ClampMSS {
		encap.ClampMSS(info, int(s.mtu.Load()))
	}
	in.pass(s, buf, len(buf)-len(info))
}

// notOpen drops data of a protocol whose NCP is not open. The first such frame in a while is shown to the control
// side as well: the peer believes that the NCP is open, and ours may have given up.
func (in *inbound) notOpen(s *Session, frame []byte) {
	in.drop(s, DropNotOpen)
	if s.shown == 0 || in.now-s.shown >= showEvery {
		s.shown = max(in.now, 1)
		in.f.punt(EventFrame, s, frame) // counted as dropped, and only so
	}
}

func ipVersion(p encap.PPPProtocol) byte {
	if p == encap.ProtoIPv4 {
		return 4
	}
	return 6
}

// pass gives buf[front:] to the device, joined with others of its flow where the device takes that.
func (in *inbound) pass(s *Session, buf []byte, front int) {
	if s.target.Merge == 0 {
		b := buf[front-deviceHeader:]
		clear(b[:deviceHeader])
		in.write(s, b, 1, len(b)-deviceHeader)
		return
	}
	if s.shortHeader {
		// What lies before the frame may be the end of another packet that still waits.
		buf, front = in.copies.copy(in, buf[front:])
	}
	in.join.Add(&s.target, buf, front)
}

// write gives one frame to the device, which stands for so many packets and bytes as came.
func (in *inbound) write(s *Session, frame []byte, packets, bytes int) {
	if s.annex != nil {
		h := handed{s: s, buf: append(in.annexed.buffer(), frame...), packets: packets, bytes: bytes}
		if !in.annexed.give(s.annex.id, h) {
			in.refuse(h)
		}
		return
	}
	if err := s.dev.Write(frame); err != nil {
		in.stats.drops[DropDevice].Add(uint64(packets))
		s.dropped(DropDevice, packets)
		return
	}
	in.account(s, packets, bytes)
}

// refuse drops what an annex has no room for.
func (in *inbound) refuse(h handed) {
	in.stats.drops[DropDevice].Add(uint64(h.packets))
	h.s.dropped(DropDevice, h.packets)
}

// account books what went where it belongs: to the device or the control side, as the other direction does.
func (in *inbound) account(s *Session, packets, bytes int) {
	if in.run.s != s {
		in.endRun()
		in.run.s = s
	}
	in.run.packets += uint64(packets)
	in.run.bytes += uint64(bytes)
}

// Deliver implements offload.Sink for the session's inbound loop.
func (s *Session) Deliver(frame []byte, packets, bytes int) {
	s.worker.in.write(s, frame, packets, bytes)
}

// arena is room for copies of packets that wait to be joined.
type arena []byte

const (
	arenaSize = 256 << 10
	// joinFlows is how many flows of a batch are joined at the same time.
	joinFlows = 8
)

// copy takes frame into the arena, with room for a device's header in front. A full arena is emptied first, by
// delivering what refers to it.
func (a *arena) copy(in *inbound, frame []byte) (buf []byte, front int) {
	if len(*a)+deviceHeader+len(frame) > cap(*a) {
		in.join.Flush()
		*a = (*a)[:0]
	}
	at := len(*a)
	*a = append((*a)[:at+deviceHeader], frame...)
	return (*a)[at:], deviceHeader
}

// endRun books the packets of one session that came in a row.
func (in *inbound) endRun() {
	if in.run.s == nil {
		return
	}
	in.run.s.rx.add(in.run.packets, in.run.bytes)
	in.total.packets += in.run.packets
	in.total.bytes += in.run.bytes
	in.run = run{}
}

func (in *inbound) drop(s *Session, r DropReason) {
	in.stats.drops[r].Add(1)
	if s != nil {
		s.dropped(r, 1)
	}
}

const (
	// A session may hand puntBurst frames to the control side at once, and one every puntEvery: ten times what the
	// busiest negotiation needs. Without a limit one peer that floods would have all others' frames dropped.
	puntEvery = 10 * time.Millisecond
	puntBurst = 256
)

// punt copies a frame, or for EventRouter an IPv6 packet, for the control side.
func (in *inbound) punt(kind EventKind, s *Session, frame []byte) {
	until := max(s.puntsUntil, in.now) + puntEvery
	if until-in.now > puntBurst*puntEvery || !in.f.punt(kind, s, frame) {
		in.drop(s, DropPunt)
		return
	}
	s.puntsUntil = until
	s.punted.Add(1)
	in.account(s, 1, len(frame))
	in.stats.control.Add(1)
}
