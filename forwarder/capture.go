package forwarder

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"culvert/encap"
)

// Layer is what a captured packet begins with.
type Layer uint8

// The layers of a capture.
const (
	LayerOuter    Layer = iota // IP header of the underlay
	LayerPPP                   // PPP frame, with or without Address and Control field
	LayerEthernet              // Ethernet frame without FCS
)

// CaptureConfig says what is captured: what belongs to a tunnel, to one of its sessions, or to an address of a peer. One
// of Tunnel and Peer is set; both mean either.
type CaptureConfig struct {
	Tunnel, Session string // names; a Session needs its Tunnel
	Peer            netip.Addr
	// Control is the address whose control messages belong to the tunnel. The messages of a Peer always do.
	Control      netip.Addr
	Outer, Inner bool
	SnapLen      int // bytes of each packet that are kept
}

// CapturedPacket is a packet that passed. Data is valid until the next Drain.
type CapturedPacket struct {
	At     time.Time
	Layer  Layer
	Sent   bool // into the pseudowire
	Length int  // bytes on its way, of which Data may be the first only
	Data   []byte
}

// ErrCapturing says that there is a capture already.
var ErrCapturing = errors.New("another capture is running")

// tapBuffer bounds what waits of each loop, in bytes.
const tapBuffer = 1 << 20

// Capture copies packets as they pass. A loop that has a tap pays for two clock readings and copies a packet, and for a
// lock that nobody holds for longer than it takes to exchange two slices; one that has none looks at a pointer of its
// own. What does not fit is counted, never waited for.
type Capture struct {
	f    *Forwarder
	taps []*tap // two a worker, and the control side's
	all  []CapturedPacket
}

// Capture starts a capture; there is one at a time. It must be closed.
func (f *Forwarder) Capture(cfg CaptureConfig) (*Capture, error) {
	f.capturing.Lock()
	defer f.capturing.Unlock()
	if f.tap.Load() != nil {
		return nil, ErrCapturing
	}
	cfg.Peer, cfg.Control = cfg.Peer.Unmap().WithZone(""), cfg.Control.Unmap().WithZone("")
	c := &Capture{f: f}
	add := func() *tap {
		t := &tap{cfg: cfg, f: f, buf: make([]byte, 0, tapBuffer), spare: make([]byte, 0, tapBuffer)}
		c.taps = append(c.taps, t)
		return t
	}
	f.tap.Store(add())
	for _, w := range f.workers {
		in, out := add(), add()
		w.in.call(func() { w.in.tap = in })
		w.out.call(func() { w.out.tap = out })
	}
	return c, nil
}

// Close ends the capture; what is left can still be drained.
func (c *Capture) Close() {
	c.f.capturing.Lock()
	defer c.f.capturing.Unlock()
	for _, w := range c.f.workers {
		w.in.call(func() { w.in.tap = nil })
		w.out.call(func() { w.out.tap = nil })
	}
	c.f.tap.CompareAndSwap(c.taps[0], nil)
}

// Dropped is how many packets found no room.
func (c *Capture) Dropped() (n uint64) {
	for _, t := range c.taps {
		n += t.dropped.Load()
	}
	return n
}

// Drain gives what has passed since the last call to fn, in the order of time, until fn fails.
func (c *Capture) Drain(fn func(CapturedPacket) error) error {
	c.all = c.all[:0]
	for _, t := range c.taps {
		c.all = t.take(c.all)
	}
	slices.SortStableFunc(c.all, func(a, b CapturedPacket) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	for _, p := range c.all {
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

// tap is where one loop puts its packets.
type tap struct {
	cfg     CaptureConfig
	f       *Forwarder
	dropped atomic.Uint64

	mu    sync.Mutex // a leaf
	buf   []byte     // records
	spare []byte     // the reader's
}

// A record is time, length, bytes kept, layer and direction, and then the bytes.
const recordHeader = 8 + 4 + 4 + 2

// put adds the packet that head and body make up.
func (t *tap) put(l Layer, sent bool, head, body []byte) {
	n := len(head) + len(body)
	keep := min(n, t.cfg.SnapLen)
	at := t.f.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf)+recordHeader+keep > cap(t.buf) {
		t.dropped.Add(1)
		return
	}
	t.buf = binary.NativeEndian.AppendUint64(t.buf, uint64(at))
	t.buf = binary.NativeEndian.AppendUint32(t.buf, uint32(n))
	t.buf = binary.NativeEndian.AppendUint32(t.buf, uint32(keep))
	way := byte(0)
	if sent {
		way = 1
	}
	t.buf = append(t.buf, byte(l), way)
	h := min(len(head), keep)
	t.buf = append(append(t.buf, head[:h]...), body[:keep-h]...)
}

// take appends what has been put to all. It belongs to the reader.
func (t *tap) take(all []CapturedPacket) []CapturedPacket {
	t.mu.Lock()
	t.buf, t.spare = t.spare[:0], t.buf
	t.mu.Unlock()
	for b := t.spare; len(b) > 0; {
		keep := int(binary.NativeEndian.Uint32(b[12:]))
		all = append(all, CapturedPacket{
			At: t.f.began.Add(time.Duration(binary.NativeEndian.Uint64(b))), Length: int(binary.NativeEndian.Uint32(b[8:])),
			Layer: Layer(b[16]), Sent: b[17] != 0, Data: b[recordHeader : recordHeader+keep : recordHeader+keep],
		})
		b = b[recordHeader+keep:]
	}
	return all
}

// wants tells whether packets of a session, nil for an unknown one, with somebody belong to the capture.
func (t *tap) wants(s *Session, with netip.Addr) bool {
	switch {
	case t.cfg.Peer.IsValid() && (with.Unmap().WithZone("") == t.cfg.Peer || t.cfg.Tunnel == ""):
		return with.Unmap().WithZone("") == t.cfg.Peer
	case s == nil || s.tunnel.cfg.Name != t.cfg.Tunnel:
		return false
	}
	return t.cfg.Session == "" || s.cfg.Name == t.cfg.Session
}

// arrived shows a data packet as it came, whatever will become of it.
func (in *inbound) arrived(l *listener, s *Session, sid encap.SessionID, b []byte, from netip.AddrPort) {
	if s == nil && in.f.owner(sid).id != in.id {
		return // the worker that it belongs to shows it
	}
	if in.tap.cfg.Outer && in.tap.wants(s, from.Addr()) {
		in.tap.outer(false, l.key.transport, from, l.key.local, b)
	}
}

// control shows a control message of a peer that the capture is about.
func (t *tap) control(sent bool, tr encap.Transport, local, remote netip.AddrPort, b []byte) {
	want := t.cfg.Control
	if t.cfg.Peer.IsValid() {
		want = t.cfg.Peer
	}
	switch {
	case !t.cfg.Outer || remote.Addr().Unmap().WithZone("") != want:
	case sent:
		t.outer(true, tr, local, remote, b)
	default:
		t.outer(false, tr, remote, local, b)
	}
}

// inner shows a frame of a session.
func (t *tap) inner(s *Session, sent bool, head, frame []byte) {
	if !t.cfg.Inner || !t.wants(s, s.tunnel.peer.Addr()) {
		return
	}
	l := LayerEthernet
	if s.ppp {
		l = LayerPPP
	}
	t.put(l, sent, head, frame)
}

// read shows a frame that a device handed out. On a PPP session it is an IP packet, to which a PPP header is added that
// may be another one than will be sent.
func (o *outbound) read(s *Session, frame []byte) {
	switch {
	case !s.ppp:
		o.tap.inner(s, true, nil, frame)
	case len(frame) == 0:
	case frame[0]>>4 == 4:
		o.tap.inner(s, true, []byte{0xff, 0x03, 0x00, 0x21}, frame)
	case frame[0]>>4 == 6:
		o.tap.inner(s, true, []byte{0xff, 0x03, 0x00, 0x57}, frame)
	}
}

// left shows a message that the kernel has taken, cut as the kernel cuts it.
func (o *outbound) left(m *txMeta) {
	s := m.s
	c := &s.tunnel.cfg
	if !o.tap.cfg.Outer || !o.tap.wants(s, c.Peer.Addr()) {
		return
	}
	size := m.piece()
	for at := 0; at < len(m.wire); at += size {
		o.tap.outer(true, c.Transport, c.Local, c.Peer, m.wire[at:min(at+size, len(m.wire))])
	}
}
