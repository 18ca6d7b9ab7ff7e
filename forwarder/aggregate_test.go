package forwarder

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/offload"
)

// joined sends datagrams of so many bytes, the last one possibly shorter, in one message (udp(7), UDP_SEGMENT): on
// loopback a socket with UDP_GRO gets them in one buffer.
func (p *peer) joined(to netip.AddrPort, b []byte, size int) {
	p.t.Helper()
	raw, err := p.conn.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	const udpSegment = 103
	var set error
	err = raw.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, udpSegment, size) })
	if err != nil || set != nil {
		p.t.Fatal(err, set)
	}
	p.send(to, b)
}

// packets reads what the device gets until it is n packets, and takes super-packets apart.
func (w *wire) packets(n int) (all [][]byte, writes int) {
	w.t.Helper()
	for b := make([]byte, 70000); len(all) < n; writes++ {
		_ = w.host.SetReadDeadline(time.Now().Add(soon))
		got, err := w.host.Read(b)
		if err != nil {
			w.t.Fatalf("%d of %d packets came", len(all), n)
		}
		all = append(all, naiveCut(w.t, bytes.Clone(b[:got]), offload.LayerIP)...)
	}
	return all, writes
}

// expectAll compares with packets, and asserts that nothing else comes.
func (w *wire) expectAll(want [][]byte) (writes int) {
	w.t.Helper()
	got, writes := w.packets(len(want))
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			w.t.Fatalf("packet %d:\n% x, want\n% x", i, got[i], want[i])
		}
	}
	if b := w.get(10 * time.Millisecond); b != nil || len(got) > len(want) {
		w.t.Fatalf("%d packets too many: % x", len(got)-len(want), b)
	}
	return writes
}

// joinedAs asserts that what a worker received last was joined from datagrams of that size.
func (s *Session) joinedAs(t *testing.T, size int) {
	t.Helper()
	s.worker.in.call(func() {
		if got := s.worker.in.batch.SegmentSize(0); got != size {
			t.Errorf("the kernel joined datagrams of %d bytes, want %d", got, size)
		}
	})
}

// flow is so many bytes of a TCP flow in packets of size.
func flow(t *testing.T, bytes, size int, fill byte) [][]byte {
	t.Helper()
	return naiveCut(t, tcpSuper(bytes, size, 1, fill), offload.LayerIP)
}

func framedIPv4(ip []byte) []byte {
	return append(encap.AppendPPPHeader(nil, encap.ProtoIPv4, encap.PPPFraming{}), ip...)
}

// TestAggregates gives the forwarder buffers in which the kernel joined ten datagrams, one of them bad: exactly that is
// dropped and counted, and all the others arrive, joined as far as they follow each other.
func TestAggregates(t *testing.T) {
	const n, size, last = 10, 1000, 9
	const at = 12 // of the sublayer, behind flags, session and cookie
	numbered := func(c *SessionConfig) { c.Sequence, c.ExpectSublayer = true, encap.SublayerDefault }
	tests := []struct {
		name    string
		change  func(*SessionConfig)
		short   int // bytes that the last packet lacks
		at      int // which one is bad
		bad     func(b []byte) []byte
		reason  DropReason
		dropped bool
		writes  int // to the device, at most
	}{
		{name: "none", at: -1, writes: 1},
		{name: "short last", short: 300, at: -1, writes: 1},
		{name: "last cut off", at: last, writes: 2, bad: func(b []byte) []byte { return b[:len(b)-1] }}, // for the receiver to judge
		{name: "last without its header", at: last, reason: DropTruncated, dropped: true, writes: 1, bad: func(b []byte) []byte { return b[:7] }},
		{name: "last ends in its cookie", at: last, reason: DropTruncated, dropped: true, writes: 1, bad: func(b []byte) []byte { return b[:11] }},
		{name: "last without a frame", at: last, reason: DropPPPProtocol, dropped: true, writes: 1, bad: func(b []byte) []byte { return b[:12] }},
		{name: "unknown session", at: 4, reason: DropSession, dropped: true, writes: 2, bad: putSession(5001)},
		{name: "unknown session of another worker", at: 4, reason: DropSession, dropped: true, writes: 2, bad: putSession(5000)},
		{name: "wrong cookie", at: 4, reason: DropCookie, dropped: true, writes: 2, bad: flipByte(11)},
		{name: "not version 3", at: 4, reason: DropVersion, dropped: true, writes: 2, bad: flipByte(1)},
		{name: "control message", at: 4, reason: DropControl, dropped: true, writes: 2, bad: func(b []byte) []byte {
			b[0] |= 0x80
			return b
		}},
		{name: "no PPP protocol", at: 4, reason: DropPPPProtocol, dropped: true, writes: 2, bad: flipByte(15)},
		{name: "not the IP version of its protocol", at: 4, reason: DropMalformed, dropped: true, writes: 2, bad: func(b []byte) []byte {
			b[16] = 0x65
			return b
		}},
		{name: "wrong TCP checksum", at: 4, writes: 3, bad: flipByte(500)}, // the receiver is to see it
		{name: "numbers", change: numbered, at: -1, writes: 1},
		{name: "old number", change: numbered, at: 4, reason: DropSequence, dropped: true, writes: 2, bad: func(b []byte) []byte {
			encap.PutSeq(b[at:], true, 3)
			return b
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2, func(_ *TunnelConfig, c *SessionConfig) {
				c.Pseudowire, c.Merge = PPP, mergeAll
				if tt.change != nil {
					tt.change(c)
				}
			})
			var all []byte
			var want [][]byte
			whole := 0
			for i, ip := range flow(t, n*size-tt.short, size, 7) {
				b := r.packet(framedIPv4(ip))
				if tt.change != nil {
					b = r.numbered(encap.Seq(i), framedIPv4(ip))
				}
				whole = max(whole, len(b))
				header := len(b) - len(ip)
				if i == tt.at {
					b = tt.bad(b)
				}
				if i != tt.at || !tt.dropped {
					want = append(want, b[header:])
				}
				all = append(all, b...)
			}
			r.peer.joined(r.local, all, whole)
			if writes := r.wire.expectAll(want); writes > tt.writes {
				t.Errorf("%d writes to the device, want %d", writes, tt.writes)
			}
			drops := uint64(0)
			if tt.dropped {
				drops = 1
			}
			r.dropped(tt.reason, drops)
			r.s.joinedAs(t, whole)
		})
	}
}

func putSession(id uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[4:], id)
		return b
	}
}

func flipByte(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 1
		return b
	}
}

// TestAggregateOfSessions: the kernel joins datagrams whatever session they are of. Each gets its own, in order, also
// that of another worker.
func TestAggregateOfSessions(t *testing.T) {
	const n, size = 12, 1000
	r := newRig(t, 2, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire, c.Merge = PPP, mergeAll })
	wires, configs := []*wire{r.wire}, []SessionConfig{r.cfg}
	for _, id := range []encap.SessionID{1003, 1002} { // of the same worker, of the other one
		w, c := newWire(t), r.cfg
		c.Name, c.LocalID, c.PeerID, c.Device = "other", id, id+1000, w.dev
		s, err := r.f.AddSession(r.tun, c)
		if err != nil {
			t.Fatal(err)
		}
		s.SetLink(LinkState{IPv4: true})
		s.SetMTU(1438)
		wires, configs = append(wires, w), append(configs, c)
	}
	var all []byte
	want, whole := make([][][]byte, len(wires)), 0
	for i := range n {
		at := i % len(wires)
		ip := flow(t, n*size, size, byte(at))[i/len(wires)]
		b := append(r.tun.expect(configs[at]).AppendTo(nil), framedIPv4(ip)...)
		want[at], all, whole = append(want[at], ip), append(all, b...), len(b)
	}
	r.peer.joined(r.local, all, whole)
	for i, w := range wires {
		// what is handed over is joined too, unless its worker wakes up before all is there
		if writes := w.expectAll(want[i]); writes > 1 && configs[i].LocalID != 1002 {
			t.Errorf("session %d: %d writes to the device", configs[i].LocalID, writes)
		}
	}
	r.s.joinedAs(t, whole)
	r.dropped(DropSession, 0)
}
