package forwarder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/offload"
	"culvert/forwarder/tuntap"
)

// tcpSuper is a TCP super-packet as a TUN hands it out, virtio header included: n payload bytes in segments of mss.
func tcpSuper(n, mss int, seq uint32, fill byte) []byte {
	ip := ipv4Packet(40+n, true, fill)
	ip[9] = encap.ProtocolTCP
	binary.BigEndian.PutUint16(ip[4:], 77)
	tcp := ip[20:]
	clear(tcp[:20])
	binary.BigEndian.PutUint16(tcp, 1234)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	binary.BigEndian.PutUint32(tcp[4:], seq)
	tcp[12], tcp[13] = 5<<4, 0x10
	p := encap.IPv4(ip)
	p.SetChecksum(0)
	p.SetChecksum(p.ComputeChecksum())
	binary.BigEndian.PutUint16(tcp[16:], p.PseudoHeaderSum(encap.ProtocolTCP, len(tcp)))
	h := offload.Header{
		Flags: offload.NeedsChecksum, GSOType: offload.GSOTCPv4, HdrLen: 40, GSOSize: uint16(mss), CsumStart: 20, CsumOffset: 16,
	}
	b := make([]byte, deviceHeader, deviceHeader+len(ip))
	h.Put(b)
	return append(b, ip...)
}

// toEthernet puts a link header in front of the packet of a TUN.
func toEthernet(b []byte, tags int) []byte {
	h := offload.ParseHeader(b)
	link := ethernet(0x0800, tags, nil)
	h.HdrLen += uint16(len(link))
	h.CsumStart += uint16(len(link))
	out := make([]byte, deviceHeader)
	h.Put(out)
	return append(append(out, link...), b[deviceHeader:]...)
}

// naiveCut cuts what a device hands out or gets into single packets with whole checksums, by package offload, whose own
// tests compare it with a naive model.
func naiveCut(t testing.TB, b []byte, layer offload.Layer) [][]byte {
	t.Helper()
	sp, err := offload.Parse(b[deviceHeader:], offload.ParseHeader(b), layer)
	if err != nil {
		t.Fatal(err)
	}
	if !sp.Segmented() {
		sp.Complete()
		return [][]byte{b[deviceHeader:]}
	}
	_, seg, _ := sp.Segments()
	var all [][]byte
	for out := sp.AppendSegments(nil, 0); len(out) > 0; out = out[min(seg, len(out)):] {
		all = append(all, out[:min(seg, len(out))])
	}
	return all
}

const mergeAll = offload.MergeTCP4 | offload.MergeTCP6 | offload.MergeUDP4 | offload.MergeUDP6

// TestSuperPackets sends super-packets through two forwarders: cut into packets, what comes out must be what went in,
// and with joining on it must take few writes.
func TestSuperPackets(t *testing.T) {
	tests := []struct {
		name   string
		change func(*TunnelConfig, *SessionConfig)
		tags   int // -1: PPP
		most   int // frames that may come out for the four that go in
	}{
		{"PPP", nil, -1, 8},
		{"Ethernet", nil, 0, 8},
		{"Ethernet with two tags", nil, 2, 8},
		{"no cookie: headers shorter than a device's", func(_ *TunnelConfig, c *SessionConfig) {
			c.SendCookie, c.ExpectCookie = encap.Cookie{}, encap.Cookie{}
		}, 0, 8},
		{"VLAN pseudowire", asVLAN(7), 0, 8},
		{"VLAN pseudowire, tags of the device", asVLAN(0), 1, 8},
		{"numbered", func(_ *TunnelConfig, c *SessionConfig) {
			c.Sequence, c.SendSublayer, c.ExpectSublayer = true, encap.SublayerDefault, encap.SublayerDefault
		}, -1, 8},
		{"numbered with a reorder queue", func(_ *TunnelConfig, c *SessionConfig) {
			c.Sequence, c.SendSublayer, c.ExpectSublayer = true, encap.SublayerDefault, encap.SublayerDefault
			c.ReorderTimeout = time.Second
		}, -1, 8},
		{"without checksum: the kernel does not cut", func(tc *TunnelConfig, _ *SessionConfig) { tc.NoChecksum = true }, -1, 200},
		{"device takes no super-packets", func(_ *TunnelConfig, c *SessionConfig) { c.Merge = 0 }, -1, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			layer := offload.LayerIP
			p := newPair(t, 2, func(tc *TunnelConfig, c *SessionConfig) {
				c.Merge = mergeAll
				if tt.tags < 0 {
					c.Pseudowire = PPP
				}
				if tt.change != nil {
					tt.change(tc, c)
				}
			})
			var want, got [][]byte
			seq, frames := uint32(1), 0
			for i := range 4 {
				b := tcpSuper(30000, 1300, seq, byte(i))
				seq += 30000
				if tt.tags >= 0 {
					b, layer = toEthernet(b, tt.tags), offload.LayerEthernet
				}
				want = append(want, naiveCut(t, b, layer)...)
				if err := p.a.Write(b); err != nil {
					t.Fatal(err)
				}
				for len(got) < len(want) {
					b := readFrame(t, p.b)
					frames++
					got = append(got, naiveCut(t, b, layer)...)
				}
			}
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("packet %d:\n% x, want\n% x", i, got[i][:80], want[i][:80])
				}
			}
			if frames > tt.most {
				t.Errorf("%d writes for 4 super-packets, want at most %d", frames, tt.most)
			}
			_, tx, _ := p.sa.Stats()
			rx, _, drops := p.sb.Stats()
			for end := time.Now().Add(soon); rx != tx && time.Now().Before(end); time.Sleep(time.Millisecond) {
				_, tx, _ = p.sa.Stats() // counters lag a batch behind
				rx, _, drops = p.sb.Stats()
			}
			if tx != rx || tx.Packets != uint64(len(want)) || drops.Total() != 0 {
				t.Errorf("sent %+v, received %+v, want %d packets; drops %v", tx, rx, len(want), drops)
			}
		})
	}
}

func readFrame(t *testing.T, q *tuntap.Queue) []byte {
	t.Helper()
	b := make([]byte, 70000)
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		n, err := q.Read(b)
		if err == nil {
			return b[:n]
		}
		if !errors.Is(err, tuntap.ErrWouldBlock) {
			t.Fatal(err)
		}
	}
	t.Fatal("no frame came")
	return nil
}

// TestLyingSuperPackets: each is dropped and counted, and the good ones between them pass.
func TestLyingSuperPackets(t *testing.T) {
	lies := []func(h *offload.Header){
		func(h *offload.Header) { h.GSOSize = 0 },
		func(h *offload.Header) { h.GSOSize = 5001 },
		func(h *offload.Header) { h.GSOSize = 0xffff },
		func(h *offload.Header) { h.CsumStart = 0xfff0 },
		func(h *offload.Header) { h.CsumStart = 0 },
		func(h *offload.Header) { h.CsumOffset = 2 },
		func(h *offload.Header) { h.HdrLen = 0xffff },
		func(h *offload.Header) { h.GSOType = offload.GSOUDPL4 },
		func(h *offload.Header) { h.GSOType = 99 },
		func(h *offload.Header) { h.Flags = 0 },
	}
	for _, layer := range []offload.Layer{offload.LayerIP, offload.LayerEthernet} {
		p := newPair(t, 1, func(_ *TunnelConfig, c *SessionConfig) {
			c.Merge = mergeAll
			if layer == offload.LayerIP {
				c.Pseudowire = PPP
			}
		})
		write := func(seq uint32, lie func(h *offload.Header)) []byte {
			b := tcpSuper(5000, 1000, seq, byte(seq))
			if layer == offload.LayerEthernet {
				b = toEthernet(b, 1)
			}
			h := offload.ParseHeader(b)
			lie(&h)
			h.Put(b)
			if err := p.a.Write(b); err != nil {
				t.Fatal(err)
			}
			return b
		}
		var want, got [][]byte
		for i, lie := range lies {
			seq := uint32(1 + 5000*i)
			write(seq, lie)
			want = append(want, naiveCut(t, write(seq, func(*offload.Header) {}), layer)...)
		}
		for len(got) < len(want) {
			got = append(got, naiveCut(t, readFrame(t, p.b), layer)...)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("packet %d:\n% x, want\n% x", i, got[i], want[i])
			}
		}
		if _, _, d := p.sa.Stats(); d[DropMalformed] != uint64(len(lies)) || d.Total() != uint64(len(lies)) {
			t.Errorf("drops %v, want %d malformed", d, len(lies))
		}
	}
}

// TestSegmentsRefused makes a queue believe that its socket can cut, which it can't: what was refused must leave all the
// same, and the tunnel must have learned.
func TestSegmentsRefused(t *testing.T) {
	p := newPair(t, 1, func(tc *TunnelConfig, c *SessionConfig) { tc.NoChecksum, c.Pseudowire, c.Merge = true, PPP, mergeAll })
	o := p.sa.worker.out
	o.call(func() { p.sa.queue.segments = 64 })
	if !p.sa.worker.stats().GSO {
		t.Fatal("cutting is not reported")
	}
	seq, n := uint32(1), 0
	for range 2 {
		b := tcpSuper(20000, 1300, seq, 1)
		seq += 20000
		n += len(naiveCut(t, b, offload.LayerIP))
		if err := p.a.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < n; {
		got += len(naiveCut(t, readFrame(t, p.b), offload.LayerIP))
	}
	if !p.sa.tunnel.whole.Load() {
		t.Fatal("the tunnel still asks the kernel to cut")
	}
	if p.sa.worker.stats().GSO {
		t.Error("cutting is still reported")
	}
	if _, _, d := p.sa.Stats(); d.Total() != 0 {
		t.Fatalf("drops %v", d)
	}
}

// TestHandover gives packets to the wrong worker, as the kernel does with what it has joined: they arrive, in order, and
// the kernel is told to stop joining.
func TestHandover(t *testing.T) {
	r := newRig(t, 2, nil) // session 1001 is worker 1's
	wrong := r.f.workers[0].in
	wrong.call(func() { // a stranger's packets, and those with a wrong cookie, prove nothing
		b := r.packet(etherFrame(60, 0))
		wrong.packet(r.tun.l, b, append(make([]byte, rxHeadroom), b...), freePort(t, "127.0.0.1"))
	})
	r.dropped(DropSource, 1)
	if r.tun.l.unjoined.Load() {
		t.Fatal("a stranger switched UDP_GRO off")
	}
	const n = 100
	for i := range byte(n) {
		b := r.packet(etherFrame(60, i))
		wrong.call(func() {
			buf := append(make([]byte, rxHeadroom), b...)
			wrong.packet(r.tun.l, buf[rxHeadroom:], buf, r.peer.addr())
		})
	}
	for i := range byte(n) {
		r.wire.expect(etherFrame(60, i))
	}
	if !r.tun.l.unjoined.Load() {
		t.Error("UDP_GRO is still on")
	}

	// A worker that does not get to it loses packets, counted, and takes the next ones.
	in := r.f.workers[1].in
	hold, release := make(chan struct{}), make(chan struct{})
	in.post(func() { close(hold); <-release })
	<-hold
	const extra = 10
	wrong.call(func() {
		for range handoverQueue + extra {
			b := r.packet(etherFrame(60, 1))
			wrong.packet(r.tun.l, b, append(make([]byte, rxHeadroom), b...), r.peer.addr())
		}
	})
	close(release)
	for end := time.Now().Add(soon); r.f.Stats()[0].Drops[DropMixed] != extra; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("drops %v, want %d mixed", r.f.Stats()[0].Drops, extra)
		}
	}
}

// BenchmarkSuper moves super-packets from device to device.
func BenchmarkSuper(b *testing.B) {
	for _, merge := range []offload.Merge{0, mergeAll} {
		b.Run(fmt.Sprintf("merge %v", merge != 0), func(b *testing.B) {
			roomForLoops(b)
			p := newPair(b, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire, c.Merge = PPP, merge })
			super := tcpSuper(44*1300, 1300, 1, 1)
			out := make([]byte, 70000)
			b.SetBytes(44 * 1300)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.a.Write(super); err != nil {
					b.Fatal(err)
				}
				for left := 44 * 1300; left > 0; {
					n, err := p.b.Read(out)
					if err == nil {
						left -= n - deviceHeader - 40
					}
				}
			}
		})
	}
}

// TestBundles lets packets of several sizes wait, so that they leave together: each must arrive as if it had been sent
// alone, in order, and equal ones in one message.
func TestBundles(t *testing.T) {
	for _, noChecksum := range []bool{false, true} {
		t.Run(fmt.Sprintf("no checksum %v", noChecksum), func(t *testing.T) {
			r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) {
				tc.NoChecksum = noChecksum
				c.Sequence, c.SendSublayer = true, encap.SublayerDefault
			})
			o := r.s.worker.out
			held, release := make(chan struct{}), make(chan struct{})
			o.post(func() { close(held); <-release })
			<-held
			var sizes []int
			for _, run := range []struct{ n, size int }{{20, 64}, {1, 60}, {3, 64}, {10, 1400}, {1, 700}, {1, 800}, {12, 100}} {
				for range run.n {
					sizes = append(sizes, run.size)
				}
			}
			for i, n := range sizes {
				r.wire.put(etherFrame(n, byte(i)))
			}
			close(release)
			for i, n := range sizes {
				want := r.tun.header(r.cfg).AppendTo(nil)
				encap.PutSeq(want[len(want)-4:], true, encap.Seq(i))
				want = append(want, etherFrame(n, byte(i))...)
				if got := r.peer.recv(soon); !bytes.Equal(got, want) {
					t.Fatalf("packet %d:\n% x, want\n% x", i, got, want)
				}
			}
			_, tx, d := r.s.Stats()
			if tx.Packets != uint64(len(sizes)) || d.Total() != 0 {
				t.Fatalf("sent %+v, drops %v", tx, d)
			}
		})
	}
}

// BenchmarkBurst moves bursts of small packets from device to device.
func BenchmarkBurst(b *testing.B) {
	roomForLoops(b)
	p := newPair(b, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire, c.Merge = PPP, mergeAll })
	frame := append(make([]byte, deviceHeader), ipv4Packet(64, true, 1)...)
	out := make([]byte, 70000)
	const burst = 32
	b.ReportAllocs()
	for b.Loop() {
		for range burst {
			if err := p.a.Write(frame); err != nil {
				b.Fatal(err)
			}
		}
		for left := burst * 64; left > 0; {
			if n, err := p.b.Read(out); err == nil {
				left -= n - deviceHeader
				if n > deviceHeader+64 {
					left -= 28 * ((n-deviceHeader-28)/36 - 1) // headers that joining saved
				}
			}
		}
	}
	b.ReportMetric(burst*float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}
