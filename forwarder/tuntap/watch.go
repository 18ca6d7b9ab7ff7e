package tuntap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher tells which devices somebody sets down or up, or removes. It listens to the kernel once a network namespace,
// however many devices there are, and looks at no more of a message than index and flags. Any goroutine may use it.
type Watcher struct {
	wake chan struct{}

	mu      sync.Mutex
	changed map[*Device]bool
}

// NewWatcher makes a Watcher of no devices yet.
func NewWatcher() *Watcher {
	return &Watcher{wake: make(chan struct{}, 1), changed: make(map[*Device]bool)}
}

// Wake yields when there is something for Changed.
func (w *Watcher) Wake() <-chan struct{} { return w.wake }

// Changed takes what is new since the last call: whether each device is up now. A device that is gone is down.
func (w *Watcher) Changed() map[*Device]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.changed
	w.changed = make(map[*Device]bool)
	return all
}

func (w *Watcher) tell(d *Device, up bool) {
	w.mu.Lock()
	w.changed[d] = up
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Add begins to watch a device, which is taken to be up. Remove has to come before the device is closed.
func (w *Watcher) Add(d *Device) error {
	ns := d.ns
	spaces.Lock()
	defer spaces.Unlock()
	if ns.links == nil {
		l, err := newLinkWatch(ns)
		if err != nil {
			return fmt.Errorf("tuntap: watch %s: %w", d.name, explain("open netlink socket", err))
		}
		ns.links = l
	}
	ns.links.mu.Lock()
	ns.links.devices[int32(d.index)] = &watched{d: d, by: w, up: true}
	ns.links.mu.Unlock()
	ns.links.look(ns, int32(d.index)) // what happened before
	return nil
}

// Remove ends watching a device. What had changed is forgotten.
func (w *Watcher) Remove(d *Device) {
	spaces.Lock()
	l := d.ns.links
	spaces.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	delete(l.devices, int32(d.index))
	l.mu.Unlock()
	w.mu.Lock()
	delete(w.changed, d)
	w.mu.Unlock()
}

// linkWatch is a subscription to a namespace's links (rtnetlink(7), RTNLGRP_LINK).
type linkWatch struct {
	file *os.File
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	devices map[int32]*watched // by interface index
}

type watched struct {
	d  *Device
	by *Watcher
	up bool
}

const (
	// watchBuffer is what the kernel keeps of messages that we have not read, which are 2 KB each. When it is full we ask.
	watchBuffer = 1 << 20
	// watchPause is the shortest time between two rounds of asking about all devices.
	watchPause = time.Second
)

func newLinkWatch(ns *namespace) (*linkWatch, error) {
	l := &linkWatch{stop: make(chan struct{}), done: make(chan struct{}), devices: make(map[int32]*watched)}
	err := ns.do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchBuffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, watchBuffer)
		}
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_LINK - 1)}); err != nil {
			_ = unix.Close(fd)
			return err
		}
		l.file = os.NewFile(uintptr(fd), "rtnetlink")
		return nil
	})
	if err != nil {
		return nil, err
	}
	go l.run(ns)
	return l, nil
}

// close ends the subscription.
func (l *linkWatch) close() {
	close(l.stop)
	_ = l.file.Close()
	<-l.done
}

func (l *linkWatch) run(ns *namespace) {
	defer close(l.done)
	b := make([]byte, 32<<10)
	for {
		n, err := l.file.Read(b)
		switch {
		case errors.Is(err, unix.ENOBUFS): // messages were lost, and many more may come
			select {
			case <-time.After(watchPause):
				l.lookAll(ns)
			case <-l.stop:
			}
		case err != nil:
			return // closed
		default:
			linkMessages(b[:n], l.changed)
		}
	}
}

// changed takes in that a link is up or not.
func (l *linkWatch) changed(index int32, up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.devices[index]; w != nil && w.up != up {
		w.up = up
		w.by.tell(w.d, up)
	}
}

// look asks the kernel for one link.
func (l *linkWatch) look(ns *namespace, index int32) {
	link, err := ns.handle.LinkByIndex(int(index))
	l.changed(index, err == nil && link.Attrs().RawFlags&unix.IFF_UP != 0)
}

func (l *linkWatch) lookAll(ns *namespace) {
	l.mu.Lock()
	all := make([]int32, 0, len(l.devices))
	for i := range l.devices {
		all = append(all, i)
	}
	l.mu.Unlock()
	for _, i := range all {
		select {
		case <-l.stop:
			return
		default:
			l.look(ns, i)
		}
	}
}

// linkMessages calls fn for each RTM_NEWLINK and RTM_DELLINK among netlink messages (netlink(7), rtnetlink(7)). A deleted
// link is down.
func linkMessages(b []byte, fn func(index int32, up bool)) {
	for len(b) >= unix.SizeofNlMsghdr {
		size, kind := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint16(b[4:])
		if size < unix.SizeofNlMsghdr || uint64(size) > uint64(len(b)) {
			return
		}
		if m := b[unix.SizeofNlMsghdr:size]; len(m) >= unix.SizeofIfInfomsg && (kind == unix.RTM_NEWLINK || kind == unix.RTM_DELLINK) {
			index, flags := int32(binary.NativeEndian.Uint32(m[4:])), binary.NativeEndian.Uint32(m[8:])
			family := m[0]
			if family == unix.AF_UNSPEC { // AF_BRIDGE tells of ports, and deletes those
				fn(index, kind == unix.RTM_NEWLINK && flags&unix.IFF_UP != 0)
			}
		}
		b = b[min(len(b), int(size+3)&^3):] // NLMSG_ALIGN
	}
}
