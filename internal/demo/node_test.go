package demo

import (
	"strings"
	"testing"
)

func TestTailKeepsTheEnd(t *testing.T) {
	var l tail
	for range 3 * tailLen / 10 {
		_, _ = l.Write([]byte("0123456789"))
	}
	_, _ = l.Write([]byte("the end"))
	if s := l.String(); len(s) != tailLen || !strings.HasSuffix(s, "89the end") {
		t.Errorf("%d bytes ending in %q", len(s), s[len(s)-10:])
	}
}
