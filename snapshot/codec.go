package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ErrBody says that a body does not hold what is read from it.
var ErrBody = errors.New("snapshot does not make sense")

// Codec writes or reads fields. After the first error it does nothing any more, and what is read stays as it is.
type Codec struct {
	b       []byte // written so far, or left to read
	reading bool
	now     time.Time
	err     error
}

// NewWriter returns a Codec that writes. now is what times are counted from.
func NewWriter(now time.Time) *Codec { return &Codec{now: now} }

// NewReader returns a Codec that reads body. now is what times are counted from.
func NewReader(body []byte, now time.Time) *Codec { return &Codec{b: body, reading: true, now: now} }

// Reading tells the direction.
func (c *Codec) Reading() bool { return c.reading }

// Now is what times are counted from.
func (c *Codec) Now() time.Time { return c.now }

// Bytes returns what was written.
func (c *Codec) Bytes() []byte { return c.b }

// Err returns the first error; it wraps ErrBody.
func (c *Codec) Err() error { return c.err }

// Failf notes that what was read cannot be.
func (c *Codec) Failf(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrBody, fmt.Sprintf(format, args...))
	}
}

// Close tells whether all was read, and without error.
func (c *Codec) Close() error {
	if c.err == nil && c.reading && len(c.b) > 0 {
		c.Failf("%d bytes are left over", len(c.b))
	}
	return c.err
}

// take returns the next n bytes to read.
func (c *Codec) take(n uint64) []byte {
	if c.err == nil && n > uint64(len(c.b)) {
		c.Failf("it ends too early")
	}
	if c.err != nil {
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// uint is a number in as few bytes as it needs.
func (c *Codec) uint(v uint64) uint64 {
	if c.err != nil {
		return 0
	}
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, v)
		return v
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 || n > 1 && c.b[n-1] == 0 { // there is a shorter form
		c.Failf("a number is malformed")
		return 0
	}
	c.b = c.b[n:]
	return v
}

// Integer is any integer type.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Int is an integer.
func Int[T Integer](c *Codec, p *T) {
	v := c.uint(uint64(*p))
	if !c.reading || c.err != nil {
		return
	}
	if uint64(T(v)) != v {
		c.Failf("%d is too large", v)
		return
	}
	*p = T(v)
}

// Limited is an integer that is at most most.
func Limited[T Integer](c *Codec, p *T, most T, what string) {
	v := *p
	Int(c, &v)
	if v > most || v < 0 {
		c.Failf("%s is %d", what, v)
		return
	}
	*p = v
}

// Bool is a truth value.
func (c *Codec) Bool(p *bool) {
	v := uint8(0)
	if *p {
		v = 1
	}
	Limited(c, &v, 1, "a truth value")
	if c.reading && c.err == nil {
		*p = v == 1
	}
}

// Bools are several.
func (c *Codec) Bools(all ...*bool) {
	for _, p := range all {
		c.Bool(p)
	}
}

// Fixed is a field of bytes that always has its length.
func (c *Codec) Fixed(p []byte) {
	switch {
	case c.err != nil:
	case c.reading:
		copy(p, c.take(uint64(len(p))))
	default:
		c.b = append(c.b, p...)
	}
}

// Blob is bytes of a length of their own; none are nil.
func (c *Codec) Blob(p *[]byte) {
	n := c.uint(uint64(len(*p)))
	switch {
	case c.err != nil:
	case c.reading:
		*p = append([]byte(nil), c.take(n)...)
	default:
		c.b = append(c.b, *p...)
	}
}

// String is a text.
func (c *Codec) String(p *string) {
	b := []byte(*p)
	c.Blob(&b)
	if c.reading && c.err == nil {
		*p = string(b)
	}
}

// Time is a point in time, as its distance from now; the zero time stays that.
func (c *Codec) Time(p *time.Time) {
	is := !p.IsZero()
	c.Bool(&is)
	if !is {
		if c.reading && c.err == nil {
			*p = time.Time{}
		}
		return
	}
	d := p.Sub(c.now)
	Int(c, &d)
	if !c.reading || c.err != nil {
		return
	}
	if *p = c.now.Add(d); p.IsZero() || p.Sub(c.now) != d {
		c.Failf("a time is out of range")
	}
}

// binaryForm is what package netip's types have.
type binaryForm interface {
	MarshalBinary() ([]byte, error)
	UnmarshalBinary(b []byte) error
}

func (c *Codec) binary(p binaryForm) {
	b, err := p.MarshalBinary()
	c.Blob(&b)
	if c.reading && c.err == nil {
		if err = p.UnmarshalBinary(b); err == nil {
			var again []byte
			if again, err = p.MarshalBinary(); err == nil && !bytes.Equal(again, b) {
				c.Failf("an address is malformed")
			}
		}
	}
	if err != nil {
		c.Failf("%v", err)
	}
}

// Addr is an address.
func (c *Codec) Addr(p *netip.Addr) { c.binary(p) }

// AddrPort is an address with a port.
func (c *Codec) AddrPort(p *netip.AddrPort) { c.binary(p) }

// Prefix is a prefix.
func (c *Codec) Prefix(p *netip.Prefix) { c.binary(p) }

// Slice is a list; each walks over one element, which takes a byte at least.
func Slice[T any](c *Codec, p *[]T, each func(*T)) {
	n := c.uint(uint64(len(*p)))
	if !c.reading {
		for i := range *p {
			each(&(*p)[i])
		}
		return
	}
	if n > uint64(len(c.b)) {
		c.Failf("a list of %d", n)
	}
	var all []T
	for range n {
		if c.err != nil {
			return
		}
		var v T
		each(&v)
		all = append(all, v)
	}
	if c.err == nil {
		*p = all
	}
}

// Maybe is what may be absent.
func Maybe[T any](c *Codec, p **T, fields func(*T)) {
	is := *p != nil
	c.Bool(&is)
	if c.err != nil {
		return
	}
	if c.reading {
		if *p = nil; is {
			*p = new(T)
		}
	}
	if is {
		fields(*p)
	}
}
