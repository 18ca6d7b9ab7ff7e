package netio

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"culvert/encap"
	"culvert/snapshot"
)

// Snapshot writes what another process needs beside the sockets themselves, in the order of Sockets, to go on with them by
// AdoptGroup.
func (g *Group) Snapshot(c *snapshot.Codec) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cfg.snapshot(c)
	c.Bool(&g.gro)
	keys := make([]senderKey, len(g.extra))
	for k, s := range g.senders {
		keys[slices.Index(g.extra, s)] = k
	}
	snapshotSenders(c, &keys)
}

func (c *GroupConfig) snapshot(s *snapshot.Codec) {
	snapshot.Limited(s, &c.Transport, encap.TransportIP, "a transport")
	s.AddrPort(&c.Local)
	snapshot.Limited(s, &c.Workers, maxWorkers, "the number of workers")
	c.Variant.snapshot(s)
	s.Bools(&c.AcceptZeroChecksum6, &c.GRO)
	snapshot.Int(s, &c.RecvBuffer)
	snapshot.Int(s, &c.SendBuffer)
}

func (v *Variant) snapshot(c *snapshot.Codec) {
	snapshot.Limited(c, &v.DF, DFClear, "a DF mode")
	c.Bool(&v.NoChecksum)
}

func snapshotSenders(c *snapshot.Codec, keys *[]senderKey) {
	snapshot.Slice(c, keys, func(k *senderKey) {
		snapshot.Limited(c, &k.worker, maxWorkers, "a worker")
		k.variant.snapshot(c)
	})
}

// AdoptGroup makes a group of sockets that another process has opened, bound and set up; next gives their descriptors, each
// once, and the group owns them from then on. Nothing about a socket changes, so no packet gets lost. On error those that
// next gave are closed.
func AdoptGroup(c *snapshot.Codec, next func() (int, error)) (*Group, error) {
	g := &Group{senders: map[senderKey]*Socket{}}
	g.cfg.snapshot(c)
	c.Bool(&g.gro)
	var keys []senderKey
	snapshotSenders(c, &keys)
	if c.Err() != nil {
		return nil, c.Err()
	}
	cfg, err := g.cfg.normalize()
	if err != nil {
		return nil, err
	}
	g.cfg, g.ipv6 = cfg, cfg.Local.Addr().Is6()
	for i := range cfg.Workers + 1 {
		s, err := g.adopt(cfg.Variant, g.role(i), next)
		if err != nil {
			return nil, errors.Join(err, g.Abandon())
		}
		s.copies = s.raw && i != cfg.Workers
		g.sockets = append(g.sockets, s)
	}
	for _, k := range keys {
		s, err := g.adopt(k.variant, g.senderRole(k), next)
		if err != nil {
			return nil, errors.Join(err, g.Abandon())
		}
		s.sendOnly, s.copies = true, s.raw
		g.senders[k] = s
		g.extra = append(g.extra, s)
	}
	return g, nil
}

// adopt wraps one socket.
func (g *Group) adopt(v Variant, role string, next func() (int, error)) (*Socket, error) {
	fd, err := next()
	if err != nil {
		return nil, err
	}
	raw := g.cfg.Transport == encap.TransportIP
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || (kind == unix.SOCK_RAW) != raw {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("adopt %s socket %s: it is of another type: %w", g.cfg.Transport, role, ErrAddress)
	}
	s := &Socket{raw: raw, rawIPv4: raw && !g.ipv6, name: fmt.Sprintf("%s %s %s", g.cfg.Transport, g.addrText(), role)}
	s.fd.Store(int32(fd))
	s.segments = segmentLimit(fd, raw, v)
	return s, nil
}

// Abandon closes our descriptors of the sockets, which another process has: unlike Close it does nothing to these.
func (g *Group) Abandon() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	var errs []error
	for _, s := range slices.Concat(g.sockets, g.extra) {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
