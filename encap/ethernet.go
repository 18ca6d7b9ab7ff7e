package encap

import "encoding/binary"

// EthernetLen is the header of an untagged Ethernet frame as a pseudowire
// carries it: no preamble, no FCS (RFC 4719 section 3.1).
const EthernetLen = 14

// VLANTagLen is one IEEE 802.1Q tag: TPID and TCI.
const VLANTagLen = 4

// maxVLANTags is how many tags Network looks behind: a service and a customer
// tag (IEEE 802.1ad).
const maxVLANTags = 2

// EtherTypes that this package looks at (IEEE 802 registry).
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeVLAN = 0x8100 // IEEE 802.1Q customer tag
	EtherTypeIPv6 = 0x86dd
	EtherTypeQinQ = 0x88a8 // IEEE 802.1ad service tag
)

// Ethernet is a view of an Ethernet frame, RFC 4719 section 3.1. Call Valid before any
// other method.
type Ethernet []byte

// Valid reports whether e has a whole header. Nothing says that a pseudowire
// restores the minimum of 60 bytes, so shorter frames pass.
func (e Ethernet) Valid() bool { return len(e) >= EthernetLen }

// Destination returns the six bytes of the destination address, in e's memory.
func (e Ethernet) Destination() []byte { return e[0:6:6] }

// Source returns the six bytes of the source address, in e's memory.
func (e Ethernet) Source() []byte { return e[6:12:12] }

// EtherType returns the two bytes behind the addresses: the type, a tag's TPID,
// or below 1536 an IEEE 802.3 length.
func (e Ethernet) EtherType() uint16 { return binary.BigEndian.Uint16(e[12:14]) }

// Payload returns what follows the untagged header, in e's memory.
func (e Ethernet) Payload() []byte { return e[EthernetLen:] }

// Network looks behind up to two VLAN tags (0x8100, 0x88a8) and returns the type
// found there and what follows, which shares e's memory and may be padded. ok is
// false when the frame ends inside a tag; a third tag comes back as etherType.
func (e Ethernet) Network() (etherType uint16, payload []byte, ok bool) {
	etherType, payload = e.EtherType(), e[EthernetLen:]
	for i := 0; i < maxVLANTags && isVLAN(etherType); i++ {
		if len(payload) < VLANTagLen {
			return 0, nil, false
		}
		etherType, payload = binary.BigEndian.Uint16(payload[2:4]), payload[VLANTagLen:]
	}
	return etherType, payload, true
}

func isVLAN(etherType uint16) bool {
	return etherType == EtherTypeVLAN || etherType == EtherTypeQinQ
}
