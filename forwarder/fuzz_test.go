package forwarder

import (
	"bytes"
	"errors"
	"testing"

	"culvert/encap"
	"culvert/forwarder/tuntap"
)

// recorder is a device that remembers the last frame written.
type recorder struct {
	frame  []byte
	writes int
}

func (r *recorder) FD() int                  { return -1 }
func (r *recorder) Read([]byte) (int, error) { return 0, tuntap.ErrWouldBlock }

func (r *recorder) Write(b []byte) error {
	if len(b) < deviceHeader || !bytes.Equal(b[:deviceHeader], make([]byte, deviceHeader)) {
		return errors.New("virtio header is not empty")
	}
	r.frame = append(r.frame[:0], b[deviceHeader:]...)
	r.writes++
	return nil
}

// FuzzInbound gives the inbound direction any datagram from the right peer. Each must end in exactly one of: delivered,
// punted, held for its turn, dropped for one reason; and what is delivered or punted is the end of what came.
func FuzzInbound(f *testing.F) {
	frame := append([]byte{0xff, 3, 0, 0x21}, ipv4Packet(60, true, 1)...)
	lcp := []byte{0xff, 3, 0xc0, 0x21, 1, 7, 0, 4}
	for _, ppp := range []bool{true, false} {
		r := newRig(f, 1, fuzzSession(ppp))
		for _, b := range [][]byte{
			r.packet(frame), r.numbered(3, frame), r.numbered(0, lcp), r.packet(etherFrame(60, 1)), r.packet(nil), {0xc8, 3}, nil,
		} {
			f.Add(b, ppp)
		}
	}
	type end struct {
		r   *rig
		in  *inbound
		dev *recorder
	}
	ends := make(map[bool]end)
	for _, ppp := range []bool{true, false} {
		r := newRig(f, 1, fuzzSession(ppp))
		e := end{r: r, in: r.f.workers[0].in, dev: &recorder{}}
		e.in.call(func() { r.s.dev = e.dev })
		ends[ppp] = e
	}
	f.Fuzz(func(t *testing.T, b []byte, ppp bool) {
		e := ends[ppp]
		var before, after Drops
		var held, kept, delivered int
		e.in.call(func() { // on the loop, which owns all this
			e.in.stats.drops.addTo(&before)
			held = len(e.r.s.reorder.slots)
			writes := e.dev.writes
			buf := append(make([]byte, rxHeadroom), b...)
			e.in.packet(e.r.tun.l, buf[rxHeadroom:], buf, e.r.tun.peer)
			e.in.flush()
			e.in.stats.drops.addTo(&after)
			delivered, kept = e.dev.writes-writes, len(e.r.s.reorder.slots)-held
		})

		// With packets held, one of those may come out behind this one, or instead of it.
		punted := 0
		for len(e.r.f.Events()) > 0 {
			ev := <-e.r.f.Events()
			if held == 0 && !bytes.HasSuffix(b, ev.Frame) {
				t.Fatal("punted what did not come")
			}
			e.r.f.Release(ev)
			punted++
		}
		dropped := int(after.Total() - before.Total())
		if delivered+punted+kept+dropped != 1 {
			t.Fatalf("delivered %d, punted %d, held %d, dropped %d", delivered, punted, kept, dropped)
		}
		if delivered == 1 && held == 0 && !bytes.HasSuffix(b, e.dev.frame[20:]) {
			t.Fatal("delivered what did not come")
		}
	})
}

func fuzzSession(ppp bool) func(*TunnelConfig, *SessionConfig) {
	return func(_ *TunnelConfig, c *SessionConfig) {
		if ppp {
			c.Pseudowire = PPP
		}
		c.ExpectSublayer, c.ClampMSS = encap.SublayerDefault, true
		c.ReorderTimeout = 1 << 40 // for ever
	}
}
