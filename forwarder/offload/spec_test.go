package offload

import (
	"encoding/binary"
	"math/rand/v2"

	"culvert/encap"
)

// spec describes a packet, from which packet makes its bytes the slow and obvious way.
type spec struct {
	layer    Layer
	link     []byte // all of the link header
	ipv6     bool
	tcp      bool
	src, dst [16]byte
	sport    uint16
	dport    uint16

	tos, ttl uint8
	df       bool
	evil, mf bool // the two other bits beside the fragment offset
	offset   uint16
	id       uint16
	ipOpts   []byte
	label    uint32
	ext      []byte // IPv6 extension headers, the last one's Next Header filled in by packet
	extKind  uint8  // of the first one

	seq, ack uint32
	flags    encap.TCPFlags
	window   uint16
	urgent   uint16
	opts     []byte
	noSum    bool // UDP without checksum

	payload []byte
	padding int  // bytes behind the IP packet
	badSum  bool // transport checksum wrong
	badIP   bool // IPv4 header checksum wrong
}

// naiveSum is RFC 1071 as it is written.
func naiveSum(parts ...[]byte) uint16 {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	if len(all)%2 == 1 {
		all = append(all, 0)
	}
	sum := uint32(0)
	for i := 0; i < len(all); i += 2 {
		sum += uint32(all[i])<<8 | uint32(all[i+1])
		for sum > 0xffff {
			sum = sum&0xffff + sum>>16
		}
	}
	return uint16(sum)
}

func (s spec) protocol() uint8 {
	if s.tcp {
		return 6
	}
	return 17
}

// transport makes the transport header with a checksum of zero.
func (s spec) transport() []byte {
	b := binary.BigEndian.AppendUint16(nil, s.sport)
	b = binary.BigEndian.AppendUint16(b, s.dport)
	if !s.tcp {
		b = binary.BigEndian.AppendUint16(b, uint16(8+len(s.payload)))
		return append(b, 0, 0)
	}
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	b = append(b, byte((20+len(s.opts))/4)<<4, byte(s.flags))
	b = binary.BigEndian.AppendUint16(b, s.window)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, s.urgent)
	return append(b, s.opts...)
}

func (s spec) sumAt() int {
	if s.tcp {
		return 16
	}
	return 6
}

// pseudo is the pseudo-header for n bytes of transport header and payload.
func (s spec) pseudo(n int) []byte {
	if s.ipv6 {
		b := append(append([]byte{}, s.src[:]...), s.dst[:]...)
		return append(binary.BigEndian.AppendUint32(b, uint32(n)), 0, 0, 0, s.protocol())
	}
	b := append(append([]byte{}, s.src[:4]...), s.dst[:4]...)
	return binary.BigEndian.AppendUint16(append(b, 0, s.protocol()), uint16(n))
}

// network makes the IP header for n bytes of transport header and payload.
func (s spec) network(n int) []byte {
	if s.ipv6 {
		b := binary.BigEndian.AppendUint32(nil, 6<<28|uint32(s.tos)<<20|s.label)
		b = binary.BigEndian.AppendUint16(b, uint16(len(s.ext)+n))
		next := s.protocol()
		if len(s.ext) > 0 {
			next = s.extKind
		}
		b = append(append(append(b, next, s.ttl), s.src[:]...), s.dst[:]...)
		ext := append([]byte{}, s.ext...)
		if len(ext) > 0 {
			ext[0] = s.protocol()
		}
		return append(b, ext...)
	}
	hdr := 20 + len(s.ipOpts)
	b := []byte{0x40 | byte(hdr/4), s.tos}
	b = binary.BigEndian.AppendUint16(b, uint16(hdr+n))
	b = binary.BigEndian.AppendUint16(b, s.id)
	frag := s.offset
	for _, f := range []struct {
		on  bool
		bit uint16
	}{{s.df, 0x4000}, {s.evil, 0x8000}, {s.mf, 0x2000}} {
		if f.on {
			frag |= f.bit
		}
	}
	b = binary.BigEndian.AppendUint16(b, frag)
	b = append(b, s.ttl, s.protocol(), 0, 0)
	b = append(append(append(b, s.src[:4]...), s.dst[:4]...), s.ipOpts...)
	sum := ^naiveSum(b)
	if s.badIP {
		sum ^= 0x0100
	}
	binary.BigEndian.PutUint16(b[10:], sum)
	return b
}

// packet makes the packet's bytes with complete checksums.
func (s spec) packet() []byte {
	t := s.transport()
	n := len(t) + len(s.payload)
	sum := ^naiveSum(s.pseudo(n), t, s.payload)
	if !s.tcp && sum == 0 {
		sum = 0xffff
	}
	if s.badSum {
		sum ^= 0x1000
	}
	if s.noSum {
		sum = 0
	}
	binary.BigEndian.PutUint16(t[s.sumAt():], sum)
	b := append(append([]byte{}, s.link...), s.network(n)...)
	b = append(append(b, t...), s.payload...)
	return append(b, make([]byte, s.padding)...)
}

// headers is the length of all headers.
func (s spec) headers() int { return len(s.link) + len(s.network(0)) + len(s.transport()) }

// super makes the super-packet that the spec is, as a kernel hands it out: with its virtio header and the pseudo-header's
// sum in place.
func (s spec) super(gso int) ([]byte, Header) {
	pkt := s.packet()
	l4 := len(s.link) + len(s.network(0))
	h := Header{
		Flags: NeedsChecksum, HdrLen: uint16(s.headers()), GSOSize: uint16(gso),
		CsumStart: uint16(l4), CsumOffset: uint16(s.sumAt()), GSOType: GSOUDPL4,
	}
	switch {
	case s.tcp && s.ipv6:
		h.GSOType = GSOTCPv6
	case s.tcp:
		h.GSOType = GSOTCPv4
	}
	if s.tcp && s.flags&encap.TCPCwr != 0 {
		h.GSOType |= GSOECN
	}
	binary.BigEndian.PutUint16(pkt[l4+s.sumAt():], naiveSum(s.pseudo(len(pkt)-l4)))
	return pkt, h
}

// segments are the packets that a super-packet stands for.
func (s spec) segments(gso int) (out []spec) {
	for off := 0; off < len(s.payload); off += gso {
		end := min(off+gso, len(s.payload))
		t := s
		t.payload = s.payload[off:end]
		t.seq += uint32(off)
		t.id += uint16(off / gso)
		if end != len(s.payload) {
			t.flags &^= encap.TCPFin | encap.TCPPsh
		}
		if off != 0 {
			t.flags &^= encap.TCPCwr
		}
		out = append(out, t)
	}
	return out
}

// linkHeader is an Ethernet header with tags.
func linkHeader(tags int, ipv6 bool, mac byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, mac}
	for i := range tags {
		tpid := []byte{0x81, 0x00}
		if i == 0 && tags == 2 {
			tpid = []byte{0x88, 0xa8}
		}
		b = append(append(b, tpid...), 0x20, byte(i+7))
	}
	if ipv6 {
		return append(b, 0x86, 0xdd)
	}
	return append(b, 0x08, 0x00)
}

// randomSpec makes a spec whose payload is yet empty.
func randomSpec(r *rand.Rand) spec {
	s := spec{
		layer: Layer(r.IntN(2)), ipv6: r.IntN(2) == 0, tcp: r.IntN(3) != 0,
		sport: uint16(r.Uint32()), dport: uint16(r.Uint32()),
		tos: uint8(r.Uint32()), ttl: uint8(1 + r.IntN(255)), df: r.IntN(2) == 0, id: uint16(r.Uint32()),
		label: r.Uint32() & 0xfffff, seq: r.Uint32(), ack: r.Uint32(), window: uint16(r.Uint32()), flags: encap.TCPAck,
	}
	if s.layer == LayerEthernet {
		s.link = linkHeader(r.IntN(3), s.ipv6, 2)
	}
	for i := range s.src {
		s.src[i], s.dst[i] = byte(r.Uint32()), byte(r.Uint32())
	}
	if s.tcp && r.IntN(2) == 0 {
		s.opts = randomBytes(r, 4*(1+r.IntN(10)))
	}
	if r.IntN(8) == 0 {
		s.seq = -uint32(r.IntN(5000)) // wraps
		s.id = -uint16(r.IntN(4))
	}
	return s
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
