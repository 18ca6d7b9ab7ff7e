package forwarder

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"culvert/encap"
	"culvert/forwarder/bridge"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

// Device is one queue of a TUN or TAP device: *tuntap.Queue, or a stand-in of a test. Every frame has
// tuntap.HeaderLen bytes of virtio header in front, both ways. Read is called by the session's outbound loop only,
// Write by both loops; or both by an annex.
type Device interface {
	FD() int
	Read(b []byte) (int, error)
	Write(b []byte) error
}

// Pseudowire is what a session's frames are.
type Pseudowire uint8

// The pseudowire types that the data plane knows.
const (
	Ethernet     Pseudowire = iota // RFC 4719: whole MAC frames without FCS
	PPP                            // PPP frames without flags, stuffing and FCS
	EthernetVLAN                   // RFC 4719: the same, each with an IEEE 802.1Q tag
)

// String gives the name used in configuration and API.
func (p Pseudowire) String() string {
	switch p {
	case PPP:
		return "ppp"
	case EthernetVLAN:
		return "eth-vlan"
	default:
		return "eth"
	}
}

// SessionConfig describes a session. It does not change during the session's life.
type SessionConfig struct {
	Name       string
	Pseudowire Pseudowire
	// VLAN is, of an EthernetVLAN pseudowire, what tags frames in it, which have no tag on the device; 0: they have one there
	// as well, and it stays.
	VLAN uint16
	// LocalID arrives in packets from the peer, PeerID is sent to it.
	LocalID, PeerID encap.SessionID
	// SendCookie goes into packets to the peer, ExpectCookie must be in packets from it.
	SendCookie, ExpectCookie encap.Cookie
	// SendSublayer and ExpectSublayer are independent of each other (RFC 3931 section 5.4.4).
	SendSublayer, ExpectSublayer encap.Sublayer
	// Sequence numbers what is sent; it needs SendSublayer. Numbers that arrive are checked whenever S is set.
	Sequence bool
	// ReorderTimeout is how long a packet ahead of its turn may wait; 0 delivers it at once.
	ReorderTimeout time.Duration
	// ClampMSS lowers the MSS option of TCP SYNs both ways to what the device's MTU allows.
	ClampMSS bool
	// Merge is what the device takes super-packets of; 0: every packet is written by itself. What the device hands out
	// is told by each frame's virtio header.
	Merge  offload.Merge
	Device Device
	// Shared is the device of a session that has none of its own; then neither Merge nor Device count.
	Shared *Shared
	// Isolated and MACLimit are those of the port of a bridge: no frames are exchanged with others that are isolated, and so
	// many addresses may be behind it.
	Isolated bool
	MACLimit int
}

// LinkState says what may pass a session. The zero value lets nothing pass.
type LinkState struct {
	Ethernet   bool             // Ethernet pseudowire usable
	IPv4, IPv6 bool             // IPCP, IPV6CP opened
	Router     bool             // Router Solicitations and DHCPv6 of the peer are the control side's: EventRouter
	Framing    encap.PPPFraming // how data frames are sent
}

const (
	linkEthernet = 1 << iota
	linkIPv4
	linkIPv6
	linkNoAddressControl
	linkCompressProtocol
	linkRouter
)

func (l LinkState) bits() (b uint32) {
	for _, f := range []struct {
		on  bool
		bit uint32
	}{
		{l.Ethernet, linkEthernet},
		{l.IPv4, linkIPv4},
		{l.IPv6, linkIPv6},
		{l.Framing.NoAddressControl, linkNoAddressControl},
		{l.Framing.CompressProtocol, linkCompressProtocol},
		{l.Router, linkRouter},
	} {
		if f.on {
			b |= f.bit
		}
	}
	return b
}

// Session is one pseudowire with its device.
type Session struct {
	cfg    SessionConfig
	tunnel *Tunnel
	worker *worker
	dev    Device
	annex  *annex                // that has dev; nil: the process' descriptor table
	shared *Shared               // nil: dev is the session's own
	port   *bridge.Port[Session] // of a shared TAP's bridge, else nil
	ppp    bool
	tags   tags

	mtu  atomic.Int32  // of the device: limit for MSS clamping
	link atomic.Uint32 // LinkState.bits
	// source4 is the peer's IPv4 address on a shared device, 0: not known.
	source4 atomic.Uint32

	// The inbound loop's.
	expect encap.DataHeader // of packets from the peer
	target offload.Target
	// shortHeader: a packet's own headers may be shorter than a device's.
	shortHeader bool
	seq         rxSequence
	reorder     *reorderQueue
	waiting     bool          // in inbound.waiting
	shown       time.Duration // when data that came too early was shown to the control side last
	puntsUntil  time.Duration // until when what was punted counts against puntBurst

	// The outbound loop's.
	header  []byte // data header as sent, sublayer zero
	txSeq   encap.Seq
	queue   *txQueue // the tunnel's own socket
	fragile *txQueue // socket that lets the kernel fragment; the same as queue without DF
	token   int
	removed bool

	place int // in annex.devices, the annex' own

	rx, tx traffic
	drops  atomic.Pointer[drops] // nil: none yet
	// Frames of the control side among rx and tx. Each is counted here before it is there.
	punted, injected atomic.Uint64
}

// Errors of AddSession.
var (
	ErrDuplicateSession = errors.New("session id is in use on this local address")
	ErrSessionID        = errors.New("session id 0 is not a session")
	ErrClosed           = errors.New("forwarder is closed")
	ErrSharedKind       = errors.New("a TUN device is shared by PPP sessions, a TAP device by Ethernet sessions")
)

// AddSession starts a session on t: from now on its packets are accepted and its device is read. Nothing passes
// before SetLink says so. The device stays the caller's, but its file may go to another descriptor table (tuntap.Table),
// so that only its methods can use that.
func (f *Forwarder) AddSession(t *Tunnel, cfg SessionConfig) (*Session, error) {
	s, errs := f.AddSessions([]NewSession{{t, cfg}})
	return s[0], errs[0]
}

// NewSession is what AddSession takes.
type NewSession struct {
	Tunnel *Tunnel
	Config SessionConfig
}

// AddSessions is AddSession for many, with a session or an error for each; the loops are disturbed once.
func (f *Forwarder) AddSessions(all []NewSession) ([]*Session, []error) {
	sessions, errs := make([]*Session, len(all)), make([]error, len(all))
	byWorker := make([][]int, len(f.workers))
	for i, n := range all {
		s, err := f.newSession(n.Tunnel, n.Config)
		if err != nil {
			errs[i] = err
			continue
		}
		sessions[i] = s
	}
	f.place(sessions, errs)
	for i, s := range sessions {
		if errs[i] == nil {
			byWorker[s.worker.id] = append(byWorker[s.worker.id], i)
		}
	}
	for w, which := range byWorker {
		f.workers[w].addAll(sessions, which, errs)
	}
	for i, err := range errs {
		if err != nil {
			sessions[i], errs[i] = nil, fmt.Errorf("session %s: %w", all[i].Config.Name, err)
		} else if s := sessions[i]; s.port != nil {
			s.shared.bridge.Add(s.port)
		}
	}
	return sessions, errs
}

func (f *Forwarder) newSession(t *Tunnel, cfg SessionConfig) (*Session, error) {
	if cfg.LocalID == 0 || cfg.PeerID == 0 {
		return nil, ErrSessionID
	}
	s := &Session{
		cfg:    cfg,
		tunnel: t,
		worker: f.owner(cfg.LocalID),
		dev:    cfg.Device,
		ppp:    cfg.Pseudowire == PPP,
		tags:   cfg.tags(),
		expect: t.expect(cfg),
		header: t.header(cfg).AppendTo(nil),
	}
	if s.shared = cfg.Shared; s.shared != nil {
		if s.ppp != (s.shared.bridge == nil) {
			return nil, ErrSharedKind
		}
		if s.shared.bridge != nil {
			s.port = bridge.NewPort(s, cfg.Isolated, cfg.MACLimit)
		}
		s.dev, s.cfg.Merge = s.shared.cfg.Queues[s.worker.id], s.shared.cfg.Merge
		if err := f.share(t); err != nil {
			return nil, err
		}
	}
	s.target = offload.Target{Sink: s, Layer: s.layer(), Merge: s.cfg.Merge}
	s.shortHeader = s.expect.Len() < deviceHeader
	if cfg.ReorderTimeout > 0 {
		s.reorder = newReorderQueue(cfg.ReorderTimeout)
	}
	return s, nil
}

// RemoveSession ends a session. When it returns neither loop touches the session or its device again.
func (f *Forwarder) RemoveSession(s *Session) { f.RemoveSessions([]*Session{s}) }

// RemoveSessions is RemoveSession for many.
func (f *Forwarder) RemoveSessions(all []*Session) {
	byWorker := make([][]*Session, len(f.workers))
	for _, s := range all {
		if s.shared != nil {
			s.SetLink(LinkState{}) // for the other workers
		}
		byWorker[s.worker.id] = append(byWorker[s.worker.id], s)
	}
	for w, some := range byWorker {
		f.workers[w].removeAll(some)
	}
	for _, s := range all { // none of them can learn any more
		if s.port != nil {
			s.shared.bridge.Remove(s.port)
		}
	}
}

// Config is what the session was added with; it must not be changed.
func (s *Session) Config() *SessionConfig { return &s.cfg }

// Name is the configured name.
func (s *Session) Name() string { return s.cfg.Name }

// Tunnel is the tunnel that the session belongs to.
func (s *Session) Tunnel() *Tunnel { return s.tunnel }

// Worker is the number of the worker that owns the session.
func (s *Session) Worker() int { return s.worker.id }

// SetLink says what may pass from now on. Any goroutine may call it.
func (s *Session) SetLink(l LinkState) {
	s.link.Store(l.bits())
	if s.port != nil && !l.Ethernet {
		s.shared.bridge.Flush(s.port) // who was behind it may be reached another way
	}
}

// MACs are the addresses behind a session on a shared TAP, and how often one more was not learnt.
func (s *Session) MACs() (n int, refused uint64) {
	if s.port == nil {
		return 0, 0
	}
	return s.port.Stats()
}

// SetMTU tells the device's MTU, in bytes, which MSS clamping goes by. Any goroutine may call it.
func (s *Session) SetMTU(mtu int) {
	if s.tags == tagsKept {
		mtu += encap.VLANTagLen // clamping takes the tag off, for which the MTU has room already
	}
	s.mtu.Store(int32(mtu))
}

// Inject sends a whole PPP or Ethernet frame into the pseudowire, whatever the link state, with the next Flush at the
// latest. The frame is copied. Any goroutine may call it; false means that the worker's queue was full and the frame was
// counted as dropped.
func (s *Session) Inject(frame []byte) bool { return s.worker.out.inject(s, frame) }

// Flush sends what was injected: a wake-up of the loops for many frames and not for each.
func (f *Forwarder) Flush() {
	for _, w := range f.workers {
		w.out.wakeInjected()
	}
}

// Stats gives the session's traffic, from and into the pseudowire, and its drops.
func (s *Session) Stats() (rx, tx Traffic, d Drops) {
	if p := s.drops.Load(); p != nil {
		p.addTo(&d)
	}
	return s.rx.load(), s.tx.load(), d
}

// Data gives the packets of a PPP session that were not control frames, from and into the pseudowire. They may lag a
// batch behind, and are never ahead, of what has passed.
func (s *Session) Data() (rx, tx uint64) {
	less := func(all *traffic, control *atomic.Uint64) uint64 {
		n := all.packets.Load()
		return n - min(control.Load(), n)
	}
	return less(&s.rx, &s.punted), less(&s.tx, &s.injected)
}

// layer is where the device's frames begin.
func (s *Session) layer() offload.Layer {
	if s.ppp {
		return offload.LayerIP
	}
	return offload.LayerEthernet
}

// framing is the PPP framing of data frames for link bits b.
func framing(b uint32) encap.PPPFraming {
	return encap.PPPFraming{
		NoAddressControl: b&linkNoAddressControl != 0,
		CompressProtocol: b&linkCompressProtocol != 0,
	}
}

const deviceHeader = tuntap.HeaderLen
