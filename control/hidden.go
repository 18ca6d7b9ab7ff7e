package control

import (
	"crypto/md5"
	"encoding/binary"
)

// hideBlock is the size of a cipher block: MD5's result.
const hideBlock = md5.Size

// Hide appends the hidden form of value to b: Original Attribute Length, value and padding, enciphered with the key
// that DeriveKeys made of the shared secret (RFC 3931 section 5.3). vector is the value of the Random Vector AVP that
// precedes the AVP in the message. The result is 2+len(value)+len(padding) bytes long.
func Hide(b []byte, t AVPType, key [16]byte, vector, value, padding []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(append(b, value...), padding...)
	c := b[at:]
	for pad := firstPad(t, key, vector); ; {
		n := min(hideBlock, len(c))
		for i := range n {
			c[i] ^= pad[i]
		}
		if len(c) <= hideBlock {
			return b
		}
		pad = nextPad(key, c[:hideBlock])
		c = c[hideBlock:]
	}
}

// Reveal undoes Hide. The value it returns is new memory; n is its length before padding. It fails with ErrAVPHidden
// when hidden is shorter than a length field, or when the length that comes out does not fit: the key or the vector
// is another one.
func Reveal(t AVPType, key [16]byte, vector, hidden []byte) ([]byte, error) {
	if len(hidden) < 2 {
		return nil, ErrAVPHidden
	}
	plain := make([]byte, len(hidden))
	pad := firstPad(t, key, vector)
	for at := 0; at < len(hidden); at += hideBlock {
		end := min(at+hideBlock, len(hidden))
		for i := at; i < end; i++ {
			plain[i] = hidden[i] ^ pad[i-at]
		}
		if end-at == hideBlock {
			pad = nextPad(key, hidden[at:end])
		}
	}
	n := int(binary.BigEndian.Uint16(plain))
	if n > len(plain)-2 {
		return nil, ErrAVPHidden
	}
	return plain[2 : 2+n : 2+n], nil
}

func firstPad(t AVPType, key [16]byte, vector []byte) [hideBlock]byte {
	h := md5.New()
	_, _ = h.Write([]byte{byte(t >> 8), byte(t)})
	_, _ = h.Write(key[:])
	_, _ = h.Write(vector)
	return [hideBlock]byte(h.Sum(nil))
}

func nextPad(key [16]byte, cipher []byte) [hideBlock]byte {
	var b [2 * hideBlock]byte
	copy(b[:], key[:])
	copy(b[hideBlock:], cipher)
	return md5.Sum(b[:])
}
