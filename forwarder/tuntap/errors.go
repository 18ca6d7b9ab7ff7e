package tuntap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What can go wrong with a device. Each is wrapped with the name of the device and, where the kernel said something,
// its errno, which errors.Is finds too.
var (
	ErrName         = errors.New("bad interface name")
	ErrConfig       = errors.New("bad device settings")
	ErrExists       = errors.New("interface name is taken")
	ErrNoTUN        = errors.New("/dev/net/tun is missing: modprobe tun, or mknod /dev/net/tun c 10 200; in a container add --device /dev/net/tun")
	ErrPermission   = errors.New("not permitted: needs CAP_NET_ADMIN in the network namespace and read-write access to /dev/net/tun")
	ErrTooManyFiles = errors.New("too many open files: raise ulimit -n (LimitNOFILE=)")
	ErrNetNS        = errors.New("network namespace cannot be entered")
	ErrBridge       = errors.New("bridge cannot be joined")
	ErrGroup        = errors.New("interface group cannot be deleted")
	ErrAddress      = errors.New("address cannot be set")
	ErrRoute        = errors.New("route cannot be set")
	ErrNoIPv6       = errors.New("no IPv6 on this interface: it needs an MTU of 1280, net.ipv6.conf.IFACE.disable_ipv6=0 and a kernel with IPv6")
	ErrGone         = errors.New("interface was deleted by somebody else")
	ErrClosed       = errors.New("device is closed")
)

// What Queue.Read and Queue.Write return, ready made: nothing is allocated. ErrGone and ErrClosed belong here too.
var (
	ErrWouldBlock = errors.New("tuntap: nothing to read, or no room to write, without waiting")
	// ErrDown: the device is administratively down (the write failed with EIO).
	ErrDown = errors.New("tuntap: interface is down")
	// ErrInvalid: the kernel refused the frame (EINVAL): shorter than its headers, a TUN packet that is neither IPv4 nor
	// IPv6, or a virtio header that does not fit the packet.
	ErrInvalid = errors.New("tuntap: kernel refused the frame")
)

// explain wraps an errno of /dev/net/tun or netlink with the sentinel an operator can act on.
func explain(what string, err error) error {
	sentinel := error(nil)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		sentinel = ErrPermission
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		sentinel = ErrTooManyFiles
	case errors.Is(err, unix.ENODEV):
		sentinel = ErrGone
	}
	if sentinel == nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w (%w)", what, sentinel, err)
}

// explainOpen is explain for opening /dev/net/tun, where ENODEV and its kin mean a missing driver.
func explainOpen(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("%w (%w)", ErrNoTUN, err)
	}
	return explain("open "+tunPath, err)
}
