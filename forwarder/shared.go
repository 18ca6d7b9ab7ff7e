package forwarder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"culvert/forwarder/bridge"
	"culvert/forwarder/lpm"
	"culvert/forwarder/netio"
	"culvert/forwarder/offload"
)

// SharedConfig describes a device that many sessions have in common: a TUN of PPP sessions, or a TAP of Ethernet sessions.
type SharedConfig struct {
	Name string
	// Bridge is for a TAP; nil: the device is a TUN.
	Bridge *bridge.Config
	// Floods is how many copies a second each worker makes of what is flooded to sessions; 0: as many as it can. What is
	// more is dropped.
	Floods int
	// Queues are the device's files, one a worker; they stay the caller's.
	Queues []Device
	// Merge is what the device takes super-packets of.
	Merge offload.Merge
}

// Shared is such a device. What the kernel sends into a TUN goes to the session that has claimed the destination,
// whichever queue the kernel has chosen; what a peer sends passes only with a source that its session has claimed. A TAP
// and its sessions are the ports of a learning bridge.
type Shared struct {
	cfg     SharedConfig
	bridge  *bridge.Bridge[Session] // nil: a TUN
	floods  []budget                // [worker], each its outbound loop's
	routes  lpm.Table[Session]
	refused atomic.Uint64
	drops   drops // of packets that are no session's
}

// Errors of AddShared and Claim.
var (
	ErrQueues  = errors.New("a shared device needs one queue for each worker")
	ErrClaimed = errors.New("another session has this destination")
	ErrNoClaim = errors.New("not a destination that a session can have")
)

// AddShared lets the workers read a device. It is for sessions with it in their SessionConfig.
func (f *Forwarder) AddShared(cfg SharedConfig) (*Shared, error) {
	if len(cfg.Queues) != len(f.workers) {
		return nil, fmt.Errorf("%s: %w: %d queues, %d workers", cfg.Name, ErrQueues, len(cfg.Queues), len(f.workers))
	}
	sh := &Shared{cfg: cfg}
	if cfg.Bridge != nil {
		sh.bridge, sh.floods = bridge.New[Session](*cfg.Bridge), make([]budget, len(f.workers))
	}
	for _, w := range f.workers {
		err := ErrClosed
		w.out.call(func() { err = w.out.addShared(sh) })
		if err != nil {
			f.RemoveShared(sh)
			return nil, fmt.Errorf("%s: %w", cfg.Name, err)
		}
	}
	return sh, nil
}

// RemoveShared ends that. When it returns no loop reads the device; its sessions must be gone.
func (f *Forwarder) RemoveShared(sh *Shared) {
	for _, w := range f.workers {
		w.out.call(func() { w.out.removeShared(sh) })
	}
}

// Name is the configured name.
func (sh *Shared) Name() string { return sh.cfg.Name }

// Bridge is that of a TAP, nil for a TUN. Its ports are the forwarder's; who has it may look at it and tell it the time.
func (sh *Shared) Bridge() *bridge.Bridge[Session] { return sh.bridge }

// Routes is how many destinations are claimed, Refused how many claims came too late.
func (sh *Shared) Routes() int { return sh.routes.Len() }

// Refused is the number of claims that another session's stood against.
func (sh *Shared) Refused() uint64 { return sh.refused.Load() }

// Drops are those packets that were no session's.
func (sh *Shared) Drops() (d Drops) {
	sh.drops.addTo(&d)
	return d
}

// Claim makes p a destination and a permitted source of s, a session of this device, from now on. Of prefixes that
// overlap the longest counts, but two sessions cannot have the same one: the second is refused with ErrClaimed. What a
// session has it may claim again. Any goroutine may call it; no packet waits for it.
func (sh *Shared) Claim(s *Session, p netip.Prefix) error {
	a := p.Addr()
	switch {
	case !p.IsValid(), a.Is4In6(), a.IsMulticast(), a.IsLinkLocalUnicast() && a.Is6(), a.IsLoopback(),
		a.IsUnspecified() && p.IsSingleIP():
		return fmt.Errorf("%w: %s", ErrNoClaim, p)
	}
	if other := sh.routes.Insert(p, s); other != nil && other != s {
		sh.refused.Add(1)
		return fmt.Errorf("%w: %s has %s", ErrClaimed, other.Name(), p)
	}
	if a.Is4() && p.IsSingleIP() {
		s.source4.CompareAndSwap(0, ipv4Number(a))
	}
	return nil
}

// Unclaim takes back what Claim gave.
func (sh *Shared) Unclaim(s *Session, p netip.Prefix) {
	if sh.routes.Delete(p, s) && p.Addr().Is4() && p.IsSingleIP() {
		s.source4.CompareAndSwap(ipv4Number(p.Addr()), 0)
	}
}

// Move gives what old has claimed to s, which takes its place.
func (sh *Shared) Move(p netip.Prefix, old, s *Session) {
	if sh.routes.Replace(p, old, s) && p.Addr().Is4() && p.IsSingleIP() {
		s.source4.CompareAndSwap(0, ipv4Number(p.Addr()))
	}
}

func ipv4Number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// way is how packets of a tunnel leave one outbound loop, whoever of the tunnel's sessions they are of.
type way struct{ own, fragile *txQueue }

// share makes every worker ready to send for sessions of t, because a shared device's queues do not know whose packets
// they hand out. It takes effect once a tunnel.
func (f *Forwarder) share(t *Tunnel) error {
	t.shareMu.Lock()
	defer t.shareMu.Unlock()
	if t.ways != nil {
		return nil
	}
	ways := make([]way, len(f.workers))
	for i, w := range f.workers {
		own, fragile, err := w.senders(t)
		if err != nil {
			return err
		}
		err = ErrClosed
		w.in.call(func() {
			err = w.in.watch(t.l, own, false)
			if err == nil {
				err = w.in.watch(t.l, fragile, false)
			}
		})
		if err != nil {
			return err
		}
		w.out.call(func() {
			ways[i] = way{w.out.queue(own), w.out.queue(fragile)}
			w.out.tunnels = append(w.out.tunnels, t)
		})
	}
	t.ways = ways
	return nil
}

// unshare is the opposite of share, for a tunnel that goes.
func (f *Forwarder) unshare(t *Tunnel) {
	if t.ways == nil {
		return
	}
	for i, w := range f.workers {
		w.out.call(func() { w.out.forgetTunnel(t, t.ways[i]) })
	}
}

// senders are the worker's two sockets for a tunnel: its own kind, and the one that lets the kernel fragment.
func (w *worker) senders(t *Tunnel) (own, fragile *netio.Socket, err error) {
	loose := t.cfg.variant()
	loose.DF = netio.DFClear
	if own, err = t.l.group.Sender(w.id, t.cfg.variant()); err == nil {
		fragile, err = t.l.group.Sender(w.id, loose)
	}
	return own, fragile, err
}
