package demo

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// namespace is a network namespace without a name, and the OS thread that lives in it.
type namespace struct {
	handle netns.NsHandle
	work   chan func()
}

// newNamespace starts a thread in a network namespace of its own with the loopback device up.
func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func())}
	ready := make(chan error)
	go func() {
		// never unlocked: the runtime ends the thread with the goroutine, so nobody else ever lands in the namespace
		runtime.LockOSThread()
		var err error
		n.handle, err = netns.New()
		ready <- err
		if err != nil {
			return
		}
		for fn := range n.work {
			fn()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	if err := n.up("lo"); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// do runs fn on the namespace's thread. fn must not call do of the same namespace.
func (n *namespace) do(fn func() error) error {
	done := make(chan error)
	n.work <- func() { done <- fn() }
	return <-done
}

// close ends the thread. The namespace goes when nothing is left in it.
func (n *namespace) close() {
	close(n.work)
	_ = n.handle.Close()
}

func (n *namespace) up(name string) error {
	return n.do(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			return fmt.Errorf("bring %s up: %w", name, err)
		}
		return nil
	})
}

// join makes a veth named name in both namespaces (veth(4)).
func (n *namespace) join(peer *namespace, name string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: name, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(peer.handle),
	}
	if err := n.do(func() error { return netlink.LinkAdd(veth) }); err != nil {
		return fmt.Errorf("make veth %s: %w", name, err)
	}
	return nil
}

// address adds an address; IPv6 without duplicate address detection, which would delay its use by a second.
func (n *namespace) address(name string, p netip.Prefix) error {
	return n.do(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			ip := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
			err = netlink.AddrReplace(link, &netlink.Addr{IPNet: ip, Flags: ifaNoDAD})
		}
		if err != nil {
			return fmt.Errorf("add %s to %s: %w", p, name, err)
		}
		return nil
	})
}

// ifaNoDAD is IFA_F_NODAD (rtnetlink(7), include/uapi/linux/if_addr.h).
const ifaNoDAD = 0x02

// index returns a device's index, and false when there is no such device.
func (n *namespace) index(name string) (index int, ok bool) {
	_ = n.do(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			index, ok = link.Attrs().Index, true
		}
		return nil
	})
	return index, ok
}
