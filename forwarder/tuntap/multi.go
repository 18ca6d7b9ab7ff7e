package tuntap

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// CreateMulti makes a TUN or TAP device with several queues (IFF_MULTI_QUEUE), for many sessions to share; otherwise it
// does what Create does. The kernel allocates 256 queues for it whatever is wanted, 3.8 MB and 11.6 ms, which is nothing
// for one device. A flow comes out of the queue into which its other direction was written last, or else of one that its
// hash chooses (tun_automq_select_queue of drivers/net/tun.c). A name that is taken is refused, leftovers included: of a
// device with several queues nobody can tell whether a process is attached.
func CreateMulti(c Config, queues int) (*Device, []*Queue, error) {
	if err := c.check(); err != nil {
		return nil, nil, fmt.Errorf("tuntap: create %q: %w", c.Name, err)
	}
	if queues < 1 || queues > maxQueues {
		return nil, nil, fmt.Errorf("tuntap: create %q: %w: %d queues are outside 1..%d", c.Name, ErrConfig, queues, maxQueues)
	}
	ns, err := acquire(c.NetNS)
	if err != nil {
		return nil, nil, fmt.Errorf("tuntap: create %s: %w", c.Name, err)
	}
	d, err := createMulti(ns, c, queues)
	if err != nil {
		ns.release()
		return nil, nil, fmt.Errorf("tuntap: create %s: %w", c.Name, err)
	}
	return d, append([]*Queue{d.queue}, d.more...), nil
}

// maxQueues is MAX_TAP_QUEUES of drivers/net/tun.c.
const maxQueues = 256

func createMulti(ns *namespace, c Config, queues int) (*Device, error) {
	bridge := 0
	if c.Bridge != "" {
		var err error
		if bridge, err = ns.bridgeIndex(c.Bridge); err != nil {
			return nil, err
		}
	}
	link, err := ns.find(c.Name)
	if err != nil {
		return nil, err
	}
	if link != nil {
		return nil, fmt.Errorf("%w: by a %s link in group %d (ip link delete %s)", ErrExists, link.Type(), link.Attrs().Group, c.Name)
	}
	d := &Device{name: c.Name, kind: c.Kind, ns: ns}
	err = ns.do(func() error { return d.openQueues(c, queues) })
	if err == nil {
		err = d.configure(c, bridge)
	}
	if err != nil {
		d.closeQueues()
		return nil, err
	}
	return d, nil
}

// openQueues creates the device by attaching one file for each queue to it. It lives as long as one of them.
func (d *Device) openQueues(c Config, queues int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for i := range queues {
		fd, err := openTUN()
		if err != nil {
			return err
		}
		if q := NewQueue(fd); i == 0 {
			d.queue = q
		} else {
			d.more = append(d.more, q)
		}
		flags := c.Kind.flag() | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_MULTI_QUEUE
		if i == 0 {
			flags |= unix.IFF_TUN_EXCL
		}
		switch err = attach(fd, c.Name, flags); {
		case errors.Is(err, unix.EBUSY):
			return fmt.Errorf("%w: it appeared just now (%w)", ErrExists, err)
		case err != nil:
			return explain("TUNSETIFF", err)
		}
		if err = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, HeaderLen); err != nil {
			return explain("TUNSETVNETHDRSZ", err)
		}
	}
	return nil
}

// closeQueues closes all files.
func (d *Device) closeQueues() {
	for _, q := range append(d.more, d.queue) {
		if q != nil {
			_ = q.Close()
		}
	}
}
