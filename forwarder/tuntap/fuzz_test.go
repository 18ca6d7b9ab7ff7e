package tuntap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"unicode"
)

// FuzzVnetHeader compares the view with encoding/binary's reading of the C structure.
func FuzzVnetHeader(f *testing.F) {
	f.Add([]byte{1, 4, 54, 0, 0x78, 5, 34, 0, 16, 0, 0x45})
	f.Add(make([]byte, HeaderLen))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := VnetHeader(b)
		if h.Valid() != (len(b) >= 10) {
			t.Fatal(len(b))
		}
		if !h.Valid() {
			return
		}
		var c struct {
			Flags, GSOType                         uint8
			HdrLen, GSOSize, CsumStart, CsumOffset uint16
		}
		if n, err := binary.Decode(b, binary.NativeEndian, &c); err != nil || n != HeaderLen {
			t.Fatal(n, err)
		}
		if c.Flags != h.Flags() || c.GSOType != h.GSOType() || c.HdrLen != h.HdrLen() || c.GSOSize != h.GSOSize() ||
			c.CsumStart != h.CsumStart() || c.CsumOffset != h.CsumOffset() {
			t.Errorf("% x: %+v", b, c)
		}
		rest := bytes.Clone(b[HeaderLen:])
		h.Clear()
		if !bytes.Equal(b[:HeaderLen], make([]byte, HeaderLen)) || !bytes.Equal(b[HeaderLen:], rest) {
			t.Errorf("Clear left % x", b)
		}
	})
}

// FuzzCheckName holds the check against the kernel's rules, written from dev_valid_name of net/core/dev.c.
func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"", "tun0", "sub00001", "abcdefghijklmno", "abcdefghijklmnop", ".", "..", "...", "a/b", "a:b", "a b", "tun%d", "all", "default", "\x7f", "eth0\n", "\xa0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := CheckName(s)
		if err != nil && !errors.Is(err, ErrName) {
			t.Fatal(err)
		}
		kernel := len(s) > 0 && len(s) < 16 && s != "." && s != ".." && !strings.ContainsAny(s, "/:") && !strings.ContainsFunc(s, unicode.IsSpace) && !strings.ContainsRune(s, 0)
		if err == nil && !kernel {
			t.Errorf("%q is allowed", s)
		}
		plain := !strings.ContainsFunc(s, func(r rune) bool {
			return r != '_' && r != '-' && r != '.' && (r > 'z' || !unicode.IsLetter(r) && !unicode.IsDigit(r))
		})
		if err != nil && kernel && plain && s != "all" && s != "default" {
			t.Errorf("%q is refused: %v", s, err)
		}
	})
}

func FuzzCheckMAC(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 0, 1})
	f.Add([]byte{1, 0, 0, 0, 0, 1})
	f.Add(make([]byte, 6))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		good := len(b) == 6 && b[0]%2 == 0 && !bytes.Equal(b, make([]byte, 6))
		if err := checkMAC(net.HardwareAddr(b)); (err == nil) != good {
			t.Errorf("% x: %v", b, err)
		}
	})
}
