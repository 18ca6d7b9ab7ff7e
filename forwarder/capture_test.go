package forwarder

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

// caught is what a capture has, in words and bytes.
type caught struct {
	layer Layer
	sent  bool
	data  []byte
}

// drain takes what a capture has, waiting for n packets.
func drain(t *testing.T, c *Capture, n int) (all []caught) {
	t.Helper()
	for end := time.Now().Add(soon); len(all) < n && time.Now().Before(end); time.Sleep(time.Millisecond) {
		err := c.Drain(func(p CapturedPacket) error {
			if d := time.Since(p.At); d < 0 || d > time.Minute || p.Length < len(p.Data) {
				t.Errorf("at %v, %d of %d bytes", p.At, len(p.Data), p.Length)
			}
			all = append(all, caught{p.Layer, p.Sent, bytes.Clone(p.Data)})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) != n {
		t.Fatalf("%d packets, want %d", len(all), n)
	}
	return all
}

// pick gives the packets of one kind.
func pick(all []caught, l Layer, sent bool) (data [][]byte) {
	for _, p := range all {
		if p.layer == l && p.sent == sent {
			data = append(data, p.data)
		}
	}
	return data
}

// TestOuterHeader: headers have right lengths and checksums, for every transport, family and length.
func TestOuterHeader(t *testing.T) {
	for _, host := range []string{"192.0.2.%d", "2001:db8::%d"} {
		for _, tr := range []encap.Transport{encap.TransportUDP, encap.TransportIP} {
			for n := range 70 {
				from := netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf(host, 1)), 1701)
				to := netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf(host, 2)), 4000)
				payload := bytes.Repeat([]byte{0xa5, 3}, n)[:n]
				b := append(outerHeader(nil, tr, from, to, payload), payload...)
				var src, dst netip.Addr
				var protocol byte
				var upper []byte
				var sum uint16
				if p := encap.IPv4(b); p.Valid() {
					src, dst, protocol, upper = p.Source(), p.Destination(), p.Protocol(), p.Payload()
					if sum = p.PseudoHeaderSum(protocol, len(upper)); p.Checksum() != p.ComputeChecksum() {
						t.Errorf("checksum of % x", b)
					}
				} else {
					p := encap.IPv6(b)
					src, dst, protocol, upper = p.Source(), p.Destination(), p.NextHeader(), p.Payload()
					sum = p.PseudoHeaderSum(protocol, len(upper))
				}
				if src != from.Addr() || dst != to.Addr() || !bytes.HasSuffix(b, upper) || !bytes.HasSuffix(upper, payload) {
					t.Fatalf("%v to %v: % x", src, dst, b)
				}
				switch {
				case tr == encap.TransportIP && (protocol != encap.ProtocolL2TP || len(upper) != n):
					t.Errorf("protocol %d, %d bytes", protocol, len(upper))
				case tr == encap.TransportUDP && (protocol != encap.ProtocolUDP || len(upper) != n+8 || encap.Checksum(upper, sum) != 0xffff):
					t.Errorf("protocol %d, %d bytes: % x", protocol, len(upper), upper)
				}
			}
		}
	}
}

// TestCapture: a frame each way, with its packet on the wire, for the tunnel, the session and the peer, and nothing else.
func TestCapture(t *testing.T) {
	r := newRig(t, 2, nil)
	frame, sent := etherFrame(200, 1), etherFrame(300, 2)
	peer := r.peer.addr()
	for i, tt := range []struct {
		cfg CaptureConfig
		n   int
	}{
		{CaptureConfig{Tunnel: "t", Outer: true, Inner: true}, 4},
		{CaptureConfig{Tunnel: "t", Session: "s", Outer: true, Inner: true}, 4},
		{CaptureConfig{Peer: peer.Addr(), Outer: true, Inner: true}, 4},
		{CaptureConfig{Peer: peer.Addr(), Outer: true}, 2},
		{CaptureConfig{Tunnel: "t", Inner: true}, 2},
		{CaptureConfig{Tunnel: "t", Session: "other", Outer: true, Inner: true}, 0},
		{CaptureConfig{Tunnel: "other", Outer: true, Inner: true}, 0},
		{CaptureConfig{Peer: netip.MustParseAddr("127.0.0.2"), Outer: true, Inner: true}, 0},
	} {
		tt.cfg.SnapLen = 1 << 16
		c, err := r.f.Capture(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.f.Capture(tt.cfg); !errors.Is(err, ErrCapturing) {
			t.Fatalf("second capture: %v", err)
		}
		r.peer.send(r.local, r.packet(frame))
		r.wire.expect(frame)
		r.wire.put(sent)
		wire := r.peer.recv(soon)
		all := drain(t, c, tt.n)
		for _, want := range []struct {
			l    Layer
			sent bool
			data []byte
		}{
			{LayerOuter, false, append(outerHeader(nil, encap.TransportUDP, peer, r.local, r.packet(frame)), r.packet(frame)...)},
			{LayerOuter, true, append(outerHeader(nil, encap.TransportUDP, r.local, peer, wire), wire...)},
			{LayerEthernet, false, frame},
			{LayerEthernet, true, sent},
		} {
			got := pick(all, want.l, want.sent)
			on := tt.n > 0 && (want.l == LayerOuter && tt.cfg.Outer || want.l == LayerEthernet && tt.cfg.Inner)
			if on != (len(got) == 1) || on && !bytes.Equal(got[0], want.data) {
				t.Errorf("%d: layer %d sent %v: % x\nwant % x", i, want.l, want.sent, got, want.data)
			}
		}
		c.Close()
		c.Close()
		if c.Dropped() != 0 {
			t.Errorf("%d dropped", c.Dropped())
		}
	}
}

// TestCaptureSuper: on the wire a super-packet is what the kernel makes of it, packets with a header each; inside it is one.
func TestCaptureSuper(t *testing.T) {
	p := newPair(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Merge, c.Pseudowire = mergeAll, PPP })
	fa, fb := p.sa.worker.in.f, p.sb.worker.in.f
	ca, err := fa.Capture(CaptureConfig{Tunnel: "a", Outer: true, Inner: true, SnapLen: 1 << 17})
	if err != nil {
		t.Fatal(err)
	}
	defer ca.Close()
	cb, err := fb.Capture(CaptureConfig{Tunnel: "b", Outer: true, Inner: true, SnapLen: 1 << 17})
	if err != nil {
		t.Fatal(err)
	}
	defer cb.Close()
	b := tcpSuper(30000, 1300, 1, 7)
	want := naiveCut(t, b, offload.LayerIP)
	if err := p.a.Write(b); err != nil {
		t.Fatal(err)
	}
	all := drain(t, ca, len(want)+1)
	if in := pick(all, LayerPPP, true); len(in) != 1 || !bytes.Equal(in[0], append([]byte{0xff, 3, 0, 0x21}, b[deviceHeader:]...)) {
		t.Errorf("%d packets inside", len(in))
	}
	out := pick(all, LayerOuter, true)
	there := drain(t, cb, 2*len(want))
	for i, packet := range pick(there, LayerOuter, false) {
		if !bytes.Equal(packet, out[i]) {
			t.Errorf("packet %d left as\n% x and came as\n% x", i, out[i][:60], packet[:60])
		}
	}
	for i, frame := range pick(there, LayerPPP, false) {
		if !bytes.HasSuffix(frame, want[i]) || !bytes.HasSuffix(out[i], want[i]) {
			t.Errorf("frame %d: % x", i, frame[:60])
		}
	}
}

// TestCaptureFull: nobody reads the capture; data passes all the same, and what found no room is counted.
func TestCaptureFull(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // as the daemon does
	p := newPair(t, 1, nil)
	c, err := p.sa.worker.in.f.Capture(CaptureConfig{Tunnel: "a", Inner: true, SnapLen: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	frame := append(make([]byte, tuntap.HeaderLen), etherFrame(1400, 1)...)
	out := make([]byte, 2000)
	const n = 1000
	for range n {
		if err := p.pass(frame, out); err != nil {
			t.Fatal(err)
		}
	}
	kept := uint64(0)
	if err := c.Drain(func(CapturedPacket) error { kept++; return nil }); err != nil {
		t.Fatal(err)
	}
	if kept != tapBuffer/(1400+recordHeader) || c.Dropped() != n-kept {
		t.Errorf("%d kept, %d dropped of %d", kept, c.Dropped(), n)
	}
	if err := p.pass(frame, out); err != nil { // there is room again
		t.Fatal(err)
	}
	drain(t, c, 1)
	stop := errors.New("stop")
	if err := p.pass(frame, out); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; runtime.Gosched() {
		err = c.Drain(func(CapturedPacket) error { return stop })
	}
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestCaptureAllocatesNothing: neither while packets are captured nor afterwards.
func TestCaptureAllocatesNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	p := newPair(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire = PPP })
	frame := append(make([]byte, tuntap.HeaderLen), ipv4Packet(1000, true, 1)...)
	out := make([]byte, 2000)
	for _, on := range []bool{true, false} {
		var fs []*Capture
		for _, s := range []*Session{p.sa, p.sb} {
			c, err := s.worker.in.f.Capture(CaptureConfig{Peer: netip.MustParseAddr("127.0.0.1"), Outer: true, Inner: true, SnapLen: 100})
			if err != nil {
				t.Fatal(err)
			}
			if fs = append(fs, c); !on {
				c.Close()
			}
		}
		var err error
		n := testing.AllocsPerRun(200, func() { err = errors.Join(err, p.pass(frame, out)) })
		if n != 0 || err != nil {
			t.Errorf("capturing %v: %v allocations a packet, error %v", on, n, err)
		}
		total := 0
		for _, c := range fs {
			c.Close()
			_ = c.Drain(func(CapturedPacket) error { total++; return nil })
		}
		if want := map[bool]int{true: 201 * 4, false: 0}[on]; total != want {
			t.Errorf("capturing %v: %d packets, want %d", on, total, want)
		}
	}
}

// TestCaptureControl: control messages of the tunnel's peer, both ways.
func TestCaptureControl(t *testing.T) {
	r := newRig(t, 1, nil)
	control, err := r.f.OpenControl(ControlConfig{Transport: encap.TransportUDP, Local: r.local, DF: true})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	message := []byte{0xc8, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0}
	for i, cfg := range []CaptureConfig{
		{Tunnel: "t", Control: r.peer.addr().Addr(), Outer: true, SnapLen: 999},
		{Peer: r.peer.addr().Addr(), Outer: true, SnapLen: 999},
		{Tunnel: "t", Outer: true, SnapLen: 999},
		{Peer: r.peer.addr().Addr(), Inner: true, SnapLen: 999},
	} {
		c, err := r.f.Capture(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.peer.send(r.local, message)
		known, _ := r.f.ControlMessages()
		r.f.ReleaseControl(<-known)
		if err := control.Send(r.peer.addr(), message); err != nil {
			t.Fatal(err)
		}
		n := 2
		if i >= 2 {
			n = 0
		}
		all := drain(t, c, n)
		if i := slices.IndexFunc(all, func(p caught) bool { return !bytes.HasSuffix(p.data, message) || p.layer != LayerOuter }); i >= 0 {
			t.Errorf("% x", all[i].data)
		}
		if n == 2 && all[0].sent == all[1].sent {
			t.Errorf("%+v", all)
		}
		c.Close()
	}
}

// TestCaptureEither: a tunnel and an address of a peer together are what belongs to one of them.
func TestCaptureEither(t *testing.T) {
	peer, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	own, foreign := &Session{tunnel: &Tunnel{cfg: TunnelConfig{Name: "t"}}}, &Session{tunnel: &Tunnel{cfg: TunnelConfig{Name: "u"}}}
	either, alone := &tap{cfg: CaptureConfig{Tunnel: "t", Peer: peer}}, &tap{cfg: CaptureConfig{Peer: peer}}
	for _, tt := range []struct {
		s             *Session
		with          netip.Addr
		either, alone bool
	}{
		{own, peer, true, true},
		{own, other, true, false},
		{foreign, peer, true, true},
		{foreign, other, false, false},
		{nil, peer, true, true},
		{nil, other, false, false},
	} {
		if either.wants(tt.s, tt.with) != tt.either || alone.wants(tt.s, tt.with) != tt.alone {
			t.Errorf("%+v", tt)
		}
	}
}
