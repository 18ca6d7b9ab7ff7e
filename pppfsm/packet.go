package pppfsm

import "errors"

var (
	// errPacket is a control packet whose Length does not fit: it is
	// dropped silently (RFC 1661 §5).
	errPacket = errors.New("pppfsm: control packet length out of range")
	// errOption is an option whose Length is below two or reaches past
	// the packet: the packet is dropped (RFC 1661 §6).
	errOption = errors.New("pppfsm: configuration option length out of range")
)

// headerLen is Code, Identifier and Length (RFC 1661 §5).
const headerLen = 4

// packet is a control packet (RFC 1661 §5). It aliases the frame it was
// parsed from and is gone when Input returns.
type packet struct {
	code Code
	id   uint8
	// data is what follows the Length field, padding cut off.
	data []byte
	// raw is the whole packet, header included, padding cut off.
	raw []byte
}

// parsePacket splits the information field of a control frame. Octets beyond
// Length are padding (RFC 1661 §5).
func parsePacket(b []byte) (packet, error) {
	if len(b) < headerLen {
		return packet{}, errPacket
	}
	n := int(b[2])<<8 | int(b[3])
	if n < headerLen || n > len(b) {
		return packet{}, errPacket
	}
	return packet{code: Code(b[0]), id: b[1], data: b[headerLen:n], raw: b[:n]}, nil
}

// appendHeader appends Code, Identifier and Length for n octets of data.
func appendHeader(b []byte, code Code, id uint8, n int) []byte {
	n += headerLen
	return append(b, byte(code), id, byte(n>>8), byte(n))
}

// option is one configuration option: Type, Length, Data (RFC 1661 §6), the
// whole of it.
type option []byte

func (o option) kind() uint8  { return o[0] }
func (o option) data() []byte { return o[2:] }

// nextOption cuts the first option off a list that is not empty.
func nextOption(list []byte) (o option, rest []byte, err error) {
	if len(list) < 2 {
		return nil, nil, errOption
	}
	n := int(list[1])
	if n < 2 || n > len(list) {
		return nil, nil, errOption
	}
	return option(list[:n:n]), list[n:], nil
}

// checkOptions walks the whole list, so that a packet with a bad option is
// dropped before any of it has had an effect.
func checkOptions(list []byte) error {
	for len(list) > 0 {
		_, rest, err := nextOption(list)
		if err != nil {
			return err
		}
		list = rest
	}
	return nil
}

// appendOption appends an option with the given data.
func appendOption(b []byte, kind uint8, data ...byte) []byte {
	b = append(b, kind, byte(len(data)+2))
	return append(b, data...)
}

// optionSet remembers which option types occurred.
type optionSet [4]uint64

func (s *optionSet) add(kind uint8)     { s[kind>>6] |= 1 << (kind & 63) }
func (s optionSet) has(kind uint8) bool { return s[kind>>6]&(1<<(kind&63)) != 0 }

// subset says that every option of part occurs in whole, unchanged and in the
// same order, and that part is not empty: what a Configure-Reject must be
// (RFC 1661 §5.4). Both lists are well formed.
func subset(part, whole []byte) bool {
	if len(part) == 0 {
		return false
	}
	for len(part) > 0 {
		want, rest, err := nextOption(part)
		if err != nil {
			return false
		}
		part = rest
		for {
			if len(whole) == 0 {
				return false
			}
			have, left, err := nextOption(whole)
			if err != nil {
				return false
			}
			whole = left
			if string(have) == string(want) {
				break
			}
		}
	}
	return true
}
