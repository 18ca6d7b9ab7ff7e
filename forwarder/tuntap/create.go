package tuntap

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// tunPath is the clone device of drivers/net/tun.c.
const tunPath = "/dev/net/tun"

// Create makes the device and brings it up without carrier; doc.go has the steps. On error nothing is left behind.
// Errors: ErrName, ErrConfig, ErrExists, ErrNoTUN, ErrPermission, ErrTooManyFiles, ErrNetNS, ErrBridge, or an errno.
func Create(c Config) (*Device, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("tuntap: create %q: %w", c.Name, err)
	}
	ns, err := acquire(c.NetNS)
	if err != nil {
		return nil, fmt.Errorf("tuntap: create %s: %w", c.Name, err)
	}
	d, err := create(ns, c)
	if err != nil {
		ns.release()
		return nil, fmt.Errorf("tuntap: create %s: %w", c.Name, err)
	}
	return d, nil
}

func create(ns *namespace, c Config) (*Device, error) {
	bridge := 0
	if c.Bridge != "" {
		var err error
		if bridge, err = ns.bridgeIndex(c.Bridge); err != nil {
			return nil, err
		}
	}
	if err := ns.makeRoom(c); err != nil {
		return nil, err
	}
	fd := -1
	err := ns.do(func() (err error) {
		fd, err = openDevice(ns, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	d := &Device{name: c.Name, kind: c.Kind, ns: ns, queue: NewQueue(fd)}
	if err := d.configure(c, bridge); err != nil {
		_ = d.queue.Close() // not persistent any more: the device goes with it
		return nil, err
	}
	return d, nil
}

// makeRoom refuses a name that is taken, unless by a leftover of ours, which it deletes.
func (ns *namespace) makeRoom(c Config) error {
	link, err := ns.find(c.Name)
	if err != nil || link == nil {
		return err
	}
	a := link.Attrs()
	tuntap, ok := link.(*netlink.Tuntap)
	if !ok || c.Group == 0 || a.Group != c.Group || a.Name != c.Name || uint16(tuntap.Mode) != c.Kind.flag() {
		return fmt.Errorf("%w: by a %s link in group %d; only a %s device left over in group %d would be replaced (ip link delete %s)",
			ErrExists, link.Type(), a.Group, c.Kind, c.Group, c.Name)
	}
	return ns.do(func() error { return removeLeftover(c) })
}

// removeLeftover deletes a device of ours that nobody is attached to, by attaching and letting go of it.
func removeLeftover(c Config) error {
	fd, err := openTUN()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	err = attach(fd, c.Name, c.Kind.flag()|unix.IFF_NO_PI)
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: by a %s device of group %d that a running process holds (%w)", ErrExists, c.Kind, c.Group, err)
	case errors.Is(err, unix.EINVAL): // IFF_MULTI_QUEUE has to agree
		return fmt.Errorf("%w: by a multi-queue %s device of group %d (%w)", ErrExists, c.Kind, c.Group, err)
	case err != nil:
		return explain("TUNSETIFF", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0); err != nil {
		return explain("TUNSETPERSIST", err)
	}
	return nil
}

// openDevice creates the device through water and returns an own file of it, with virtio headers. It runs inside the
// namespace. From its return on the device lives as long as the file.
func openDevice(ns *namespace, c Config) (fd int, err error) {
	if err = createPersistent(c); err != nil {
		return -1, err
	}
	if fd, err = reattach(c); err != nil {
		if link, ferr := ns.find(c.Name); ferr == nil && link != nil {
			_ = ns.handle.LinkDel(link)
		}
		return -1, err
	}
	return fd, nil
}

// createPersistent has water create the device and closes water's file. ForkLock is held because that file is not
// close-on-exec: a child that inherited it would hold the device.
func createPersistent(c Config) error {
	wc := water.Config{DeviceType: water.TUN}
	if c.Kind == TAP {
		wc.DeviceType = water.TAP
	}
	wc.Name, wc.Persist = c.Name, true
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	dev, err := water.New(wc)
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: it appeared just now (%w)", ErrExists, err)
	case err != nil && !errors.As(err, new(*os.SyscallError)): // water's open returns a bare errno, its ioctls do not
		return explainOpen(err)
	case err != nil:
		return explain("TUNSETIFF", err)
	}
	if err := dev.Close(); err != nil {
		return explain("close after creating", err)
	}
	return nil
}

// reattach opens the device that water made and takes its persistence away.
func reattach(c Config) (fd int, err error) {
	if fd, err = openTUN(); err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if err = attach(fd, c.Name, c.Kind.flag()|unix.IFF_NO_PI|unix.IFF_VNET_HDR); err != nil {
		return -1, explain("TUNSETIFF", err)
	}
	if err = unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 0); err != nil {
		return -1, explain("TUNSETPERSIST", err)
	}
	return fd, initDevice(fd, c)
}

// initDevice gives a device that is down yet what only an ioctl can. A TUN is a PPP link to the kernel (ARPHRD_PPP, as
// ppp_generic's are): on those it does no IPv6 of its own accord (addrconf_dev_config of net/ipv6/addrconf.c). On others
// it adds a multicast route as soon as there is carrier, whatever the mode of address generation, to a list that it walks
// for each: 0.25 ms a device with 3,000 devices, 1.1 ms with 15,000.
func initDevice(fd int, c Config) error {
	if c.Kind == TUN {
		if err := unix.IoctlSetInt(fd, unix.TUNSETLINK, unix.ARPHRD_PPP); err != nil {
			return explain("TUNSETLINK", err)
		}
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, HeaderLen); err != nil {
		return explain("TUNSETVNETHDRSZ", err)
	}
	return nil
}

func openTUN() (int, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, explainOpen(err)
	}
	return fd, nil
}

// attach binds a file of /dev/net/tun to the device of that name.
func attach(fd int, name string, flags uint16) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
}

// configure gives a fresh device its settings and brings it up. Address generation comes before the MTU, because
// below 1280 there is no IPv6 on the link to switch it off on.
func (d *Device) configure(c Config, bridge int) error {
	link, err := d.ns.find(c.Name)
	if err == nil && link == nil {
		err = ErrGone
	}
	if err != nil {
		return err
	}
	d.index = link.Attrs().Index
	if err := d.ns.addrGenNone(d.index); err != nil {
		return explain("switch off IPv6 address generation", err)
	}
	if err := d.ns.setLink(d.index, 0, settings(c)...); err != nil {
		return explain("link settings", err)
	}
	if err := d.SetCarrier(false); err != nil {
		return err
	}
	if bridge != 0 {
		if err := d.ns.setLink(d.index, 0, attr32(unix.IFLA_MASTER, uint32(bridge))); err != nil {
			return fmt.Errorf("%w %q: %w", ErrBridge, c.Bridge, err)
		}
	}
	return d.SetUp(true)
}

// settings returns the attributes of one RTM_SETLINK.
func settings(c Config) []*nl.RtAttr {
	qlen := c.TxQueueLen
	if qlen == 0 {
		qlen = DefaultTxQueueLen
	}
	attrs := []*nl.RtAttr{attr32(unix.IFLA_GROUP, c.Group), attr32(unix.IFLA_TXQLEN, uint32(qlen))}
	if c.MTU != 0 {
		attrs = append(attrs, attr32(unix.IFLA_MTU, uint32(c.MTU)))
	}
	if c.HardwareAddr != nil {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_ADDRESS, c.HardwareAddr))
	}
	return attrs
}
