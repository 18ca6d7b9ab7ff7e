package netio

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	maxErrors    = 64 // reported by one ReadErrors
	errorsATime  = 8  // read with one system call
	errorControl = 128
	// extendedErrLen is the size of struct sock_extended_err, behind which the offender's address stands (ip(7)).
	extendedErrLen = 16
)

// NetError is what the kernel knows about a packet that could not be delivered: an ICMP error, or the refusal to send.
type NetError struct {
	Peer     netip.AddrPort // where the packet was going; for IPv4 the port is 0 in local errors and on IP 115
	Errno    unix.Errno     // EMSGSIZE, ECONNREFUSED, EHOSTUNREACH, ...
	Local    bool           // from this host's own stack, not from an ICMP message
	MTU      int            // the next hop's MTU, outer IP header included, when the error says so (EMSGSIZE); else 0
	Type     uint8          // ICMP or ICMPv6 type
	Code     uint8          // ICMP or ICMPv6 code
	Offender netip.Addr     // who sent the ICMP message; zero for local errors
}

// errorBatch is the vector ReadErrors reads into.
type errorBatch struct {
	hdrs    [errorsATime]unix.Mmsghdr
	iovs    [errorsATime]unix.Iovec
	names   [errorsATime]sockaddr
	control [errorsATime][errorControl]byte
	payload [errorsATime][8]byte // the packet that failed; nobody looks at it
}

func newErrorBatch() *errorBatch {
	b := &errorBatch{}
	for i := range b.hdrs {
		setBytes(&b.iovs[i], b.payload[i][:])
		h := &b.hdrs[i].Hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = &b.names[i][0]
		h.Control = &b.control[i][0]
	}
	return b
}

// ReadErrors drains the socket's error queue (MSG_ERRQUEUE, recv(2)), calls fn for each error, and returns how many
// there were, at most 64: then there may be more. It does not block. See the package comment for which socket gets which
// error.
func (s *Socket) ReadErrors(fn func(NetError)) int {
	s.errMu.Lock()
	defer s.errMu.Unlock()
	if s.errors == nil {
		s.errors = newErrorBatch()
	}
	reported := 0
	for read := 0; read < maxErrors; {
		n, errno := s.errors.read(s.FD())
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n == 0 {
			// An error that found no room in the queue is still pending and would keep the socket EPOLLERR.
			_, _ = unix.GetsockoptInt(s.FD(), unix.SOL_SOCKET, unix.SO_ERROR)
			break
		}
		read += n
		for i := range n {
			e, ok := s.errors.parse(i)
			if !ok || s.copies && !e.Local {
				continue
			}
			reported++
			fn(e)
		}
	}
	return reported
}

// read gets the next few errors from the kernel.
func (b *errorBatch) read(fd int) (int, unix.Errno) {
	for i := range b.hdrs {
		b.hdrs[i].Hdr.Namelen = sockaddrLen
		b.hdrs[i].Hdr.SetControllen(errorControl)
	}
	return recvmmsg(fd, b.hdrs[:], unix.MSG_ERRQUEUE)
}

// parse returns error i of the last read.
func (b *errorBatch) parse(i int) (NetError, bool) {
	h := &b.hdrs[i].Hdr
	name := b.names[i][:min(h.Namelen, sockaddrLen)]
	return parseNetError(name, b.control[i][:min(int(h.Controllen), errorControl)])
}

// parseNetError finds IP_RECVERR or IPV6_RECVERR among the control messages. It is false when there is none, or one that
// is no error (time stamps and zero-copy notices use the same queue).
func parseNetError(name, control []byte) (NetError, bool) {
	for {
		m, rest, ok := nextCmsg(control)
		if !ok {
			return NetError{}, false
		}
		if m.level == unix.SOL_IP && m.typ == unix.IP_RECVERR || m.level == unix.SOL_IPV6 && m.typ == unix.IPV6_RECVERR {
			return parseExtendedErr(name, m.data)
		}
		control = rest
	}
}

// parseExtendedErr reads struct sock_extended_err and the offender's address behind it (ip(7), IP_RECVERR).
func parseExtendedErr(name, data []byte) (NetError, bool) {
	if len(data) < extendedErrLen {
		return NetError{}, false
	}
	e := NetError{
		Peer:  parseSockaddr(name),
		Errno: unix.Errno(binary.NativeEndian.Uint32(data)),
		Type:  data[5],
		Code:  data[6],
	}
	switch data[4] { // ee_origin
	case unix.SO_EE_ORIGIN_LOCAL:
		e.Local = true
	case unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6:
		e.Offender = parseSockaddr(data[extendedErrLen:]).Addr()
	default:
		return NetError{}, false
	}
	if e.Errno == unix.EMSGSIZE {
		e.MTU = int(min(binary.NativeEndian.Uint32(data[8:]), 1<<16))
	}
	return e, true
}
