package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// ErrNoDevice says that a device has not shown up in time.
var ErrNoDevice = errors.New("no such device")

// Namespace is a network namespace without a name and the thread that lives in it.
type Namespace struct {
	handle netns.NsHandle
	work   chan func()
}

// New starts a thread in a network namespace of its own with the loopback device up.
func New() (*Namespace, error) {
	n := &Namespace{work: make(chan func())}
	ready := make(chan error)
	go n.live(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	if err := n.Up("lo"); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// live makes the namespace and runs what is to be done in it.
func (n *Namespace) live(ready chan<- error) {
	// never unlocked: the runtime ends the thread with the goroutine, so nobody else ever lands in the namespace
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() { // the main thread never ends, and nor would the processes it has started
		defer runtime.UnlockOSThread()
		started := make(chan error)
		go n.live(started) // on another thread, as this one is taken
		ready <- <-started
		return
	}
	var err error
	n.handle, err = netns.New()
	ready <- err
	if err != nil {
		return
	}
	for fn := range n.work {
		fn()
	}
}

// Do runs fn on the namespace's thread. fn must not call Do of the same namespace.
func (n *Namespace) Do(fn func() error) error {
	done := make(chan error)
	n.work <- func() { done <- fn() }
	return <-done
}

// Close ends the thread, and with it the processes it started. The namespace goes when nothing is left in it.
func (n *Namespace) Close() {
	close(n.work)
	_ = n.handle.Close()
}

// with calls fn with the device of that name.
func (n *Namespace) with(name string, fn func(netlink.Link) error) error {
	return n.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = fn(link)
		}
		if err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
		return nil
	})
}

// Up brings a device up.
func (n *Namespace) Up(name string) error { return n.with(name, netlink.LinkSetUp) }

// SetMTU sets a device's MTU in bytes.
func (n *Namespace) SetMTU(name string, mtu int) error {
	return n.with(name, func(l netlink.Link) error { return netlink.LinkSetMTU(l, mtu) })
}

// ifaNoDAD is IFA_F_NODAD (rtnetlink(7), include/uapi/linux/if_addr.h).
const ifaNoDAD = 0x02

// Address adds an address; IPv6 without duplicate address detection, which would delay its use by a second.
func (n *Namespace) Address(name string, p netip.Prefix) error {
	return n.with(name, func(l netlink.Link) error {
		ip := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		return netlink.AddrReplace(l, &netlink.Addr{IPNet: ip, Flags: ifaNoDAD})
	})
}

// Join makes a veth named name in both namespaces (veth(4)).
func (n *Namespace) Join(peer *Namespace, name string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: name, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(peer.handle),
	}
	if err := n.Do(func() error { return netlink.LinkAdd(veth) }); err != nil {
		return fmt.Errorf("make veth %s: %w", name, err)
	}
	return nil
}

// Index returns a device's index, and false when there is no such device.
func (n *Namespace) Index(name string) (index int, ok bool) {
	err := n.with(name, func(l netlink.Link) error {
		index = l.Attrs().Index
		return nil
	})
	return index, err == nil
}

// Await waits until a device exists.
func (n *Namespace) Await(ctx context.Context, name string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; {
		if _, ok := n.Index(name); ok {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w after %v: %s", ErrNoDevice, limit, name)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
