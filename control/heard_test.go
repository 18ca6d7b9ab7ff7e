package control

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestLastHeard: any message that is verified counts, one that repeats, comes early or only acknowledges too; none that
// could be anybody's, and there is no time before the first.
func TestLastHeard(t *testing.T) {
	h, n := newHand(t, testProfile("n"))
	c := h.connect()
	if got := c.Status().LastHeard; !got.Equal(epoch) {
		t.Fatalf("after SCCRQ: %v", got)
	}
	hello := NewMessage(HELLO)
	numbered := func(m Message, ns, nr Seq) func() {
		return func() {
			was := [2]Seq{h.ns, h.nr}
			h.ns, h.nr = ns, nr
			h.send(m)
			h.ns, h.nr = was[0], was[1]
		}
	}
	elsewhere := func() {
		was := h.path
		h.path.Remote = netip.MustParseAddrPort("192.0.2.10:999")
		numbered(hello, h.ns, h.nr)()
		h.path = was
	}
	for _, r := range []struct {
		name  string
		send  func()
		heard bool
	}{
		{"HELLO", func() { h.send(hello) }, true},
		{"repeated", func() { numbered(hello, h.ns-1, h.nr)() }, true},
		{"repeated, Nr of old", func() { numbered(hello, h.ns-1, 0)() }, true},
		{"early", func() { numbered(hello, h.ns+2, h.nr)() }, true},
		{"beyond the window", func() { numbered(hello, h.ns+1000, h.nr)() }, true},
		{"ZLB", func() { h.ack() }, true},
		{"ACK", func() { h.send(Message{Type: ACK}) }, true},
		{"Nr of what was not sent", func() { numbered(hello, h.ns, h.nr+9)() }, false},
		{"from elsewhere", elsewhere, false},
	} {
		before := c.Status().LastHeard
		n.w.now = n.w.now.Add(time.Second)
		r.send()
		if got := c.Status().LastHeard; r.heard != got.Equal(n.w.now) || !r.heard && !got.Equal(before) {
			t.Errorf("%s: heard at %v, now %v", r.name, got.Sub(epoch), n.w.now.Sub(epoch))
		}
	}
	c.Heard(n.w.now.Add(time.Second))
	if got := c.Status().LastHeard; !got.Equal(n.w.now.Add(time.Second)) {
		t.Errorf("data: heard at %v", got.Sub(epoch))
	}
}

// TestLastHeardDialing: whoever does not answer was never heard of, and a digest that is wrong says nothing.
func TestLastHeardDialing(t *testing.T) {
	pa := testProfile("a", "s")
	w := newWorld(1, weather{delay: time.Millisecond})
	a, b := w.node("192.0.2.1:1701", pa, Config{}), w.node("192.0.2.2:1701", testProfile("b", "s"), Config{})
	b.dead = true
	c := a.dial(t, b, pa)
	w.run(3*time.Second, nil)
	if got := c.Status().LastHeard; !got.IsZero() {
		t.Errorf("heard at %v", got.Sub(epoch))
	}
	b.dead, b.keep = false, true
	w.run(10*time.Second, func() bool { return len(b.conns) == 1 })
	w.run(time.Second, nil)
	heard := c.Status().LastHeard
	if heard.IsZero() || len(b.sends) == 0 {
		t.Fatal("not up")
	}
	w.now = w.now.Add(time.Second)
	last := b.sends[len(b.sends)-1]
	forged := slices.Clone(last.Payload)
	forged[len(forged)-1] ^= 1
	for _, payload := range [][]byte{forged, last.Payload} {
		if got := c.Status().LastHeard; !got.Equal(heard) {
			t.Errorf("heard at %v, before %v", got.Sub(epoch), heard.Sub(epoch))
		}
		a.Receive(w.now, Path{last.Path.Transport, last.Path.Remote, last.Path.Local}, payload)
		a.collect()
	}
	if got := c.Status().LastHeard; !got.Equal(w.now) {
		t.Errorf("the right digest: heard at %v", got.Sub(epoch))
	}
}
