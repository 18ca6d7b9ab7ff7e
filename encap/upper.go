package encap

import "encoding/binary"

// Header sizes without options, in bytes.
const (
	TCPLen  = 20 // RFC 9293 section 3.1
	UDPLen  = 8  // RFC 768
	ICMPLen = 8  // RFC 792; RFC 4443 section 3.2: type, code, checksum and one word
)

// TCPFlags are the control bits of a TCP header, RFC 9293 section 3.1 and RFC 3168 section 6.1.
type TCPFlags uint8

// The control bits.
const (
	TCPFin TCPFlags = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
	TCPUrg
	TCPEce
	TCPCwr
)

// TCP is a view of a TCP segment, RFC 9293 section 3.1. Call Valid before any other
// method.
type TCP []byte

// Valid reports whether the header is whole, options included.
func (t TCP) Valid() bool {
	if len(t) < TCPLen {
		return false
	}
	n := t.HeaderLen()
	return n >= TCPLen && n <= len(t)
}

// SourcePort returns the source port.
func (t TCP) SourcePort() uint16 { return binary.BigEndian.Uint16(t[0:2]) }

// DestinationPort returns the destination port.
func (t TCP) DestinationPort() uint16 { return binary.BigEndian.Uint16(t[2:4]) }

// Seq returns the Sequence Number.
func (t TCP) Seq() uint32 { return binary.BigEndian.Uint32(t[4:8]) }

// SetSeq writes the Sequence Number; the checksum is not touched.
func (t TCP) SetSeq(seq uint32) { binary.BigEndian.PutUint32(t[4:8], seq) }

// Ack returns the Acknowledgment Number.
func (t TCP) Ack() uint32 { return binary.BigEndian.Uint32(t[8:12]) }

// HeaderLen returns the header's bytes with options (Data Offset times four).
func (t TCP) HeaderLen() int { return int(t[12]>>4) << 2 }

// Flags returns the control bits.
func (t TCP) Flags() TCPFlags { return TCPFlags(t[13]) }

// SetFlags writes the control bits; the checksum is not touched.
func (t TCP) SetFlags(f TCPFlags) { t[13] = byte(f) }

// Window returns the Window field, unscaled.
func (t TCP) Window() uint16 { return binary.BigEndian.Uint16(t[14:16]) }

// Checksum returns the Checksum field.
func (t TCP) Checksum() uint16 { return binary.BigEndian.Uint16(t[16:18]) }

// SetChecksum writes the Checksum field.
func (t TCP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(t[16:18], sum) }

// Options returns the bytes of the options, in t's memory.
func (t TCP) Options() []byte { return t[TCPLen:t.HeaderLen()] }

// Payload returns what follows the header, in t's memory.
func (t TCP) Payload() []byte { return t[t.HeaderLen():] }

// UDP is a view of a UDP datagram, RFC 768. Call Valid before any other method.
type UDP []byte

// Valid reports whether the header is there and Length is between 8 and len.
func (u UDP) Valid() bool {
	return len(u) >= UDPLen && u.Length() >= UDPLen && u.Length() <= len(u)
}

// SourcePort returns the source port.
func (u UDP) SourcePort() uint16 { return binary.BigEndian.Uint16(u[0:2]) }

// DestinationPort returns the destination port.
func (u UDP) DestinationPort() uint16 { return binary.BigEndian.Uint16(u[2:4]) }

// Length returns the datagram's bytes, header included.
func (u UDP) Length() int { return int(binary.BigEndian.Uint16(u[4:6])) }

// SetLength writes the Length; the checksum is not touched.
func (u UDP) SetLength(n int) { binary.BigEndian.PutUint16(u[4:6], uint16(n)) }

// Checksum returns the Checksum field; 0 means none (RFC 768, RFC 3931 section 4.1.2.3).
func (u UDP) Checksum() uint16 { return binary.BigEndian.Uint16(u[6:8]) }

// SetChecksum writes the Checksum field as it is; a computed 0 is to be written
// as 0xffff (RFC 768).
func (u UDP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(u[6:8], sum) }

// Payload returns what follows the header up to Length, in u's memory.
func (u UDP) Payload() []byte { return u[UDPLen:u.Length()] }

// ICMP is a view of an ICMP (RFC 792) or ICMPv6 (RFC 4443 section 2.1) message. Call
// Valid before any other method.
type ICMP []byte

// Valid reports whether the eight bytes are there that every message of the two
// base documents has.
func (m ICMP) Valid() bool { return len(m) >= ICMPLen }

// Type returns the message type.
func (m ICMP) Type() uint8 { return m[0] }

// Code returns the message code.
func (m ICMP) Code() uint8 { return m[1] }

// Checksum returns the Checksum field.
func (m ICMP) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

// SetChecksum writes the Checksum field.
func (m ICMP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(m[2:4], sum) }

// NextHopMTU returns the MTU of an IPv4 type 3 code 4 message, RFC 1191 section 4.
func (m ICMP) NextHopMTU() int { return int(binary.BigEndian.Uint16(m[6:8])) }

// MTU returns the MTU of an ICMPv6 type 2 message, RFC 4443 section 3.2.
func (m ICMP) MTU() uint32 { return binary.BigEndian.Uint32(m[4:8]) }

// Payload returns what follows the eight header bytes, in m's memory.
func (m ICMP) Payload() []byte { return m[ICMPLen:] }
