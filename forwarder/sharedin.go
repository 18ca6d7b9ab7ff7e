package forwarder

import (
	"encoding/binary"

	"culvert/encap"
	"culvert/forwarder/bridge"
)

// permits tells whether the peer of a session on a shared device may send an IP packet of this version: whether its
// source is the session's own. If not, it is dropped and counted. Most packets have the address that IPCP gave and are
// known by one comparison; all others cost a look-up.
func (in *inbound) permits(s *Session, ip []byte, need uint32) bool {
	if need == linkIPv4 {
		if len(ip) < encap.IPv4Len {
			in.drop(s, DropMalformed)
			return false
		}
		src := binary.BigEndian.Uint32(ip[12:16])
		if src != 0 && src == s.source4.Load() || s.shared.routes.Lookup4(ip[12:16]) == s {
			return true
		}
		in.drop(s, DropSpoofed)
		return false
	}
	switch {
	case len(ip) < encap.IPv6Len:
		in.drop(s, DropMalformed)
	case oneLink(ip[8:24]):
		in.drop(s, DropLinkLocal)
	case s.shared.routes.Lookup6(ip[8:24]) != s:
		in.drop(s, DropSpoofed)
	default:
		return true
	}
	return false
}

// bridge passes the frame at buf[front:] of a session on a shared TAP to the ports it is for: the device, and by way of
// an outbound loop other sessions.
func (in *inbound) bridge(s *Session, buf []byte, front int) {
	frame := buf[front:]
	to, v := s.shared.bridge.Decide(s.port, frame)
	switch {
	case v == bridge.Flood:
		if s.shared.bridge.Reaches(s.port) > 0 {
			in.hand(in.id, handed{from: s}, frame)
		}
		in.pass(s, buf, front)
	case v != bridge.Forward:
		in.drop(s, bridgeDrop(v))
	case to.Owner() == nil:
		in.pass(s, buf, front)
	default:
		other := to.Owner()
		worker := in.id // as of all frames of this session, which keeps their order
		if other.cfg.Sequence {
			worker = other.worker.id
		}
		if in.hand(worker, handed{s: other, from: s}, frame) {
			in.account(s, 1, len(frame))
		}
	}
}

// bridgeDrop is the reason for a frame that a bridge sends nowhere.
func bridgeDrop(v bridge.Verdict) DropReason {
	switch v {
	case bridge.BadSource:
		return DropSourceMAC
	case bridge.Spoofed:
		return DropSpoofed
	case bridge.Reserved:
		return DropReserved
	case bridge.SamePort:
		return DropSamePort
	case bridge.Isolated:
		return DropIsolated
	default:
		return DropMalformed
	}
}

// hand copies a frame for an outbound loop, which gets it at the end of the batch.
func (in *inbound) hand(worker int, h handed, frame []byte) bool {
	buf := in.outbox.buffer()
	h.buf = append(append(buf, noHeadroom[:]...), frame...)
	ok := in.outbox.giveWorker(in.f, worker, h)
	if !ok {
		in.drop(h.from, DropMixed)
	}
	return ok
}

// noHeadroom is what lies before a frame that has no virtio header: one that says "one packet".
var noHeadroom [txHeadroom]byte

// mail sends what hand has collected.
func (in *inbound) mail() {
	in.outbox.mail(func(h handed) { in.drop(h.from, DropMixed) })
}
