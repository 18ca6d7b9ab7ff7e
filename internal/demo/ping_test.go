package demo

import (
	"net/netip"
	"testing"

	"culvert/encap"
)

func TestEchoMessage(t *testing.T) {
	v4 := newEcho(netip.MustParseAddr("192.0.2.1"))
	b := v4.message(7)
	if got := encap.Checksum(b, 0); got != 0xffff {
		t.Errorf("checksum over the whole message = %#x, want 0xffff", got)
	}
	if len(b) != echoHeader+echoData || b[0] != echoRequest4 {
		t.Errorf("message % x", b)
	}
	if b := newEcho(netip.MustParseAddr("fe80::1%3")).message(7); b[0] != echoRequest6 {
		t.Errorf("IPv6 request has type %d", b[0])
	}
}

func TestEchoIsReply(t *testing.T) {
	e := newEcho(netip.MustParseAddr("192.0.2.1"))
	good := func() []byte {
		b := e.message(7)
		b[0] = echoReply4
		return b
	}
	if !e.isReply(good(), 7) {
		t.Fatal("reply not recognised")
	}
	for n := range len(good()) {
		if e.isReply(good()[:n], 7) {
			t.Errorf("prefix of %d bytes taken for a reply", n)
		}
	}
	bad := map[string]func([]byte){
		"request":       func(b []byte) { b[0] = echoRequest4 },
		"code":          func(b []byte) { b[1] = 1 },
		"identifier":    func(b []byte) { b[4] ^= 1 },
		"other request": func(b []byte) { b[7]++ },
		"damaged data":  func(b []byte) { b[len(b)-1] ^= 0x80 },
	}
	for name, damage := range bad {
		b := good()
		damage(b)
		if e.isReply(b, 7) {
			t.Errorf("%s: taken for a reply", name)
		}
	}
}
