package netio

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"culvert/encap"
)

const (
	// ipProtocolL2TP is the IP protocol number of L2TPv3 (RFC 3931 section 4.1.1).
	ipProtocolL2TP = 115
	// maxWorkers bounds a group; the kernel's own limit is 65535 sockets.
	maxWorkers = 1024
)

// GroupConfig says what to open.
type GroupConfig struct {
	Transport           encap.Transport
	Local               netip.AddrPort // may be unspecified; a link-local address needs its zone; port 0: any; ignored for IP
	Workers             int            // 1..1024
	Variant             Variant        // options of the data and control sockets
	AcceptZeroChecksum6 bool           // accept UDP over IPv6 without checksum (RFC 6935)
	RecvBuffer          int            // SO_RCVBUF in bytes; 0: 4 MB
	SendBuffer          int            // SO_SNDBUF in bytes; 0: 4 MB
	GRO                 bool           // UDP: data sockets get datagrams joined where the kernel can (RxBatch.SegmentSize)
}

// Group is all sockets of one local address. Its methods may be called from any goroutine.
type Group struct {
	cfg  GroupConfig
	ipv6 bool
	gro  bool

	sockets []*Socket // workers in order, then control; fixed once open

	mu      sync.Mutex
	senders map[senderKey]*Socket
	extra   []*Socket // the senders in the order of opening
	closed  bool
}

type senderKey struct {
	worker  int
	variant Variant
}

// OpenGroup opens and binds the sockets of one local address and steers packets among them. Errors are *OpError.
func OpenGroup(c GroupConfig) (*Group, error) {
	c, err := c.normalize()
	if err != nil {
		return nil, &OpError{Op: "open " + c.Transport.String() + " sockets", Err: err}
	}
	g := &Group{cfg: c, ipv6: c.Local.Addr().Is6(), senders: map[senderKey]*Socket{}}
	if c.Transport == encap.TransportIP {
		err = g.openIP()
	} else {
		err = g.openUDP()
	}
	if err != nil {
		_ = g.Close()
		return nil, err
	}
	return g, nil
}

// normalize checks the configuration and fills in defaults.
func (c GroupConfig) normalize() (GroupConfig, error) {
	c.Local = unmap(c.Local)
	if c.Workers < 1 || c.Workers > maxWorkers {
		return c, fmt.Errorf("%d workers: %w", c.Workers, ErrWorkers)
	}
	if !c.Local.Addr().IsValid() || c.Local.Addr().IsMulticast() {
		return c, fmt.Errorf("local address %v: %w", c.Local.Addr(), ErrAddress)
	}
	if _, err := scopeID(c.Local.Addr()); err != nil {
		return c, err
	}
	if c.Transport == encap.TransportIP {
		c.Local = netip.AddrPortFrom(c.Local.Addr(), 0)
	}
	c.Variant = c.effective(c.Variant)
	if c.RecvBuffer <= 0 {
		c.RecvBuffer = defaultBuffer
	}
	if c.SendBuffer <= 0 {
		c.SendBuffer = defaultBuffer
	}
	return c, nil
}

// effective drops from a variant what the transport does not have.
func (c GroupConfig) effective(v Variant) Variant {
	if c.Transport == encap.TransportIP {
		v.NoChecksum = false
	}
	return v
}

// Data returns the socket that receives the sessions with id modulo Workers == worker, and sends.
func (g *Group) Data(worker int) *Socket { return g.sockets[worker] }

// Control returns the socket that receives control messages, T bit set (UDP) or session id 0 (IP 115), and whatever can
// not be a data packet.
func (g *Group) Control() *Socket { return g.sockets[g.cfg.Workers] }

// LocalAddr returns the local address and, for UDP, the port, chosen by the kernel if none was asked for.
func (g *Group) LocalAddr() netip.AddrPort { return g.cfg.Local }

// Workers returns how many workers the group is for.
func (g *Group) Workers() int { return g.cfg.Workers }

// Transport returns what the sockets are of.
func (g *Group) Transport() encap.Transport { return g.cfg.Transport }

// Sockets returns all sockets: one for each worker, control, then the senders opened so far.
func (g *Group) Sockets() []*Socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Concat(g.sockets, g.extra)
}

// Sender returns the socket through which a worker sends with the options v: Data(worker) when v is the group's own, else
// a send-only socket on the same local address and port, opened at the first call and the same one from then on. It never
// receives packets, but ICMP errors may arrive on it (see the package comment).
func (g *Group) Sender(worker int, v Variant) (*Socket, error) {
	if worker < 0 || worker >= g.cfg.Workers {
		return nil, fmt.Errorf("worker %d of %d: %w", worker, g.cfg.Workers, ErrWorkers)
	}
	v = g.cfg.effective(v)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	if v == g.cfg.Variant {
		return g.sockets[worker], nil
	}
	key := senderKey{worker, v}
	if s := g.senders[key]; s != nil {
		return s, nil
	}
	s, err := g.openSender(key)
	if err != nil {
		return nil, err
	}
	g.senders[key] = s
	g.extra = append(g.extra, s)
	return s, nil
}

// openSender opens a send-only socket; the filter that drops everything stays on it. A UDP one joins the reuseport group
// behind the indices that the steering program returns.
func (g *Group) openSender(key senderKey) (*Socket, error) {
	s, err := g.newSocket(key.variant, g.senderRole(key))
	if err != nil {
		return nil, err
	}
	s.sendOnly, s.copies = true, g.cfg.Transport == encap.TransportIP
	if g.cfg.Transport == encap.TransportUDP {
		err = setInt(s.FD(), unix.SOL_SOCKET, unix.SO_REUSEPORT, "SO_REUSEPORT", 1)
	}
	if err == nil {
		err = g.bind(s)
	}
	if err == nil {
		err = setBuffers(s.FD(), 0, g.cfg.SendBuffer)
	}
	if err != nil {
		_ = s.close()
		return nil, err
	}
	if g.cfg.Transport == encap.TransportIP {
		g.deafen(s)
	}
	return s, nil
}

// senderRole names a socket that only sends.
func (*Group) senderRole(k senderKey) string {
	return fmt.Sprintf("sender %d %v nochecksum=%t", k.worker, k.variant.DF, k.variant.NoChecksum)
}

// deafen spares the kernel a copy of each packet for a raw socket that only sends, which its filter would drop: a
// connected socket gets packets of its peer alone, and nobody sends to us from our own address. Sends name their
// destination and don't mind (raw(7)). Where it fails, the filter does the same for more.
func (g *Group) deafen(s *Socket) {
	to := g.cfg.Local
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.IPv6Loopback(), 0)
		if !g.ipv6 {
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
		}
	}
	if sa, err := unixSockaddr(to); err == nil {
		_ = unix.Connect(s.FD(), sa)
	}
}

// newSocket opens a socket that drops everything it receives and has all options but the buffers, unbound.
func (g *Group) newSocket(v Variant, role string) (*Socket, error) {
	family, typ, proto, what := unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP, "UDP socket"
	if g.ipv6 {
		family = unix.AF_INET6
	}
	raw := g.cfg.Transport == encap.TransportIP
	if raw {
		typ, proto, what = unix.SOCK_RAW, ipProtocolL2TP, "raw socket for IP protocol 115"
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return nil, openError(what, raw, err)
	}
	s := &Socket{raw: raw, rawIPv4: raw && !g.ipv6, name: fmt.Sprintf("%s %s %s", g.cfg.Transport, g.addrText(), role)}
	s.fd.Store(int32(fd))
	s.segments = segmentLimit(fd, raw, v)
	if err = attachFilter(fd, dropAll()); err == nil {
		err = setOptions(fd, g.options(v))
	}
	if err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// addrText is the local address as an operator writes it: with a port for UDP only.
func (g *Group) addrText() string {
	if g.cfg.Transport == encap.TransportIP {
		return g.cfg.Local.Addr().String()
	}
	return g.cfg.Local.String()
}

// bind binds a socket to the group's address.
func (g *Group) bind(s *Socket) error {
	sa, err := unixSockaddr(g.cfg.Local)
	if err == nil {
		err = unix.Bind(s.FD(), sa)
	}
	if err != nil {
		return bindError(g.cfg.Transport.String(), g.addrText(), g.cfg.Local.Addr().String(), err)
	}
	return nil
}

// Close closes all sockets. It must come after their last use. Before the first one goes all stop receiving, since the
// kernel renumbers a reuseport group when a member leaves.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	all := slices.Concat(g.sockets, g.extra)
	for _, s := range all {
		_ = attachFilter(s.FD(), dropAll())
	}
	var errs []error
	for _, s := range all {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
