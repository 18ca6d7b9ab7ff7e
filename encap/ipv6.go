package encap

import (
	"encoding/binary"
	"net/netip"
)

// IPv6Len is the fixed IPv6 header, RFC 8200 section 3.
const IPv6Len = 40

// maxExtensions bounds the walk over extension headers. RFC 8200 section 4.1 knows
// seven in the recommended order; more are not worth a core's time.
const maxExtensions = 8

// IPv6 is a view of an IPv6 packet, RFC 8200 section 3. Call Valid before any other
// method. Bytes behind Payload Length (Ethernet padding) are no part of it.
type IPv6 []byte

// Valid reports whether the packet is of version 6 and holds the bytes that
// Payload Length promises. Jumbograms (RFC 2675) look like empty packets.
func (p IPv6) Valid() bool {
	return len(p) >= IPv6Len && p[0]>>4 == 6 && IPv6Len+p.PayloadLength() <= len(p)
}

// TrafficClass returns DSCP and ECN (RFC 2474 section 3, RFC 3168 section 5).
func (p IPv6) TrafficClass() uint8 { return p[0]<<4 | p[1]>>4 }

// FlowLabel returns the 20 bits of the Flow Label.
func (p IPv6) FlowLabel() uint32 { return binary.BigEndian.Uint32(p[0:4]) & 0xfffff }

// PayloadLength returns the bytes behind the fixed header, extension headers
// included.
func (p IPv6) PayloadLength() int { return int(binary.BigEndian.Uint16(p[4:6])) }

// SetPayloadLength writes the Payload Length.
func (p IPv6) SetPayloadLength(n int) { binary.BigEndian.PutUint16(p[4:6], uint16(n)) }

// NextHeader returns the type of what follows the fixed header.
func (p IPv6) NextHeader() uint8 { return p[6] }

// HopLimit returns the Hop Limit.
func (p IPv6) HopLimit() uint8 { return p[7] }

// Source returns the source address.
func (p IPv6) Source() netip.Addr { return netip.AddrFrom16([16]byte(p[8:24])) }

// Destination returns the destination address.
func (p IPv6) Destination() netip.Addr { return netip.AddrFrom16([16]byte(p[24:40])) }

// Payload returns what follows the fixed header up to Payload Length, extension
// headers included, in p's memory.
func (p IPv6) Payload() []byte { return p[IPv6Len : IPv6Len+p.PayloadLength()] }

// PseudoHeaderSum returns the folded sum of the pseudo-header for an upper-layer
// packet of length bytes (RFC 8200 section 8.1), to start Checksum with. A routing
// header's final destination is not looked up.
func (p IPv6) PseudoHeaderSum(protocol uint8, length int) uint16 {
	return pseudoSum(p[8:40], protocol, length)
}

// Upper walks over the extension headers (RFC 8200 section 4.1) and returns the upper
// layer's protocol and bytes, in p's memory. fragment says that the packet is a
// fragment other than the first, so payload does not start with a header; the
// protocol is then the one that the Fragment header names. ok is false when a
// header is cut off or more than eight follow each other. ESP and whatever else
// is unknown counts as upper layer.
func (p IPv6) Upper() (protocol uint8, payload []byte, fragment, ok bool) {
	protocol, payload = p.NextHeader(), p.Payload()
	for range maxExtensions {
		var n int
		switch protocol {
		case ProtocolHopByHop, ProtocolRouting, ProtocolDestOpts, ProtocolMobility:
			n = extensionLen(payload, 8, 8) // in units of 8 beyond the first 8
		case ProtocolAH:
			n = extensionLen(payload, 8, 4) // in units of 4 beyond the first 8, RFC 4302 section 2.2
		case ProtocolFragment:
			n = extensionLen(payload, 8, 0)
			if n > 0 {
				fragment = binary.BigEndian.Uint16(payload[2:4])&^7 != 0
			}
		default:
			return protocol, payload, false, true
		}
		if n == 0 {
			return 0, nil, false, false
		}
		protocol, payload = payload[0], payload[n:]
		if fragment {
			return protocol, payload, true, true
		}
	}
	return 0, nil, false, false
}

// extensionLen returns the size of the extension header at the start of b, which
// is base bytes and unit more for each count in its second byte; 0 when b ends
// before it does.
func extensionLen(b []byte, base, unit int) int {
	if len(b) < base {
		return 0
	}
	n := base + unit*int(b[1])
	if n > len(b) {
		return 0
	}
	return n
}
