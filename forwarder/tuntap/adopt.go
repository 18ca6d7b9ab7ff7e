package tuntap

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Adopt makes a Device of a file that another process has opened, with all that the device was set to. c is what it was
// created with, index that of its link. The Device owns fd from then on, unless there is an error: ErrExists when the file
// is another device's, ErrNetNS, or an errno.
func Adopt(c Config, index, fd int) (*Device, error) {
	req, err := unix.NewIfreq(c.Name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.TUNGETIFF, req)
	}
	if err != nil {
		return nil, fmt.Errorf("tuntap: adopt %s: %w", c.Name, explain("TUNGETIFF", err))
	}
	if kind := req.Uint16() & (unix.IFF_TUN | unix.IFF_TAP); kind != c.Kind.flag() || req.Name() != c.Name {
		return nil, fmt.Errorf("tuntap: adopt %s: %w: the file is that of %s", c.Name, ErrExists, req.Name())
	}
	ns, err := acquire(c.NetNS)
	if err != nil {
		return nil, fmt.Errorf("tuntap: adopt %s: %w", c.Name, err)
	}
	return &Device{name: c.Name, kind: c.Kind, index: index, ns: ns, queue: NewQueue(fd)}, nil
}

// Abandon closes our file of a device that another process has: unlike Close it does not remove it.
func (d *Device) Abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	_ = d.queue.Close()
	d.ns.release()
}
