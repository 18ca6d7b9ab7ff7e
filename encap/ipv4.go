package encap

import (
	"encoding/binary"
	"net/netip"
)

// IPv4Len is an IPv4 header without options, RFC 791 section 3.1.
const IPv4Len = 20

// IPv4 header fields, RFC 791 section 3.1.
const (
	ipv4DF         = 0x4000
	ipv4MF         = 0x2000
	ipv4OffsetMask = 0x1fff
)

// IPv4 is a view of an IPv4 packet, RFC 791 section 3.1. Call Valid before any other
// method. Bytes behind Total Length (Ethernet padding) are no part of it.
type IPv4 []byte

// Valid reports whether the packet is of version 4 and its lengths agree:
// 20 <= header <= Total Length <= len. The checksum is not verified.
func (p IPv4) Valid() bool {
	if len(p) < IPv4Len || p[0]>>4 != 4 {
		return false
	}
	n, total := p.HeaderLen(), p.TotalLength()
	return n >= IPv4Len && n <= total && total <= len(p)
}

// HeaderLen returns the header's bytes with options (IHL times four).
func (p IPv4) HeaderLen() int { return int(p[0]&0x0f) << 2 }

// TOS returns the Type of Service byte: DSCP and ECN (RFC 2474 section 3, RFC 3168 section 5).
func (p IPv4) TOS() uint8 { return p[1] }

// TotalLength returns the packet's bytes, header included.
func (p IPv4) TotalLength() int { return int(binary.BigEndian.Uint16(p[2:4])) }

// SetTotalLength writes the Total Length; the checksum is not touched.
func (p IPv4) SetTotalLength(n int) { binary.BigEndian.PutUint16(p[2:4], uint16(n)) }

// ID returns the Identification.
func (p IPv4) ID() uint16 { return binary.BigEndian.Uint16(p[4:6]) }

// SetID writes the Identification; the checksum is not touched.
func (p IPv4) SetID(id uint16) { binary.BigEndian.PutUint16(p[4:6], id) }

func (p IPv4) fragment() uint16 { return binary.BigEndian.Uint16(p[6:8]) }

// DF reports the Don't Fragment flag.
func (p IPv4) DF() bool { return p.fragment()&ipv4DF != 0 }

// MF reports the More Fragments flag.
func (p IPv4) MF() bool { return p.fragment()&ipv4MF != 0 }

// FragmentOffset returns the Fragment Offset in bytes.
func (p IPv4) FragmentOffset() int { return int(p.fragment()&ipv4OffsetMask) << 3 }

// TTL returns the Time to Live.
func (p IPv4) TTL() uint8 { return p[8] }

// Protocol returns the protocol of the payload.
func (p IPv4) Protocol() uint8 { return p[9] }

// Checksum returns the Header Checksum field.
func (p IPv4) Checksum() uint16 { return binary.BigEndian.Uint16(p[10:12]) }

// SetChecksum writes the Header Checksum field.
func (p IPv4) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(p[10:12], sum) }

// ComputeChecksum returns the right Header Checksum for the header as it is.
func (p IPv4) ComputeChecksum() uint16 {
	return ^Checksum(p[12:p.HeaderLen()], Checksum(p[0:10], 0))
}

// Source returns the source address.
func (p IPv4) Source() netip.Addr { return netip.AddrFrom4([4]byte(p[12:16])) }

// Destination returns the destination address.
func (p IPv4) Destination() netip.Addr { return netip.AddrFrom4([4]byte(p[16:20])) }

// Payload returns what follows the header up to Total Length, in p's memory.
func (p IPv4) Payload() []byte { return p[p.HeaderLen():p.TotalLength()] }

// PseudoHeaderSum returns the folded sum of the pseudo-header for an upper-layer
// packet of length bytes (RFC 9293 section 3.1, RFC 768), to start Checksum with.
func (p IPv4) PseudoHeaderSum(protocol uint8, length int) uint16 {
	return pseudoSum(p[12:20], protocol, length)
}
