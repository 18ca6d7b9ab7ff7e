package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"culvert/encap"
)

// recorder keeps what is delivered.
type recorder struct {
	t      testing.TB
	target int
	all    *[]delivery
}

type delivery struct {
	target         int
	frame          []byte
	packets, bytes int
}

func (r recorder) Deliver(frame []byte, packets, bytes int) {
	*r.all = append(*r.all, delivery{r.target, append([]byte(nil), frame...), packets, bytes})
}

// traffic makes packets of a few flows that mostly, but not always, continue each other.
type traffic struct {
	r     *rand.Rand
	flows []trafficFlow
}

type trafficFlow struct {
	target int
	s      spec
	size   int
	step   uint16 // of the IPv4 ID
}

func newTraffic(r *rand.Rand, flows int, layers []Layer) *traffic {
	tr := &traffic{r: r}
	for len(tr.flows) < flows {
		s := randomSpec(r)
		f := trafficFlow{target: r.IntN(len(layers)), s: s, size: 1 + r.IntN(1400), step: uint16(r.IntN(2))}
		f.s.layer = layers[f.target]
		f.s.link = nil
		if f.s.layer == LayerEthernet {
			f.s.link = linkHeader(r.IntN(3), s.ipv6, 2)
		}
		if f.step == 0 {
			f.s.df = true
		}
		if len(tr.flows) > 0 && r.IntN(2) == 0 { // the same addresses as another flow, or even the same ports elsewhere
			o := tr.flows[r.IntN(len(tr.flows))].s
			f.s.ipv6, f.s.src, f.s.dst = o.ipv6, o.src, o.dst
			if f.s.layer == LayerEthernet {
				f.s.link = linkHeader(r.IntN(3), f.s.ipv6, 2)
			}
			if r.IntN(3) == 0 {
				f.s.sport, f.s.dport = o.sport, o.dport
			}
		}
		tr.flows = append(tr.flows, f)
	}
	return tr
}

// next makes one packet, ordinary ones with a probability of calm in 100.
func (tr *traffic) next(calm int) (target int, s spec) {
	r := tr.r
	f := &tr.flows[r.IntN(len(tr.flows))]
	s = f.s
	n := f.size
	odd := r.IntN(100) >= calm
	if odd {
		n = tr.disturb(f, &s, n)
	}
	s.payload = randomBytes(r, n)
	f.s.seq = s.seq + uint32(n)
	f.s.id = s.id + f.step
	f.s.ack, f.s.tos, f.s.ttl, f.s.window, f.s.label = s.ack, s.tos, s.ttl, s.window, s.label
	return f.target, s
}

// disturb makes a packet unusual in one way and returns its payload's length.
func (tr *traffic) disturb(f *trafficFlow, s *spec, n int) int {
	r := tr.r
	switch r.IntN(24) {
	case 0:
		s.flags |= encap.TCPPsh
	case 1:
		s.flags |= encap.TCPFin
	case 2:
		s.flags |= encap.TCPCwr
	case 3:
		s.flags |= encap.TCPEce
	case 4:
		s.flags |= []encap.TCPFlags{encap.TCPSyn, encap.TCPRst, encap.TCPUrg}[r.IntN(3)]
	case 5:
		return r.IntN(n + 1)
	case 6:
		return n + r.IntN(100)
	case 7:
		return 0
	case 8:
		s.badSum = true
	case 9:
		s.badIP = true
	case 10:
		s.tos ^= 1 << r.IntN(8)
	case 11:
		s.ttl--
	case 12:
		s.df = !s.df
	case 13:
		s.id += uint16(r.IntN(4))
	case 14:
		s.label ^= 1 << r.IntN(20)
	case 15:
		s.seq += uint32(r.IntN(3)) - 1
	case 16:
		s.ack++
	case 17:
		s.window++
	case 18:
		s.urgent++
	case 19:
		s.opts = append([]byte{8, 10, byte(r.Uint32())}, make([]byte, 9)...)
	case 20:
		s.padding = 1 + r.IntN(20)
	case 21:
		s.noSum = !s.tcp
	case 22:
		s.ipOpts = []byte{1, 1, 1, 0}
		s.ext, s.extKind = make([]byte, 8), []byte{0, 43, 44, 60}[r.IntN(4)]
		if !s.ipv6 && r.IntN(2) == 0 {
			s.ipOpts = nil
			s.mf, s.evil, s.offset = r.IntN(2) == 0, r.IntN(2) == 0, uint16(r.IntN(3))
			if !s.mf && !s.evil {
				s.offset = 5
			}
		}
	case 23:
		if s.layer == LayerEthernet {
			s.link = linkHeader(r.IntN(3), s.ipv6, byte(r.IntN(2)))
			f.s.link = s.link
		}
	}
	return n
}

// TestCoalesceMatchesNaive compares what is delivered, and in which order, with naiveGRO, and the bytes of each
// super-packet, cut the naive way, with the packets that went in.
func TestCoalesceMatchesNaive(t *testing.T) {
	seed := uint64(0)
	merged, supers := 0, 0
	for end := time.Now().Add(3 * time.Second); seed < 50 || time.Now().Before(end); seed++ {
		r := rand.New(rand.NewPCG(seed, 7))
		m, s := compareCoalescing(t, r)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		merged, supers = merged+m, supers+s
	}
	t.Logf("%d rounds, %d packets in %d super-packets", seed, merged, supers)
	if supers == 0 || merged/supers < 3 {
		t.Error("hardly anything was joined: the test says little")
	}
}

func compareCoalescing(t *testing.T, r *rand.Rand) (merged, supers int) {
	layers := []Layer{LayerIP, LayerEthernet, Layer(r.IntN(2))}
	var got []delivery
	targets := make([]*Target, len(layers))
	for i := range targets {
		targets[i] = &Target{Sink: recorder{t, i, &got}, Layer: layers[i], Merge: Merge(r.IntN(16))}
		if r.IntN(2) == 0 {
			targets[i].Merge = MergeTCP4 | MergeTCP6 | MergeUDP4 | MergeUDP6
		}
	}
	tr := newTraffic(r, 1+r.IntN(6), layers)
	limit := 1 + r.IntN(8)
	c, naive := NewCoalescer(limit), &naiveGRO{limit: limit}
	calm := []int{50, 90, 99}[r.IntN(3)]
	var in [][]byte
	for range 1 + r.IntN(120) {
		target, s := tr.next(calm)
		pkt := s.packet()
		naive.add(target, targets[target].Merge, s, len(in))
		in = append(in, pkt)
		front := HeaderLen + r.IntN(20)
		buf := append(bytes.Repeat([]byte{0xee}, front), pkt...)
		c.Add(targets[target], buf, front)
	}
	naive.flush(func(*naiveFlow) bool { return true })
	c.Flush()
	if c.Held() != 0 || len(c.free) != limit {
		t.Errorf("%d flows open, %d free", c.Held(), len(c.free))
	}
	return checkDeliveries(t, got, naive.out, in, layers)
}

func checkDeliveries(t *testing.T, got []delivery, want [][]int, in [][]byte, layers []Layer) (merged, supers int) {
	if len(got) != len(want) {
		t.Errorf("%d deliveries, want %d: %v", len(got), len(want), want)
		return
	}
	for i, w := range want {
		d := got[i]
		if d.packets != len(w) {
			t.Errorf("delivery %d has %d packets, want %v", i, d.packets, w)
			return
		}
		length := 0
		for _, n := range w {
			length += len(in[n])
		}
		if d.bytes != length {
			t.Errorf("delivery %d: %d bytes, want %d", i, d.bytes, length)
		}
		if len(w) == 1 {
			if !bytes.Equal(d.frame, append(make([]byte, HeaderLen), in[w[0]]...)) {
				t.Errorf("delivery %d: packet changed\n got %x\nwant %x", i, d.frame, in[w[0]])
			}
			continue
		}
		merged, supers = merged+len(w), supers+1
		cut, err := naiveCut(d.frame, layers[d.target])
		if err != nil || len(cut) != len(w) {
			t.Errorf("delivery %d: cut into %d: %v", i, len(cut), err)
			return
		}
		for j, n := range w {
			if !bytes.Equal(forgetFixedID(cut[j], layers[d.target]), forgetFixedID(in[n], layers[d.target])) {
				t.Errorf("delivery %d, packet %d:\n got %x\nwant %x", i, n, cut[j], in[n])
			}
		}
	}
	return merged, supers
}

// forgetFixedID makes the ID and checksum of IPv4 packets with DF zero: such IDs have no meaning (RFC 6864 section 4.1).
func forgetFixedID(pkt []byte, l Layer) []byte {
	l3, version := network(pkt, l)
	out := bytes.Clone(pkt)
	if ip := encap.IPv4(out[l3:]); version == 4 && len(ip) >= 20 && ip.DF() {
		ip.SetID(0)
		ip.SetChecksum(0)
	}
	return out
}

// naiveCut cuts a super-packet by its virtio header alone: it takes the headers apart into a spec and makes packets of
// that. The partial checksum must be the pseudo-header's sum.
func naiveCut(frame []byte, l Layer) ([][]byte, error) {
	h, pkt := ParseHeader(frame), frame[HeaderLen:]
	s := spec{layer: l}
	if l == LayerEthernet {
		n := 14
		for pkt[n-2] == 0x81 || pkt[n-2] == 0x88 {
			n += 4
		}
		s.link = pkt[:n]
	}
	ip := pkt[len(s.link):]
	s.ipv6 = ip[0]>>4 == 6
	var l4 []byte
	if s.ipv6 {
		s.tos, s.ttl, s.label = encap.IPv6(ip).TrafficClass(), ip[7], encap.IPv6(ip).FlowLabel()
		s.tcp = ip[6] == 6
		copy(s.src[:], ip[8:24])
		copy(s.dst[:], ip[24:40])
		l4 = ip[40:]
	} else {
		if ip[0] != 0x45 || naiveSum(ip[:20]) != 0xffff {
			return nil, fmt.Errorf("ip header %x", ip[:20])
		}
		s.tos, s.ttl, s.id, s.df, s.tcp = ip[1], ip[8], encap.IPv4(ip).ID(), encap.IPv4(ip).DF(), ip[9] == 6
		copy(s.src[:], ip[12:16])
		copy(s.dst[:], ip[16:20])
		l4 = ip[20:]
	}
	s.sport, s.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	s.payload = l4[8:]
	if s.tcp {
		tcp := encap.TCP(l4)
		s.seq, s.ack, s.flags, s.window = tcp.Seq(), tcp.Ack(), tcp.Flags(), tcp.Window()
		s.urgent, s.opts, s.payload = binary.BigEndian.Uint16(l4[18:]), tcp.Options(), tcp.Payload()
	}
	want, header := s.super(int(h.GSOSize))
	if !bytes.Equal(want, pkt) || header != h {
		return nil, fmt.Errorf("super-packet %x, header %+v, want %x, %+v", pkt[:80], h, want[:80], header)
	}
	var out [][]byte
	for _, seg := range s.segments(int(h.GSOSize)) {
		out = append(out, seg.packet())
	}
	return out, nil
}

// TestRoundTrip: Append cuts what the Coalescer joins back into the same packets.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 8))
		s := randomSpec(r)
		gso := 500 + r.IntN(900)
		s.payload = randomBytes(r, gso*(2+r.IntN(20))+r.IntN(gso))
		s.flags |= encap.TCPFlags(r.Uint32()) & (encap.TCPFin | encap.TCPPsh | encap.TCPCwr | encap.TCPEce)
		pkt, h := s.super(gso)
		sup, err := Parse(pkt, h, s.layer)
		if err != nil {
			t.Fatal(err)
		}
		const front = 30
		n, segLen, lastLen := sup.Segments()
		buf := sup.AppendSegments(nil, front)
		var got []delivery
		c := NewCoalescer(1)
		to := &Target{Sink: recorder{t, 0, &got}, Layer: s.layer, Merge: 15}
		for i := range n {
			size := segLen
			if i == n-1 {
				size = lastLen
			}
			c.Add(to, buf[:front+size], front)
			buf = buf[front+size:]
		}
		c.Flush()
		h.Put(append([]byte{}, make([]byte, 10)...))
		frame := make([]byte, HeaderLen)
		h.Put(frame)
		if len(got) != 1 || !bytes.Equal(got[0].frame, append(frame, pkt...)) || got[0].packets != n {
			t.Fatalf("seed %d: %d deliveries, first of %d packets instead of %d", seed, len(got), got[0].packets, n)
		}
	}
}
