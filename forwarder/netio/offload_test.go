package netio

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"culvert/encap"
)

// segmented makes n data packets of a session, size bytes each but the last, one behind the other.
func segmented(k kind, id uint32, n, size, last int) []byte {
	var b []byte
	for i := range n {
		if i == n-1 {
			size = last
		}
		b = append(b, k.data(id, uint32(i), size-8)...)
	}
	return b
}

// udpKinds are the two UDP underlays.
func udpKinds(t *testing.T, f func(t *testing.T, k kind)) {
	t.Helper()
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) { f(t, k) })
	}
}

// offer sends one message with a segment size and returns the error of its first try.
func offer(s *Socket, d *Dest, pkt []byte, segment int) error {
	b := NewTxBatch(1)
	b.Add(pkt, d, -1, segment)
	_, err := sendAll(s, b)
	return err
}

// pairOf opens a group on each of the two loopback addresses.
func pairOf(s *space, k kind, gro bool) (from, to *Group) {
	c := GroupConfig{Transport: k.transport, Workers: 2, Local: k.local()}
	from = s.open(c)
	c.Local, c.GRO = k.remote(), gro
	return from, s.open(c)
}

// TestSegmentsArrive: one send arrives as many datagrams, or joined again as one packet with their size.
func TestSegmentsArrive(t *testing.T) {
	udpKinds(t, func(t *testing.T, k kind) {
		for _, gro := range []bool{false, true} {
			s := newSpace(t)
			from, to := pairOf(s, k, gro)
			if to.GRO() != gro {
				t.Fatalf("GRO %v, want %v", to.GRO(), gro)
			}
			payload := segmented(k, 3, 6, 1400, 333)
			if err := offer(from.Data(1), dest(t, k.remote()), payload, 1400); err != nil {
				t.Fatal(err)
			}
			want := 6
			if gro {
				want = 1
			}
			got := collect(t, want, quiet, to.Data(1))[0]
			var all []byte
			for _, r := range got {
				all = append(all, r.data...)
				if gro && r.segment != 1400 || !gro && r.segment != 0 || r.truncated || r.source != k.local() {
					t.Errorf("gro %v: segment size %d, truncated %v, source %v", gro, r.segment, r.truncated, r.source)
				}
			}
			if len(got) != want || !bytes.Equal(all, payload) {
				t.Errorf("gro %v: %d packets, want %d; %d bytes, want %d", gro, len(got), want, len(all), len(payload))
			}
		}
	})
}

// TestSegmentLimits: what is too much for one send the kernel never sees, and what is not it takes.
func TestSegmentLimits(t *testing.T) {
	udpKinds(t, func(t *testing.T, k kind) {
		s := newSpace(t)
		from, to := pairOf(s, k, false)
		sock, d := from.Data(0), dest(t, k.remote())
		most := sock.MaxSegments()
		t.Logf("this kernel takes %d segments", most)
		if most < leastSegments || most > MaxSegments {
			t.Fatal("limit")
		}
		for _, c := range []struct {
			name          string
			size, segment int
			want          error
		}{
			{"129 segments", 129 * 20, 20, ErrSegments},
			{"128 segments and a byte", 128*20 + 1, 20, ErrSegments},
			{"65508 bytes", 65508, 1400, ErrSegments},
			{"as many as the kernel takes", most * 20, 20, nil},
			{"65507 bytes", 65507, 1400, nil},
			{"one datagram", 1000, 1000, nil},
			{"less than one", 999, 65000, nil},
		} {
			if err := offer(sock, d, segmented(k, 2, 1, 8, c.size), c.segment); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
		_ = drain(t, to.Data(0), quiet)
		// A refused message stops those behind it only until it is skipped.
		b := NewTxBatch(4)
		for i := range 4 {
			pkt, segment := k.data(2, uint32(i), 100), 0
			if i%2 == 1 {
				pkt, segment = make([]byte, 70000), 1400
			}
			b.Add(pkt, d, -1, segment)
		}
		for cursor := 1; cursor <= 3; cursor += 2 {
			if n, err := sock.Send(b); n != 1 || !errors.Is(err, ErrSegments) || b.Cursor() != cursor {
				t.Fatalf("sent %d, %v, cursor %d, want %d", n, err, b.Cursor(), cursor)
			}
			b.Skip()
		}
		if n, err := sock.Send(b); n != 0 || err != nil {
			t.Fatalf("rest: %d, %v", n, err)
		}
		b.Reset()
		b.Add(k.data(2, 9, 50), d, -1, 0)
		if n, err := sock.Send(b); n != 1 || err != nil {
			t.Fatalf("after Reset: %d, %v", n, err)
		}
		if got := collect(t, 3, quiet, to.Data(0))[0]; len(got) != 3 {
			t.Errorf("%d packets arrived, want 3", len(got))
		}
	})
}

// TestSegmentsMixed: the kernel may join what two sends of different sessions brought; every byte arrives at the
// worker of the first one, or apart at each one's own.
func TestSegmentsMixed(t *testing.T) {
	udpKinds(t, func(t *testing.T, k kind) {
		s := newSpace(t)
		from, to := pairOf(s, k, true)
		mixed := append(segmented(k, 2, 2, 500, 500), segmented(k, 3, 1, 500, 500)...)
		if err := offer(from.Data(0), dest(t, k.remote()), mixed, 500); err != nil {
			t.Fatal(err)
		}
		got := collect(t, 1, quiet, to.Data(0), to.Data(1))
		if len(got[0]) != 1 || len(got[1]) != 0 || got[0][0].segment != 500 || !bytes.Equal(got[0][0].data, mixed) {
			t.Errorf("worker 0 %d packets, worker 1 %d", len(got[0]), len(got[1]))
		}
	})
}

// TestSegmentRefused: sockets that cannot say so before, and refuse in a way that SegmentRefused knows. Without our own
// refusal a raw socket would send the whole as one packet.
func TestSegmentRefused(t *testing.T) {
	s := newSpace(t)
	for _, k := range kinds {
		g := s.open(GroupConfig{Transport: k.transport, Workers: 1, Local: k.local(), GRO: true})
		sock, payload := g.Data(0), segmented(k, 1, 3, 100, 100)
		if k.transport == encap.TransportIP {
			if g.GRO() {
				t.Errorf("%s: GRO", k.name)
			}
		} else {
			var err error
			if s.do(func() { sock, err = g.Sender(0, Variant{NoChecksum: true}) }); err != nil {
				t.Fatal(err)
			}
		}
		if n := sock.MaxSegments(); n != 0 {
			t.Errorf("%s: %d segments", k.name, n)
		}
		if err := offer(sock, dest(t, k.remote()), payload, 100); !SegmentRefused(err) {
			t.Errorf("%s: %v", k.name, err)
		}
		sock.segments = MaxSegments // the kernel's own word
		if err := offer(sock, dest(t, k.remote()), payload, 100); k.transport == encap.TransportUDP && !SegmentRefused(err) {
			t.Errorf("%s: kernel: %v", k.name, err)
		}
		if err := offer(sock, dest(t, k.remote()), payload[:100], 0); SegmentRefused(err) {
			t.Errorf("%s: one alone: %v", k.name, err)
		}
	}
	if SegmentRefused(unix.EMSGSIZE) || SegmentRefused(ErrWouldBlock) || SegmentRefused(nil) || !SegmentRefused(unix.EIO) {
		t.Error("SegmentRefused")
	}
}

// TestSegmentsOnVeth: across a device with an MTU, joined again at the other end; and segments above the MTU are too
// large, not refused.
func TestSegmentsOnVeth(t *testing.T) {
	udpKinds(t, func(t *testing.T, k kind) {
		left, right := newSpace(t), newSpace(t)
		left.ip("link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", right.name)
		for i, s := range []*space{left, right} {
			s.ip("address", "add", []string{"10.9.0.1/24", "10.9.0.2/24"}[i], "dev", "v0")
			s.ip("address", "add", []string{"fd09::1/64", "fd09::2/64"}[i], "dev", "v0", "nodad")
			s.ip("link", "set", "v0", "up")
		}
		a, b := k.pick("10.9.0.1", "fd09::1"), k.pick("10.9.0.2", "fd09::2")
		from := left.open(GroupConfig{Transport: k.transport, Workers: 1, Local: a})
		to := right.open(GroupConfig{Transport: k.transport, Workers: 1, Local: b, GRO: true})
		checkVeth(t, k, from.Data(0), to.Data(0), b)
	})
}

func checkVeth(t *testing.T, k kind, from, to *Socket, b netip.AddrPort) {
	t.Helper()
	payload := segmented(k, 1, 40, 1440, 1000)
	if err := offer(from, dest(t, b), payload, 1440); err != nil {
		t.Fatal(err)
	}
	var all []byte
	packets, joined := 0, 0
	batch := NewRxBatch(8, 0, 65535)
	for end := time.Now().Add(patience); len(all) < len(payload) && time.Now().Before(end); {
		n, err := to.ReadBatch(batch)
		if err != nil {
			time.Sleep(time.Millisecond)
		}
		for i := range n {
			all = append(all, batch.Packet(i)...)
			packets++
			joined = max(joined, batch.SegmentSize(i))
		}
	}
	if !bytes.Equal(all, payload) || joined != 1440 || packets > 4 {
		t.Errorf("%d bytes in %d packets, joined from %d", len(all), packets, joined)
	}
	err := offer(from, dest(t, b), segmented(k, 1, 3, 1600, 1600), 1600)
	if !TooLarge(err) && !SegmentRefused(err) {
		t.Errorf("segments above the MTU: %v", err)
	}
	t.Logf("segments above the MTU: %v", err)
}
