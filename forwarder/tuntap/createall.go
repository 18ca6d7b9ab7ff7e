package tuntap

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// CreateAll is Create for many devices, with an error for each that could not be made. TUN devices are made straight, by
// five system calls each and a part of a batch of netlink requests: a fifth of the time. Those that cannot be made like
// that, because their name is taken or whatever, are left to Create, as are TAP devices.
func CreateAll(configs []Config) ([]*Device, []error) {
	devices, errs := make([]*Device, len(configs)), make([]error, len(configs))
	byNS := make(map[string][]int)
	for i, c := range configs {
		if c.Kind == TUN && c.check() == nil {
			byNS[c.NetNS] = append(byNS[c.NetNS], i)
		}
	}
	for name, which := range byNS {
		if ns, err := acquire(name); err == nil {
			ns.createTUNs(configs, which, devices)
			ns.release()
		}
	}
	for i, c := range configs {
		if devices[i] == nil {
			devices[i], errs[i] = Create(c)
		}
	}
	return devices, errs
}

// createTUNs makes some of the configured devices.
func (ns *namespace) createTUNs(configs []Config, which []int, devices []*Device) {
	made := make([]int, 0, len(which))
	_ = ns.do(func() error {
		for _, i := range which {
			if d := ns.openTUN(configs[i]); d != nil {
				devices[i] = d
				made = append(made, i)
			}
		}
		return nil
	})
	reqs := make([]*nl.NetlinkRequest, 0, 2*len(made))
	for _, i := range made {
		attrs := settings(configs[i])
		if m := configs[i].MTU; m == 0 || m >= minMTU6 { // below, there is no IPv6 on the link to switch it off on
			attrs = append(attrs, noAddrGen())
		}
		index := devices[i].index
		reqs = append(reqs, linkRequest(index, 0, attrs...), linkRequest(index, unix.IFF_UP))
	}
	for k, err := range ns.bulk.send(reqs) {
		if d := devices[made[k/2]]; err != nil && d != nil {
			_ = d.Close()
			devices[made[k/2]] = nil
		}
	}
}

// openTUN makes a device without carrier, nil when it cannot be. It runs inside the namespace.
func (ns *namespace) openTUN(c Config) *Device {
	fd, err := openTUN()
	if err != nil {
		return nil
	}
	// IFF_TUN_EXCL: never somebody else's device
	err = attach(fd, c.Name, unix.IFF_TUN|unix.IFF_NO_PI|unix.IFF_VNET_HDR|unix.IFF_TUN_EXCL)
	if err == nil {
		err = initDevice(fd, c)
	}
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TUNSETCARRIER, 0)
	}
	index := 0
	if err == nil {
		index, err = ns.bulk.index(c.Name)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil
	}
	ns.retain()
	return &Device{name: c.Name, kind: c.Kind, index: index, ns: ns, queue: NewQueue(fd)}
}

// index is SIOCGIFINDEX (netdevice(7)).
func (r *rtnetlink) index(name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	err = unix.IoctlIfreq(r.fd, unix.SIOCGIFINDEX, req)
	return int(req.Uint32()), err
}
