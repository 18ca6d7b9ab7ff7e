package encap

import (
	"encoding/binary"
	"math/bits"
)

// TCP option kinds, RFC 9293 section 3.2.
const (
	tcpOptEnd    = 0
	tcpOptNop    = 1
	tcpOptMSS    = 2
	tcpOptMSSLen = 4
)

// ClampMSS lowers the Maximum Segment Size option (RFC 9293 section 3.7.1) of a SYN or
// SYN-ACK in the IPv4 or IPv6 packet ip to mtu-40 or mtu-60 where it is higher,
// corrects the TCP checksum and reports whether it changed anything. It never
// raises the value and adds no option. Anything else (other protocols, fragments
// without the header, malformed packets) is left alone, so it may be called with
// every packet.
//
// The checksum is corrected by difference (RFC 1624), so a right one stays right
// and a wrong one stays wrong. A packet whose checksum the kernel left partial
// (VIRTIO_NET_HDR_F_NEEDS_CSUM) must be completed before.
func ClampMSS(ip []byte, mtu int) bool {
	switch ipVersion(ip) {
	case 4:
		p := IPv4(ip)
		if !p.Valid() || p.Protocol() != ProtocolTCP || p.FragmentOffset() != 0 {
			return false
		}
		return clampTCP(TCP(p.Payload()), mtu-IPv4Len-TCPLen)
	case 6:
		p := IPv6(ip)
		if !p.Valid() {
			return false
		}
		protocol, payload, fragment, ok := p.Upper()
		if !ok || fragment || protocol != ProtocolTCP {
			return false
		}
		return clampTCP(TCP(payload), mtu-IPv6Len-TCPLen)
	}
	return false
}

// ClampMSSEthernet does what ClampMSS does for the packet in an Ethernet frame,
// behind up to two VLAN tags. mtu is that of an untagged frame; four bytes are
// taken off for each tag.
func ClampMSSEthernet(frame []byte, mtu int) bool {
	if !Ethernet(frame).Valid() {
		return false
	}
	etherType, payload, ok := Ethernet(frame).Network()
	if !ok || etherType != EtherTypeIPv4 && etherType != EtherTypeIPv6 {
		return false
	}
	tags := len(frame) - EthernetLen - len(payload)
	return ClampMSS(payload, mtu-tags)
}

// clampTCP lowers every MSS option of the segment t to limit. More than one is
// not legal, but receivers differ in which of them they take.
func clampTCP(t TCP, limit int) bool {
	if !t.Valid() || t.Flags()&(TCPSyn|TCPRst|TCPFin) != TCPSyn || limit <= 0 {
		return false
	}
	changed := false
	header := t[:t.HeaderLen()]
	for i := TCPLen; i < len(header); {
		switch header[i] {
		case tcpOptEnd:
			return changed
		case tcpOptNop:
			i++
			continue
		}
		if i+1 >= len(header) {
			return changed
		}
		size := int(header[i+1])
		if size < 2 || size > len(header)-i {
			return changed
		}
		if header[i] == tcpOptMSS && size == tcpOptMSSLen {
			changed = lowerMSS(t, i+2, limit) || changed
		}
		i += size
	}
	return changed
}

// lowerMSS writes limit to the 16-bit value at offset at of t if that is higher,
// and corrects the checksum. At an odd offset the value's bytes lie in the other
// halves of their checksum words, which is a sum over swapped values.
func lowerMSS(t TCP, at, limit int) bool {
	old := binary.BigEndian.Uint16(t[at : at+2])
	if int(old) <= limit {
		return false
	}
	mss := uint16(limit)
	binary.BigEndian.PutUint16(t[at:at+2], mss)
	if at&1 != 0 {
		old, mss = bits.ReverseBytes16(old), bits.ReverseBytes16(mss)
	}
	t.SetChecksum(UpdateChecksum(t.Checksum(), old, mss))
	return true
}
