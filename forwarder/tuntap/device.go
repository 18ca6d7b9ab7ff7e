package tuntap

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Device is a TUN or TAP device that lives until Close or the end of the process.
type Device struct {
	name  string
	kind  Kind
	index int
	ns    *namespace
	queue *Queue
	more  []*Queue // of a device with several queues

	mu     sync.Mutex // guards closed, and keeps ns and the queue's descriptor alive while a method uses them
	closed bool
}

// Queue returns the device's file; it is valid until Close.
func (d *Device) Queue() *Queue { return d.queue }

// Name returns the name the device was created under.
func (d *Device) Name() string { return d.name }

// Index returns the interface index in its namespace.
func (d *Device) Index() int { return d.index }

// Kind returns TUN or TAP.
func (d *Device) Kind() Kind { return d.kind }

// use runs fn while the device is open, and names the device in its error.
func (d *Device) use(what string, fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := ErrClosed
	if !d.closed {
		err = fn()
	}
	if err != nil {
		return explain("tuntap: "+d.name+": "+what, err)
	}
	return nil
}

// SetCarrier says whether there is a session behind the device: off, the link stays up but shows NO-CARRIER and the
// kernel sends nothing into it (IFLA_CARRIER, for these devices from Linux 5.0 on). On, the kernel starts to send a moment after the call, as
// net/core/link_watch.c gets to it; what it sends before is dropped. Writes are received at once either way.
func (d *Device) SetCarrier(on bool) error {
	return d.use("carrier", func() error { return notFound(d.ns.setLink(d.index, 0, carrier(on))) })
}

// SetUp sets the link administratively up or down. Down, the kernel forgets the link's routes and its IPv6 addresses.
func (d *Device) SetUp(up bool) error {
	flags := uint32(linkDown)
	if up {
		flags = unix.IFF_UP
	}
	return d.use("up or down", func() error { return d.ns.setLink(d.index, flags) })
}

// minMTU6 is the least MTU of a link with IPv6 (RFC 8200 section 5).
const minMTU6 = 1280

// SetMTU sets the MTU in bytes, 68 to 65535. Below 1280 Linux takes IPv6 off the link, with its addresses; from there
// up again it starts afresh with address generation on, which SetMTU switches off before it has done anything.
func (d *Device) SetMTU(n int) error {
	if err := d.checkMTU(n); err != nil {
		return fmt.Errorf("tuntap: %s: %w", d.name, err)
	}
	return d.use("mtu", func() error {
		if n >= minMTU6 {
			link, err := d.ns.handle.LinkByIndex(d.index)
			if err != nil {
				return notFound(err)
			}
			if a := link.Attrs(); a.MTU < minMTU6 {
				return d.raiseMTU(n, a.OperState == netlink.OperUp)
			}
		}
		return d.ns.setLink(d.index, 0, attr32(unix.IFLA_MTU, uint32(n)))
	})
}

func (d *Device) checkMTU(n int) error {
	if n < minMTU || n > d.kind.maxMTU() {
		return fmt.Errorf("%w: mtu %d is outside %d..%d", ErrConfig, n, minMTU, d.kind.maxMTU())
	}
	return nil
}

// raiseMTU lets IPv6 come back to a link without giving it an address. With the link operationally up the kernel would
// generate one within the change of the MTU, so the link is dormant (RFC 2863 section 3.1.14) for that moment, which
// neither routes nor the carrier notice.
func (d *Device) raiseMTU(n int, up bool) error {
	if up {
		if err := d.ns.setLink(d.index, 0, operState(netlink.OperDormant)); err != nil {
			return err
		}
	}
	err := d.ns.setLink(d.index, 0, attr32(unix.IFLA_MTU, uint32(n)))
	if err == nil {
		err = d.ns.addrGenNone(d.index)
	}
	if up {
		err = errors.Join(err, d.ns.setLink(d.index, 0, operState(netlink.OperUp)))
	}
	return err
}

// notFound makes the two errors for a missing link, the library's and the kernel's, ErrGone.
func notFound(err error) error {
	if errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV) {
		return ErrGone
	}
	return err
}

// Close deletes the device; it is gone on return, together with its addresses and routes. That takes about 17 ms of
// waiting for the kernel, or nothing when DeleteGroup has been called before. A second Close returns ErrClosed.
func (d *Device) Close() error {
	return d.use("close", func() error {
		d.closed = true
		defer d.ns.release()
		for _, q := range d.more {
			_ = q.Close()
		}
		if d.queue.table != nil { // a thread with traffic is not to wait for the kernel
			err := d.remove()
			_ = d.queue.Close()
			return err
		}
		if err := d.queue.Close(); err != nil {
			return err
		}
		return d.remove()
	})
}

// remove deletes the link if closing the file did not: a system call on the file that has not returned, or a child
// between fork and exec, still holds the device.
func (d *Device) remove() error {
	link, err := d.ns.handle.LinkByIndex(d.index)
	if err == nil {
		if _, ok := link.(*netlink.Tuntap); !ok || link.Attrs().Name != d.name {
			return nil // somebody else's by now
		}
		err = d.ns.handle.LinkDel(link)
	}
	if err = notFound(err); errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
