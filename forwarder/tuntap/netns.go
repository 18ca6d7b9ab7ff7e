package tuntap

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace with its netlink sockets, shared by all devices in it and counted.
type namespace struct {
	id     nsID
	fd     int
	handle *netlink.Handle          // addresses, routes, look-ups
	raw    map[int]*nl.SocketHandle // requests the library has no call for
	bulk   rtnetlink                // many requests at once
	refs   int                      // guarded by spaces.Mutex
	links  *linkWatch               // likewise; nil: no device is watched
}

// nsID identifies a namespace: the inode of its nsfs file (namespaces(7)).
type nsID struct{ dev, ino uint64 }

// spaces holds the namespaces with devices of ours in them.
var spaces = struct {
	sync.Mutex
	open map[nsID]*namespace
}{open: make(map[nsID]*namespace)}

// threadNS is the namespace of the calling thread.
const threadNS = "/proc/thread-self/ns/net"

// acquire returns the namespace of that name ("": the calling thread's), opening its sockets when it is the first use.
func acquire(name string) (*namespace, error) {
	fd, id, err := openNS(name)
	if err != nil {
		return nil, err
	}
	spaces.Lock()
	defer spaces.Unlock()
	if ns := spaces.open[id]; ns != nil {
		_ = unix.Close(fd)
		ns.refs++
		return ns, nil
	}
	ns := &namespace{id: id, fd: fd, refs: 1}
	if err := ns.do(ns.openSockets); err != nil {
		ns.close()
		return nil, err
	}
	spaces.open[id] = ns
	return ns, nil
}

// retain is one more use of a namespace that is in use.
func (ns *namespace) retain() {
	spaces.Lock()
	defer spaces.Unlock()
	ns.refs++
}

// release gives back what acquire gave; the last one closes.
func (ns *namespace) release() {
	spaces.Lock()
	defer spaces.Unlock()
	if ns.refs--; ns.refs == 0 {
		delete(spaces.open, ns.id)
		ns.close()
	}
}

func (ns *namespace) close() {
	if ns.links != nil {
		ns.links.close()
	}
	if ns.handle != nil {
		ns.handle.Close()
	}
	for _, s := range ns.raw {
		s.Close()
	}
	ns.bulk.close()
	_ = unix.Close(ns.fd)
}

// openSockets runs inside the namespace. It also asks the kernel, by a request that changes nothing, whether we may
// administer the namespace: water leaks a descriptor when TUNSETIFF is refused, so it must not come to that.
func (ns *namespace) openSockets() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return explain("open netlink socket", err)
	}
	ns.handle = h
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return explain("open netlink socket", err)
	}
	ns.raw = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}
	if err := s.SetExtAck(true); err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return explain("netlink extended acknowledgements", err)
	}
	if err := ns.bulk.open(); err != nil {
		return err
	}
	if err := ns.setLink(maxIndex, 0); errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w (%w)", ErrPermission, err)
	}
	return nil
}

// maxIndex is an interface index nobody has.
const maxIndex = 1<<31 - 1

// openNS opens a namespace's file and identifies it.
func openNS(name string) (fd int, id nsID, err error) {
	path := name
	switch {
	case name == "":
		path = threadNS
	case !strings.Contains(name, "/"):
		path = filepath.Join("/run/netns", name)
	}
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, id, fmt.Errorf("%w: %w", ErrNetNS, explain("open "+path, err))
	}
	var st unix.Stat_t
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = unix.EINVAL
	}
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, id, fmt.Errorf("%w: %s is not a network namespace (%w)", ErrNetNS, path, err)
	}
	return fd, nsID{dev: st.Dev, ino: st.Ino}, nil
}

// do runs fn on a thread that is inside the namespace.
func (ns *namespace) do(fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, id, err := openNS("")
	if err != nil {
		return err
	}
	if id == ns.id {
		_ = unix.Close(home)
		return fn()
	}
	// An own goroutine: if its thread cannot return it stays locked to it, and the runtime ends both together.
	done := make(chan error, 1)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if serr := unix.Setns(ns.fd, unix.CLONE_NEWNET); serr != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("%w: %w (needs CAP_SYS_ADMIN)", ErrNetNS, serr)
			return
		}
		result := fn()
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- result
	}()
	err = <-done
	_ = unix.Close(home)
	return err
}
