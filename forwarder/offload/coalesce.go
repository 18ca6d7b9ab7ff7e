package offload

import (
	"encoding/binary"

	"culvert/encap"
)

// Sink takes what a Coalescer lets go of.
type Sink interface {
	// Deliver gets one frame for the device, HeaderLen bytes of virtio header included, ready for one write: a packet as
	// it was added, or a super-packet. packets is how many of those added it stands for, bytes their length together.
	// The frame is valid during the call, which must not use the Coalescer.
	Deliver(frame []byte, packets, bytes int)
}

// Merge is the set of protocols that a device takes super-packets of.
type Merge uint8

// The protocols that can be joined. UDP needs a kernel that knows UDP_L4 (Linux 6.2, the USO offloads).
const (
	MergeTCP4 Merge = 1 << iota
	MergeTCP6
	MergeUDP4
	MergeUDP6
)

// Target is where packets go: one for each device. Its pointer identifies it; packets of different targets are never
// joined. Merge may change between a Flush and the next Add.
type Target struct {
	Sink  Sink
	Layer Layer
	Merge Merge
}

const (
	// maxSuper is the longest super-packet, IP header included (skb_gro_receive: less than 65,536).
	maxSuper = 65535
	// maxUDPCount is how many datagrams are joined at most, UDP_GRO_CNT_MAX of net/ipv4/udp_offload.c.
	maxUDPCount = 64
	// maxLink is the longest link header: Ethernet with two VLAN tags.
	maxLink = encap.EthernetLen + 2*encap.VLANTagLen
	// arenaStride is one flow's buffer: virtio header, link header and the longest super-packet, in whole cache lines.
	arenaStride = (HeaderLen + maxLink + maxSuper + 63) &^ 63
)

// Coalescer joins packets of one batch, in order of arrival, into super-packets. It holds a fixed number of open flows,
// of all targets together; when one more is needed the oldest is delivered.
type Coalescer struct {
	open []*flow // in order of opening
	free []*flow // the last one used first: its buffer is in the cache
	last *flow   // the one that took the last packet, or nil
}

// flow is an open super-packet: a single packet as it was added, or several in buf.
type flow struct {
	to     *Target
	packet        // of the first packet
	buf    []byte // own buffer; the super-packet starts at buf[HeaderLen]
	first  []byte // the first packet, HeaderLen bytes in front of it, while it is alone
	len    int    // of the super-packet
	gso    int    // payload bytes of the first packet
	count  int    // packets
	fixed  bool   // IPv4 ID stays the same
	end    bool   // takes no more
	next   uint32 // TCP sequence number
	gather uint8  // FIN and PSH of later packets
}

// NewCoalescer makes a Coalescer that holds up to flows open flows (at least one), at 64 KB each.
func NewCoalescer(flows int) *Coalescer {
	flows = max(flows, 1)
	c := &Coalescer{open: make([]*flow, 0, flows), free: make([]*flow, flows)}
	arena := make([]byte, flows*arenaStride)
	for i := range c.free {
		c.free[i] = &flow{buf: arena[i*arenaStride : (i+1)*arenaStride : (i+1)*arenaStride]}
	}
	return c
}

// Add takes the packet buf[front:], front being at least HeaderLen; the HeaderLen bytes before it may be overwritten. It
// is delivered now or held until something of its flow that it can't be joined with, a full table, or Flush. Until then
// buf must not change.
func (c *Coalescer) Add(to *Target, buf []byte, front int) {
	var p packet
	switch p.parse(buf[front:], to.Layer, to.Merge) {
	case kindOther:
		c.deliverOne(to, buf, front)
	case kindHidden:
		c.flushPair(to, &p)
		c.deliverOne(to, buf, front)
	case kindAlone:
		if f := c.find(to, &p); f != nil {
			c.finish(f)
		}
		c.deliverOne(to, buf, front)
	case kindFlow:
		c.addFlow(to, &p, buf, front)
	}
}

// addFlow joins a packet to its flow, or opens one for it.
func (c *Coalescer) addFlow(to *Target, p *packet, buf []byte, front int) {
	f := c.find(to, p)
	if f != nil {
		switch f.join(p, buf[front:]) {
		case joined:
			if f.end {
				c.finish(f)
			} else {
				c.last = f
			}
			return
		case refused:
			c.finish(f)
		case corrupt:
			c.finish(f)
			c.deliverOne(to, buf, front)
			return
		}
	}
	if p.final() {
		c.deliverOne(to, buf, front) // it would end the super-packet that it begins
		return
	}
	if len(c.free) == 0 {
		c.finish(c.open[0])
	}
	f = c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	f.start(to, p, buf[front-HeaderLen:])
	c.open = append(c.open, f)
	c.last = f
}

// Flush delivers all that is held, the flow that was opened first first. Afterwards the Coalescer refers to no packet.
func (c *Coalescer) Flush() {
	for _, f := range c.open {
		f.deliver()
	}
	c.free = append(c.free, c.open...)
	clear(c.open)
	c.open, c.last = c.open[:0], nil
}

// FlushTarget delivers what is held for one target.
func (c *Coalescer) FlushTarget(to *Target) {
	for i := 0; i < len(c.open); {
		if f := c.open[i]; f.to == to {
			c.remove(i)
			f.deliver()
		} else {
			i++
		}
	}
}

// Held tells how many flows are open.
func (c *Coalescer) Held() int { return len(c.open) }

// find returns the open flow that a packet belongs to.
func (c *Coalescer) find(to *Target, p *packet) *flow {
	if f := c.last; f != nil && f.to == to && f.key == p.key {
		return f
	}
	for _, f := range c.open {
		if f.to == to && f.key == p.key {
			return f
		}
	}
	return nil
}

// flushPair delivers all flows of p's target between p's addresses.
func (c *Coalescer) flushPair(to *Target, p *packet) {
	for i := 0; i < len(c.open); {
		if f := c.open[i]; f.to == to && f.key.pair == p.key.pair {
			c.remove(i)
			f.deliver()
		} else {
			i++
		}
	}
}

// finish delivers an open flow.
func (c *Coalescer) finish(f *flow) {
	for i := range c.open {
		if c.open[i] == f {
			c.remove(i)
			break
		}
	}
	f.deliver()
}

// remove takes flow i out of the table; it is delivered next, before its buffer can be used again.
func (c *Coalescer) remove(i int) {
	f := c.open[i]
	if c.last == f {
		c.last = nil
	}
	n := copy(c.open[i:], c.open[i+1:]) + i
	c.open[n] = nil
	c.open = c.open[:n]
	c.free = append(c.free, f)
}

// deliverOne delivers a packet by itself, with an empty header.
func (c *Coalescer) deliverOne(to *Target, buf []byte, front int) {
	frame := buf[front-HeaderLen:]
	clear(frame[:HeaderLen])
	to.Sink.Deliver(frame, 1, len(frame)-HeaderLen)
}

// start begins a super-packet with one packet, frame, which has its HeaderLen bytes in front.
func (f *flow) start(to *Target, p *packet, frame []byte) {
	f.to, f.packet, f.first = to, *p, frame
	f.len, f.gso, f.count = len(frame)-HeaderLen, p.payload, 1
	f.next = p.seq + uint32(p.payload)
	f.fixed, f.end, f.gather = false, false, 0
}

// deliver hands the flow's packet or super-packet to its sink.
func (f *flow) deliver() {
	to, frame, bytes := f.to, f.first, f.len
	if f.count == 1 {
		clear(frame[:HeaderLen])
	} else {
		frame = f.buf[:HeaderLen+f.len]
		f.seal(frame)
		bytes += (f.count - 1) * f.hdr
	}
	f.first, f.to = nil, nil
	to.Sink.Deliver(frame, f.count, bytes)
}

// seal gives a super-packet its lengths, its partial checksum and its virtio header.
func (f *flow) seal(frame []byte) {
	pkt := frame[HeaderLen:]
	ip, l4 := pkt[f.l3:], pkt[f.l4:]
	h := Header{Flags: NeedsChecksum, HdrLen: uint16(f.hdr), GSOSize: uint16(f.gso), CsumStart: uint16(f.l4)}
	protocol := uint8(encap.ProtocolUDP)
	if f.tcp {
		protocol = encap.ProtocolTCP
	}
	var pseudo uint16
	if f.ipv6 {
		h.GSOType = GSOTCPv6
		encap.IPv6(ip).SetPayloadLength(len(l4))
		pseudo = encap.IPv6(ip).PseudoHeaderSum(protocol, len(l4))
	} else {
		h.GSOType = GSOTCPv4
		p := encap.IPv4(ip)
		p.SetTotalLength(len(ip))
		p.SetChecksum(p.ComputeChecksum())
		pseudo = p.PseudoHeaderSum(protocol, len(l4))
	}
	if f.tcp {
		h.CsumOffset = tcpChecksumAt
		l4[13] |= f.gather
		if encap.TCPFlags(l4[13])&encap.TCPCwr != 0 {
			h.GSOType |= GSOECN
		}
	} else {
		h.CsumOffset, h.GSOType = udpChecksumAt, GSOUDPL4
		binary.BigEndian.PutUint16(l4[4:6], uint16(len(l4)))
	}
	binary.BigEndian.PutUint16(l4[h.CsumOffset:], pseudo)
	h.Put(frame)
}
