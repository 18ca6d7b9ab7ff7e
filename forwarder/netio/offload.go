package netio

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Limits of one send that the kernel cuts into datagrams (UDP_SEGMENT).
const (
	// MaxSegments is UDP_MAX_SEGMENTS of include/linux/udp.h, 64 before Linux 6.9: Socket.MaxSegments knows.
	MaxSegments = 128
	// MaxSegmentBytes is the longest UDP payload over IPv4 (65,535 less both headers), and for simplicity over IPv6.
	MaxSegmentBytes = 65507
)

// ErrSegments says that a message has more segments or bytes than one send of the socket takes. It was not tried: a raw
// socket, for one, would send it as one large packet.
var ErrSegments = errors.New("netio: too many segments or bytes for one send")

// segmentCount is how many datagrams n bytes are; beyond all limits when there are more of them than one send takes.
func segmentCount(n, segment int) int {
	switch {
	case segment <= 0:
		return 1
	case n > MaxSegmentBytes:
		return MaxSegments + 1
	}
	return (n + segment - 1) / segment
}

// SegmentRefused tells errors of Send that may mean that a message cannot be sent as segments by one call: ErrSegments;
// EINVAL from a socket or kernel that cannot, and, on older kernels, for segments above the path MTU; EIO when the
// interface cannot checksum or transforms packets (udp_send_skb in net/ipv4/udp.c). EMSGSIZE, which is TooLarge, is not
// among them. Whether segmentation is to blame shows when the datagrams are sent one by one: if they go it was, and the
// route should do without from then on.
func SegmentRefused(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EIO) || errors.Is(err, ErrSegments)
}

// MaxSegments returns how many datagrams one send may be cut into: 0 when the socket cannot do that at all (IP 115,
// checksums off, kernels before 4.18).
func (s *Socket) MaxSegments() int { return s.segments }

// GRO reports whether the group's data sockets join datagrams (UDP_GRO): it was asked for and the kernel can (5.0).
func (g *Group) GRO() bool { return g.gro }

// joinDatagrams switches UDP_GRO on. A kernel without it is no error.
func (g *Group) joinDatagrams(s *Socket) error {
	err := setInt(s.FD(), unix.SOL_UDP, unix.UDP_GRO, "UDP_GRO", 1)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil
	}
	g.gro = err == nil
	return err
}

// StopGRO makes the data sockets deliver every datagram by itself from now on. What waits in them may be joined still.
func (g *Group) StopGRO() {
	for _, s := range g.Sockets() {
		_ = unix.SetsockoptInt(s.FD(), unix.SOL_UDP, unix.UDP_GRO, 0) // IP 115 has none
	}
}

// segmentLimit finds out a new socket's MaxSegments.
func segmentLimit(fd int, raw bool, v Variant) int {
	if raw || v.NoChecksum {
		return 0 // udp_send_skb refuses sockets without checksum
	}
	if _, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
		return 0
	}
	return kernelSegments()
}

// leastSegments is UDP_MAX_SEGMENTS of the first kernels that have it.
const leastSegments = 64

// knownSegments is what kernelSegments found out, 0 before.
var knownSegments atomic.Int32

// kernelSegments asks the kernel for its limit by sending itself more than the least over loopback. Where loopback is
// down it assumes the least and asks again the next time.
func kernelSegments() int {
	if n := knownSegments.Load(); n != 0 {
		return int(n)
	}
	for _, to := range []unix.Sockaddr{
		&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}},
		&unix.SockaddrInet6{Addr: [16]byte{15: 1}},
	} {
		err := sendSegments(to, leastSegments+1)
		switch {
		case err == nil:
			knownSegments.Store(MaxSegments)
			return MaxSegments
		case errors.Is(err, unix.EINVAL):
			knownSegments.Store(leastSegments)
			return leastSegments
		}
	}
	return leastSegments
}

// sendSegments has a new socket on a loopback address send itself n datagrams of one byte with one call.
func sendSegments(loopback unix.Sockaddr, n int) error {
	family := unix.AF_INET
	if _, ok := loopback.(*unix.SockaddrInet6); ok {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return unix.ENOTSUP
	}
	defer func() { _ = unix.Close(fd) }()
	if unix.Bind(fd, loopback) != nil {
		return unix.EADDRNOTAVAIL
	}
	self, err := unix.Getsockname(fd)
	if err != nil || unix.Connect(fd, self) != nil || unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 1) != nil {
		return unix.ENOTSUP
	}
	_, err = unix.Write(fd, make([]byte, n))
	return err
}
