package netio

import (
	"errors"

	"golang.org/x/sys/unix"
)

// QueueFull tells that the interface's queue dropped the packet, which the kernel says to sockets with IP_RECVERR
// (ip(7)). Trying again at once would only drop another.
func QueueFull(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// TooLarge tells that the message does not fit the path MTU which the kernel knows, and must not be fragmented.
func TooLarge(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
