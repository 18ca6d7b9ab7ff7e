package netio

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// DestOptions are the outer header fields that may differ from peer to peer.
type DestOptions struct {
	TTL int // TTL or Hop Limit, 1..255; 0: the system's default
	TOS int // whole TOS or Traffic Class byte, ECN bits included; < 0: the system's default
}

// Dest is a peer prepared for sending: its socket address and control messages, ready for the kernel. It is immutable
// and may be used by any number of batches and sockets at once.
type Dest struct {
	addr       netip.AddrPort
	level      int32 // SOL_IP or SOL_IPV6
	tosType    int32 // IP_TOS or IPV6_TCLASS
	nameLen    uint32
	ttlLen     int // length of the TTL control message that control starts with, or 0
	controlLen int
	name       sockaddr
	control    [2 * maxIntCmsg]byte
}

// maxIntCmsg is intCmsgSpace as a constant for array sizes, on 64-bit machines.
const maxIntCmsg = 24

// NewDest prepares a peer. For IP 115 the port is 0. A link-local IPv6 address needs its zone.
func NewDest(to netip.AddrPort, o DestOptions) (*Dest, error) {
	to = unmap(to)
	if !to.IsValid() || to.Addr().IsUnspecified() {
		return nil, fmt.Errorf("peer %v: %w", to, ErrAddress)
	}
	scope, err := scopeID(to.Addr())
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if o.TTL < 0 || o.TTL > 255 {
		return nil, fmt.Errorf("TTL %d of peer %v: %w", o.TTL, to, ErrOption)
	}
	if o.TOS > 255 {
		return nil, fmt.Errorf("TOS %d of peer %v: %w", o.TOS, to, ErrOption)
	}
	d := &Dest{addr: to, level: unix.SOL_IP, tosType: unix.IP_TOS}
	ttlType := int32(unix.IP_TTL)
	if to.Addr().Is6() {
		d.level, d.tosType, ttlType = unix.SOL_IPV6, unix.IPV6_TCLASS, unix.IPV6_HOPLIMIT
	}
	d.nameLen = uint32(putSockaddr(&d.name, to, scope))
	if o.TTL != 0 {
		d.ttlLen = putIntCmsg(d.control[:], d.level, ttlType, o.TTL)
	}
	d.controlLen = d.ttlLen
	if o.TOS >= 0 {
		d.controlLen += putIntCmsg(d.control[d.ttlLen:], d.level, d.tosType, o.TOS)
	}
	return d, nil
}

// Addr returns the peer's address and port.
func (d *Dest) Addr() netip.AddrPort { return d.addr }

// String returns the peer's address as text.
func (d *Dest) String() string { return d.addr.String() }
