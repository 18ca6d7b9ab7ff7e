package offload

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"culvert/encap"
)

// TestAppendMatchesNaive: what Append writes is byte for byte what the obvious way makes of the same super-packet.
func TestAppendMatchesNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for end, i := time.Now().Add(time.Second), 0; i < 300 || time.Now().Before(end); i++ {
		s := randomSpec(r)
		if r.IntN(4) == 0 && !s.ipv6 {
			s.ipOpts = randomBytes(r, 4*(1+r.IntN(10)))
		}
		if r.IntN(4) == 0 && s.ipv6 {
			s.ext, s.extKind = make([]byte, 8*(1+r.IntN(3))), []byte{0, 43, 60}[r.IntN(3)]
			s.ext[1] = byte(len(s.ext)/8 - 1)
		}
		s.flags |= encap.TCPFlags(r.Uint32()) & (encap.TCPFin | encap.TCPPsh | encap.TCPCwr | encap.TCPEce | encap.TCPUrg)
		s.urgent = uint16(r.IntN(3))
		gso := 1 + r.IntN(1500)
		n := gso + r.IntN(min(gso*60, 65000-gso))
		if r.IntN(4) == 0 {
			n = gso * (1 + r.IntN(max(1, 60000/gso)))
		}
		s.payload = randomBytes(r, n)
		checkSuper(t, s, gso, r.IntN(60), r)
	}
}

func checkSuper(t *testing.T, s spec, gso, front int, r *rand.Rand) {
	t.Helper()
	pkt, h := s.super(gso)
	h.HdrLen = uint16(r.IntN(len(pkt))) // a hint
	before := bytes.Clone(pkt)
	sup, err := Parse(pkt, h, s.layer)
	if err != nil {
		t.Fatalf("%v for %+v gso %d", err, h, gso)
	}
	want := s.segments(gso)
	n, segLen, lastLen := sup.Segments()
	if n != len(want) || !sup.Segmented() {
		t.Fatalf("%d segments, want %d", n, len(want))
	}
	first := r.IntN(n)
	count := 1 + r.IntN(n)
	prefix := []byte("prefix")
	all := sup.AppendSegments(bytes.Clone(prefix), front)
	some := sup.Append(nil, front, first, count)
	if !bytes.HasPrefix(all, prefix) {
		t.Fatal("prefix overwritten")
	}
	all = all[len(prefix):]
	if len(all) != (n-1)*(front+segLen)+front+lastLen {
		t.Fatalf("%d bytes of %d segments of %d, last %d, front %d", len(all), n, segLen, lastLen, front)
	}
	for i, w := range want {
		size := segLen
		if i == n-1 {
			size = lastLen
		}
		got := all[front : front+size]
		if !bytes.Equal(got, w.packet()) {
			t.Fatalf("segment %d of %d, gso %d:\n got %x\nwant %x", i, n, gso, got, w.packet())
		}
		if i >= first && i < first+count {
			if !bytes.Equal(some[front:front+size], got) {
				t.Fatalf("segment %d of %d..%d differs", i, first, first+count)
			}
			some = some[front+size:]
		}
		all = all[front+size:]
	}
	if len(all) != 0 || len(some) != 0 {
		t.Fatalf("%d and %d bytes too many", len(all), len(some))
	}
	if !bytes.Equal(pkt, before) {
		t.Fatal("the super-packet was changed")
	}
}

// TestVerifiedSuper: a super-packet whose checksum is complete and verified has no pseudo-header sum to go by.
func TestVerifiedSuper(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for range 50 {
		s := randomSpec(r)
		s.payload = randomBytes(r, 3000)
		_, h := s.super(1000)
		h.Flags, h.CsumStart, h.CsumOffset = DataValid, 0, 0
		sup, err := Parse(s.packet(), h, s.layer)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for _, w := range s.segments(1000) {
			want = append(want, w.packet()...)
		}
		if got := sup.AppendSegments(nil, 0); !bytes.Equal(got, want) {
			t.Fatalf("got %x\nwant %x", got, want)
		}
	}
}

// TestComplete fills in what NEEDS_CSUM leaves out.
func TestComplete(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 300 {
		s := randomSpec(r)
		s.payload = randomBytes(r, r.IntN(1400))
		pkt, h := s.super(0)
		h.GSOType = GSONone
		sup, err := Parse(pkt, h, s.layer)
		if err != nil {
			t.Fatal(err)
		}
		sup.Complete()
		sup.Complete()
		if want := s.packet(); !bytes.Equal(pkt, want) && naiveSum(pkt[:]) != naiveSum(want) { // 0 and 0xffff
			t.Fatalf("got %x\nwant %x", pkt, want)
		}
		if n, a, b := sup.Segments(); n != 1 || a != len(pkt) || b != len(pkt) || sup.Segmented() {
			t.Fatal("a plain packet is its own segment")
		}
		if got := sup.AppendSegments(nil, 3); !bytes.Equal(got[3:], pkt) {
			t.Fatal("copy differs")
		}
	}
}

// TestCompleteZero: a sum of zero is written as 0xffff (RFC 768).
func TestCompleteZero(t *testing.T) {
	s := spec{sport: 1, dport: 2, ttl: 64, payload: make([]byte, 2)}
	sum := ^naiveSum(s.pseudo(10), s.transport(), s.payload)
	s.payload = []byte{byte(sum >> 8), byte(sum)}
	pkt, h := s.super(0)
	h.GSOType = GSONone
	sup, err := Parse(pkt, h, LayerIP)
	if err != nil {
		t.Fatal(err)
	}
	sup.Complete()
	if got := pkt[26:28]; got[0] != 0xff || got[1] != 0xff {
		t.Errorf("checksum %x", got)
	}
	// The same as the first of two segments.
	s.payload = append(s.payload, 0, 0)
	pkt, h = s.super(2)
	if sup, err = Parse(pkt, h, LayerIP); err != nil {
		t.Fatal(err)
	}
	if got := sup.Append(nil, 0, 0, 1)[26:28]; got[0] != 0xff || got[1] != 0xff {
		t.Errorf("checksum of a segment %x", got)
	}
}

// TestParseRefuses: headers that lie.
func TestParseRefuses(t *testing.T) {
	tcp4 := spec{tcp: true, ttl: 64, flags: encap.TCPAck, payload: make([]byte, 3000)}
	tcp6, udp4 := tcp4, tcp4
	tcp6.ipv6, udp4.tcp = true, false
	frag, last, frag6, auth := tcp4, tcp4, tcp6, tcp6
	frag.mf, last.offset = true, 5
	frag6.ext, frag6.extKind = make([]byte, 8), encap.ProtocolFragment
	auth.ext, auth.extKind = make([]byte, 8), encap.ProtocolAH
	cut := tcp6
	cut.ext, cut.extKind = append([]byte{0, 255}, make([]byte, 6)...), encap.ProtocolDestOpts
	padded, paddedUDP := tcp4, udp4
	padded.padding, paddedUDP.padding = 3, 1
	for _, c := range []struct {
		name string
		s    spec
		edit func(pkt []byte, h *Header) []byte
		want error
	}{
		{"hdr_len beyond the packet", tcp4, func(p []byte, h *Header) []byte { h.HdrLen = uint16(len(p) + 1); return p }, ErrHdrLen},
		{"gso_size 0", tcp4, func(p []byte, h *Header) []byte { h.GSOSize = 0; return p }, ErrGSOSize},
		{"gso_size above payload", tcp4, func(p []byte, h *Header) []byte { h.GSOSize = 3001; return p }, ErrGSOSize},
		{"no payload", tcp4, func(p []byte, h *Header) []byte {
			encap.IPv4(p).SetTotalLength(40)
			return p[:40]
		}, ErrGSOSize},
		{"csum_start past the end", tcp4, func(p []byte, h *Header) []byte { h.CsumStart = 60000; return p }, ErrChecksum},
		{"csum_start elsewhere", tcp4, func(p []byte, h *Header) []byte { h.CsumStart++; return p }, ErrChecksum},
		{"csum_offset elsewhere", tcp4, func(p []byte, h *Header) []byte { h.CsumOffset = 6; return p }, ErrChecksum},
		{"no checksum flag", tcp4, func(p []byte, h *Header) []byte { h.Flags = 0; return p }, ErrChecksum},
		{"v6 as v4", tcp6, func(p []byte, h *Header) []byte { h.GSOType = GSOTCPv4; return p }, ErrGSOType},
		{"v4 as v6", tcp4, func(p []byte, h *Header) []byte { h.GSOType = GSOTCPv6; return p }, ErrGSOType},
		{"udp as tcp", udp4, func(p []byte, h *Header) []byte { h.GSOType = GSOTCPv4; return p }, ErrGSOType},
		{"tcp as udp", tcp4, func(p []byte, h *Header) []byte { h.GSOType = GSOUDPL4; return p }, ErrGSOType},
		{"udp with ecn", udp4, func(p []byte, h *Header) []byte { h.GSOType |= GSOECN; return p }, ErrGSOType},
		{"ufo", udp4, func(p []byte, h *Header) []byte { h.GSOType = 3; return p }, ErrGSOType},
		{"empty", tcp4, func(p []byte, h *Header) []byte { h.HdrLen = 0; return nil }, ErrGSOType},
		{"neither 4 nor 6", tcp4, func(p []byte, h *Header) []byte { p[0] = 0x50; return p }, ErrGSOType},
		{"short ip", tcp4, func(p []byte, h *Header) []byte { h.HdrLen = 0; return p[:19] }, ErrTruncated},
		{"long ip header", tcp4, func(p []byte, h *Header) []byte { p[0] = 0x44; return p }, ErrTruncated},
		{"padded", padded, nil, ErrLength},
		{"padded udp", paddedUDP, nil, ErrLength},
		{"udp length", udp4, func(p []byte, h *Header) []byte { p[25]++; return p }, ErrLength},
		{"v6 length", tcp6, func(p []byte, h *Header) []byte { return append(p, 0) }, ErrLength},
		{"v6 cut", tcp6, func(p []byte, h *Header) []byte { return p[:len(p)-1] }, ErrTruncated},
		{"tcp header", tcp4, func(p []byte, h *Header) []byte { p[32] = 0x40; return p }, ErrTruncated},
		{"fragment", frag, nil, ErrFragment},
		{"last fragment", last, nil, ErrFragment},
		{"v6 fragment", frag6, nil, ErrFragment},
		{"v6 authentication", auth, nil, ErrGSOType},
		{"v6 extension past the end", cut, func(p []byte, h *Header) []byte {
			encap.IPv6(p).SetPayloadLength(100)
			return p[:140]
		}, ErrTruncated},
		{"plain, csum_start past the end", tcp4, func(p []byte, h *Header) []byte { h.GSOType, h.CsumStart = 0, 3040; return p }, ErrChecksum},
		{"plain, last byte", tcp4, func(p []byte, h *Header) []byte { h.GSOType, h.CsumOffset = 0, 3019; return p }, ErrChecksum},
		{"plain, inside the ip header", tcp4, func(p []byte, h *Header) []byte { h.GSOType, h.CsumStart = 0, 12; return p }, ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			pkt, h := c.s.super(1000)
			if c.edit != nil {
				pkt = c.edit(pkt, &h)
			}
			if _, err := Parse(pkt, h, LayerIP); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestFit: how much one send holds.
func TestFit(t *testing.T) {
	s := spec{tcp: true, ttl: 64, payload: make([]byte, 10*1000+10)}
	pkt, h := s.super(1000)
	sup, err := Parse(pkt, h, LayerIP)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ front, size, most, want int }{
		{20, 65507, 128, 11},
		{20, 65507, 11, 11},
		{20, 65507, 3, 3},
		{20, 10*1060 + 70, 128, 11},
		{20, 10*1060 + 69, 128, 10},
		{20, 1060, 128, 1},
		{20, 1059, 128, 0},
	} {
		if got := sup.Fit(c.front, c.size, c.most); got != c.want {
			t.Errorf("Fit(%d, %d, %d) = %d, want %d", c.front, c.size, c.most, got, c.want)
		}
	}
	plain, _ := Parse(pkt, Header{}, LayerIP)
	if plain.Fit(0, len(pkt), 1) != 1 || plain.Fit(1, len(pkt), 1) != 0 {
		t.Error("plain packet")
	}
}
