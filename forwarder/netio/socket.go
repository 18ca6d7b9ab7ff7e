package netio

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pendingTries bounds how often one ReadBatch or Send tries again over ICMP errors that waited on the socket.
const pendingTries = 3

// Socket is one member of a Group. Its methods may be called from any goroutine, with a batch of the caller's own.
type Socket struct {
	fd       atomic.Int32
	raw      bool // IP 115
	rawIPv4  bool // delivers the IP header
	copies   bool // gets copies of ICMP errors that the control socket reports
	sendOnly bool
	segments int // MaxSegments
	name     string

	errMu  sync.Mutex
	errors *errorBatch
}

// FD returns the descriptor, for Poller.Add; -1 when closed.
func (s *Socket) FD() int { return int(s.fd.Load()) }

// String names the socket for logs, as "udp 192.0.2.1:1701 worker 0".
func (s *Socket) String() string { return s.name }

// ReadBatch fills b with what waits on the socket, without blocking, and returns the number of packets; ErrWouldBlock
// when there are none. It allocates nothing. ICMP errors that wait on the socket do not disturb it: ReadErrors has them.
func (s *Socket) ReadBatch(b *RxBatch) (int, error) {
	b.prepare(s.rawIPv4)
	for try := 0; ; {
		n, errno := recvmmsg(s.FD(), b.hdrs, 0)
		switch {
		case errno == 0:
			b.finish(n, s.rawIPv4)
			return n, nil
		case errno == unix.EAGAIN:
			return 0, ErrWouldBlock
		case errno == unix.EINTR:
		case pendingError(errno):
			// The kernel reports a pending error before it looks at the queue (net/socket.c, do_recvmmsg).
			if try++; try >= pendingTries {
				return 0, ErrWouldBlock
			}
		default:
			return 0, errno
		}
	}
}

// Send sends the packets of b from its cursor on, without blocking, and moves the cursor. done counts those sent by this
// call. An error belongs to the packet at the cursor, which was not sent: ErrWouldBlock when the socket has no room
// (WaitWritable), EMSGSIZE when it is too long for the path, ENOBUFS when a queue of the device dropped it, ErrSegments
// when it is more than one send takes, ... The caller calls Send again or gives the packet up with Skip. It allocates
// nothing.
//
// An error that may be a leftover of an earlier packet (an ICMP error, reported by the kernel on whatever is sent next)
// is returned only when it persists. A raw socket without room says ENOBUFS, as a full device queue does
// (__ip_append_data in net/ipv4/ip_output.c); whether it is writable tells the two apart.
func (s *Socket) Send(b *TxBatch) (done int, err error) {
	for try := 0; b.cur < b.n; {
		end := b.end(s.segments)
		if end == b.cur {
			return done, ErrSegments
		}
		n, errno := sendmmsg(s.FD(), b.hdrs[b.cur:end])
		switch {
		case errno == 0:
			b.cur += n
			done += n
			try = 0
		case errno == unix.EAGAIN || errno == unix.ENOBUFS && s.raw && !s.WaitWritable(0):
			return done, ErrWouldBlock
		case errno == unix.EINTR:
		case pendingError(errno) && try+1 < pendingTries:
			try++
		default:
			return done, errno
		}
	}
	return done, nil
}

// errorPause is how long WaitWritable sleeps when poll(2) returns for a pending error and not for room.
const errorPause = time.Millisecond

// WaitWritable waits until the socket has room to send or the time is over (for ever when negative), and reports whether
// it has.
func (s *Socket) WaitWritable(timeout time.Duration) bool {
	start := time.Now()
	for {
		left := time.Duration(-1)
		if timeout >= 0 {
			left = max(timeout-time.Since(start), 0)
		}
		fd := s.fd.Load()
		if fd < 0 {
			return false // poll(2) would ignore it and wait
		}
		fds := []unix.PollFd{{Fd: fd, Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, milliseconds(left))
		switch {
		case err == unix.EINTR:
		case err != nil || fds[0].Revents&unix.POLLNVAL != 0:
			return false
		case fds[0].Revents&unix.POLLOUT != 0:
			return true
		case left == 0:
			return false
		case n > 0:
			time.Sleep(errorPause)
		}
	}
}

// milliseconds rounds up to what poll(2) and epoll_wait(2) take; negative is for ever.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	const most = 1 << 30
	ms := (d + time.Millisecond - 1) / time.Millisecond
	if d > most*time.Millisecond {
		return most
	}
	return int(ms)
}

// close closes the descriptor once.
func (s *Socket) close() error {
	fd := s.fd.Swap(-1)
	if fd < 0 {
		return nil
	}
	return unix.Close(int(fd))
}
