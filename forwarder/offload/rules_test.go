package offload

import (
	"slices"
	"testing"

	"culvert/encap"
)

// deliveries adds packets to a Coalescer and returns of how many each delivery consists.
func deliveries(t *testing.T, pkts ...[]byte) (counts []int, got []delivery) {
	t.Helper()
	to := &Target{Sink: recorder{t, 0, &got}, Merge: everything}
	c := NewCoalescer(4)
	for _, p := range pkts {
		c.Add(to, append(make([]byte, HeaderLen), p...), HeaderLen)
	}
	c.Flush()
	for _, d := range got {
		counts = append(counts, d.packets)
	}
	return counts, got
}

// inRow are n packets of a TCP flow that follow each other.
func inRow(n, size int, edit func(i int, s *spec)) (pkts [][]byte) {
	s := spec{tcp: true, ttl: 64, flags: encap.TCPAck, payload: make([]byte, size)}
	for i := range n {
		t := s
		if edit != nil {
			edit(i, &t)
		}
		pkts = append(pkts, t.packet())
		s.seq += uint32(size)
		s.id++
	}
	return pkts
}

func want(t *testing.T, what string, pkts [][]byte, counts ...int) []delivery {
	t.Helper()
	got, d := deliveries(t, pkts...)
	if !slices.Equal(got, counts) {
		t.Errorf("%s: joined as %v, want %v", what, got, counts)
	}
	return d
}

// TestLongest: 65,535 bytes with the IP header are the limit, over both versions.
func TestLongest(t *testing.T) {
	d := want(t, "65535", inRow(6, 13099, nil), 5, 1) // 40 + 5*13099
	if n := len(d[0].frame); n != HeaderLen+65535 {
		t.Errorf("longest of %d bytes", n)
	}
	want(t, "65536", inRow(4, 16374, nil), 3, 1)
	v6 := func(_ int, s *spec) { s.ipv6 = true }
	want(t, "v6, 65535", inRow(6, 13095, v6), 5, 1)
	want(t, "v6, 65536", inRow(4, 16369, v6), 3, 1)
}

// TestIDs: they count up, or stand still with DF; which one the second packet decides.
func TestIDs(t *testing.T) {
	ids := func(df bool, ids ...uint16) [][]byte {
		return inRow(len(ids), 100, func(i int, s *spec) { s.df, s.id = df, ids[i] })
	}
	want(t, "up", ids(true, 7, 8, 9), 3)
	want(t, "up without DF", ids(false, 0xffff, 0, 1), 3)
	want(t, "still", ids(true, 7, 7, 7), 3)
	want(t, "zero", ids(true, 0, 0, 0), 3)
	want(t, "still without DF", ids(false, 7, 7, 7), 1, 1, 1)
	want(t, "up, then back", ids(true, 7, 8, 7), 2, 1)
	want(t, "still, then up", ids(true, 7, 7, 8, 9), 2, 2)
	want(t, "still, then its place", ids(true, 7, 7, 9), 2, 1)
	want(t, "down", ids(true, 7, 6, 5), 1, 1, 1)
}

// TestWrongLengths: the IP header's and UDP's have to be the packet's.
func TestWrongLengths(t *testing.T) {
	udp := func(edit func(p []byte) []byte) (pkts [][]byte) {
		for i := range 3 {
			p := spec{ttl: 64, id: uint16(i), payload: make([]byte, 100)}.packet()
			pkts = append(pkts, edit(p))
		}
		return pkts
	}
	want(t, "right", udp(func(p []byte) []byte { return p }), 3)
	want(t, "udp shorter", udp(func(p []byte) []byte {
		encap.UDP(p[20:]).SetLength(107)
		return fixUDP(p, len(p))
	}), 1, 1, 1)
	want(t, "udp longer than ip", udp(func(p []byte) []byte {
		encap.IPv4(p).SetTotalLength(127)
		encap.IPv4(p).SetChecksum(encap.IPv4(p).ComputeChecksum())
		return fixUDP(p, len(p))
	}), 1, 1, 1)
}

// fixUDP makes the UDP checksum right for the n bytes of a packet.
func fixUDP(p []byte, n int) []byte {
	u := encap.UDP(p[20:n])
	u.SetChecksum(0)
	u.SetChecksum(^encap.Checksum(u, encap.IPv4(p).PseudoHeaderSum(17, len(u))))
	return p
}

// TestManyDatagrams: 64 are joined at most.
func TestManyDatagrams(t *testing.T) {
	var pkts [][]byte
	for i := range 130 {
		pkts = append(pkts, spec{ttl: 64, id: uint16(i), payload: make([]byte, 20)}.packet())
	}
	want(t, "datagrams", pkts, 64, 64, 2)
}

// TestTargets: what is held for one target can be delivered alone.
func TestTargets(t *testing.T) {
	var got []delivery
	a := &Target{Sink: recorder{t, 1, &got}, Merge: everything}
	b := &Target{Sink: recorder{t, 2, &got}, Merge: everything}
	c := NewCoalescer(4)
	for _, p := range inRow(3, 100, nil) {
		for _, to := range []*Target{a, b} {
			c.Add(to, append(make([]byte, HeaderLen), p...), HeaderLen)
		}
	}
	if c.Held() != 2 || len(got) != 0 {
		t.Fatalf("%d held, %d delivered", c.Held(), len(got))
	}
	c.FlushTarget(b)
	if c.Held() != 1 || len(got) != 1 || got[0].target != 2 || got[0].packets != 3 {
		t.Fatalf("%d held, %+v", c.Held(), got)
	}
	c.FlushTarget(b)
	c.Flush()
	if c.Held() != 0 || len(got) != 2 || got[1].target != 1 || got[1].packets != 3 {
		t.Fatalf("%d held, %+v", c.Held(), got)
	}
}
