package offload

import (
	"encoding/binary"
	"slices"

	"culvert/encap"
)

// Segmented reports whether the packet is a super-packet: to be sent by Append. A plain one is sent as it is, after
// Complete.
func (s *Super) Segmented() bool { return s.gso != 0 }

// Segments tells what a super-packet is cut into: n packets, the first n-1 of segLen bytes, the last of lastLen, link
// and IP headers included. For a plain packet it is 1 and twice its length.
func (s *Super) Segments() (n, segLen, lastLen int) {
	if s.gso == 0 {
		return 1, len(s.pkt), len(s.pkt)
	}
	return s.segs, s.hdr + s.gso, len(s.pkt) - (s.segs-1)*s.gso
}

// Fit tells how many of the segments, with front bytes in front of each, go into one send of at most size bytes and
// most segments. 0: not even one.
func (s *Super) Fit(front, size, most int) int {
	n, segLen, lastLen := s.Segments()
	switch {
	case n == 1:
		segLen = lastLen
	case (n-1)*(front+segLen)+front+lastLen <= size:
		return min(n, most)
	}
	return min(size/(front+segLen), most, n)
}

// Complete fills in the checksum that a plain packet lacks, in place; once, a second call finds nothing to do. Nobody
// may change the packet under its checksum before (an MSS, for example). A sum of zero becomes 0xffff, as
// skb_checksum_help of Linux has it for all protocols: UDP needs it (RFC 768), the others take either.
func (s *Super) Complete() {
	if s.sumAt == 0 {
		return
	}
	sum := ^encap.Checksum(s.pkt[s.l4:], 0)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(s.pkt[s.sumAt:], sum)
	s.sumAt = 0
}

// AppendSegments appends all segments to dst, each behind front bytes of room. It is Append(dst, front, 0, n).
func (s *Super) AppendSegments(dst []byte, front int) []byte { return s.Append(dst, front, 0, s.segs) }

// Append appends segments first to first+n-1, as far as they exist, to dst: each is front bytes of room with undefined
// content, then a packet with right lengths and checksums. It allocates only when dst lacks the capacity. dst must not
// overlap the super-packet. Of a plain packet it makes a copy, which lacks the checksum until Complete.
func (s *Super) Append(dst []byte, front, first, n int) []byte {
	last := min(first+n, s.segs) - 1
	if first < 0 || last < first {
		return dst
	}
	if s.gso == 0 {
		return append(slices.Grow(dst, front+len(s.pkt))[:len(dst)+front], s.pkt...)
	}
	payload := min((last+1)*s.gso, len(s.pkt)-s.hdr) - first*s.gso
	size := (last-first+1)*(front+s.hdr) + payload
	at := len(dst)
	dst = slices.Grow(dst, size)[:at+size]
	t := s.template()
	for i := first; i <= last; i++ {
		from := s.hdr + i*s.gso
		data := s.pkt[from:min(from+s.gso, len(s.pkt))]
		end := at + front + s.hdr + len(data)
		t.segment(s, dst[at+front:end:end], data, i)
		at = end
	}
	return dst
}

// template is what the segments of one super-packet have in common.
type template struct {
	ip4  uint32 // sum of the IPv4 header without length, ID and checksum
	l4   uint32 // sum of pseudo-header and transport header without what differs
	seq  uint32
	id   uint16
	flag uint16 // TCP header length, reserved bits and flags
}

func (s *Super) template() template {
	var t template
	b := s.pkt[s.l4:s.hdr]
	if s.tcp {
		t.seq = encap.TCP(b).Seq()
		t.flag = binary.BigEndian.Uint16(b[12:14])
		t.l4 = uint32(encap.Checksum(b[14:16], encap.Checksum(b[8:12], encap.Checksum(b[0:4], s.seed))))
		t.l4 += uint32(encap.Checksum(b[18:], 0)) // urgent pointer and options
	} else {
		t.l4 = uint32(encap.Checksum(b[0:4], s.seed))
	}
	if !s.ipv6 {
		ip := s.pkt[s.l3:s.l4]
		t.id = encap.IPv4(ip).ID()
		t.ip4 = uint32(encap.Checksum(ip[12:], encap.Checksum(ip[6:10], encap.Checksum(ip[0:2], 0))))
	}
	return t
}

// segment writes segment i with its payload data to out, which has exactly its size.
func (t *template) segment(s *Super, out, data []byte, i int) {
	copy(out, s.pkt[:s.hdr])
	sum := t.l4 + uint32(copySum(out[s.hdr:], data))
	ip, b := out[s.l3:], out[s.l4:]
	if s.ipv6 {
		encap.IPv6(ip).SetPayloadLength(len(ip) - encap.IPv6Len)
	} else {
		id := t.id + uint16(i)
		binary.BigEndian.PutUint16(ip[2:4], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:6], id)
		binary.BigEndian.PutUint16(ip[10:12], ^fold(t.ip4+uint32(id)+uint32(uint16(len(ip)))))
	}
	sum += uint32(uint16(len(b)))
	if !s.tcp {
		binary.BigEndian.PutUint16(b[4:6], uint16(len(b)))
		check := ^fold(sum + uint32(uint16(len(b)))) // the length is in the pseudo-header and in the header
		if check == 0 {
			check = 0xffff
		}
		binary.BigEndian.PutUint16(b[udpChecksumAt:], check)
		return
	}
	seq, flag := t.seq+uint32(i*s.gso), t.flag
	if i != s.segs-1 {
		flag &^= uint16(encap.TCPFin | encap.TCPPsh)
	}
	if i != 0 {
		flag &^= uint16(encap.TCPCwr)
	}
	binary.BigEndian.PutUint32(b[4:8], seq)
	binary.BigEndian.PutUint16(b[12:14], flag)
	binary.BigEndian.PutUint16(b[tcpChecksumAt:], ^fold(sum+seq>>16+seq&0xffff+uint32(flag)))
}
