package netio

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// sockaddrLen is room for the longer of the two socket addresses, sockaddr_in6 (ipv6(7)).
const sockaddrLen = unix.SizeofSockaddrInet6

// sockaddr is a sockaddr_in or sockaddr_in6 as the kernel reads and writes it: family in host order, port in network
// order. It is bytes and not a struct so that parsing needs no unsafe.
type sockaddr [sockaddrLen]byte

// putSockaddr writes the socket address and returns its length.
func putSockaddr(sa *sockaddr, a netip.AddrPort, scope uint32) int {
	*sa = sockaddr{}
	binary.BigEndian.PutUint16(sa[2:], a.Port())
	if a.Addr().Is4() {
		binary.NativeEndian.PutUint16(sa[0:], unix.AF_INET)
		ip := a.Addr().As4()
		copy(sa[4:8], ip[:])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(sa[0:], unix.AF_INET6)
	ip := a.Addr().As16()
	copy(sa[8:24], ip[:])
	binary.NativeEndian.PutUint32(sa[24:], scope)
	return unix.SizeofSockaddrInet6
}

// parseSockaddr reads a socket address, unmapped and without its zone; zero when it is none.
func parseSockaddr(b []byte) netip.AddrPort {
	if len(b) < 4 {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		if len(b) >= 8 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
		}
	case unix.AF_INET6:
		if len(b) >= 24 {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port)
		}
	}
	return netip.AddrPort{}
}

// scopeID turns the zone of an address into the interface index that sin6_scope_id wants (ipv6(7)).
func scopeID(a netip.Addr) (uint32, error) {
	zone := a.Zone()
	if zone == "" {
		if a.Is6() && a.IsLinkLocalUnicast() {
			return 0, fmt.Errorf("%w: link-local address %s needs a zone, as in %s%%eth0", ErrAddress, a, a)
		}
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil && n != 0 {
		return uint32(n), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: no interface %q", ErrAddress, a, zone)
	}
	return uint32(ifi.Index), nil
}

// unixSockaddr is the address in the form x/sys/unix binds and connects to.
func unixSockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	scope, err := scopeID(a.Addr())
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: scope}, nil
}

// unmap returns the address with an IPv4-mapped one turned into IPv4.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
