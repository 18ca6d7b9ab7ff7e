package offload

import (
	"encoding/binary"

	"culvert/encap"
)

// packet is what a Coalescer needs to know of a packet.
type packet struct {
	key     key
	l3, l4  int // offsets of the IP and the transport header
	hdr     int // bytes of all headers
	payload int // bytes behind them
	seq     uint32
	flags   encap.TCPFlags
	ipv6    bool
	tcp     bool
}

// key names a flow within a target.
type key struct {
	pair  pair
	ports uint32 // source, destination
	tcp   bool
}

// pair is source and destination address; of IPv4 both are in the first word, and the last one is 1.
type pair [4]uint64

// kind is what a Coalescer does with a packet.
type kind uint8

const (
	kindOther  kind = iota // belongs to no flow that could be open
	kindHidden             // may belong to any flow between its addresses
	kindAlone              // of a known flow, but never part of a super-packet
	kindFlow               // may be joined
)

// parse takes a packet apart as far as it is needed.
func (p *packet) parse(pkt []byte, l Layer, m Merge) kind {
	var version uint8
	p.l3, version = network(pkt, l)
	switch version {
	case 4:
		return p.parse4(pkt, m)
	case 6:
		return p.parse6(pkt, m)
	}
	return kindOther
}

// ipv4Flags are, in the flags and offset field, everything but DF: the reserved bit, MF and the offset (RFC 791 section
// 3.1). inet_gro_receive joins nothing that has any of them.
const ipv4Flags = 0xbfff

func (p *packet) parse4(pkt []byte, m Merge) kind {
	ip := encap.IPv4(pkt[p.l3:])
	if len(ip) < encap.IPv4Len {
		return kindOther
	}
	protocol := ip.Protocol()
	allowed := protocol == encap.ProtocolTCP && m&MergeTCP4 != 0 || protocol == encap.ProtocolUDP && m&MergeUDP4 != 0
	if !allowed {
		return kindOther
	}
	p.key.pair = pair{binary.LittleEndian.Uint64(ip[12:20]), 0, 0, 1 << 63}
	if ip[0] != 0x45 || binary.BigEndian.Uint16(ip[6:8])&ipv4Flags != 0 {
		return kindHidden
	}
	p.l4 = p.l3 + encap.IPv4Len
	return p.parseUpper(pkt, protocol, ip.TotalLength() == len(ip))
}

func (p *packet) parse6(pkt []byte, m Merge) kind {
	ip := encap.IPv6(pkt[p.l3:])
	if len(ip) < encap.IPv6Len || m&(MergeTCP6|MergeUDP6) == 0 {
		return kindOther
	}
	protocol := ip.NextHeader()
	switch protocol {
	case encap.ProtocolTCP:
		if m&MergeTCP6 == 0 {
			return kindOther
		}
	case encap.ProtocolUDP:
		if m&MergeUDP6 == 0 {
			return kindOther
		}
	case encap.ProtocolHopByHop, encap.ProtocolRouting, encap.ProtocolFragment, encap.ProtocolAH, encap.ProtocolDestOpts,
		encap.ProtocolMobility:
	default:
		return kindOther
	}
	p.ipv6, p.l4 = true, p.l3+encap.IPv6Len
	for i := range p.key.pair {
		p.key.pair[i] = binary.LittleEndian.Uint64(ip[8+8*i:])
	}
	if protocol != encap.ProtocolTCP && protocol != encap.ProtocolUDP {
		return kindHidden
	}
	return p.parseUpper(pkt, protocol, encap.IPv6Len+ip.PayloadLength() == len(ip))
}

// parseUpper looks at the transport header. exact tells that the packet is as long as its IP header says.
func (p *packet) parseUpper(pkt []byte, protocol uint8, exact bool) kind {
	b := pkt[p.l4:]
	if len(b) < encap.UDPLen {
		return kindHidden
	}
	p.key.ports = binary.LittleEndian.Uint32(b[0:4])
	if protocol == encap.ProtocolUDP {
		p.hdr = p.l4 + encap.UDPLen
		p.payload = len(pkt) - p.hdr
		u := encap.UDP(b)
		if !exact || u.Checksum() == 0 || u.Length() != len(b) || p.payload == 0 {
			return kindAlone
		}
		return kindFlow
	}
	p.tcp, p.key.tcp = true, true
	t := encap.TCP(b)
	if !exact || !t.Valid() {
		return kindAlone
	}
	p.hdr = p.l4 + t.HeaderLen()
	p.payload = len(pkt) - p.hdr
	p.seq, p.flags = t.Seq(), t.Flags()
	if p.payload == 0 || p.flags&(encap.TCPSyn|encap.TCPRst|encap.TCPUrg) != 0 {
		return kindAlone
	}
	return kindFlow
}

// final tells that nothing may follow the packet in a super-packet.
func (p *packet) final() bool { return p.flags&(encap.TCPPsh|encap.TCPFin) != 0 }
