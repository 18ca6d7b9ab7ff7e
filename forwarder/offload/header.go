package offload

import "encoding/binary"

// HeaderLen is the length of the virtio header in front of every frame of a device, both ways.
const HeaderLen = 10

// Header is struct virtio_net_hdr (linux/virtio_net.h, virtio 1.2 section 5.1.6) in the machine's own byte order.
type Header struct {
	Flags      uint8  // NeedsChecksum, DataValid
	GSOType    uint8  // one of the GSO types, GSOECN beside TCP
	HdrLen     uint16 // bytes of all headers of a super-packet; a hint
	GSOSize    uint16 // payload bytes of each segment
	CsumStart  uint16 // where summing starts, in bytes from the start of the packet
	CsumOffset uint16 // where the sum is stored, in bytes from CsumStart
}

// Flag bits of a Header (virtio 1.2 section 5.1.6).
const (
	NeedsChecksum uint8 = 1 // the checksum is partial: the pseudo-header's sum stands in its place
	DataValid     uint8 = 2 // the checksum was verified
)

// GSO types of a Header (virtio 1.2 section 5.1.6, linux/virtio_net.h).
const (
	GSONone  uint8 = 0
	GSOTCPv4 uint8 = 1
	GSOTCPv6 uint8 = 4
	GSOUDPL4 uint8 = 5    // UDP segmentation, from Linux 6.2 on
	GSOECN   uint8 = 0x80 // bit beside one of the TCP types: the first segment carries CWR
)

// ParseHeader reads the header from the first HeaderLen bytes of b, which must be there.
func ParseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	return Header{
		Flags:      b[0],
		GSOType:    b[1],
		HdrLen:     binary.NativeEndian.Uint16(b[2:4]),
		GSOSize:    binary.NativeEndian.Uint16(b[4:6]),
		CsumStart:  binary.NativeEndian.Uint16(b[6:8]),
		CsumOffset: binary.NativeEndian.Uint16(b[8:10]),
	}
}

// Put writes the header to the first HeaderLen bytes of b, which must be there.
func (h Header) Put(b []byte) {
	_ = b[HeaderLen-1]
	b[0], b[1] = h.Flags, h.GSOType
	binary.NativeEndian.PutUint16(b[2:4], h.HdrLen)
	binary.NativeEndian.PutUint16(b[4:6], h.GSOSize)
	binary.NativeEndian.PutUint16(b[6:8], h.CsumStart)
	binary.NativeEndian.PutUint16(b[8:10], h.CsumOffset)
}

// Layer is where packets of a device start.
type Layer uint8

// The layers of devices.
const (
	LayerIP       Layer = iota // TUN: IPv4 or IPv6 packets
	LayerEthernet              // TAP: Ethernet frames without FCS
)
