package netio

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"culvert/encap"
)

// PathMTU asks the kernel for the MTU of the path from local to peer, outer IP header included: the device's, or less when
// ICMP said so (IP_MTU and IPV6_MTU of a connected socket, ip(7)). Ports do not matter; local may be unspecified.
func PathMTU(t encap.Transport, local, peer netip.AddrPort) (int, error) {
	local, peer = unmap(local), unmap(peer)
	if !peer.Addr().IsValid() || local.Addr().IsValid() && local.Addr().Is4() != peer.Addr().Is4() {
		return 0, &OpError{Op: "path MTU to", Addr: peer.Addr().String(), Err: ErrAddress}
	}
	fd, err := probeSocket(t, peer.Addr().Is6())
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	if local.Addr().IsValid() && !local.Addr().IsUnspecified() {
		sa, err := unixSockaddr(netip.AddrPortFrom(local.Addr(), 0))
		if err == nil {
			err = unix.Bind(fd, sa)
		}
		if err != nil {
			return 0, bindError(t.String(), local.Addr().String(), local.Addr().String(), err)
		}
	}
	return connectedMTU(t, fd, peer)
}

// probeSocket opens a socket of the transport that receives nothing.
func probeSocket(t encap.Transport, ipv6 bool) (int, error) {
	family, typ, proto, what := unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP, "UDP socket"
	if ipv6 {
		family = unix.AF_INET6
	}
	if t == encap.TransportIP {
		typ, proto, what = unix.SOCK_RAW, ipProtocolL2TP, "raw socket for IP protocol 115"
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, openError(what, t == encap.TransportIP, err)
	}
	if err := attachFilter(fd, dropAll()); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// connectedMTU connects the probe and reads the route's MTU.
func connectedMTU(t encap.Transport, fd int, peer netip.AddrPort) (int, error) {
	level, opt := unix.SOL_IP, unix.IP_MTU
	if peer.Addr().Is6() {
		level, opt = unix.SOL_IPV6, unix.IPV6_MTU
	}
	port := peer.Port()
	switch {
	case t == encap.TransportIP:
		port = 0
	case port == 0:
		port = 1701
	}
	sa, err := unixSockaddr(netip.AddrPortFrom(peer.Addr(), port))
	if err == nil {
		err = unix.Connect(fd, sa)
	}
	if err != nil {
		return 0, &OpError{Op: "path MTU to", Addr: peer.Addr().String(), Err: err}
	}
	mtu, err := unix.GetsockoptInt(fd, level, opt)
	if err != nil {
		return 0, &OpError{Op: "path MTU to", Addr: peer.Addr().String(), Err: err}
	}
	return mtu, nil
}
