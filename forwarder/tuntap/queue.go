package tuntap

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue is one file of a device: non-blocking, one frame per call, HeaderLen bytes of virtio header in front of each.
type Queue struct {
	fd    atomic.Int32
	table *Table // nil: the process' own
}

// NewQueue wraps a non-blocking descriptor that keeps message boundaries. Device.Queue is the usual source; this is
// for tests that put a socket pair in its place (package tuntaptest). The Queue owns fd.
func NewQueue(fd int) *Queue {
	q := &Queue{}
	q.fd.Store(int32(fd))
	return q
}

// FD returns the descriptor, for epoll; -1 after Close. It means the file to those threads only who have its Table.
func (q *Queue) FD() int { return int(q.fd.Load()) }

// Read takes one frame the kernel sends out through the device, header included, and returns its length. A frame
// longer than b is cut without notice, so b should be one byte longer than the longest wanted. Errors: ErrWouldBlock,
// ErrGone, ErrClosed, ErrInvalid (b shorter than HeaderLen), else an errno. It never blocks and allocates nothing.
func (q *Queue) Read(b []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(q.fd.Load()), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, queueError(errno)
		case r == 0:
			return 0, ErrGone // a tun file never reads 0; the socket pair of a test does when its peer is closed
		}
		return int(r), nil
	}
}

// Write hands one frame, header included, to the kernel as received by the device. The first HeaderLen bytes are a
// VnetHeader and must be zero unless an offload is meant. Errors: ErrWouldBlock, ErrDown, ErrInvalid, ErrGone,
// ErrClosed, else an errno. It never blocks and allocates nothing; the kernel's receive path runs inside the call.
func (q *Queue) Write(b []byte) error {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(q.fd.Load()), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return queueError(errno)
		}
		return nil
	}
}

// queueErrors are the errnos of tun_chr_read_iter and tun_chr_write_iter (drivers/net/tun.c) that have a name here. The
// last two come from the socket pair of a test only.
var queueErrors = [...]struct {
	errno unix.Errno
	err   error
}{
	{unix.EAGAIN, ErrWouldBlock},
	{unix.EIO, ErrDown},
	{unix.EINVAL, ErrInvalid},
	{unix.EBADFD, ErrGone},
	{unix.EBADF, ErrClosed},
	{unix.EPIPE, ErrGone},
	{unix.ECONNRESET, ErrGone},
}

// queueError makes an errno a ready-made error.
func queueError(errno unix.Errno) error {
	for i := range queueErrors {
		if queueErrors[i].errno == errno {
			return queueErrors[i].err
		}
	}
	return errno
}

// Close closes the descriptor. Only for queues made by NewQueue; a device's queue goes with Device.Close.
func (q *Queue) Close() error {
	if q.table != nil {
		if q.FD() < 0 {
			return ErrClosed
		}
		q.table.release([]*Queue{q})
		return nil
	}
	fd := q.fd.Swap(-1)
	if fd < 0 {
		return ErrClosed
	}
	return unix.Close(int(fd))
}
