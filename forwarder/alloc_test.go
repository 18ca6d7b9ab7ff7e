package forwarder

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/tuntap"
	"culvert/forwarder/tuntap/tuntaptest"
)

// pair is two forwarders back to back with one session: what host a writes, host b reads.
type pair struct {
	a, b   *tuntap.Queue
	sa, sb *Session
}

func newPair(t testing.TB, workers int, change func(*TunnelConfig, *SessionConfig)) *pair {
	t.Helper()
	la, lb := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	devA, hostA := tuntaptest.Pair(t)
	devB, hostB := tuntaptest.Pair(t)
	end := func(local, remote TunnelConfig, dev Device, id, peerID encap.SessionID) *Session {
		f := newForwarder(t, workers)
		local.Peer = remote.Local
		c := SessionConfig{
			Name: "s", LocalID: id, PeerID: peerID, SendCookie: cookie(t, 8), ExpectCookie: cookie(t, 8), ClampMSS: true, Device: dev,
		}
		if change != nil {
			change(&local, &c)
		}
		tun, err := f.AddTunnel(local)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.AddSession(tun, c)
		if err != nil {
			t.Fatal(err)
		}
		s.SetMTU(1400)
		s.SetLink(LinkState{Ethernet: true, IPv4: true, IPv6: true, Router: true})
		return s
	}
	ta := TunnelConfig{Name: "a", Local: la, TOS: -1, DF: true}
	tb := TunnelConfig{Name: "b", Local: lb, TOS: -1, DF: true}
	p := &pair{a: hostA, b: hostB}
	p.sa, p.sb = end(ta, tb, devA, 1001, 2002), end(tb, ta, devB, 2002, 1001)
	return p
}

// pass writes one frame into a and waits for it at b; out is room to read into.
func (p *pair) pass(frame, out []byte) error {
	if err := p.a.Write(frame); err != nil {
		return err
	}
	return arrival(p.b, len(frame), out)
}

// arrival waits for a frame of size bytes.
func arrival(q *tuntap.Queue, size int, out []byte) error {
	for range 1 << 20 {
		n, err := q.Read(out)
		if err == nil {
			if n != size {
				return fmt.Errorf("frame of %d bytes came as %d", size, n)
			}
			return nil
		}
		if !errors.Is(err, tuntap.ErrWouldBlock) {
			return err
		}
		runtime.Gosched()
	}
	return errors.New("frame did not come")
}

// TestWholePathAllocatesNothing counts the allocations of the process while packets go device, socket, socket,
// device: both loops, with real system calls.
func TestWholePathAllocatesNothing(t *testing.T) {
	tests := []struct {
		name   string
		change func(*TunnelConfig, *SessionConfig)
		frame  []byte
	}{
		{"Ethernet", nil, etherFrame(1400, 1)},
		{"Ethernet with IP inside", nil, ethernet(0x0800, 1, ipv4Packet(1000, true, 1))},
		{"Ethernet, tag pushed and popped", asVLAN(7), ethernet(0x0800, 0, ipv4Packet(1000, true, 1))},
		{"PPP", func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP }, ipv4Packet(1400, true, 1)},
		{"PPP, IPv6", func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP }, ipv6Packet(1400, 1)},
		{"PPP, SYN clamped", func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP }, synPacket(1460)},
		{"numbered, reorder queue, TOS copied, TTL", func(tc *TunnelConfig, c *SessionConfig) {
			c.Pseudowire, c.Sequence, c.ReorderTimeout = PPP, true, time.Millisecond
			c.SendSublayer, c.ExpectSublayer = encap.SublayerDefault, encap.SublayerDefault
			tc.CopyTOS, tc.TTL = true, 9
		}, ipv4Packet(1400, true, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t, 1, tt.change)
			frame := append(make([]byte, tuntap.HeaderLen), tt.frame...)
			out := make([]byte, 2000)
			if err := p.pass(frame, out); err != nil {
				t.Fatal(err)
			}
			var err error
			if n := testing.AllocsPerRun(200, func() {
				if e := p.pass(frame, out); e != nil {
					err = e
				}
			}); n != 0 || err != nil {
				t.Fatalf("%v allocations a packet, error %v", n, err)
			}
		})
	}
}

// roomForLoops gives Go a processor for each of a pair's loops, as the daemon does.
func roomForLoops(tb testing.TB) {
	tb.Helper()
	was := runtime.GOMAXPROCS(8)
	tb.Cleanup(func() { runtime.GOMAXPROCS(was) })
}

// BenchmarkPath moves single packets from device to device: it measures system calls and wake-ups more than our code.
func BenchmarkPath(b *testing.B) {
	for _, size := range []int{64, 1400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			roomForLoops(b)
			p := newPair(b, 1, nil)
			frame := append(make([]byte, tuntap.HeaderLen), etherFrame(size, 1)...)
			out := make([]byte, 2000)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := p.pass(frame, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
