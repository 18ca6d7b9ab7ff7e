package forwarder

import (
	"errors"
	"sync"

	"culvert/encap"
	"culvert/forwarder/netio"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

const (
	// maxFrame is the largest frame that a device may hand out: TUN and TAP MTUs end at 65,535 less their header.
	maxFrame = 65535
	// txHeadroom lies before every frame read: room for the data header and PPP's, a device's header fits in as well.
	txHeadroom = encap.MaxDataHeaderLen + 4
	// queuePackets is how many messages one sendmmsg takes at most: where the kernel doesn't cut, a super-packet alone
	// is up to 64 of them.
	queuePackets = 128
	// injectQueue bounds the control frames that wait for one worker.
	injectQueue = 1024
	// injectBatch of them wake the loop before Flush does.
	injectBatch = 128
	// bulkFrame is the size, in bytes, from which on a super-packet is bulk transfer: a round with one ends with giving way.
	bulkFrame = 16 << 10
)

// outbound is the direction from the devices to the underlay.
type outbound struct {
	loop
	f       *Forwarder
	id      int
	devices []*Session // [token]
	shared  []*Shared  // [token without sharedToken]
	tunnels []*Tunnel  // of sessions on shared devices
	free    []int      // tokens to use again
	queues  []*txQueue
	slots   [][]byte // buffers for frames on their way; all are free again after flush
	used    int
	cuts    [][]byte // buffers for what super-packets are cut into; likewise
	cutUsed int
	bulk    bool   // this round had a super-packet of bulk transfer
	bundles []byte // where packets that leave as one message lie together; likewise
	scratch []byte // for answers to senders
	limiter bucket // of those answers
	tap     *tap   // nil: nobody captures
	run     run
	total   run
	stats   loopStats

	injectMu sync.Mutex
	injected []injection

	mailbox mailbox
	outbox  outbox
	reading parcel // room for what was in the mailbox
	flooded []byte // frame that is being copied
	fed     bool   // an annex reads devices for this loop
}

// injection is a PPP frame of the control side.
type injection struct {
	s     *Session
	frame []byte
}

// txQueue collects what leaves through one socket.
type txQueue struct {
	sock     *netio.Socket
	segments int // into how many packets the kernel cuts one message, 0: not at all
	refs     int // sessions
	batch    *netio.TxBatch
	meta     []txMeta // [message]
}

// txMeta is what is still needed to know of a message when the kernel refuses it.
type txMeta struct {
	s     *Session
	inner []byte // Ethernet frame or IP packet; the whole frame for PPP control; a super-packet when it was cut
	wire  []byte
	ip    bool     // PPP only: inner is an IP packet
	quiet bool     // nobody is told when it is too big
	from  *Session // whose peer has sent it, nil: the device
	tos   int

	segment int // bytes of wire that each packet but the last has, 0: wire is one packet
	packets int
	bytes   int  // of the inner frames
	bundled bool // wire is the end of outbound.bundles, or was when the last packet came
}

func newOutbound(f *Forwarder, id int) (*outbound, error) {
	o := &outbound{f: f, id: id, slots: make([][]byte, batchPackets), limiter: newBucket()}
	arena := make([]byte, batchPackets*(txHeadroom+maxFrame))
	for i := range o.slots {
		n := txHeadroom + maxFrame
		o.slots[i] = arena[i*n : (i+1)*n : (i+1)*n]
	}
	o.bundles = make([]byte, 0, bundleSize)
	for range cutBuffers {
		o.cuts = append(o.cuts, make([]byte, 0, netio.MaxSegmentBytes))
	}
	err := o.init()
	o.mailbox.poller = o.poller
	return o, err
}

func (o *outbound) start() { go func() { o.f.died(o.spin(forever, o.handle, o.round)) }() }

func (o *outbound) add(s *Session, own, fragile *netio.Socket) error {
	s.queue, s.fragile = o.queue(own), o.queue(fragile)
	if n := len(o.free); n > 0 {
		s.token, o.free = o.free[n-1], o.free[:n-1]
	} else {
		s.token = len(o.devices)
		o.devices = append(o.devices, nil)
	}
	o.devices[s.token] = s
	if s.annex != nil {
		o.fed = true
		return nil
	}
	if err := o.poller.Add(s.dev.FD(), uint64(s.token)); err != nil {
		o.forget(s)
		return err
	}
	return nil
}

// removeAll forgets sessions; what was read from their devices before leaves.
func (o *outbound) removeAll(all []*Session) {
	o.flush()
	for _, s := range all {
		o.remove(s)
	}
}

func (o *outbound) remove(s *Session) {
	if s.shared != nil {
		s.removed = true
		return
	}
	if s.token >= len(o.devices) || o.devices[s.token] != s {
		return
	}
	if s.annex == nil {
		_ = o.poller.Remove(s.dev.FD())
	}
	o.forget(s)
}

func (o *outbound) forget(s *Session) {
	o.devices[s.token] = nil
	o.free = append(o.free, s.token)
	o.unqueue(s.queue)
	o.unqueue(s.fragile)
}

// queue finds or makes the queue of a socket.
func (o *outbound) queue(s *netio.Socket) *txQueue {
	for _, q := range o.queues {
		if q.sock == s {
			q.refs++
			return q
		}
	}
	q := newTxQueue(s)
	if o.f.offload {
		q.segments = s.MaxSegments()
	}
	o.queues = append(o.queues, q)
	return q
}

// kernelCuts tells whether the kernel cuts what this worker sends, for one session at least.
func (o *outbound) kernelCuts() bool {
	for _, s := range o.devices {
		if s != nil && s.queue.cuts(s) > 0 {
			return true
		}
	}
	for _, t := range o.tunnels {
		if t.ways[o.id].own.segments > 0 && !t.whole.Load() {
			return true
		}
	}
	return false
}

func newTxQueue(s *netio.Socket) *txQueue {
	return &txQueue{sock: s, refs: 1, batch: netio.NewTxBatch(queuePackets), meta: make([]txMeta, 0, queuePackets)}
}

func (o *outbound) unqueue(q *txQueue) {
	if q.refs--; q.refs > 0 {
		return
	}
	for i := range o.queues {
		if o.queues[i] == q {
			o.queues = append(o.queues[:i], o.queues[i+1:]...)
			return
		}
	}
}

// handle reads a device until it is empty or has had its share: one batch.
func (o *outbound) handle(e netio.Event) {
	if e.Token >= sharedToken {
		o.handleShared(o.shared[e.Token-sharedToken])
		return
	}
	s := o.devices[e.Token]
	for range batchPackets {
		slot := o.slot()
		n, err := s.dev.Read(slot[txHeadroom-deviceHeader:])
		if err != nil {
			o.used--
			if !errors.Is(err, tuntap.ErrWouldBlock) && !errors.Is(err, netio.ErrWouldBlock) {
				o.gone(s)
			}
			break
		}
		if n > deviceHeader {
			o.frame(txMeta{s: s}, slot[:txHeadroom+n-deviceHeader])
		} else {
			o.used--
		}
	}
}

// gone stops reading a device that fails: it was removed under us.
func (o *outbound) gone(s *Session) {
	_ = o.poller.Remove(s.dev.FD())
	o.drop(s, DropDevice)
	o.f.event(Event{Kind: EventDeviceGone, Session: s})
}

// slot gives the next free buffer.
func (o *outbound) slot() []byte {
	if o.used == len(o.slots) {
		o.flush()
	}
	o.used++
	return o.slots[o.used-1]
}

// frame sends what a device handed out: buf[txHeadroom:], behind its virtio header, with the bytes before it free. m has
// the session, and what else is known.
func (o *outbound) frame(m txMeta, buf []byte) {
	s, inner := m.s, buf[txHeadroom:]
	if o.tap != nil {
		o.read(s, inner)
	}
	link := s.link.Load()
	m.inner, m.ip = inner, s.ppp
	need, proto := uint32(linkEthernet), encap.PPPProtocol(0)
	if s.ppp {
		switch inner[0] >> 4 {
		case 4:
			need, proto = linkIPv4, encap.ProtoIPv4
		case 6:
			need, proto = linkIPv6, encap.ProtoIPv6
		default:
			o.drop(s, DropMalformed)
			return
		}
	}
	if link&need == 0 {
		o.drop(s, DropNotOpen)
		return
	}
	if !s.ppp && len(inner) < encap.EthernetLen {
		o.drop(s, DropMalformed)
		return
	}
	if s.tags == tagsKept && !tagged(inner) {
		o.drop(s, DropUntagged)
		return
	}
	m.tos = o.tos(s, inner)
	if h := offload.ParseHeader(buf[txHeadroom-deviceHeader:]); h.GSOType != offload.GSONone || h.Flags != 0 {
		sp, err := offload.Parse(inner, h, s.layer())
		if err != nil {
			o.drop(s, DropMalformed)
			return
		}
		if sp.Segmented() {
			o.super(m, &sp, proto, framing(link))
			return
		}
		sp.Complete()
	}
	o.plain(m, buf, proto, framing(link))
}

// plain sends a frame that is one packet.
func (o *outbound) plain(m txMeta, buf []byte, proto encap.PPPProtocol, fr encap.PPPFraming) {
	s := m.s
	if s.cfg.ClampMSS {
		if s.ppp {
			encap.ClampMSS(m.inner, int(s.mtu.Load()))
		} else {
			encap.ClampMSSEthernet(m.inner, int(s.mtu.Load()))
		}
	}
	front := txHeadroom
	if s.ppp {
		front -= encap.PPPHeaderLen(proto, fr)
		encap.AppendPPPHeader(buf[front:front], proto, fr)
	} else if s.tags == tagsServed {
		front = pushTag(buf, front, s.cfg.VLAN)
	}
	o.send(m, buf, front)
}

// tos is the outer TOS byte for a frame, -1 for the tunnel's own.
func (o *outbound) tos(s *Session, inner []byte) int {
	if !s.tunnel.cfg.CopyTOS {
		return -1
	}
	if !s.ppp {
		_, payload, ok := encap.Ethernet(inner).Network()
		if !ok {
			return -1
		}
		inner = payload
	}
	return innerTOS(inner)
}

// innerTOS is the TOS or Traffic Class byte of an IP packet without its ECN bits, -1 when it is none. The outer packet
// is Not-ECT: a mark on it would be lost at the other end, which RFC 6040 section 4.1 forbids.
func innerTOS(ip []byte) int {
	const ecn = 3
	if len(ip) < 2 {
		return -1
	}
	switch ip[0] >> 4 {
	case 4:
		return int(ip[1] &^ ecn)
	case 6:
		return int(ip[0]&0xf)<<4 | int((ip[1]>>4)&^ecn)
	default:
		return -1
	}
}

// send puts the data header before buf[front:] and queues the packet.
func (o *outbound) send(m txMeta, buf []byte, front int) {
	s := m.s
	at := front - len(s.header)
	o.putHeader(s, buf[at:front])
	m.wire, m.packets, m.bytes = buf[at:], 1, len(m.inner)
	w := o.way(s)
	q := w.own
	if s.tooLong(len(m.wire)) || (m.ip || !s.ppp) && s.overMTU(m.inner, len(m.inner)) {
		if !mayFragment(m, len(m.inner)) {
			o.tooBig(m, len(m.wire)-len(m.inner))
			return
		}
		q = w.fragile
	}
	o.enqueue(q, m)
}

// putHeader writes the data header of the next packet into b.
func (o *outbound) putHeader(s *Session, b []byte) {
	copy(b, s.header)
	if s.cfg.Sequence {
		encap.PutSeq(b[len(b)-encap.SublayerLen:], true, s.txSeq)
		s.txSeq = s.txSeq.Next()
	}
}

// tooLong tells whether an outer payload may not be sent: it does not fit the path, and may not be fragmented.
func (s *Session) tooLong(wire int) bool { return s.tunnel.cfg.DF && !s.fits(wire) }

// fits tells whether an outer payload goes through the path in one piece.
func (s *Session) fits(wire int) bool { return s.tunnel.outer+wire <= s.tunnel.limit() }

// round ends each round of events: what the control side offers is taken along, and everything leaves.
func (o *outbound) round() {
	o.takeInjected()
	if len(o.shared) > 0 || o.fed {
		o.takeMail()
		o.mail()
	}
	o.flush()
	o.stats.add(o.total.packets, o.total.bytes)
	o.total = run{}
	if o.bulk {
		o.bulk = false
		// Where CPUs are scarce, who receives what has just been sent may wait for this one. Letting it go first keeps queues,
		// and with them what has to stay in the caches, short; and the device holds more for the next round.
		netio.Yield()
	}
}

// takeMail sends what other loops have got for sessions: of shared devices, and of those that annexes read.
func (o *outbound) takeMail() {
	todo := o.mailbox.take(o.reading)
	for i := range todo {
		switch h := &todo[i]; {
		case h.s == nil:
			o.flood(h.from.shared, h.from, h.buf)
		case h.s.annex != nil && !o.has(h.s): // removed meanwhile
		default:
			o.frame(txMeta{s: h.s, from: h.from, quiet: h.quiet}, h.buf)
		}
	}
	o.reading = todo[:0]
	if len(todo) > 0 {
		o.flush() // nothing refers to the buffers any more
		o.mailbox.giveBack(todo)
	}
}

// flush sends all queues; afterwards all slots are free.
func (o *outbound) flush() {
	// A queue may move messages to a socket that fragments: those queues come again.
	for again := true; again; {
		again = false
		for _, q := range o.queues {
			if len(q.meta) > 0 {
				o.flushQueue(q)
				again = true
			}
		}
	}
	o.used, o.cutUsed, o.bundles = 0, 0, o.bundles[:0]
}

func (o *outbound) drop(s *Session, r DropReason) { o.drops(s, r, 1) }

// drops books several packets of one reason.
func (o *outbound) drops(s *Session, r DropReason, n int) {
	o.stats.drops[r].Add(uint64(n))
	s.dropped(r, n)
}

// inject queues a copy of a PPP frame of the control side.
func (o *outbound) inject(s *Session, frame []byte) bool {
	o.injectMu.Lock()
	n := len(o.injected)
	if n < injectQueue {
		o.injected = append(o.injected, injection{s, append([]byte(nil), frame...)})
	}
	o.injectMu.Unlock()
	if n == injectQueue {
		o.drop(s, DropInject)
		return false
	}
	if (n+1)%injectBatch == 0 {
		o.poller.Wake()
	}
	return true
}

// wakeInjected has the loop see to what inject has queued.
func (o *outbound) wakeInjected() {
	o.injectMu.Lock()
	n := len(o.injected)
	o.injectMu.Unlock()
	if n > 0 {
		o.poller.Wake()
	}
}

// takeInjected sends what waits. It looks at the queue only when the loop is awake anyway, once a round.
func (o *outbound) takeInjected() {
	o.injectMu.Lock()
	todo := o.injected
	o.injected = nil
	o.injectMu.Unlock()
	for _, j := range todo {
		if !o.has(j.s) {
			continue // removed meanwhile
		}
		slot := o.slot()
		if len(j.frame) > maxFrame {
			o.used--
			o.drop(j.s, DropMalformed)
			continue
		}
		n := copy(slot[txHeadroom:], j.frame)
		buf := slot[:txHeadroom+n]
		j.s.injected.Add(1)
		if o.tap != nil {
			o.tap.inner(j.s, true, nil, j.frame)
		}
		o.send(txMeta{s: j.s, inner: buf[txHeadroom:], tos: -1}, buf, txHeadroom)
		o.stats.control.Add(1)
	}
}

// has tells whether a session of this worker is still there.
func (o *outbound) has(s *Session) bool {
	if s.shared != nil {
		return !s.removed
	}
	return o.devices[s.token] == s
}
