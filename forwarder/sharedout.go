package forwarder

import (
	"errors"
	"sync"

	"culvert/encap"
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
		s, why := sh.route(buf[txHeadroom:])
		switch {
		case s == nil:
			o.used--
			o.stats.drops[why].Add(1)
			sh.drops[why].Add(1)
		case s.cfg.Sequence && s.worker.out != o:
			o.give(s, buf)
			o.used--
		default:
			o.frame(s, buf)
		}
	}
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

// overMTU tells whether an IP packet of n bytes is more than the session's peer takes: a shared device's own MTU says
// nothing about it.
func (s *Session) overMTU(n int) bool { return s.shared != nil && n > int(s.mtu.Load()) }

// parcel is frames that one loop has for another.
type parcel []handed

// handed is a frame of a shared device on its way to the loop that numbers the session's packets: buf[txHeadroom:],
// behind its virtio header.
type handed struct {
	s   *Session
	buf []byte
}

// mailbox is where parcels arrive. Buffers are kept for reuse.
type mailbox struct {
	mu      sync.Mutex
	waiting parcel
	free    [][]byte
}

// give copies a frame into the parcel for its session's loop, which leaves at the end of the round.
func (o *outbound) give(s *Session, frame []byte) {
	if o.parcels == nil {
		o.parcels = make([]parcel, len(o.f.workers))
	}
	p := &o.parcels[s.worker.id]
	if len(*p) == handoverQueue {
		o.drop(s, DropMixed)
		return
	}
	var buf []byte
	if n := len(o.spare); n > 0 {
		buf, o.spare = o.spare[n-1], o.spare[:n-1]
	}
	*p = append(*p, handed{s, append(buf[:0], frame...)})
}

// mail sends all parcels: one lock a round and receiver. What finds no room is dropped.
func (o *outbound) mail() {
	for i, p := range o.parcels {
		if len(p) == 0 {
			continue
		}
		to := o.f.workers[i].out
		to.mailbox.mu.Lock()
		n := min(len(p), handoverQueue-len(to.mailbox.waiting))
		first := len(to.mailbox.waiting) == 0
		to.mailbox.waiting = append(to.mailbox.waiting, p[:n]...)
		o.spare = append(o.spare, to.mailbox.free...)
		to.mailbox.free = to.mailbox.free[:0]
		to.mailbox.mu.Unlock()
		for j, h := range p {
			if j >= n {
				o.drop(h.s, DropMixed)
				o.spare = append(o.spare, h.buf)
			}
			p[j] = handed{}
		}
		o.parcels[i] = p[:0]
		if first && n > 0 {
			to.poller.Wake()
		}
	}
}

// takeMail sends what other loops have read for sessions of this one.
func (o *outbound) takeMail() {
	m := &o.mailbox
	m.mu.Lock()
	todo := m.waiting
	m.waiting = o.reading[:0]
	m.mu.Unlock()
	for i := range todo {
		o.frame(todo[i].s, todo[i].buf)
	}
	o.reading = todo[:0]
	if len(todo) == 0 {
		return
	}
	o.flush() // nothing refers to the buffers any more
	m.mu.Lock()
	for i := range todo {
		m.free = append(m.free, todo[i].buf)
		todo[i] = handed{}
	}
	m.mu.Unlock()
}
