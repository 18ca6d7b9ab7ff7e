package forwarder

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"culvert/encap"
	"culvert/forwarder/netio"
	"culvert/forwarder/offload"
)

const (
	// batchPackets is how many packets one recvmmsg or sendmmsg carries. 64 small packets a round measured best: more
	// only adds latency.
	batchPackets = 64
	// readRounds bounds the batches taken from one socket before others get their turn.
	readRounds = 4
	// maxDatagram is the largest outer payload: a whole reassembled IP packet.
	maxDatagram = 65535
	// minUDPData is the shortest data packet over UDP: flags, version and Session ID (RFC 3931 section 4.1.2.1).
	minUDPData = 8
	// minIPData is the shortest packet over IP: a Session ID (RFC 3931 section 4.1.1.1).
	minIPData = 4
	// showEvery is how often a session's data frames that come too early are shown to the control side.
	showEvery = time.Second
	// rxHeadroom lies before every received datagram, so that a device's header fits before a payload whose own
	// headers are shorter than it.
	rxHeadroom = 16
)

// inbound is the direction from the underlay to the devices.
type inbound struct {
	loop
	f       *Forwarder
	id      int
	batch   *netio.RxBatch
	join    *offload.Coalescer
	copies  arena
	sockets []rxSocket // [token]
	waiting []*Session // sessions with packets in their reorder queues
	now     time.Duration
	count   int // sessions

	handover handover
	outbox   outbox // for outbound loops
	annexed  outbox // for annexes, by their numbers
	spare    []foreign
	foreign  bool // packets at hand were handed over
	// strangers limits their control messages.
	strangers bucket
	tap       *tap // nil: nobody captures
	run       run
	total     run // of the present batch, s unused
	stats     loopStats
}

// rxSocket is one socket that this loop reads.
type rxSocket struct {
	l       *listener
	s       *netio.Socket
	control bool
}

func newInbound(f *Forwarder, id int) (*inbound, error) {
	in := &inbound{
		f: f, id: id,
		batch:     netio.NewRxBatch(batchPackets, rxHeadroom, maxDatagram),
		join:      offload.NewCoalescer(joinFlows),
		copies:    make(arena, 0, arenaSize),
		strangers: newBucket(),
	}
	return in, in.init()
}

func (in *inbound) start() { go func() { in.f.died(in.spin(in.timeout, in.handle, in.round)) }() }

// watch makes the loop read s, and the ICMP errors on it, once however often it is asked. Sockets that only send are
// watched too: the kernel gives an error to any socket of the address.
func (in *inbound) watch(l *listener, s *netio.Socket, control bool) error {
	token := -1
	for i := range in.sockets {
		switch in.sockets[i].s {
		case s:
			return nil
		case nil:
			token = i
		}
	}
	if token < 0 {
		token = len(in.sockets)
		in.sockets = append(in.sockets, rxSocket{})
	}
	if err := in.poller.Add(s.FD(), uint64(token)); err != nil {
		return err
	}
	in.sockets[token] = rxSocket{l: l, s: s, control: control}
	return nil
}

// unwatch forgets all sockets of l.
func (in *inbound) unwatch(l *listener) {
	for i := range in.sockets {
		if in.sockets[i].l == l {
			_ = in.poller.Remove(in.sockets[i].s.FD())
			in.sockets[i] = rxSocket{}
		}
	}
}

// joined tells whether the kernel joins datagrams for this worker.
func (in *inbound) joined() bool {
	for _, r := range in.sockets {
		if r.l != nil && r.l.group.GRO() && !r.l.unjoined.Load() {
			return true
		}
	}
	return false
}

func (in *inbound) add(s *Session) error {
	table := s.tunnel.l.tables[in.id]
	if _, ok := table[s.cfg.LocalID]; ok {
		return ErrDuplicateSession
	}
	table[s.cfg.LocalID] = s
	delete(s.tunnel.l.early[in.id], s.cfg.LocalID)
	in.count++
	return nil
}

func (in *inbound) removeAll(all []*Session) {
	for _, s := range all {
		in.remove(s)
	}
}

func (in *inbound) remove(s *Session) {
	table := s.tunnel.l.tables[in.id]
	if table[s.cfg.LocalID] != s {
		return
	}
	delete(table, s.cfg.LocalID)
	in.count--
	if s.waiting {
		in.waiting = slices.DeleteFunc(in.waiting, func(w *Session) bool { return w == s })
	}
}

// timeout is how long the loop may sleep: until a held packet must go.
func (in *inbound) timeout() time.Duration {
	if len(in.waiting) == 0 {
		return -1
	}
	next := time.Duration(1<<63 - 1)
	for _, s := range in.waiting {
		if d, ok := s.reorder.deadline(); ok {
			next = min(next, d)
		}
	}
	return max(next-in.f.clock(), 0)
}

func (in *inbound) handle(e netio.Event) {
	r := in.sockets[e.Token]
	if e.Error {
		r.s.ReadErrors(func(n netio.NetError) { in.f.news(r.l, n) })
	}
	if !e.Readable {
		return
	}
	in.now = in.f.clock() // once a wake-up, not a packet: reorder deadlines need no more
	for range readRounds {
		n, err := r.s.ReadBatch(in.batch)
		if n > 0 {
			in.received(r, n)
		}
		if err != nil || n < batchPackets {
			// Anything but "would block" is an ICMP error that recvmmsg passed on, and is in the error queue too.
			if err != nil && !errors.Is(err, netio.ErrWouldBlock) {
				r.s.ReadErrors(func(n netio.NetError) { in.f.news(r.l, n) })
			}
			return
		}
	}
}

// received handles one batch.
func (in *inbound) received(r rxSocket, n int) {
	for i := range n {
		switch {
		case in.batch.Truncated(i):
			in.drop(nil, DropTruncated)
		case r.control:
			in.unsorted(r.l, i)
		default:
			in.datagram(r.l, i)
		}
	}
	in.flush()
	in.stats.batches.Add(1)
}

// datagram takes the packets out of one buffer of the batch: one, or as many as the kernel joined (UDP_GRO).
func (in *inbound) datagram(l *listener, i int) {
	b, from := in.batch.Packet(i), in.batch.Source(i)
	buf := in.batch.Buffer(i)[:in.batch.Offset(i)+len(b)]
	size := in.batch.SegmentSize(i)
	if size == 0 || size >= len(b) {
		in.packet(l, b, buf, from)
		return
	}
	for at := len(buf) - len(b); at < len(buf); at += size {
		end := min(at+size, len(buf))
		in.packet(l, buf[at:end], buf[:end], from)
	}
}

// flush delivers what waits to be joined with more, and books the traffic.
func (in *inbound) flush() {
	in.join.Flush()
	in.copies = in.copies[:0]
	if in.outbox.waiting {
		in.mail()
	}
	if in.annexed.waiting {
		in.annexed.mail(in.refuse)
	}
	in.endRun()
	in.stats.add(in.total.packets, in.total.bytes)
	in.total = run{}
}

// controlDrop tells why a packet on the control socket goes nowhere.
func controlDrop(t encap.Transport, b []byte) DropReason {
	if t != encap.TransportUDP {
		if len(b) < minIPData {
			return DropTruncated
		}
		return DropControl
	}
	if encap.ControlUDP(b) {
		return DropControl
	}
	if len(b) < minUDPData {
		return DropTruncated
	}
	return DropVersion
}

// packet takes one datagram apart, up to the frame of its pseudowire. b is the end of buf, and the bytes of buf before
// it are free.
func (in *inbound) packet(l *listener, b, buf []byte, from netip.AddrPort) {
	var sid encap.SessionID
	var body []byte
	if l.key.transport == encap.TransportUDP {
		d := encap.UDPData(b)
		if !d.Valid() {
			in.controlMessage(l, b, from)
			return
		}
		sid, body = d.SessionID(), d.Body()
	} else {
		d := encap.IPData(b)
		if !d.Valid() {
			in.drop(nil, DropTruncated)
			return
		}
		sid, body = d.SessionID(), d.Body()
	}
	s := l.tables[in.id][sid]
	if in.tap != nil {
		in.arrived(l, s, sid, b, from)
	}
	switch {
	case s == nil:
		in.unknown(l, sid, b, from)
		return
	case from != s.tunnel.peer:
		in.drop(s, DropSource)
		return
	}
	sub, frame, err := s.expect.Split(body)
	if err != nil {
		in.drop(s, splitDrop(err))
		return
	}
	if in.foreign {
		l.mixed() // only now: a stranger must not be able to switch joining off
	}
	front := len(buf) - len(frame)
	if sub.Valid() && sub.S() {
		in.sequenced(s, sub.Seq(), buf, front)
		return
	}
	in.deliver(s, buf, front)
}

// splitDrop is the reason for a packet whose cookie and sublayer are not what its session expects.
func splitDrop(err error) DropReason {
	if errors.Is(err, encap.ErrCookieMismatch) {
		return DropCookie
	}
	return DropTruncated
}

// sequenced delivers a numbered packet when its turn has come.
func (in *inbound) sequenced(s *Session, seq encap.Seq, buf []byte, front int) {
	switch s.seq.check(seq, in.now) {
	case seqOld:
		in.drop(s, DropSequence)
	case seqNext:
		s.seq.accept(seq, in.now)
		in.deliver(s, buf, front)
		if s.reorder != nil {
			in.release(s)
		}
	case seqAhead:
		if s.reorder == nil {
			s.seq.accept(seq, in.now)
			in.deliver(s, buf, front)
			return
		}
		if !s.reorder.insert(s.seq.expected, seq, buf[front:], rxHeadroom, in.now) {
			in.drop(s, DropSequence)
			return
		}
		if !s.waiting {
			s.waiting = true
			in.waiting = append(in.waiting, s)
		}
		in.release(s)
	}
}

// release delivers what the session's reorder queue need not hold any longer.
func (in *inbound) release(s *Session) {
	for s.reorder.ready(s.seq.expected, in.now) {
		h := s.reorder.pop()
		if h.seq.Behind(s.seq.expected) { // the sender began again meanwhile
			in.drop(s, DropSequence)
		} else {
			s.seq.accept(h.seq, in.now)
			in.deliver(s, h.buf, rxHeadroom)
			in.join.FlushTarget(&s.target) // the buffer is used again
		}
		s.reorder.recycle(h.buf)
	}
}

// round ends each round of events: packets that other workers got, and held packets whose time is up.
func (in *inbound) round() {
	if in.woken {
		in.now = in.f.clock()
		in.takeHandover()
	}
	if len(in.waiting) > 0 {
		in.now = in.f.clock()
		in.expire()
	}
}

// expire releases the held packets whose time is up.
func (in *inbound) expire() {
	keep := in.waiting[:0]
	for _, s := range in.waiting {
		in.release(s)
		if _, s.waiting = s.reorder.deadline(); s.waiting {
			keep = append(keep, s)
		}
	}
	clear(in.waiting[len(keep):])
	in.waiting = keep
	in.flush()
}
