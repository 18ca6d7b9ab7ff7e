package offload

import (
	"encoding/binary"
	"errors"

	"culvert/encap"
)

// What Parse finds wrong, ready made: nothing is allocated.
var (
	// ErrTruncated: the packet ends inside a header.
	ErrTruncated = errors.New("offload: packet ends inside its headers")
	// ErrHdrLen: the header claims more header bytes than the packet has.
	ErrHdrLen = errors.New("offload: hdr_len is longer than the packet")
	// ErrChecksum: checksum position outside the packet or not that of the transport header, or a super-packet whose
	// checksum is neither partial nor verified (virtio 1.2 section 5.1.6.2 wants NEEDS_CSUM with every GSO type).
	ErrChecksum = errors.New("offload: csum_start or csum_offset does not fit the packet")
	// ErrGSOType: unknown, or not what the packet is.
	ErrGSOType = errors.New("offload: gso_type does not fit the packet")
	// ErrGSOSize: zero, or larger than the payload.
	ErrGSOSize = errors.New("offload: gso_size does not fit the packet")
	// ErrLength: a length in the IP or UDP header is not that of the super-packet.
	ErrLength = errors.New("offload: length of a super-packet does not fit the packet")
	// ErrFragment: a super-packet cannot be a fragment.
	ErrFragment = errors.New("offload: super-packet is a fragment")
)

// Offsets of the checksum fields in their headers (RFC 9293 section 3.1, RFC 768).
const (
	tcpChecksumAt = 16
	udpChecksumAt = 6
)

// Super is a packet of a device, validated: a super-packet, or a plain one, which counts as its own only segment.
type Super struct {
	pkt  []byte
	l3   int // offset of the IP header
	l4   int // offset of the TCP or UDP header; where summing starts for a plain packet
	hdr  int // bytes of all headers
	gso  int // payload bytes of a segment; 0: plain
	segs int // 1 for a plain packet

	sumAt int    // where a plain packet's checksum is missing; 0: nowhere
	seed  uint16 // sum of a super-packet's pseudo-header without the length
	ipv6  bool
	tcp   bool
}

// Parse validates a packet as it comes from a device, h its virtio header (ParseHeader) and pkt what follows it. The
// result refers to pkt. It allocates nothing, errors included.
func Parse(pkt []byte, h Header, l Layer) (Super, error) {
	s := Super{pkt: pkt, segs: 1}
	if int(h.HdrLen) > len(pkt) {
		return s, ErrHdrLen
	}
	if h.GSOType == GSONone {
		return s, s.parsePlain(h, l)
	}
	if err := s.parseNetwork(h, l); err != nil {
		return s, err
	}
	if err := s.parseTransport(h); err != nil {
		return s, err
	}
	payload := len(pkt) - s.hdr
	s.gso = int(h.GSOSize)
	if s.gso == 0 || s.gso > payload {
		return s, ErrGSOSize
	}
	s.segs = (payload + s.gso - 1) / s.gso
	return s, nil
}

// parsePlain checks where the checksum of a packet goes that is not a super-packet.
func (s *Super) parsePlain(h Header, l Layer) error {
	if h.Flags&NeedsChecksum == 0 {
		return nil
	}
	start, at := int(h.CsumStart), int(h.CsumStart)+int(h.CsumOffset)
	least := encap.IPv4Len
	if l == LayerEthernet {
		least = encap.EthernetLen
	}
	if start < least || at+2 > len(s.pkt) {
		return ErrChecksum
	}
	s.l4, s.sumAt = start, at
	return nil
}

// parseNetwork finds the transport header of a super-packet.
func (s *Super) parseNetwork(h Header, l Layer) error {
	var version, protocol uint8
	s.l3, version = network(s.pkt, l)
	ip := s.pkt[s.l3:]
	switch version {
	case 4:
		p := encap.IPv4(ip)
		switch {
		case !p.Valid():
			return ErrTruncated
		case p.TotalLength() != len(ip):
			return ErrLength
		case p.MF() || p.FragmentOffset() != 0:
			return ErrFragment
		}
		s.l4, protocol = s.l3+p.HeaderLen(), p.Protocol()
	case 6:
		p := encap.IPv6(ip)
		switch {
		case !p.Valid():
			return ErrTruncated
		case encap.IPv6Len+p.PayloadLength() != len(ip):
			return ErrLength
		}
		var n int
		var err error
		if protocol, n, err = upper(p); err != nil {
			return err
		}
		s.ipv6, s.l4 = true, s.l3+n
	default:
		return ErrGSOType
	}
	switch {
	case h.GSOType&^GSOECN == GSOTCPv4 && !s.ipv6, h.GSOType&^GSOECN == GSOTCPv6 && s.ipv6:
		s.tcp = protocol == encap.ProtocolTCP
		if s.tcp {
			return nil
		}
	case h.GSOType == GSOUDPL4 && protocol == encap.ProtocolUDP:
		return nil
	}
	return ErrGSOType
}

// parseTransport checks the TCP or UDP header and where the checksum goes.
func (s *Super) parseTransport(h Header) error {
	b := s.pkt[s.l4:]
	sumAt := udpChecksumAt
	if s.tcp {
		if !encap.TCP(b).Valid() {
			return ErrTruncated
		}
		s.hdr, sumAt = s.l4+encap.TCP(b).HeaderLen(), tcpChecksumAt
	} else {
		switch {
		case len(b) < encap.UDPLen:
			return ErrTruncated
		case encap.UDP(b).Length() != len(b):
			return ErrLength
		}
		s.hdr = s.l4 + encap.UDPLen
	}
	// The seed is the pseudo-header's sum less the super-packet's length.
	switch {
	case h.Flags&NeedsChecksum != 0:
		if int(h.CsumStart) != s.l4 || int(h.CsumOffset) != sumAt {
			return ErrChecksum
		}
		s.seed = add16(binary.BigEndian.Uint16(b[sumAt:]), ^uint16(len(b)))
	case h.Flags&DataValid == 0:
		return ErrChecksum
	case !s.ipv6:
		s.seed = encap.IPv4(s.pkt[s.l3:]).PseudoHeaderSum(s.protocol(), 0)
	case s.l4 != s.l3+encap.IPv6Len:
		return ErrChecksum // a routing header may hide the final destination
	default:
		s.seed = encap.IPv6(s.pkt[s.l3:]).PseudoHeaderSum(s.protocol(), 0)
	}
	return nil
}

func (s *Super) protocol() uint8 {
	if s.tcp {
		return encap.ProtocolTCP
	}
	return encap.ProtocolUDP
}

// network finds the IP header and its version, 0 when there is none.
func network(pkt []byte, l Layer) (l3 int, version uint8) {
	if l == LayerEthernet {
		if len(pkt) < encap.EthernetLen {
			return 0, 0
		}
		etherType, payload, ok := encap.Ethernet(pkt).Network()
		switch {
		case !ok:
			return 0, 0
		case etherType == encap.EtherTypeIPv4:
			version = 4
		case etherType == encap.EtherTypeIPv6:
			version = 6
		}
		l3 = len(pkt) - len(payload)
		if len(payload) == 0 || payload[0]>>4 != version {
			return l3, 0
		}
		return l3, version
	}
	if len(pkt) == 0 {
		return 0, 0
	}
	return 0, pkt[0] >> 4
}

// maxExtensions bounds the walk over extension headers, as encap does.
const maxExtensions = 8

// upper walks over the extension headers that Linux segments behind (ipv6_gso_pull_exthdrs): hop-by-hop options, routing
// and destination options. n is the offset of what follows them.
func upper(p encap.IPv6) (protocol uint8, n int, err error) {
	protocol, n = p.NextHeader(), encap.IPv6Len
	for range maxExtensions {
		switch protocol {
		case encap.ProtocolHopByHop, encap.ProtocolRouting, encap.ProtocolDestOpts:
		case encap.ProtocolFragment:
			return 0, 0, ErrFragment
		default:
			return protocol, n, nil
		}
		if n+8 > len(p) {
			return 0, 0, ErrTruncated
		}
		next := n + 8 + 8*int(p[n+1]) // RFC 8200 section 4.3: units of 8 bytes beyond the first 8
		if next > len(p) {
			return 0, 0, ErrTruncated
		}
		protocol, n = p[n], next
	}
	return 0, 0, ErrTruncated
}
