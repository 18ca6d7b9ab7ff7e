package encap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCookieLengths(t *testing.T) {
	for n := range 20 {
		b := randomBytes(n)
		c, err := NewCookie(b)
		if n != 0 && n != 4 && n != 8 {
			if !errors.Is(err, ErrCookieLength) || c != (Cookie{}) {
				t.Errorf("%d bytes: got %v, %v; want ErrCookieLength", n, c, err)
			}
			continue
		}
		if err != nil || c.Len() != n {
			t.Fatalf("%d bytes: Len %d, error %v", n, c.Len(), err)
		}
		if got := c.AppendTo([]byte{0xaa}); !bytes.Equal(got[1:], b) || got[0] != 0xaa {
			t.Errorf("%d bytes: AppendTo gave %x, want %x behind aa", n, got, b)
		}
		again, _ := NewCookie(b)
		if again != c {
			t.Errorf("%d bytes: equal cookies differ", n)
		}
	}
}

// TestCookieMatches flips every bit and shortens to every prefix (RFC 3931 section 4.5:
// a wrong cookie must be dropped).
func TestCookieMatches(t *testing.T) {
	for _, n := range []int{0, 4, 8} {
		b := randomBytes(n + 3)
		c, err := NewCookie(b[:n])
		if err != nil {
			t.Fatal(err)
		}
		if !c.Matches(b) || !c.Matches(b[:n]) {
			t.Errorf("%d bytes: own value does not match", n)
		}
		for i := range n {
			if c.Matches(b[:i]) {
				t.Errorf("%d bytes: matches a prefix of %d", n, i)
			}
			for bit := range 8 {
				b[i] ^= 1 << bit
				if c.Matches(b) {
					t.Errorf("%d bytes: matches with bit %d of byte %d flipped", n, bit, i)
				}
				b[i] ^= 1 << bit
			}
		}
	}
}

// TestCookieZeroValueBytes keeps cookies of zeros apart by length.
func TestCookieZeroValueBytes(t *testing.T) {
	c4, _ := NewCookie(make([]byte, 4))
	c8, _ := NewCookie(make([]byte, 8))
	if c4 == c8 || c4 == (Cookie{}) {
		t.Error("zero cookies of different length are equal")
	}
}

// TestCookieSecret looks for the value in everything that prints.
func TestCookieSecret(t *testing.T) {
	c, err := NewCookie([]byte{0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xf0, 0x0d})
	if err != nil {
		t.Fatal(err)
	}
	h := DataHeader{SessionID: 1, Cookie: c}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%b", "%o", "%8.3d"} {
		if got := fmt.Sprintf(verb, c); got != "cookie(8)" {
			t.Errorf("%s prints %q", verb, got)
		}
		got := strings.ToLower(fmt.Sprintf(verb, h))
		for _, secret := range []string{"dead", "16045690984503111693", "16045690985374415885"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s of a header prints %q", verb, got)
			}
		}
	}
	j, err := json.Marshal(h)
	if err != nil || !strings.Contains(string(j), `"Cookie":{}`) {
		t.Errorf("JSON %s, error %v", j, err)
	}
	short, _ := NewCookie([]byte{1, 2, 3, 4})
	if short.String() != "cookie(4)" || (Cookie{}).String() != "cookie(0)" {
		t.Errorf("strings %q, %q", short, Cookie{})
	}
}
