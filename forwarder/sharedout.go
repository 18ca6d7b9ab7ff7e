package forwarder

import (
	"errors"
	"time"

	"culvert/encap"
	"culvert/forwarder/bridge"
	"culvert/forwarder/netio"
	"culvert/forwarder/tuntap"
)

// sharedToken marks the tokens of shared devices; the rest is the place in outbound.shared.
const sharedToken = 1 << 32

func (o *outbound) addShared(sh *Shared) error {
	token := len(o.shared)
	for i, other := range o.shared {
		if other == nil {
			token = i
		}
	}
	if token == len(o.shared) {
		o.shared = append(o.shared, nil)
	}
	if err := o.poller.Add(sh.cfg.Queues[o.id].FD(), sharedToken|uint64(token)); err != nil {
		return err
	}
	o.shared[token] = sh
	return nil
}

func (o *outbound) removeShared(sh *Shared) {
	for i := range o.shared {
		if o.shared[i] == sh {
			o.flush() // what was read from the device before leaves
			_ = o.poller.Remove(sh.cfg.Queues[o.id].FD())
			o.shared[i] = nil
		}
	}
}

// forgetTunnel lets go of a tunnel's sockets.
func (o *outbound) forgetTunnel(t *Tunnel, w way) {
	o.flush()
	o.unqueue(w.own)
	o.unqueue(w.fragile)
	for i := range o.tunnels {
		if o.tunnels[i] == t {
			o.tunnels = append(o.tunnels[:i], o.tunnels[i+1:]...)
			return
		}
	}
}

// way is how s's packets leave this loop.
func (o *outbound) way(s *Session) way {
	if s.shared == nil {
		return way{s.queue, s.fragile}
	}
	return s.tunnel.ways[o.id]
}

// handleShared reads a queue of a shared device until it is empty or has had its share. The kernel's queues follow flows
// (tun_automq_select_queue of drivers/net/tun.c), not sessions: any worker sends for any session, which keeps the order of
// each flow. Only sequence numbers have one owner, so packets of sessions with them are handed over to it.
func (o *outbound) handleShared(sh *Shared) {
	dev := sh.cfg.Queues[o.id]
	for range batchPackets {
		slot := o.slot()
		n, err := dev.Read(slot[txHeadroom-deviceHeader:])
		if err != nil {
			o.used--
			if !errors.Is(err, tuntap.ErrWouldBlock) && !errors.Is(err, netio.ErrWouldBlock) {
				_ = o.poller.Remove(dev.FD())
				o.f.event(Event{Kind: EventDeviceGone, Shared: sh})
			}
			return
		}
		if n <= deviceHeader {
			o.used--
			continue
		}
		buf := slot[:txHeadroom+n-deviceHeader]
		if sh.bridge != nil {
			o.bridge(sh, buf)
			continue
		}
		s, why := sh.route(buf[txHeadroom:])
		switch {
		case s == nil:
			o.used--
			o.nobodys(sh, why)
		case s.cfg.Sequence && s.worker.out != o:
			o.give(handed{s: s}, buf)
			o.used--
		default:
			o.frame(txMeta{s: s}, buf)
		}
	}
}

// nobodys books a frame from a shared device that is for no session.
func (o *outbound) nobodys(sh *Shared, why DropReason) {
	o.stats.drops[why].Add(1)
	sh.drops[why].Add(1)
}

// bridge sends a frame of a shared TAP, in the slot that was taken last, to the sessions it is for.
func (o *outbound) bridge(sh *Shared, buf []byte) {
	to, v := sh.bridge.Decide(sh.bridge.Device(), buf[txHeadroom:])
	switch {
	case v == bridge.Flood:
		// The slots are for the copies.
		o.flooded = append(o.flooded[:0], buf...)
		o.used--
		o.flood(sh, nil, o.flooded)
	case v != bridge.Forward:
		o.used--
		o.nobodys(sh, bridgeDrop(v))
	case to.Owner().cfg.Sequence && to.Owner().worker.out != o:
		o.give(handed{s: to.Owner()}, buf)
		o.used--
	default:
		o.frame(txMeta{s: to.Owner()}, buf)
	}
}

// flood sends a copy of a frame to all sessions that get what comes from one of them, nil for the device. No slot may be
// in use for it. Copies that are too big are not answered: who knows whether they were for anybody there.
func (o *outbound) flood(sh *Shared, from *Session, buf []byte) {
	port, reached := sh.bridge.Device(), false
	if from != nil {
		port = from.port
	}
	if sh.cfg.Floods > 0 && !sh.floods[o.id].spend(sh.bridge.Reaches(port), sh.cfg.Floods, o.f.clock()) {
		if from == nil {
			o.nobodys(sh, DropFlood)
		} else {
			o.drop(from, DropFlood)
		}
		return
	}
	sh.bridge.Each(port, func(s *Session) {
		if s.link.Load()&linkEthernet == 0 {
			return // no port yet, or none any more
		}
		reached = true
		if s.cfg.Sequence && s.worker.out != o {
			o.give(handed{s: s, quiet: true}, buf)
			return
		}
		slot := o.slot()
		n := copy(slot[txHeadroom-deviceHeader:], buf[txHeadroom-deviceHeader:])
		o.frame(txMeta{s: s, quiet: true}, slot[:txHeadroom-deviceHeader+n])
	})
	if !reached && from == nil {
		o.nobodys(sh, DropNoRoute)
	}
}

// budget bounds the copies that one loop makes. A tenth of a second's may be made at once, and then one frame's more,
// however many sessions there are: so it is never too small for any frame.
type budget struct {
	spent  int // copies that count still
	before time.Duration
}

// spend asks for n copies of a frame, where rate are made in a second.
func (b *budget) spend(n, rate int, now time.Duration) bool {
	each := time.Second / time.Duration(rate)
	if back := int((now - b.before) / each); back >= b.spent {
		b.spent, b.before = 0, now
	} else {
		b.spent, b.before = b.spent-back, b.before+time.Duration(back)*each
	}
	if b.spent > rate/10 {
		return false
	}
	b.spent += n
	return true
}

// route finds the session of an IP packet from the kernel, or says why there is none.
func (sh *Shared) route(ip []byte) (s *Session, why DropReason) {
	switch {
	case len(ip) >= encap.IPv4Len && ip[0]>>4 == 4:
		s = sh.routes.Lookup4(ip[16:20])
	case len(ip) < encap.IPv6Len || ip[0]>>4 != 6:
		return nil, DropMalformed
	case oneLink(ip[24:40]):
		return nil, DropLinkLocal
	default:
		s = sh.routes.Lookup6(ip[24:40])
	}
	return s, DropNoRoute
}

// oneLink tells IPv6 addresses that mean something on one link only, and so nothing on a device that stands for many:
// fe80::/10, all multicast, and the unspecified address (RFC 4291 sections 2.4 and 2.5.2).
func oneLink(a []byte) bool {
	return a[0] == 0xff || a[0] == 0xfe && a[1]&0xc0 == 0x80 || [16]byte(a) == [16]byte{}
}

// overMTU tells whether a packet of n bytes like inner is more than the session's peer takes: a shared device's own MTU
// says nothing about it.
func (s *Session) overMTU(inner []byte, n int) bool {
	return s.shared != nil && n > int(s.mtu.Load())+s.frameHeader(inner)
}

// frameHeader is how much of a frame the MTU that is set does not count.
func (s *Session) frameHeader(frame []byte) int {
	switch {
	case s.ppp:
		return 0
	case s.tags != tagsKept && tagged(frame): // with tagsKept the tag is counted, see SetMTU
		return encap.EthernetLen + encap.VLANTagLen
	default:
		return encap.EthernetLen
	}
}

// give copies a frame into the parcel for its session's loop, which leaves at the end of the round.
func (o *outbound) give(h handed, frame []byte) {
	h.buf = append(o.outbox.buffer(), frame...)
	if !o.outbox.giveWorker(o.f, h.s.worker.id, h) {
		o.drop(h.s, DropMixed)
	}
}

// mail sends what give has collected.
func (o *outbound) mail() { o.outbox.mail(func(h handed) { o.drop(h.s, DropMixed) }) }
