// Package tuntaptest stands in for devices where a test has no root, no /dev/net/tun or no wish for the kernel's
// answers: a pair of queues joined by a socket pair. They behave as a device's file does towards its reader and writer
// (one frame per call, non-blocking, usable with epoll, no allocation), with three differences: nothing looks at the
// frames, so ErrInvalid and ErrDown never come; a full queue is ErrWouldBlock to the writer where a device's ring
// drops; and a closed far end is ErrGone.
package tuntaptest

import (
	"errors"
	"testing"

	"culvert/forwarder/tuntap"

	"golang.org/x/sys/unix"
)

// Pair returns the queue to give to the code under test, and the host's end of it: what is written to host, virtio
// header included, is what the kernel sends through the device, and what host reads is what the kernel receives. Both
// are closed with the test.
func Pair(tb testing.TB) (device, host *tuntap.Queue) {
	tb.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	device, host = tuntap.NewQueue(fds[0]), tuntap.NewQueue(fds[1])
	tb.Cleanup(func() {
		for _, q := range []*tuntap.Queue{device, host} {
			if err := q.Close(); err != nil && !errors.Is(err, tuntap.ErrClosed) {
				tb.Error(err)
			}
		}
	})
	return device, host
}
