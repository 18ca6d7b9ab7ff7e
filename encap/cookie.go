package encap

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCookieLength says that a cookie has other than 0, 4 or 8 bytes
// (RFC 3931 section 4.1).
var ErrCookieLength = errors.New("cookie is not 0, 4 or 8 bytes long")

// MaxCookieLen is the longest cookie, RFC 3931 section 4.1.
const MaxCookieLen = 8

// Cookie is the Cookie of one direction of a session (RFC 3931 sections 4.1, 5.4.4
// Assigned Cookie AVP): 0, 4 or 8 bytes that the receiver chose. It is a
// comparable value; the zero Cookie is the empty one. It is also a secret as far
// as blind insertion goes (RFC 3931 section 8.2), so no fmt verb and no encoder shows
// its value; AppendTo is the only way out.
type Cookie struct {
	word uint64 // big-endian value of the bytes
	size uint8  // 0, 4 or 8
}

// NewCookie copies b into a Cookie. It fails with ErrCookieLength unless b has
// 0, 4 or 8 bytes.
func NewCookie(b []byte) (Cookie, error) {
	switch len(b) {
	case 0:
		return Cookie{}, nil
	case 4:
		return Cookie{word: uint64(binary.BigEndian.Uint32(b)), size: 4}, nil
	case 8:
		return Cookie{word: binary.BigEndian.Uint64(b), size: 8}, nil
	}
	return Cookie{}, fmt.Errorf("%w: %d bytes", ErrCookieLength, len(b))
}

// Len returns the cookie's bytes: 0, 4 or 8.
func (c Cookie) Len() int { return int(c.size) }

// AppendTo appends the cookie's bytes to b in the order of the wire.
func (c Cookie) AppendTo(b []byte) []byte {
	switch c.size {
	case 4:
		return binary.BigEndian.AppendUint32(b, uint32(c.word))
	case 8:
		return binary.BigEndian.AppendUint64(b, c.word)
	}
	return b
}

// Matches reports whether b starts with the cookie; the empty cookie matches
// everything. A b shorter than Len matches nothing. The value is compared as
// one machine word, so the time taken does not depend on where a guess differs
// (RFC 3931 section 8.2).
func (c Cookie) Matches(b []byte) bool {
	switch c.size {
	case 8:
		return len(b) >= 8 && binary.BigEndian.Uint64(b) == c.word
	case 4:
		return len(b) >= 4 && uint64(binary.BigEndian.Uint32(b)) == c.word
	}
	return true
}

// String returns the cookie's size only, "cookie(8)".
func (c Cookie) String() string {
	switch c.size {
	case 4:
		return "cookie(4)"
	case 8:
		return "cookie(8)"
	}
	return "cookie(0)"
}

// Format writes String for every verb, so that %d, %x and %#v cannot show the
// value either.
func (c Cookie) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte(c.String()))
}
