package tuntap

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Kind is the layer a device works at.
type Kind uint8

const (
	// TUN devices carry IP packets (PPP pseudowires).
	TUN Kind = iota
	// TAP devices carry Ethernet frames (Ethernet pseudowires).
	TAP
)

// String returns "tun" or "tap".
func (k Kind) String() string {
	switch k {
	case TUN:
		return "tun"
	case TAP:
		return "tap"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// flag is the kind's TUNSETIFF flag.
func (k Kind) flag() uint16 {
	if k == TAP {
		return unix.IFF_TAP
	}
	return unix.IFF_TUN
}

// Config says what a device is to be.
type Config struct {
	Name string // 1 to 15 bytes, see CheckName
	Kind Kind
	// MTU in bytes of network layer (TAP: without the Ethernet header); 0 is the kernel's 1500. 68 to 65535 (TUN), 65521
	// (TAP). Below 1280 the device has no IPv6.
	MTU int
	// TxQueueLen is the length of the device's ring in packets, from the kernel to us; 0 is DefaultTxQueueLen.
	TxQueueLen int
	// Group is the interface group (IFLA_GROUP) of all our devices; 0, the kernel's default group, means none, and then
	// no leftover is recognised and DeleteGroup can't be used.
	Group uint32
	// NetNS is a name under /run/netns or a path to a namespace file; empty is the caller's own.
	NetNS string
	// Bridge is an existing bridge in the same namespace to join; TAP only. Empty: none.
	Bridge string
	// HardwareAddr is the MAC address of a TAP device; nil is a random one of the kernel's.
	HardwareAddr net.HardwareAddr
}

// DefaultTxQueueLen is the ring length of a device that names none, in packets. It is the kernel's own, because short
// rings lose: one TCP stream through two devices and a thread that copies between them (MTU 1400, no offload, Linux
// 6.18, 2 cores, medians of 3 runs, Mbit/s received) made 438 at 16, 1628 at 50, 2035 at 100, 2453 at 250, 3141 at 500
// and 3436 at 1000. A device takes about 53 KB of kernel memory at 16, 67 at 500 and 82 at 1000: who has 100,000
// slow subscribers sets 16 and saves 1.4 GB.
const DefaultTxQueueLen = 500

// minMTU is the least MTU of an Ethernet-like device, ETH_MIN_MTU of linux/if_ether.h (RFC 791's 68).
const minMTU = 68

// maxMTU returns the largest MTU drivers/net/tun.c accepts: 65535 less the link header.
func (k Kind) maxMTU() int {
	if k == TAP {
		return 65535 - 14
	}
	return 65535
}

func (c Config) check() error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	switch {
	case c.Kind != TUN && c.Kind != TAP:
		return fmt.Errorf("%w: %s is neither tun nor tap", ErrConfig, c.Kind)
	case c.MTU != 0 && (c.MTU < minMTU || c.MTU > c.Kind.maxMTU()):
		return fmt.Errorf("%w: mtu %d is outside %d..%d", ErrConfig, c.MTU, minMTU, c.Kind.maxMTU())
	case c.TxQueueLen < 0 || c.TxQueueLen > 1<<20:
		return fmt.Errorf("%w: transmit queue length %d is outside 1..%d", ErrConfig, c.TxQueueLen, 1<<20)
	case c.Bridge != "" && c.Kind != TAP:
		return fmt.Errorf("%w %q: a tun device carries no Ethernet, only tap can", ErrBridge, c.Bridge)
	case c.HardwareAddr == nil:
		return nil
	case c.Kind != TAP:
		return fmt.Errorf("%w: a tun device has no hardware address", ErrConfig)
	}
	return checkMAC(c.HardwareAddr)
}

// checkMAC applies what is_valid_ether_addr of linux/etherdevice.h asks of a station address.
func checkMAC(a net.HardwareAddr) error {
	if len(a) != 6 || a[0]&1 != 0 || [6]byte(a) == ([6]byte{}) {
		return fmt.Errorf("%w: hardware address %q is not a unicast address of 6 bytes", ErrConfig, a.String())
	}
	return nil
}

// maxName is IFNAMSIZ of linux/if.h less the terminating zero.
const maxName = unix.IFNAMSIZ - 1

// CheckName reports whether a name can be given to a network interface: 1 to 15 bytes of printable ASCII without
// space, '/', ':' (dev_valid_name of net/core/dev.c) and '%' (a pattern to the kernel), and not ".", "..", "all" or
// "default" (directories of /proc/sys/net). The error is ErrName with the reason.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty", ErrName)
	case len(name) > maxName:
		return fmt.Errorf("%w %q: %d bytes, Linux allows %d", ErrName, name, len(name), maxName)
	case name == ".", name == "..", name == "all", name == "default":
		return fmt.Errorf("%w %q: reserved", ErrName, name)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c <= ' ' || c >= 0x7f:
			return fmt.Errorf("%w %q: whitespace or unprintable byte at %d", ErrName, name, i)
		case c == '/' || c == ':' || c == '%':
			return fmt.Errorf("%w %q: '%c' is not allowed", ErrName, name, c)
		}
	}
	return nil
}
