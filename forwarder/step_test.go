package forwarder

import (
	"encoding/binary"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/netio"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

// The benchmarks of this file call one direction without its thread, so that they measure our code alone. `make count`
// counts the instructions of each.

// fakeDevice takes everything, and hands out one frame so often as it is told.
type fakeDevice struct {
	writes int
	frame  []byte // with its virtio header
	left   int
}

func (d *fakeDevice) FD() int            { return -1 }
func (d *fakeDevice) Write([]byte) error { d.writes++; return nil }
func (d *fakeDevice) Read(b []byte) (int, error) {
	if d.left == 0 {
		return 0, tuntap.ErrWouldBlock
	}
	d.left--
	return copy(b, d.frame), nil
}

// looseInbound is an inbound direction without a thread, with a session whose device takes everything.
func looseInbound(t testing.TB, change func(*SessionConfig)) (r *rig, in *inbound, dev *fakeDevice) {
	t.Helper()
	dev = &fakeDevice{}
	r = newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) {
		c.ClampMSS = true
		change(c)
	})
	r.s.dev = dev
	return r, r.f.workers[0].in, dev
}

// inPPP puts the longest header of PPP before an IP packet.
func inPPP(ip []byte) []byte {
	return append(encap.AppendPPPHeader(nil, encap.ProtoIPv4, encap.PPPFraming{}), ip...)
}

func asPPP(c *SessionConfig) { c.Pseudowire = PPP }

func asTagged(c *SessionConfig) { c.Pseudowire, c.VLAN = EthernetVLAN, 7 }

func asNumbered(c *SessionConfig) {
	c.Pseudowire, c.Sequence = PPP, true
	c.SendSublayer, c.ExpectSublayer = encap.SublayerDefault, encap.SublayerDefault
}

// BenchmarkInbound is the way of one packet, that came in a batch of its own, from receive buffer to device: header,
// session, source, cookie, PPP, MSS, and counters. The device's header is written over the packet's, which is restored
// each time.
func BenchmarkInbound(b *testing.B) {
	ack := tcpSuper(0, 0, 1, 0)
	offload.Header{Flags: offload.NeedsChecksum, CsumStart: 20, CsumOffset: 16}.Put(ack)
	ack = naiveCut(b, ack, offload.LayerIP)[0]
	for _, tt := range []struct {
		name   string
		change func(*SessionConfig)
		frame  []byte
	}{
		{"eth", func(*SessionConfig) {}, ethernet(0x0800, 0, ipv4Packet(1000, true, 1))},
		{"eth-vlan", asTagged, ethernet(0x0800, 1, ipv4Packet(1000, true, 1))},
		{"ppp", asPPP, inPPP(ipv4Packet(1000, true, 1))},
		{"ppp numbered", asNumbered, inPPP(ipv4Packet(1000, true, 1))},
		{"ppp numbered with a reorder queue", func(c *SessionConfig) {
			asNumbered(c)
			c.ReorderTimeout = time.Second
		}, inPPP(ipv4Packet(1000, true, 1))},
		{"ppp ack, joining", func(c *SessionConfig) { c.Pseudowire, c.Merge = PPP, mergeAll }, inPPP(ack)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r, in, dev := looseInbound(b, tt.change)
			p := r.packet(tt.frame)
			buf := append(make([]byte, rxHeadroom), p...)
			headers := append([]byte(nil), p[:40]...)
			head := buf[rxHeadroom:][:len(p)-len(tt.frame)]
			seq, sequence := encap.Seq(0), r.cfg.Sequence
			b.ReportAllocs()
			for b.Loop() {
				copy(buf[rxHeadroom:], headers)
				if sequence {
					encap.PutSeq(head[len(head)-encap.SublayerLen:], true, seq)
					seq = seq.Next()
				}
				in.packet(r.tun.l, buf[rxHeadroom:], buf, r.tun.peer)
				in.flush()
			}
			if dev.writes != b.N {
				b.Fatalf("%d of %d packets delivered", dev.writes, b.N)
			}
		})
	}
}

// BenchmarkInboundSessions is a batch of 32 packets, each of another one of ten thousand sessions.
func BenchmarkInboundSessions(b *testing.B) {
	r, in, dev := looseInbound(b, asPPP)
	const sessions, batch, firstID = 10000, 32, 1 << 20
	table := r.tun.l.tables[0]
	for id := range encap.SessionID(sessions) {
		table[firstID+id] = r.s
	}
	p := r.packet(inPPP(ipv4Packet(64, true, 1)))
	buf := append(make([]byte, rxHeadroom), p...)
	headers := append([]byte(nil), p[:40]...)
	id := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		for range batch {
			id = (id + 7919) % sessions // a prime: all of them, no neighbours in a row
			copy(buf[rxHeadroom:], headers)
			binary.BigEndian.PutUint32(buf[rxHeadroom+4:], firstID+id)
			in.packet(r.tun.l, buf[rxHeadroom:], buf, r.tun.peer)
		}
		in.flush()
	}
	if dev.writes != b.N*batch {
		b.Fatalf("%d of %d packets delivered", dev.writes, b.N*batch)
	}
}

// BenchmarkInboundJoined takes 44 packets of one TCP flow, as they lie in one buffer of UDP_GRO, to one write.
func BenchmarkInboundJoined(b *testing.B) {
	const n, mss = 44, 1300
	r, in, dev := looseInbound(b, func(c *SessionConfig) { c.Pseudowire, c.Merge = PPP, mergeAll })
	buf := make([]byte, rxHeadroom)
	size := 0
	for _, ip := range naiveCut(b, tcpSuper(n*mss, mss, 1, 3), offload.LayerIP) {
		p := r.packet(inPPP(ip))
		size = len(p)
		buf = append(buf, p...)
	}
	b.SetBytes(n * mss)
	b.ReportAllocs()
	for b.Loop() {
		for at := rxHeadroom; at < len(buf); at += size {
			in.packet(r.tun.l, buf[at:at+size], buf[:at+size], r.tun.peer)
		}
		in.flush()
	}
	if rx, _, _ := r.s.Stats(); dev.writes != b.N || rx.Packets != uint64(n*b.N) {
		b.Fatalf("%d writes with %d packets for %d buffers", dev.writes, rx.Packets, b.N)
	}
}

// looseOutbound is an outbound direction without a thread, with a session whose device hands out what it is told. What
// leaves is dropped by a receiver that has no room.
func looseOutbound(b *testing.B, change func(*SessionConfig), frame []byte) (r *rig, o *outbound, dev *fakeDevice) {
	b.Helper()
	dev = &fakeDevice{frame: frame}
	r = newRig(b, 1, func(_ *TunnelConfig, c *SessionConfig) {
		c.ClampMSS = true
		change(c)
	})
	if err := r.peer.conn.SetReadBuffer(1); err != nil {
		b.Fatal(err)
	}
	o, err := newOutbound(r.f, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = o.poller.Close() })
	sock := r.s.queue.sock
	r.s.queue = o.queue(sock)
	r.s.fragile = r.s.queue
	r.s.dev, r.s.token = dev, 0
	o.devices = []*Session{r.s}
	return r, o, dev
}

// BenchmarkOutbound is one round of the outbound loop, from reading the device to the end of sendmmsg(2), which with the
// kernel's way to a receiver on loopback takes most of the time.
func BenchmarkOutbound(b *testing.B) {
	small := append(make([]byte, deviceHeader), ipv4Packet(64, true, 1)...)
	for _, tt := range []struct {
		name    string
		change  func(*SessionConfig)
		frame   []byte
		frames  int
		packets int // that leave for each frame
	}{
		{"eth", func(*SessionConfig) {}, append(make([]byte, deviceHeader), ethernet(0x0800, 0, ipv4Packet(64, true, 1))...), 1, 1},
		{"eth-vlan", asTagged, append(make([]byte, deviceHeader), ethernet(0x0800, 0, ipv4Packet(64, true, 1))...), 1, 1},
		{"ppp", asPPP, small, 1, 1},
		{"ppp numbered", asNumbered, small, 1, 1},
		{"ppp 1400", asPPP, append(make([]byte, deviceHeader), ipv4Packet(1400, true, 1)...), 1, 1},
		{"ppp burst of 32", asPPP, small, 32, 1},
		{"ppp super-packet", asPPP, tcpSuper(44*1300, 1300, 1, 1), 1, 44},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r, o, dev := looseOutbound(b, tt.change, tt.frame)
			b.SetBytes(int64(tt.frames * (len(tt.frame) - deviceHeader)))
			b.ReportAllocs()
			for b.Loop() {
				dev.left = tt.frames
				o.handle(netio.Event{Token: 0, Readable: true})
				o.round()
			}
			want := uint64(b.N * tt.frames * tt.packets)
			if _, tx, d := r.s.Stats(); tx.Packets != want || d.Total() != 0 {
				b.Fatalf("%d packets of %d sent, drops %v", tx.Packets, want, d)
			}
		})
	}
}
