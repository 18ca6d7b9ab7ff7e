package offload

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// FuzzSuper gives Parse any header and any packet. What it accepts must be cut into segments that are accepted again as
// plain packets of right lengths, and whose payloads together are the super-packet's.
func FuzzSuper(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		s := randomSpec(r)
		s.payload = randomBytes(r, 200+r.IntN(500))
		pkt, h := s.super(1 + r.IntN(200))
		b := make([]byte, HeaderLen)
		h.Put(b)
		f.Add(append(b, pkt...), s.layer == LayerEthernet, 30)
	}
	f.Fuzz(func(t *testing.T, b []byte, ethernet bool, front int) {
		if len(b) < HeaderLen || len(b) > 1<<16 || front < 0 || front > 100 {
			return
		}
		l := LayerIP
		if ethernet {
			l = LayerEthernet
		}
		h, pkt := ParseHeader(b), b[HeaderLen:]
		sup, err := Parse(pkt, h, l)
		if err != nil {
			return
		}
		n, segLen, lastLen := sup.Segments()
		if n > 2000 {
			return
		}
		sup.Complete()
		all := sup.AppendSegments(nil, front)
		if len(all) != (n-1)*(front+segLen)+front+lastLen {
			t.Fatalf("%d bytes of %d segments of %d, last %d", len(all), n, segLen, lastLen)
		}
		if !sup.Segmented() {
			if !bytes.Equal(all[front:], pkt) {
				t.Fatal("plain packet changed")
			}
			return
		}
		var payload []byte
		for i := range n {
			seg := sup.Append(nil, front, i, 1)[front:]
			if !bytes.Equal(seg, all[front:front+len(seg)]) {
				t.Fatalf("segment %d differs alone", i)
			}
			all = all[front+len(seg):]
			checkSegment(t, &sup, seg)
			payload = append(payload, seg[sup.hdr:]...)
		}
		if !bytes.Equal(payload, pkt[sup.hdr:]) {
			t.Fatal("payload differs")
		}
	})
}

// checkSegment checks the lengths that a segment's headers claim, and the IPv4 header's checksum.
func checkSegment(t *testing.T, sup *Super, seg []byte) {
	t.Helper()
	ip, l4 := seg[sup.l3:], seg[sup.l4:]
	if sup.ipv6 {
		if int(binary.BigEndian.Uint16(ip[4:6])) != len(ip)-40 {
			t.Fatal("payload length")
		}
	} else if int(binary.BigEndian.Uint16(ip[2:4])) != len(ip) || naiveSum(ip[:sup.l4-sup.l3]) != 0xffff {
		t.Fatal("total length or checksum")
	}
	if !sup.tcp && int(binary.BigEndian.Uint16(l4[4:6])) != len(l4) {
		t.Fatal("udp length")
	}
}

// FuzzCoalesce feeds a Coalescer with packets cut out of the input. Whatever it joins must be cut into the same packets
// again, every packet must come out once, and no byte outside of the packets and the room before them may change.
func FuzzCoalesce(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		s := randomSpec(r)
		s.payload = randomBytes(r, 300)
		var b []byte
		for _, seg := range s.segments(1 + r.IntN(150)) {
			p := seg.packet()
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
		}
		f.Add(b, s.layer == LayerEthernet, uint8(everything), uint8(3))
	}
	var coalescers [4]*Coalescer // their buffers are too large for one a run
	for i := range coalescers {
		coalescers[i] = NewCoalescer(i + 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, ethernet bool, merge, flows uint8) {
		l := LayerIP
		if ethernet {
			l = LayerEthernet
		}
		var got []delivery
		to := &Target{Sink: recorder{t, 0, &got}, Layer: l, Merge: Merge(merge)}
		c := coalescers[flows%4]
		in := map[string]int{}
		count := 0
		for len(b) >= 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			pkt := b[2 : 2+n]
			b = b[2+n:]
			in[string(forgetFixedID(pkt, l))]++
			count++
			c.Add(to, append(make([]byte, HeaderLen), pkt...), HeaderLen)
		}
		c.Flush()
		for _, d := range got {
			out := [][]byte{d.frame[HeaderLen:]}
			if d.packets > 1 {
				var err error
				if out, err = naiveCut(d.frame, l); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range out {
				in[string(forgetFixedID(p, l))]--
				count--
			}
		}
		for p, n := range in {
			if n != 0 {
				t.Fatalf("packet %x came out %d times too few", p, n)
			}
		}
		if count != 0 {
			t.Fatalf("%d packets missing", count)
		}
	})
}
