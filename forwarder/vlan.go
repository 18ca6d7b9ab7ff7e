package forwarder

import (
	"encoding/binary"

	"culvert/encap"
)

// tags is what a session does with IEEE 802.1Q tags.
type tags uint8

const (
	// tagsIgnored: not a VLAN pseudowire, frames pass as they are.
	tagsIgnored tags = iota
	// tagsKept: every frame has one, on both sides.
	tagsKept
	// tagsServed: there is one in the pseudowire, and none on the device. RFC 4719 section 3.1 lets the egress rewrite the
	// tag, so the number that arrives means nothing.
	tagsServed
)

// tags tells what is done with tags in a session of this kind.
func (c *SessionConfig) tags() tags {
	switch {
	case c.Pseudowire != EthernetVLAN:
		return tagsIgnored
	case c.VLAN == 0:
		return tagsKept
	default:
		return tagsServed
	}
}

// addressesLen is destination and source address, behind which a tag is.
const addressesLen = 12

// tagged tells whether an Ethernet frame begins with a whole tag, of a customer or a service (IEEE 802.1Q section 9).
func tagged(frame []byte) bool {
	if len(frame) < encap.EthernetLen+encap.VLANTagLen {
		return false
	}
	t := encap.Ethernet(frame).EtherType()
	return t == encap.EtherTypeVLAN || t == encap.EtherTypeQinQ
}

// moveAddresses copies both addresses of a frame from b[from:] to b[to:]. They may overlap.
func moveAddresses(b []byte, to, from int) {
	src, dst := b[from:from+addressesLen], b[to:to+addressesLen]
	head, tail := binary.NativeEndian.Uint64(src), binary.NativeEndian.Uint32(src[8:])
	binary.NativeEndian.PutUint64(dst, head)
	binary.NativeEndian.PutUint32(dst[8:], tail)
}

// pushTag puts a tag into the frame at buf[front:] and returns where that begins then: the addresses move into the free
// bytes before it.
func pushTag(buf []byte, front int, vlan uint16) int {
	to := front - encap.VLANTagLen
	moveAddresses(buf, to, front)
	binary.BigEndian.PutUint32(buf[to+addressesLen:], encap.EtherTypeVLAN<<16|uint32(vlan))
	return to
}

// popTag is the opposite.
func popTag(buf []byte, front int) int {
	to := front + encap.VLANTagLen
	moveAddresses(buf, to, front)
	return to
}

// unpushed undoes what pushTag did to a frame of m, which its wire begins with.
func (m *txMeta) unpushed() {
	if m.wire != nil {
		copy(m.inner[:addressesLen], m.wire[len(m.s.header):])
	}
}
