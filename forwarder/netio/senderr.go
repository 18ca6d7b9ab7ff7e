package netio

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Congested tells errors of Send that pass by waiting: the socket's buffer or the interface's queue is full.
func Congested(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS)
}

// TooLarge tells that the message does not fit the path MTU which the kernel knows, and must not be fragmented.
func TooLarge(err error) bool { return errors.Is(err, unix.EMSGSIZE) }

// Earlier tells errors that may belong to an earlier message: with IP_RECVERR the kernel reports an ICMP error on
// whatever call comes next (ip(7), "IP_RECVERR"). The message at the cursor was then not tried and deserves another
// go.
func Earlier(err error) bool {
	for _, e := range []unix.Errno{
		unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN,
		unix.EPROTO, unix.EACCES, unix.ENOPROTOOPT, unix.EOPNOTSUPP,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
