package netio

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBatchGeometry checks headroom, offsets, capacities and truncation of one batch that reads all four underlays.
func TestBatchGeometry(t *testing.T) {
	ns := newSpace(t)
	const headroom, size = 37, 200
	b := NewRxBatch(3, headroom, size)
	for range 2 {
		for _, k := range kinds {
			t.Run(k.name, func(t *testing.T) { geometry(t, ns, k, b, headroom, size) })
		}
	}
}

func geometry(t *testing.T, ns *space, k kind, b *RxBatch, headroom, size int) {
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
	defer func() { _ = g.Close() }()
	peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
	defer func() { _ = peer.Close() }()
	hdr := len(k.data(1, 0, 4)) - 4
	sizes := []int{size, size + 1, 60}
	var pkts [][]byte
	for i, n := range sizes {
		pkts = append(pkts, k.data(uint32(i+1), 0xaabbccdd, n-hdr))
	}
	send(t, peer.Data(0), dest(t, k.local()), pkts...)
	end := time.Now().Add(patience)
	for next := 0; next < len(pkts) && time.Now().Before(end); {
		n, _ := g.Data(0).ReadBatch(b)
		for i := range n {
			checkBuffer(t, k, b, i, pkts[next], headroom, size)
			next++
		}
	}
	if n, err := g.Data(0).ReadBatch(b); n != 0 || !errors.Is(err, ErrWouldBlock) {
		t.Errorf("empty: %d, %v", n, err)
	}
}

// checkBuffer checks packet i of a batch, and then overwrites its whole buffer as a caller may.
func checkBuffer(t *testing.T, k kind, b *RxBatch, i int, want []byte, headroom, size int) {
	t.Helper()
	p, off, buf := b.Packet(i), b.Offset(i), b.Buffer(i)
	if trunc := len(want) > size; b.Truncated(i) != trunc {
		t.Errorf("packet of %d bytes: truncated %t", len(want), b.Truncated(i))
	}
	if want = want[:min(size, len(want))]; !bytes.Equal(p, want) {
		t.Errorf("% x instead of % x", p, want)
	}
	if off < headroom || !bytes.Equal(buf[off:off+len(p)], p) || &buf[off] != &p[0] || cap(p) != len(buf)-off || cap(buf) != len(buf) {
		t.Errorf("offset %d, %d bytes of %d in a buffer of %d", off, len(p), cap(p), len(buf))
	}
	if b.Source(i) != k.remote() || b.SegmentSize(i) != 0 {
		t.Errorf("source %v, segment %d", b.Source(i), b.SegmentSize(i))
	}
	for j := range buf {
		buf[j] = 0xee
	}
}

// TestIPv4Options sends IP options to a raw socket: the filter and the batch must find the payload behind them.
func TestIPv4Options(t *testing.T) {
	ns := newSpace(t)
	k := kinds[2]
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 3})
	peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
	if err := unix.SetsockoptString(peer.Data(0).FD(), unix.SOL_IP, unix.IP_OPTIONS, "\x01\x01\x01\x01\x01\x01\x01\x00"); err != nil {
		t.Fatal(err)
	}
	for id := range uint32(6) {
		want := k.data(id+1, 7, 50)
		send(t, peer.Data(0), dest(t, k.local()), want)
		if got := readOne(t, g.Data(int(id+1)%3)); !bytes.Equal(got.data, want) {
			t.Errorf("% x instead of % x", got.data, want)
		}
	}
	send(t, peer.Data(0), dest(t, k.local()), k.control(9))
	if got := readOne(t, g.Control()); !bytes.Equal(got.data, k.control(9)) {
		t.Errorf("control % x", got.data)
	}
}

// TestNoAllocations proves that reading and sending real packets allocates nothing, with and without control messages.
func TestNoAllocations(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 2})
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
		plain := dest(t, k.local())
		full, err := NewDest(k.local(), DestOptions{TTL: 9, TOS: 0x10})
		if err != nil {
			t.Fatal(err)
		}
		tx, rx, pkt := NewTxBatch(16), NewRxBatch(16, 0, 1500), k.data(2, 0, 100)
		total := 0
		allocs := testing.AllocsPerRun(200, func() {
			tx.Reset()
			for i := 0; !tx.Full(); i++ {
				tx.Add(pkt, []*Dest{plain, full}[i%2], i%3-1, 0)
			}
			if n, err := peer.Data(0).Send(tx); n != 16 || err != nil {
				t.Fatalf("sent %d: %v", n, err)
			}
			for got, tries := 0, 0; got < 16 && tries < 1e6; tries++ {
				n, _ := g.Data(0).ReadBatch(rx)
				got += n
				for i := range n {
					if rx.Source(i) == k.remote() && !rx.Truncated(i) && rx.SegmentSize(i) == 0 && len(rx.Packet(i)) == len(pkt) {
						total++
					}
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations a round", allocs)
		}
		if total != 201*16 {
			t.Errorf("%d packets of %d", total, 201*16)
		}
	})
}

// TestSegments lets the kernel cut a payload up (UDP_SEGMENT).
func TestSegments(t *testing.T) {
	for _, k := range kinds[:2] {
		ns := newSpace(t)
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
		pkt := bytes.Repeat(k.data(5, 1, 100), 3)
		b := NewTxBatch(1)
		b.Add(pkt, dest(t, k.local()), 0x20, len(pkt)/3)
		if n, err := peer.Data(0).Send(b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		got := collect(t, 3, quiet, g.Data(0))[0]
		if len(got) != 3 {
			t.Fatalf("%s: %d datagrams instead of 3", k.name, len(got))
		}
		for _, r := range got {
			if !bytes.Equal(r.data, pkt[:len(pkt)/3]) {
				t.Errorf("%s: % x", k.name, r.data)
			}
		}
		// With UDP_GRO on the receiver the three come back as one, and say so.
		if err := unix.SetsockoptInt(g.Data(0).FD(), unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
			t.Fatal(err)
		}
		b.Reset()
		b.Add(pkt, dest(t, k.local()), -1, len(pkt)/3)
		if n, err := peer.Data(0).Send(b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if r := readOne(t, g.Data(0)); r.segment != len(pkt)/3 || !bytes.Equal(r.data, pkt) {
			t.Errorf("%s: joined %d bytes, segment %d", k.name, len(r.data), r.segment)
		}
	}
}

// TestCursor steps over packets that cannot be sent.
func TestCursor(t *testing.T) {
	ns := newSpace(t)
	k := kinds[0]
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
	peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
	d := dest(t, k.local())
	huge := make([]byte, 65508)
	b := NewTxBatch(6)
	for i, p := range [][]byte{huge, k.data(1, 0, 4), k.data(2, 0, 4), huge, k.data(3, 0, 4), huge} {
		if b.Full() || b.Len() != i {
			t.Fatalf("length %d, full %t", b.Len(), b.Full())
		}
		b.Add(p, d, -1, 0)
	}
	if !b.Full() {
		t.Error("not full")
	}
	var log string
	for b.Cursor() < b.Len() {
		n, err := peer.Data(0).Send(b)
		log += fmt.Sprintf("%d@%d %v; ", n, b.Cursor(), err)
		if err != nil {
			b.Skip()
		}
	}
	if want := "0@0 message too long; 2@3 message too long; 1@5 message too long; "; log != want {
		t.Errorf("%q instead of %q", log, want)
	}
	b.Skip()
	if n, err := peer.Data(0).Send(b); b.Cursor() != 6 || n != 0 || err != nil {
		t.Errorf("at the end: cursor %d, %d, %v", b.Cursor(), n, err)
	}
	if b.Reset(); b.Len() != 0 || b.Cursor() != 0 {
		t.Error("not empty after Reset")
	}
	if got := collect(t, 3, quiet, g.Data(0))[0]; len(got) != 3 {
		t.Errorf("%d packets arrived", len(got))
	}
}

// TestWouldBlock fills a slow device's queue until the socket has no room, and waits for it.
func TestWouldBlock(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		ns.exec("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "400kbit", "burst", "1600", "limit", "200000")
		peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1, SendBuffer: 8192})
		s, d := peer.Data(0), dest(t, k.local())
		b := NewTxBatch(64)
		for !b.Full() {
			b.Add(k.data(1, 0, 1000), d, -1, 0)
		}
		n, err := s.Send(b)
		if !errors.Is(err, ErrWouldBlock) || n == 0 || n != b.Cursor() || n == 64 {
			t.Fatalf("%d of 64, cursor %d, %v", n, b.Cursor(), err)
		}
		if s.WaitWritable(time.Millisecond) {
			t.Error("writable at once")
		}
		if s.WaitWritable(0) {
			t.Error("writable without waiting")
		}
		if !s.WaitWritable(5 * time.Second) {
			t.Fatal("not writable after 5 s")
		}
		if more, err := s.Send(b); more == 0 || !errors.Is(err, ErrWouldBlock) {
			t.Errorf("after the wait: %d, %v", more, err)
		}
		if err := peer.Close(); err != nil || s.WaitWritable(-1) {
			t.Error("closed socket is writable", err)
		}
	})
}

// TestDestErrors checks what NewDest refuses.
func TestDestErrors(t *testing.T) {
	ok := netip.MustParseAddrPort("192.0.2.1:1701")
	for _, c := range []struct {
		to netip.AddrPort
		o  DestOptions
		is error
	}{
		{netip.AddrPort{}, DestOptions{}, ErrAddress},
		{netip.MustParseAddrPort("0.0.0.0:1"), DestOptions{}, ErrAddress},
		{netip.MustParseAddrPort("[fe80::1]:1"), DestOptions{}, ErrAddress},
		{netip.MustParseAddrPort("[fe80::1%nosuch]:1"), DestOptions{}, ErrAddress},
		{ok, DestOptions{TTL: 256}, ErrOption},
		{ok, DestOptions{TTL: -1}, ErrOption},
		{ok, DestOptions{TOS: 256}, ErrOption},
		{ok, DestOptions{TTL: 255, TOS: 255}, nil},
		{netip.MustParseAddrPort("[::ffff:192.0.2.1]:1701"), DestOptions{TOS: -1}, nil},
	} {
		d, err := NewDest(c.to, c.o)
		if !errors.Is(err, c.is) || err == nil && d.Addr() != ok {
			t.Errorf("%v %+v: %v", c.to, c.o, err)
		}
	}
}

// TestWrongFamily sends to the other address family: an error, not a packet.
func TestWrongFamily(t *testing.T) {
	forKinds(t, func(t *testing.T, k kind) {
		ns := newSpace(t)
		g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
		b := NewTxBatch(1)
		other := kind{transport: k.transport, ipv6: !k.ipv6}
		b.Add(k.data(1, 0, 4), dest(t, other.local()), -1, 0)
		if n, err := g.Data(0).Send(b); n != 0 || err == nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// benchmarkLoopback sends and receives on loopback, which the kernel does within the send.
func benchmarkLoopback(b *testing.B, k kind, size, batch int) {
	ns := newSpace(b)
	g := ns.open(GroupConfig{Transport: k.transport, Local: k.local(), Workers: 1})
	peer := ns.open(GroupConfig{Transport: k.transport, Local: k.remote(), Workers: 1})
	d := dest(b, k.local())
	tx, rx := NewTxBatch(batch), NewRxBatch(batch, 64, 2048)
	pkt := k.data(1, 0, size)
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		tx.Reset()
		for !tx.Full() {
			tx.Add(pkt, d, -1, 0)
		}
		if _, err := peer.Data(0).Send(tx); err != nil {
			b.Fatal(err)
		}
		for got, tries := 0, 0; got < batch; tries++ {
			n, err := g.Data(0).ReadBatch(rx)
			if err != nil && !errors.Is(err, ErrWouldBlock) || tries > 1e6 {
				b.Fatalf("%d of %d packets: %v", got, batch, err)
			}
			got += n
		}
		packets += batch
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(packets), "ns/packet")
}

func BenchmarkLoopback(b *testing.B) {
	for _, k := range kinds {
		for _, batch := range []int{1, 8, 64} {
			for _, size := range []int{64, 1400} {
				b.Run(fmt.Sprintf("%s/batch=%d/size=%d", k.name, batch, size), func(b *testing.B) { benchmarkLoopback(b, k, size, batch) })
			}
		}
	}
}
