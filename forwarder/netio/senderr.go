package netio

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Congested tells errors of Send that pass by waiting: the socket's buffer or the interface's queue is full.
func Congested(err error) bool {
	return errors.Is(err, ErrWouldBlock) || errors.Is(err, unix.ENOBUFS)
}

// TooLarge tells that the message does not fit the path MTU which the kernel knows, and must not be fragmented.
func TooLarge(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
