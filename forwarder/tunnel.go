package forwarder

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"culvert/encap"
	"culvert/forwarder/netio"
)

// TunnelConfig describes one tunnel: the two ends' addresses and how outer packets look.
type TunnelConfig struct {
	Name        string
	Transport   encap.Transport
	Local, Peer netip.AddrPort // ports count for UDP only
	TTL         int            // outer TTL or hop limit, 0: system default
	// TOS is the outer TOS or Traffic Class byte; below 0: system default. CopyTOS takes the inner DSCP instead.
	TOS     int
	CopyTOS bool
	// DF forbids fragmentation of outer packets. Without it the kernel fragments what does not fit.
	DF bool
	// NoChecksum sends UDP with checksum 0 and accepts that over IPv6 as well (RFC 6935).
	NoChecksum bool
	// PathMTU in bytes is the most that is believed of the path; 0: what the kernel says. Both follow what it learns.
	PathMTU int
	// Overhead is what a layer below adds to each packet, in bytes.
	Overhead int
}

// Lowest path MTUs that anybody can talk us into. Linux does not believe less than 552 bytes of IPv4
// (net.ipv4.route.min_pmtu), and 1280 is the minimum of IPv6 (RFC 8200 section 5).
const (
	minPathMTU4    = 552
	minPathMTU6    = 1280
	defaultPathMTU = 1500
)

// Tunnel is one peer on one local address.
type Tunnel struct {
	cfg     TunnelConfig
	l       *listener
	dest    *netio.Dest
	peer    netip.AddrPort // as received packets show it
	outer   int            // IP and UDP header, bytes
	pathMTU atomic.Int32
	told    atomic.Int32 // probes to come that must not raise pathMTU: the kernel refused more than that
	whole   atomic.Bool  // the kernel refused to cut messages on the way to this peer

	shareMu sync.Mutex
	ways    []way // [worker] of sessions on shared devices; set before the first of them, nil: there was none
}

// AddTunnel opens the tunnel's local address, which tunnels share, and finds the path MTU.
func (f *Forwarder) AddTunnel(cfg TunnelConfig) (*Tunnel, error) {
	if cfg.Local.Addr().Is4() != cfg.Peer.Addr().Is4() {
		return nil, fmt.Errorf("tunnel %s: local %s and peer %s are of different address families",
			cfg.Name, cfg.Local.Addr(), cfg.Peer.Addr())
	}
	tos := cfg.TOS
	if cfg.CopyTOS {
		tos = 0 // for frames that have nothing to copy
	}
	dest, err := netio.NewDest(cfg.Peer, netio.DestOptions{TTL: cfg.TTL, TOS: tos})
	if err != nil {
		return nil, fmt.Errorf("tunnel %s: %w", cfg.Name, err)
	}
	t := &Tunnel{cfg: cfg, dest: dest, peer: netip.AddrPortFrom(cfg.Peer.Addr().WithZone(""), cfg.Peer.Port())}
	t.outer = 20
	if !cfg.Peer.Addr().Is4() {
		t.outer = 40
	}
	if cfg.Transport == encap.TransportUDP {
		t.outer += 8
	} else {
		t.peer = netip.AddrPortFrom(t.peer.Addr(), 0)
	}
	if t.l, err = f.listen(cfg); err != nil {
		return nil, fmt.Errorf("tunnel %s: %w", cfg.Name, err)
	}
	t.pathMTU.Store(int32(cfg.PathMTU))
	if cfg.PathMTU == 0 {
		t.pathMTU.Store(defaultPathMTU)
	}
	t.ProbePathMTU()
	t.l.join(t)
	return t, nil
}

// RemoveTunnel ends a tunnel that has no sessions any more; the last one on a local address closes its sockets.
func (f *Forwarder) RemoveTunnel(t *Tunnel) {
	f.unshare(t)
	t.l.leave(t)
	f.release(t.l)
}

// Name is the configured name.
func (t *Tunnel) Name() string { return t.cfg.Name }

// PathMTU is the largest outer packet in bytes, before Overhead is taken off.
func (t *Tunnel) PathMTU() int { return int(t.pathMTU.Load()) }

// toldProbes is how many probes do not raise a path MTU that the kernel told by refusing a packet. It may know less of
// the path when asked: an IPsec policy for our port (ipsec.md) does not apply to a socket that has another.
const toldProbes = 10

// KernelMTU is what the kernel believes of the path just now, in bytes, 0: there is no route.
func (t *Tunnel) KernelMTU() int {
	mtu, err := netio.PathMTU(t.cfg.Transport, t.cfg.Local, t.cfg.Peer)
	if err != nil {
		return 0
	}
	return mtu
}

// ProbePathMTU asks the kernel for the path MTU, which it forgets and learns anew by itself, and tells whether ours
// changed. To be called once a minute, by one goroutine.
func (t *Tunnel) ProbePathMTU() bool {
	mtu, ok := t.kernelPathMTU()
	if !ok {
		return false // no route just now: what we know stays
	}
	if t.told.Load() > 0 {
		t.told.Add(-1)
		return t.lower(mtu)
	}
	return t.pathMTU.Swap(int32(mtu)) != int32(mtu)
}

// lowerPathMTU is ProbePathMTU for when the kernel has just refused a packet: it only lowers.
func (t *Tunnel) lowerPathMTU() bool {
	mtu, ok := t.kernelPathMTU()
	return ok && t.lower(mtu)
}

// kernelPathMTU is what the kernel says of the path, no more than the configured value.
func (t *Tunnel) kernelPathMTU() (mtu int, ok bool) {
	mtu, err := netio.PathMTU(t.cfg.Transport, t.cfg.Local, t.cfg.Peer)
	if err != nil || mtu < t.minPathMTU() {
		return 0, false
	}
	if t.cfg.PathMTU != 0 {
		mtu = min(mtu, t.cfg.PathMTU)
	}
	return mtu, true
}

// MTU is the inner MTU of a session: the largest IP packet, Ethernet's header not counted, that goes into the
// pseudowire without being fragmented. PPP is counted with its full header of four bytes.
func (t *Tunnel) MTU(cfg SessionConfig) int {
	return t.innerMTU(cfg, t.header(cfg))
}

// ReceiveMTU is the inner MTU of the other direction, by what is expected from the peer.
func (t *Tunnel) ReceiveMTU(cfg SessionConfig) int {
	return t.innerMTU(cfg, t.expect(cfg))
}

func (t *Tunnel) innerMTU(cfg SessionConfig, h encap.DataHeader) int {
	mtu := encap.MTU(t.limit(), h, !t.cfg.Peer.Addr().Is4(), cfg.Pseudowire == PPP)
	if cfg.Pseudowire == EthernetVLAN {
		mtu = max(mtu-encap.VLANTagLen, 0)
	}
	return mtu
}

func (t *Tunnel) header(cfg SessionConfig) encap.DataHeader {
	return encap.DataHeader{
		Transport: t.cfg.Transport,
		SessionID: cfg.PeerID,
		Cookie:    cfg.SendCookie,
		Sublayer:  cfg.SendSublayer,
	}
}

func (t *Tunnel) expect(cfg SessionConfig) encap.DataHeader {
	return encap.DataHeader{
		Transport: t.cfg.Transport,
		SessionID: cfg.LocalID,
		Cookie:    cfg.ExpectCookie,
		Sublayer:  cfg.ExpectSublayer,
	}
}

// limit is the largest outer packet in bytes, the lower layer's overhead taken off.
func (t *Tunnel) limit() int { return int(t.pathMTU.Load()) - t.cfg.Overhead }

func (t *Tunnel) minPathMTU() int {
	if t.cfg.Peer.Addr().Is4() {
		return minPathMTU4
	}
	return minPathMTU6
}

// lower takes over a path MTU that an ICMP error or EMSGSIZE told; only ever downward, since such news may be old or
// forged. It tells whether that changed anything.
func (t *Tunnel) lower(mtu int) bool {
	mtu = max(mtu, t.minPathMTU())
	for {
		old := t.pathMTU.Load()
		if int32(mtu) >= old {
			return false
		}
		if t.pathMTU.CompareAndSwap(old, int32(mtu)) {
			return true
		}
	}
}

// variant is what of the tunnel's options is a matter of the socket.
func (c TunnelConfig) variant() netio.Variant {
	v := netio.Variant{DF: netio.DFClear, NoChecksum: c.NoChecksum}
	if c.DF {
		v.DF = netio.DFSet
	}
	return v
}

// listener is the socket set of one local address, shared by all tunnels on it. Its tables are one a worker.
type listener struct {
	key   listenerKey
	group *netio.Group
	refs  int // guarded by Forwarder.mu

	unjoined atomic.Bool // UDP_GRO was switched off

	tables []map[encap.SessionID]*Session // [worker], each its inbound loop's
	early  []map[encap.SessionID]*Early   // likewise

	mu      sync.Mutex
	tunnels map[*Tunnel]struct{}
	// Of control messages: how many Controls are open, how many of them take strangers, and whom we have to do with.
	controls, strangers int
	known               map[netip.Addr]int
}

type listenerKey struct {
	transport encap.Transport
	local     netip.AddrPort
}

// mixed is called when datagrams of sessions of different workers arrive joined. Handing them over keeps them, but not
// their place among those that came by themselves: so the kernel may not join on this address any more.
func (l *listener) mixed() {
	if l.unjoined.Swap(true) {
		return
	}
	l.group.StopGRO()
}

func (l *listener) join(t *Tunnel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tunnels[t] = struct{}{}
	l.know(t.peer.Addr(), 1)
}

func (l *listener) leave(t *Tunnel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tunnels, t)
	l.know(t.peer.Addr(), -1)
}

// news takes in what a socket's error queue told about the path to a peer; it returns the tunnels whose path MTU
// became smaller. The queue is read when the kernel signals an error, never per packet.
func (l *listener) news(e netio.NetError) (changed []*Tunnel) {
	if e.MTU == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.tunnels {
		if !t.cfg.DF || t.peer.Addr() != e.Peer.Addr() || e.MTU > t.PathMTU() {
			continue
		}
		t.told.Store(toldProbes)
		if t.lower(e.MTU) {
			changed = append(changed, t)
		}
	}
	return changed
}
