package pppfsm

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"
)

// TestEchoSpread: of many links, an equal share begins its echoes in each part of the interval.
func TestEchoSpread(t *testing.T) {
	const n, parts = 4000, 10
	cfg := Config{EchoInterval: 10 * time.Second, EchoSpread: true}.Normal()
	var count [parts]int
	now := time.Unix(1000, 0)
	for range n {
		l := NewLinkOf(cfg, rand.Reader)
		l.now = momentOf(now)
		l.lcp.startEcho()
		d := l.lcp.echoAt.Sub(momentOf(now))
		if d <= 0 || d > cfg.EchoInterval {
			t.Fatalf("first echo after %v", d)
		}
		count[min(int(d/time.Second), parts-1)]++
	}
	for i, got := range count {
		if got < n/parts/2 || got > 2*n/parts {
			t.Errorf("%d links begin in second %d: %v", got, i, count)
		}
	}
}

// TestPart: at the ends of what is random, a part is neither nothing nor more than the whole.
func TestPart(t *testing.T) {
	for _, c := range []struct {
		random []byte
		want   time.Duration
	}{
		{[]byte{0, 0}, 1},
		{[]byte{0x80, 0}, 1<<15 + 1},
		{[]byte{0xff, 0xff}, 1 << 16},
	} {
		l := &Link{rnd: bytes.NewReader(c.random)}
		if got := l.part(1 << 16); got != c.want {
			t.Errorf("%x: %d, want %d", c.random, got, c.want)
		}
	}
}
