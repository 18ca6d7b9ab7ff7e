package netio

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// role names socket i of a group.
func (g *Group) role(i int) string {
	if i == g.cfg.Workers {
		return "control"
	}
	return fmt.Sprintf("worker %d", i)
}

// openUDP builds the reuseport group: workers in order, then control, so that index and role agree. The first socket is
// bound before it gets SO_REUSEPORT. Its bind therefore fails when anybody holds the port, whatever their options and
// user, and there is no moment between that check and our holding the port. The kernel makes a group of it when the
// second socket binds (reuseport_add_sock in net/core/sock_reuseport.c).
func (g *Group) openUDP() error {
	for i := range g.cfg.Workers + 1 {
		s, err := g.newSocket(g.cfg.Variant, g.role(i))
		if err != nil {
			return err
		}
		g.sockets = append(g.sockets, s)
		if i == 0 {
			err = g.bindFirst(s)
		} else if err = setInt(s.FD(), unix.SOL_SOCKET, unix.SO_REUSEPORT, "SO_REUSEPORT", 1); err == nil {
			err = g.bind(s)
		}
		if err == nil && g.cfg.GRO && i < g.cfg.Workers {
			err = g.joinDatagrams(s)
		}
		if err != nil {
			return err
		}
		if err := setBuffers(s.FD(), g.cfg.RecvBuffer, g.cfg.SendBuffer); err != nil {
			return err
		}
	}
	if err := attachSteering(g.sockets[0].FD(), g.cfg.Workers); err != nil {
		return err
	}
	waitInFlight()
	for _, s := range g.sockets {
		if err := detachFilter(s.FD()); err != nil {
			return err
		}
	}
	return nil
}

// bindFirst takes the port for us alone, learns its number, and then lets the others in.
func (g *Group) bindFirst(s *Socket) error {
	if err := g.bind(s); err != nil {
		return err
	}
	if g.cfg.Local.Port() == 0 {
		port, err := boundPort(s.FD())
		if err != nil {
			return &OpError{Op: "getsockname", Addr: g.addrText(), Err: err}
		}
		g.cfg.Local = netip.AddrPortFrom(g.cfg.Local.Addr(), port)
		s.name = fmt.Sprintf("%s %s %s", g.cfg.Transport, g.addrText(), g.role(0))
	}
	return setInt(s.FD(), unix.SOL_SOCKET, unix.SO_REUSEPORT, "SO_REUSEPORT", 1)
}

// boundPort asks the kernel for the port it chose.
func boundPort(fd int) (uint16, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(sa.Port), nil
	case *unix.SockaddrInet6:
		return uint16(sa.Port), nil
	}
	return 0, ErrAddress
}

// openIP builds one raw socket for each worker and one for control, each with its own filter. A raw socket receives from
// the moment it exists, before it has any filter or address; what it queued until then is thrown away before its real
// filter is set.
func (g *Group) openIP() error {
	for i := range g.cfg.Workers + 1 {
		s, err := g.newSocket(g.cfg.Variant, g.role(i))
		if err != nil {
			return err
		}
		s.copies = i != g.cfg.Workers
		g.sockets = append(g.sockets, s)
		if err := g.bind(s); err != nil {
			return err
		}
		if err := setBuffers(s.FD(), g.cfg.RecvBuffer, g.cfg.SendBuffer); err != nil {
			return err
		}
	}
	waitInFlight()
	b := NewRxBatch(64, 0, 1)
	for i, s := range g.sockets {
		for n := 1; n > 0; {
			n, _ = s.ReadBatch(b)
		}
		filter := filterIPControl(g.ipv6)
		if i < g.cfg.Workers {
			filter = filterIPData(g.ipv6, i, g.cfg.Workers)
		}
		if err := attachFilter(s.FD(), filter); err != nil {
			return err
		}
	}
	return nil
}
