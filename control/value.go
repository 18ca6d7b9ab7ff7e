package control

import (
	"encoding/binary"
	"fmt"
	"slices"

	"culvert/encap"
)

// field reads, writes and shows the value of one attribute in a Message.
type field struct {
	// parse takes a received value. It keeps nothing of it. Errors: ErrAVPLength, ErrAVPValue.
	parse func(m *Message, v []byte) error
	build func(m *Message, b []byte) []byte
	// show returns what people see; secrets are not shown.
	show func(m *Message) any
}

// number is an integer of as many bytes as its Go type has.
func number[T ~uint16 | ~uint32 | ~uint64](at func(m *Message) *T) field {
	var zero T
	size := binary.Size(zero)
	return field{
		parse: func(m *Message, v []byte) error {
			if len(v) != size {
				return ErrAVPLength
			}
			var n uint64
			for _, c := range v {
				n = n<<8 | uint64(c)
			}
			*at(m) = T(n)
			return nil
		},
		build: func(m *Message, b []byte) []byte {
			n := uint64(*at(m))
			for i := size - 1; i >= 0; i-- {
				b = append(b, byte(n>>(8*i)))
			}
			return b
		},
		show: func(m *Message) any { return *at(m) },
	}
}

// positive is a number of which 0 makes no sense.
func positive[T ~uint16 | ~uint32 | ~uint64](at func(m *Message) *T) field {
	f := number(at)
	parse := f.parse
	f.parse = func(m *Message, v []byte) error {
		if err := parse(m, v); err != nil {
			return err
		}
		if *at(m) == 0 {
			return ErrAVPValue
		}
		return nil
	}
	return f
}

// text is a string of low bytes or more.
func text(low int, at func(m *Message) *string) field {
	return field{
		parse: func(m *Message, v []byte) error {
			if len(v) < low {
				return ErrAVPLength
			}
			*at(m) = string(v)
			return nil
		},
		build: func(m *Message, b []byte) []byte { return append(b, *at(m)...) },
		show:  func(m *Message) any { return printable(*at(m)) },
	}
}

// secret is a byte string that is not shown.
func secret(low, high int, at func(m *Message) *[]byte) field {
	return field{
		parse: func(m *Message, v []byte) error {
			if len(v) < low || len(v) > high {
				return ErrAVPLength
			}
			*at(m) = slices.Clone(v)
			return nil
		},
		build: func(m *Message, b []byte) []byte { return append(b, *at(m)...) },
		show:  func(m *Message) any { return fmt.Sprintf("(%d bytes)", len(*at(m))) },
	}
}

func resultField() field {
	return field{
		parse: func(m *Message, v []byte) (err error) {
			r, ok := parseResult(v)
			if !ok {
				return ErrAVPLength
			}
			m.Result = r
			return nil
		},
		build: func(m *Message, b []byte) []byte {
			return m.Result.clip(maxValueLen - resultErrLen).appendTo(b)
		},
		show: func(m *Message) any { return fmt.Sprintf("%d (%s)", m.Result.Code, m.Result.Describe(m.Type)) },
	}
}

func cookieField() field {
	return field{
		parse: func(m *Message, v []byte) error {
			c, err := encap.NewCookie(v)
			if err != nil {
				return ErrAVPLength
			}
			m.AssignedCookie = c
			return nil
		},
		build: func(m *Message, b []byte) []byte { return m.AssignedCookie.AppendTo(b) },
		show:  func(m *Message) any { return m.AssignedCookie },
	}
}

func capabilitiesField() field {
	return field{
		parse: func(m *Message, v []byte) error {
			if len(v)%2 != 0 {
				return ErrAVPLength
			}
			m.Pseudowires = make([]PseudowireType, len(v)/2)
			for i := range m.Pseudowires {
				m.Pseudowires[i] = PseudowireType(binary.BigEndian.Uint16(v[2*i:]))
			}
			return nil
		},
		build: func(m *Message, b []byte) []byte {
			for _, p := range m.Pseudowires {
				b = binary.BigEndian.AppendUint16(b, uint16(p))
			}
			return b
		},
		show: func(m *Message) any { return m.Pseudowires },
	}
}

// CircuitErrors are the counters of the Circuit Errors AVP since the session began (RFC 3931 section 5.4.5). CRC and
// Framing are RFC 2661's (section 4.4.6): the text of RFC 3931 has their length and its figure has not their fields.
type CircuitErrors struct {
	CRC, Framing, HardwareOverruns, BufferOverruns, Timeouts, Alignment uint32
}

const (
	circuitErrorsLen   = 2 + 6*4 // as sent
	circuitErrorsShort = 2 + 4*4 // as the figure of RFC 3931 has it
)

// counters lists the six fields in the order of the wire.
func (c *CircuitErrors) counters() [6]*uint32 {
	return [6]*uint32{&c.CRC, &c.Framing, &c.HardwareOverruns, &c.BufferOverruns, &c.Timeouts, &c.Alignment}
}

func circuitErrorsField() field {
	return field{
		parse: func(m *Message, v []byte) error {
			fields := m.CircuitErrors.counters()
			list := fields[:]
			switch len(v) {
			case circuitErrorsLen:
			case circuitErrorsShort:
				list = fields[2:]
			default:
				return ErrAVPLength
			}
			for i, c := range list {
				*c = binary.BigEndian.Uint32(v[2+4*i:])
			}
			return nil
		},
		build: func(m *Message, b []byte) []byte {
			b = append(b, 0, 0)
			for _, c := range m.CircuitErrors.counters() {
				b = binary.BigEndian.AppendUint32(b, *c)
			}
			return b
		},
		show: func(m *Message) any { return fmt.Sprintf("%+v", m.CircuitErrors) },
	}
}
