package offload

import (
	"bytes"
	"encoding/binary"

	"culvert/encap"
)

// verdict is what became of a packet offered to an open flow.
type verdict uint8

const (
	joined  verdict = iota
	refused         // cannot follow; it may begin a super-packet of its own
	corrupt         // its checksum is wrong
)

// join appends a packet of the flow when the kernel's GRO would. p is what parse found in pkt.
func (f *flow) join(p *packet, pkt []byte) verdict {
	head := f.head()
	switch {
	case p.l3 != f.l3 || p.hdr != f.hdr || p.payload > f.gso || f.len-f.l3+p.payload > maxSuper:
		return refused
	case !bytes.Equal(pkt[:p.l3], head[:p.l3]):
		return refused // addresses or tags of the link changed
	}
	fixed, ok := f.sameNetwork(pkt[p.l3:p.l4], head[p.l3:p.l4])
	if !ok {
		return refused
	}
	if p.tcp && !f.sameTCP(p, pkt[p.l4:p.hdr], head[p.l4:p.hdr]) {
		return refused
	}
	// Only now bytes are touched. What is wrong is found before anything of it counts.
	if f.count == 1 && !f.unshare() {
		return refused
	}
	if !f.verify(pkt, f.buf[HeaderLen+f.len:]) {
		return corrupt
	}
	f.len += p.payload
	f.count++
	f.next += uint32(p.payload)
	f.gather |= uint8(p.flags & (encap.TCPFin | encap.TCPPsh))
	f.end = p.payload < f.gso || p.final() || !p.tcp && f.count == maxUDPCount
	f.fixed = fixed
	return joined
}

// head is the first packet, or the super-packet that began with it.
func (f *flow) head() []byte {
	if f.count == 1 {
		return f.first[HeaderLen:]
	}
	return f.buf[HeaderLen:]
}

// sameNetwork compares IP headers without length and checksum (inet_gro_flush, ipv6_gro_flush). fixed is whether the
// flow's IPv4 ID stands still, which the second packet decides and only DF allows.
func (f *flow) sameNetwork(ip, head []byte) (fixed, ok bool) {
	if f.ipv6 { // version, Traffic Class and Flow Label, and Hop Limit; the rest is in the key
		return false, [4]byte(ip[0:4]) == [4]byte(head[0:4]) && ip[7] == head[7]
	}
	fixed = f.fixed
	if ip[1] != head[1] || ip[6] != head[6] || ip[8] != head[8] { // TOS, DF, TTL
		return fixed, false
	}
	offset := encap.IPv4(ip).ID() - encap.IPv4(head).ID()
	if f.count == 1 && offset == 0 && encap.IPv4(ip).DF() {
		fixed = true
	}
	if fixed {
		return fixed, offset == 0
	}
	return fixed, offset == uint16(f.count)
}

// sameTCP compares TCP headers (tcp_gro_receive): all but sequence number, checksum, FIN and PSH; CWR only the first
// packet may have.
func (f *flow) sameTCP(p *packet, tcp, head []byte) bool {
	const ignore = uint32(encap.TCPFin|encap.TCPPsh|encap.TCPCwr) << 16
	word, headWord := binary.BigEndian.Uint32(tcp[12:16]), binary.BigEndian.Uint32(head[12:16])
	return p.seq == f.next &&
		p.flags&encap.TCPCwr == 0 &&
		(word^headWord)&^ignore == 0 && // header length, reserved bits, flags, window
		[4]byte(tcp[8:12]) == [4]byte(head[8:12]) && // acknowledgment
		bytes.Equal(tcp[18:], head[18:]) // urgent pointer, options
}

// unshare moves the first packet into the flow's buffer and verifies it on the way. When its checksum is wrong the flow
// stays as it is.
func (f *flow) unshare() bool {
	pkt := f.first[HeaderLen:]
	if !f.verify(pkt, f.buf[HeaderLen+f.hdr:]) {
		return false
	}
	copy(f.buf[HeaderLen:], pkt[:f.hdr])
	return true
}

// verify copies the payload of a packet with the flow's header lengths to dst and tells whether its checksums are right.
func (f *flow) verify(pkt, dst []byte) bool {
	ip, l4 := pkt[f.l3:f.l4], pkt[f.l4:]
	protocol := uint8(encap.ProtocolUDP)
	if f.tcp {
		protocol = encap.ProtocolTCP
	}
	var sum uint16
	if f.ipv6 {
		sum = encap.IPv6(ip).PseudoHeaderSum(protocol, len(l4))
	} else {
		if encap.Checksum(ip, 0) != 0xffff {
			return false
		}
		sum = encap.IPv4(ip).PseudoHeaderSum(protocol, len(l4))
	}
	sum = encap.Checksum(pkt[f.l4:f.hdr], sum)
	return add16(sum, copySum(dst, pkt[f.hdr:])) == 0xffff
}
