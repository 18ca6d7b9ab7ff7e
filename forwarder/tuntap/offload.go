package tuntap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Offload is a set of work that the kernel leaves to the reader of a device (linux/if_tun.h, TUNSETOFFLOAD): checksums
// not filled in, super-packets not cut.
type Offload uint32

// The offloads of a device. All need OffloadChecksum, OffloadECN one of the TSO, and the two USO each other.
const (
	OffloadChecksum Offload = unix.TUN_F_CSUM    // VnetNeedsCsum
	OffloadTSO4     Offload = unix.TUN_F_TSO4    // VnetGSOTCPv4
	OffloadTSO6     Offload = unix.TUN_F_TSO6    // VnetGSOTCPv6
	OffloadECN      Offload = unix.TUN_F_TSO_ECN // VnetGSOECN
	OffloadUSO4     Offload = unix.TUN_F_USO4    // VnetGSOUDPL4 over IPv4, from Linux 6.2 on
	OffloadUSO6     Offload = unix.TUN_F_USO6    // VnetGSOUDPL4 over IPv6, from Linux 6.2 on
)

// OffloadAll is everything that package offload can do.
const OffloadAll = OffloadChecksum | OffloadTSO4 | OffloadTSO6 | OffloadECN | offloadUSO

// offloadUSO are the two that the kernel takes only together.
const offloadUSO = OffloadUSO4 | OffloadUSO6

// offloadNames are ethtool's words.
var offloadNames = [...]struct {
	bit  Offload
	name string
}{
	{OffloadChecksum, "csum"},
	{OffloadTSO4, "tso4"},
	{OffloadTSO6, "tso6"},
	{OffloadECN, "ecn"},
	{OffloadUSO4, "uso4"},
	{OffloadUSO6, "uso6"},
}

// String lists the set as "csum,tso4,...", or says "none".
func (o Offload) String() string {
	s := o.Names()
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ",")
}

// Names lists the set in ethtool's words.
func (o Offload) Names() (s []string) {
	for _, n := range offloadNames {
		if o&n.bit != 0 {
			s = append(s, n.name)
			o &^= n.bit
		}
	}
	if o != 0 {
		s = append(s, fmt.Sprintf("%#x", uint32(o)))
	}
	return s
}

// possible takes out of a set what makes no sense without something that is not in it.
func (o Offload) possible() Offload {
	o &= OffloadAll
	if o&OffloadChecksum == 0 {
		return 0
	}
	if o&(OffloadTSO4|OffloadTSO6) == 0 {
		o &^= OffloadECN
	}
	if o&offloadUSO != offloadUSO {
		o &^= offloadUSO
	}
	return o
}

// giveUp is the order in which SetOffload does without: the youngest first.
var giveUp = [...]Offload{offloadUSO, OffloadECN, OffloadTSO6, OffloadTSO4, OffloadChecksum}

// SetOffload switches offloads on, and all others off, and returns those that the kernel has of the wanted ones; a set
// that would lack what it needs is reduced first. 0 switches all off, as at the beginning. It is the reader's promise
// to cope with such packets; writing super-packets needs no promise, but a kernel that doesn't know a USO refuses to
// take them too. Packets that wait in the device's ring are as they are. A file that is not a device's has no offloads.
// Errors: ErrGone, ErrClosed, else an errno.
func (q *Queue) SetOffload(want Offload) (got Offload, err error) {
	got = want.possible()
	err = q.offload(got)
	for i := 0; errors.Is(err, unix.EINVAL) && got != 0; i++ {
		got = (got &^ giveUp[i]).possible()
		err = q.offload(got)
	}
	switch {
	case err == nil:
		return got, nil
	case errors.Is(err, unix.ENOTTY):
		return 0, nil
	case errors.Is(err, unix.EBADFD):
		err = ErrGone
	case errors.Is(err, unix.EBADF), errors.Is(err, ErrClosed):
		err = ErrClosed
	}
	return 0, fmt.Errorf("tuntap: TUNSETOFFLOAD: %w", err)
}

// offload is one TUNSETOFFLOAD, which changes nothing when it fails (set_offload of drivers/net/tun.c).
func (q *Queue) offload(o Offload) error {
	return q.at(func(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, int(o)) })
}

// SetGSOMaxSegs limits the segments of a super-packet that the kernel sends into the device, 1 to 65535
// (IFLA_GSO_MAX_SEGS). Open TCP connections keep the limit they began with. The number of segments with all their
// headers that fit into 65,507 bytes, 46 at MTU 1400, makes of each super-packet of this host one UDP_SEGMENT send. But
// what the host forwards is not made smaller: a super-packet with more segments, up to 48 at that MTU, is cut by the
// kernel into single packets (gso_features_check of net/core/dev.c). So it is for hosts that are the ends of their
// connections, not for routers.
func (d *Device) SetGSOMaxSegs(n int) error {
	if n < 1 || n > maxGSOSegs {
		return fmt.Errorf("tuntap: %s: %w: %d segments are outside 1..%d", d.name, ErrConfig, n, maxGSOSegs)
	}
	return d.use("gso_max_segs", func() error {
		return notFound(d.ns.setLink(d.index, 0, attr32(unix.IFLA_GSO_MAX_SEGS, uint32(n))))
	})
}

// SetGSOMaxSize limits the bytes of a super-packet, link header included, 1 to 65536 (IFLA_GSO_MAX_SIZE). Kernels from
// 6.2 on refuse less than a TCP header needs (MAX_TCP_HEADER, some hundred bytes) with EINVAL.
func (d *Device) SetGSOMaxSize(n int) error {
	if n < 1 || n > maxGSOSize {
		return fmt.Errorf("tuntap: %s: %w: %d bytes are outside 1..%d", d.name, ErrConfig, n, maxGSOSize)
	}
	return d.use("gso_max_size", func() error {
		return notFound(d.ns.setLink(d.index, 0, attr32(unix.IFLA_GSO_MAX_SIZE, uint32(n))))
	})
}

// Limits of include/linux/netdevice.h: GSO_MAX_SEGS, and GSO_LEGACY_MAX_SIZE, what fits without BIG TCP.
const (
	maxGSOSegs = 65535
	maxGSOSize = 65536
)

// Set writes all fields. For a super-packet flags is VnetNeedsCsum, hdrLen the bytes of all headers, gsoSize the payload
// bytes of each segment; csumStart is the offset of the TCP or UDP header in the packet, csumOffset that of the checksum
// in it, where the pseudo-header's sum stands.
func (h VnetHeader) Set(flags, gsoType uint8, hdrLen, gsoSize, csumStart, csumOffset uint16) {
	_ = h[HeaderLen-1]
	h[0], h[1] = flags, gsoType
	binary.NativeEndian.PutUint16(h[2:4], hdrLen)
	binary.NativeEndian.PutUint16(h[4:6], gsoSize)
	binary.NativeEndian.PutUint16(h[6:8], csumStart)
	binary.NativeEndian.PutUint16(h[8:10], csumOffset)
}
