package tuntap

import "encoding/binary"

// HeaderLen is the length of the VnetHeader in front of every frame, both ways (TUNSETVNETHDRSZ).
const HeaderLen = 10

// VnetHeader is a view of struct virtio_net_hdr (linux/virtio_net.h, virtio 1.2 section 5.1.6): flags, gso_type,
// hdr_len, gso_size, csum_start, csum_offset. Multi-byte fields are in the machine's own byte order, as
// drivers/net/tun.c has it unless TUNSETVNETLE or TUNSETVNETBE is used. Accessors need Valid.
type VnetHeader []byte

// Flag bits of a VnetHeader (virtio 1.2 section 5.1.6).
const (
	VnetNeedsCsum uint8 = 1 // checksum is partial: fill in from CsumStart at CsumOffset
	VnetDataValid uint8 = 2 // checksum was verified
)

// GSO types of a VnetHeader (virtio 1.2 section 5.1.6).
const (
	VnetGSONone  uint8 = 0
	VnetGSOTCPv4 uint8 = 1
	VnetGSOUDP   uint8 = 3
	VnetGSOTCPv6 uint8 = 4
	VnetGSOUDPL4 uint8 = 5
	VnetGSOECN   uint8 = 0x80 // bit beside one of the TCP types
)

// Valid reports whether b holds a whole header.
func (h VnetHeader) Valid() bool { return len(h) >= HeaderLen }

// Flags returns the Vnet flag bits.
func (h VnetHeader) Flags() uint8 { return h[0] }

// GSOType returns one of the VnetGSO types.
func (h VnetHeader) GSOType() uint8 { return h[1] }

// HdrLen returns the length of all headers of a super-packet in bytes; a hint.
func (h VnetHeader) HdrLen() uint16 { return binary.NativeEndian.Uint16(h[2:4]) }

// GSOSize returns the payload bytes of each segment.
func (h VnetHeader) GSOSize() uint16 { return binary.NativeEndian.Uint16(h[4:6]) }

// CsumStart returns where checksumming starts, in bytes from the start of the packet (after this header).
func (h VnetHeader) CsumStart() uint16 { return binary.NativeEndian.Uint16(h[6:8]) }

// CsumOffset returns where the checksum stands, in bytes from CsumStart.
func (h VnetHeader) CsumOffset() uint16 { return binary.NativeEndian.Uint16(h[8:10]) }

// Clear zeroes the header: a plain packet with complete checksums.
func (h VnetHeader) Clear() { clear(h[:HeaderLen]) }
