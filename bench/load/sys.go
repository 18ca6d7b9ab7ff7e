package load

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix" //nolint:depguard // benchmarks speak to the kernel themselves: their sockets must not share faults with netio's
)

const (
	socketBuffer = 4 << 20                // bytes, doubled by the kernel: a pause of the sink must not look like loss of the path
	pollEvery    = 200 * time.Millisecond // how soon a waiting thread notices that it should end
	udpGRO       = 104                    // UDP_GRO, UDP_SEGMENT: include/uapi/linux/udp.h
	udpSegment   = 103
	maxDatagram  = 65535
)

// socket is a blocking UDP socket. Its methods do not allocate.
type socket struct{ fd int }

func sockaddr(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a.Addr().Unmap().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: zone(a.Addr())}
}

// zone is the index in a numeric zone; names were resolved before.
func zone(a netip.Addr) uint32 {
	var n uint32
	for _, c := range []byte(a.Zone()) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

// openSocket makes a UDP socket whose waits end after pollEvery; of family IPv6 it takes IPv4, too.
func openSocket(family int) (*socket, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	tv := unix.NsecToTimeval(pollEvery.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	if err == nil && family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	// the first needs CAP_NET_ADMIN and passes rmem_max; otherwise be content with what that allows
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	}
	return &socket{fd}, nil
}

// listenUDP binds a socket.
func listenUDP(a netip.AddrPort) (*socket, error) {
	family, sa := sockaddr(a)
	s, err := openSocket(family)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(s.fd, sa); err != nil {
		s.close()
		return nil, os.NewSyscallError("bind", err)
	}
	return s, nil
}

// dialUDP connects a socket.
func dialUDP(to netip.AddrPort) (*socket, error) {
	family, sa := sockaddr(to)
	s, err := openSocket(family)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(s.fd, sa); err != nil {
		s.close()
		return nil, os.NewSyscallError("connect", err)
	}
	return s, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

func (s *socket) setGRO(on bool) error {
	v := 0
	if on {
		v = 1
	}
	return os.NewSyscallError("setsockopt UDP_GRO", unix.SetsockoptInt(s.fd, unix.IPPROTO_UDP, udpGRO, v))
}

// again tells whether a call only ran out of time or was interrupted.
func again(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }

// localDrop tells whether the sending host itself had no room: the packet is lost, nothing is broken.
func localDrop(err error) bool { return errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) }

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// oobLen holds one control message with an int, aligned.
const oobLen = 32

// batch is the arguments of one sendmmsg or recvmmsg.
type batch struct {
	hdrs []mmsghdr
	iovs []unix.Iovec
	bufs [][]byte
	oob  []byte
}

// newBatch makes n buffers of size bytes.
func newBatch(n, size int) *batch {
	b := &batch{
		hdrs: make([]mmsghdr, n), iovs: make([]unix.Iovec, n), bufs: make([][]byte, n), oob: make([]byte, n*oobLen),
	}
	room := make([]byte, n*size)
	for i := range n {
		b.bufs[i] = room[i*size : (i+1)*size : (i+1)*size]
		b.iovs[i].Base = &b.bufs[i][0]
		b.hdrs[i].hdr.Iov = &b.iovs[i]
		b.hdrs[i].hdr.SetIovlen(1)
		b.setLen(i, size)
	}
	return b
}

func (b *batch) setLen(i, n int) { b.iovs[i].SetLen(n) }

// control returns the control buffer of message i.
func (b *batch) control(i int) []byte { return b.oob[i*oobLen : (i+1)*oobLen] }

// setSegment asks for message i to be cut into packets of n bytes (UDP_SEGMENT, udp(7)).
func (b *batch) setSegment(i, n int) {
	c := b.control(i)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
	h.Level, h.Type = unix.IPPROTO_UDP, udpSegment
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(c[unix.CmsgLen(0):], uint16(n))
	b.hdrs[i].hdr.Control = &c[0]
	b.hdrs[i].hdr.SetControllen(unix.CmsgSpace(2))
}

// segment is the size of the packets in received message i, total if it is one packet (UDP_GRO, udp(7)).
func (b *batch) segment(i, total int) int {
	c := b.control(i)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
	if int(b.hdrs[i].hdr.Controllen) < unix.CmsgLen(4) || h.Level != unix.IPPROTO_UDP || h.Type != udpGRO {
		return total
	}
	if n := int(int32(binary.NativeEndian.Uint32(c[unix.CmsgLen(0):]))); n > 0 {
		return n
	}
	return total
}

// send sends the first n messages and returns how many the kernel took.
func (s *socket) send(b *batch, n int) (int, error) {
	done, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0, os.NewSyscallError("sendmmsg", errno)
	}
	return int(done), nil
}

// receive waits for at least one message and takes what else is there.
func (s *socket) receive(b *batch) (int, error) {
	for i := range b.hdrs {
		b.hdrs[i].hdr.Control = &b.oob[i*oobLen]
		b.hdrs[i].hdr.SetControllen(oobLen)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&b.hdrs[0])),
		uintptr(len(b.hdrs)), unix.MSG_WAITFORONE, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// message is what was received into buffer i.
func (b *batch) message(i int) []byte { return b.bufs[i][:b.hdrs[i].n] }

// preciseSleep makes the kernel wake this thread within a microsecond of what it asked for (PR_SET_TIMERSLACK(2const)).
// The thread must be locked.
func preciseSleep() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) }

// sleep waits in the kernel: time.Sleep is only good to about a millisecond.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&ts, nil) // interrupted: the pacer sees how late it is
}
