package netio

import (
	"golang.org/x/sys/unix"

	"culvert/encap"
)

// defaultBuffer is the size of socket buffers when the configuration names none, in bytes.
const defaultBuffer = 4 << 20

// DFMode says who may fragment the outer packet (RFC 3931 section 4.1.4).
type DFMode uint8

const (
	// DFSet forbids fragmentation: DF is set on IPv4, and a packet above the known path MTU fails with EMSGSIZE
	// (IP_PMTUDISC_DO, ip(7)).
	DFSet DFMode = iota
	// DFClear lets this kernel fragment, and routers too on IPv4 (IP_PMTUDISC_DONT).
	DFClear
)

// String returns "df" or "fragment".
func (m DFMode) String() string {
	if m == DFClear {
		return "fragment"
	}
	return "df"
}

// discover is the value of IP_MTU_DISCOVER, and of IPV6_MTU_DISCOVER, whose numbers are the same.
func (m DFMode) discover() int {
	if m == DFClear {
		return unix.IP_PMTUDISC_DONT
	}
	return unix.IP_PMTUDISC_DO
}

// Variant is what the kernel lets one choose only for a whole socket and tunnels on one address may disagree about.
type Variant struct {
	DF         DFMode
	NoChecksum bool // send UDP with checksum zero (RFC 3931 section 4.1.2.3, RFC 6935); no meaning for IP 115
}

// setInt is setsockopt(2) with an int and an error that names the option.
func setInt(fd, level, opt int, name string, v int) error {
	if err := unix.SetsockoptInt(fd, level, opt, v); err != nil {
		return &OpError{Op: "set " + name, Err: err, Hint: hint(err)}
	}
	return nil
}

// socketOption is one row of the table of options a new socket gets.
type socketOption struct {
	level, opt int
	name       string
	value      int
}

// options lists what a socket of the group needs, the ones for receiving included.
func (g *Group) options(v Variant) []socketOption {
	udp := g.cfg.Transport == encap.TransportUDP
	if !g.ipv6 {
		rows := []socketOption{
			{unix.SOL_IP, unix.IP_MTU_DISCOVER, "IP_MTU_DISCOVER", v.DF.discover()},
			{unix.SOL_IP, unix.IP_RECVERR, "IP_RECVERR", 1},
		}
		if udp && v.NoChecksum {
			rows = append(rows, socketOption{unix.SOL_SOCKET, unix.SO_NO_CHECK, "SO_NO_CHECK", 1})
		}
		return rows
	}
	rows := []socketOption{
		{unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, "IPV6_MTU_DISCOVER", v.DF.discover()},
		{unix.SOL_IPV6, unix.IPV6_RECVERR, "IPV6_RECVERR", 1},
	}
	if udp {
		// Raw IPv6 sockets never see IPv4, and refuse the option because they count as bound (ipv6_sockglue.c).
		rows = append(rows, socketOption{unix.SOL_IPV6, unix.IPV6_V6ONLY, "IPV6_V6ONLY", 1})
	}
	if udp && v.NoChecksum {
		rows = append(rows, socketOption{unix.SOL_UDP, unix.UDP_NO_CHECK6_TX, "UDP_NO_CHECK6_TX", 1})
	}
	if udp && g.cfg.AcceptZeroChecksum6 {
		rows = append(rows, socketOption{unix.SOL_UDP, unix.UDP_NO_CHECK6_RX, "UDP_NO_CHECK6_RX", 1})
	}
	return rows
}

// setOptions applies the table.
func setOptions(fd int, rows []socketOption) error {
	for _, r := range rows {
		if err := setInt(fd, r.level, r.opt, r.name, r.value); err != nil {
			return err
		}
	}
	return nil
}

// setBuffers sizes the socket buffers. Beyond net.core.[rw]mem_max it takes CAP_NET_ADMIN; without it the kernel
// silently gives what those limits allow (socket(7)).
func setBuffers(fd, receive, send int) error {
	if receive > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receive) != nil {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, "SO_RCVBUF", receive); err != nil {
			return err
		}
	}
	if send > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, send) != nil {
		return setInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, "SO_SNDBUF", send)
	}
	return nil
}
