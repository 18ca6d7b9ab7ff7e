package pppfsm

import (
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
		l.now = now
		l.lcp.startEcho()
		d := l.lcp.echoAt.Sub(now)
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
