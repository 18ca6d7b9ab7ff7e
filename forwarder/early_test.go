package forwarder

import (
	"bytes"
	"testing"
	"time"
)

// TestEarly: of a session that is awaited, the first PPP control frames with the right cookie get through, from its peer
// alone, until it is there or nobody waits any more.
func TestEarly(t *testing.T) {
	r := newRig(t, 2, nil)
	cfg := SessionConfig{LocalID: 0x777, ExpectCookie: cookie(t, 8)}
	header := r.tun.expect(cfg).AppendTo(nil)
	lcp := []byte{0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4}
	send := func(p *peer, head, frame []byte) { p.send(r.local, append(bytes.Clone(head), frame...)) }

	dropped := func(reason DropReason, want uint64) {
		t.Helper()
		n := uint64(0)
		for end := time.Now().Add(soon); n != want && time.Now().Before(end); time.Sleep(time.Millisecond) {
			n = 0
			for _, w := range r.f.Stats() {
				n += w.Drops[reason]
			}
		}
		if n != want {
			t.Fatalf("dropped for %q: %d, want %d", reason, n, want)
		}
	}

	send(r.peer, header, lcp)
	dropped(DropSession, 1)
	owner := new(int)
	e := NewEarly(r.tun, cfg, owner)
	r.f.Await([]*Early{e})
	for range maxEarlyFrames {
		send(r.peer, header, lcp)
		select {
		case got := <-r.f.Events():
			if got.Kind != EventEarly || got.Early != e || e.Owner != owner || !bytes.Equal(got.Frame, lcp) {
				t.Fatalf("got %+v", got)
			}
			r.f.Release(got)
		case <-time.After(soon):
			t.Fatal("no event")
		}
	}
	send(r.peer, header, lcp)
	dropped(DropPunt, 1)
	wrong := bytes.Clone(header)
	wrong[len(wrong)-1]++
	send(r.peer, wrong, lcp)
	dropped(DropCookie, 1)
	send(r.peer, header, []byte{0xff, 0x03, 0x00, 0x21, 0x45})
	dropped(DropNotOpen, 1)
	send(r.peer, header, []byte{2})
	dropped(DropPPPProtocol, 1)
	send(newPeer(t, "127.0.0.1"), header, lcp)
	dropped(DropSource, 1)
	r.f.Forget([]*Early{e})
	send(r.peer, header, lcp)
	dropped(DropSession, 2)

	r.f.Await([]*Early{NewEarly(r.tun, cfg, owner)})
	cfg.PeerID, cfg.Pseudowire, cfg.Device, cfg.Name = 0x778, PPP, newWire(t).dev, "s"
	if _, err := r.f.AddSession(r.tun, cfg); err != nil {
		t.Fatal(err)
	}
	for _, w := range r.f.workers {
		w.in.call(func() {
			if n := len(r.tun.l.early[w.id]); n != 0 {
				t.Errorf("%d still awaited", n)
			}
		})
	}
}
