package tuntap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// batchMessages is how many requests go in one message to the kernel. All answers wait in the socket's receive buffer
// before the first is read, at about 1 KB each, so more would not fit the default buffer (net.core.rmem_default).
const batchMessages = 64

// errNoAnswer: the kernel has answered other requests of a batch, and not this one.
var errNoAnswer = errors.New("no answer from netlink")

// rtnetlink is a socket for many requests at once (netlink(7)).
type rtnetlink struct {
	mu  sync.Mutex
	fd  int
	buf []byte // of answers
}

// open runs inside the namespace that the socket is for.
func (r *rtnetlink) open() (err error) {
	r.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return explain("open netlink socket", err)
	}
	r.buf = make([]byte, 16<<10)
	return nil
}

func (r *rtnetlink) close() {
	if r.buf != nil {
		_ = unix.Close(r.fd)
	}
}

// send has the kernel carry out requests in their order, each whether or not others fail, and returns an error for
// each, nil where it has succeeded. The kernel is done with them before the system call returns.
func (r *rtnetlink) send(all []*nl.NetlinkRequest) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := make([]error, len(all))
	for at := 0; at < len(all); at += batchMessages {
		end := min(at+batchMessages, len(all))
		r.exchange(all[at:end], errs[at:end])
	}
	return errs
}

func (r *rtnetlink) exchange(some []*nl.NetlinkRequest, errs []error) {
	var msg []byte
	open := make(map[uint32]int, len(some)) // by sequence number
	for i, req := range some {
		req.Flags |= unix.NLM_F_ACK
		msg = append(msg, req.Serialize()...)
		open[req.Seq], errs[i] = i, errNoAnswer
	}
	if err := unix.Sendto(r.fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return
	}
	for len(open) > 0 {
		n, _, err := unix.Recvfrom(r.fd, r.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // EAGAIN or ENOBUFS: what is left has errNoAnswer
		}
		r.answers(r.buf[:n], open, errs)
	}
}

// answers takes the acknowledgements out of what was received: struct nlmsghdr and struct nlmsgerr of netlink(7).
func (r *rtnetlink) answers(b []byte, open map[uint32]int, errs []error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return
		}
		kind, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:])
		if i, ok := open[seq]; ok && kind == unix.NLMSG_ERROR && size >= unix.SizeofNlMsghdr+4 {
			delete(open, seq)
			errs[i] = nil
			if code := int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:])); code != 0 {
				errs[i] = unix.Errno(-code)
			}
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}

// Batch collects requests about devices, which Flush has the kernel carry out in their order: one system call for 64 of
// them. It is for one goroutine.
type Batch struct {
	ops []operation
}

// operation is one request, and who is told what became of it.
type operation struct {
	d    *Device
	what string
	req  *nl.NetlinkRequest
	done func(error)
	// explain makes an errno what the method of the same name returns.
	explain func(error) error
}

// Len is how many requests wait.
func (b *Batch) Len() int { return len(b.ops) }

// SetCarrier is Device.SetCarrier, by IFLA_CARRIER. done may be nil, and is called by Flush.
func (b *Batch) SetCarrier(d *Device, on bool, done func(error)) {
	b.ops = append(b.ops, operation{d, "carrier", linkRequest(d.index, 0, carrier(on)), done, notFound})
}

// carrier is the attribute for that.
func carrier(on bool) *nl.RtAttr {
	v := byte(0)
	if on {
		v = 1
	}
	return nl.NewRtAttr(unix.IFLA_CARRIER, []byte{v})
}

// SetMTU is Device.SetMTU, but not for a device that comes from below 1280 bytes to more.
func (b *Batch) SetMTU(d *Device, n int, done func(error)) {
	op := operation{d, "mtu", linkRequest(d.index, 0, attr32(unix.IFLA_MTU, uint32(n))), done, notFound}
	if err := d.checkMTU(n); err != nil {
		op.req, op.explain = nil, func(error) error { return err }
	}
	b.ops = append(b.ops, op)
}

// AddAddress is Device.AddAddress.
func (b *Batch) AddAddress(d *Device, local netip.Prefix, peer netip.Addr, done func(error)) {
	b.address(d, "add address ", unix.RTM_NEWADDR, local, peer, done, func(err error) error {
		return wrap(ErrAddress, noIPv6(local, err), nil)
	})
}

// RemoveAddress is Device.RemoveAddress.
func (b *Batch) RemoveAddress(d *Device, local netip.Prefix, peer netip.Addr, done func(error)) {
	b.address(d, "remove address ", unix.RTM_DELADDR, local, peer, done, func(err error) error {
		return wrap(ErrAddress, err, unix.EADDRNOTAVAIL)
	})
}

func (b *Batch) address(d *Device, what string, kind int, local netip.Prefix, peer netip.Addr, done func(error), explain func(error) error) {
	op := operation{d: d, what: what + local.String(), done: done, explain: explain}
	if _, err := address(local, peer); err != nil {
		op.explain = func(error) error { return err }
	} else {
		op.req = addressRequest(kind, d.index, local, peer)
	}
	b.ops = append(b.ops, op)
}

// addressRequest is RTM_NEWADDR or RTM_DELADDR (rtnetlink(7)).
func addressRequest(kind, index int, local netip.Prefix, peer netip.Addr) *nl.NetlinkRequest {
	family := unix.AF_INET
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	msg := nl.NewIfAddrmsg(family)
	msg.Index, msg.Prefixlen = uint32(index), uint8(local.Bits())
	flags := 0
	if kind == unix.RTM_NEWADDR {
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
		if local.Addr().Is6() {
			msg.Flags = unix.IFA_F_NODAD
		}
	}
	if !peer.IsValid() {
		peer = local.Addr()
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, local.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, peer.WithZone("").AsSlice()))
	return req
}

// linkRequest is RTM_SETLINK.
func linkRequest(index int, flags uint32, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	msg.Flags, msg.Change = flags, flags
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, 0)
	req.AddData(msg)
	for _, a := range attrs {
		req.AddData(a)
	}
	return req
}

// Flush carries out what waits and tells each done, in order. What done adds is carried out, too.
func (b *Batch) Flush() {
	for len(b.ops) > 0 {
		ops := b.ops
		b.ops = nil
		errs := make([]error, len(ops))
		for i := 0; i < len(ops); {
			i += flushRun(ops[i:], errs[i:])
		}
		for i, op := range ops {
			if op.done != nil {
				op.done(errs[i])
			}
		}
	}
}

// flushRun sends the requests in front that are of one namespace, and tells how many these are.
func flushRun(ops []operation, errs []error) int {
	n, ns := 0, ops[0].d.ns
	var reqs []*nl.NetlinkRequest
	var which []int
	for ; n < len(ops) && ops[n].d.ns == ns; n++ {
		switch op := &ops[n]; {
		case op.req == nil:
			errs[n] = op.explain(nil)
		case op.d.isClosed():
			errs[n] = ErrClosed
		default:
			reqs, which = append(reqs, op.req), append(which, n)
		}
	}
	if len(reqs) > 0 {
		for i, err := range ns.bulk.send(reqs) {
			if err != nil {
				err = ops[which[i]].explain(err)
			}
			errs[which[i]] = err
		}
	}
	for i := range n {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("tuntap: %s: %w", ops[i].d.name, explain(ops[i].what, errs[i]))
		}
	}
	return n
}

func (d *Device) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}
