package forwarder

import (
	"bytes"
	"encoding/binary"
	"testing"

	"culvert/encap"
	"culvert/forwarder/offload"
)

// TestBundleOnlyWhatFits: the kernel refuses to cut packets that it would have to fragment, so those must not be
// bundled, with DF (IPv6 of up to 1280 bytes on a narrow path) and without.
func TestBundleOnlyWhatFits(t *testing.T) {
	for _, df := range []bool{true, false} {
		r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) { tc.PathMTU, tc.DF, c.Pseudowire = 1000, df, PPP })
		o := r.s.worker.out
		for _, tt := range []struct {
			size, messages int
		}{{900, 1}, {1280, 3}} {
			got := 0
			o.call(func() {
				q := newTxQueue(r.s.queue.sock)
				q.segments = 64
				for range 3 {
					inner := ipv6Packet(tt.size, 1)
					wire := append(r.tun.header(r.cfg).AppendTo(nil), encap.AppendPPPHeader(nil, encap.ProtoIPv6, encap.PPPFraming{})...)
					wire = append(wire, inner...)
					o.enqueue(q, txMeta{s: r.s, inner: inner, wire: wire, ip: true, tos: -1, packets: 1, bytes: len(inner)})
				}
				got = len(q.meta)
			})
			if got != tt.messages {
				t.Errorf("DF %v: three packets of %d bytes are %d messages, want %d", df, tt.size, got, tt.messages)
			}
		}
	}
}

// TestSuperOnNarrowPath: TCP over IPv6 at its minimum MTU, handed out as a super-packet, leaves in fragments where the
// path is narrower still, and is not refused: its sender can't send less.
func TestSuperOnNarrowPath(t *testing.T) {
	for _, tt := range []struct {
		mss  int
		fits bool
	}{{1220, true}, {1221, false}} {
		r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) { tc.PathMTU, c.Pseudowire = 1100, PPP })
		b := tcpSuper6(3*tt.mss, tt.mss)
		if _, err := r.wire.host.Write(b); err != nil {
			t.Fatal(err)
		}
		if !tt.fits {
			r.dropped(DropTooBig, 3)
			continue
		}
		for _, want := range naiveCut(t, b, offload.LayerIP) {
			if got := r.peer.recv(soon); !bytes.HasSuffix(got, want) {
				t.Fatalf("sent % x, want % x at the end", got, want)
			}
		}
	}
}

// tcpSuper6 is a TCP super-packet over IPv6, virtio header included.
func tcpSuper6(n, mss int) []byte {
	ip := ipv6Packet(60+n, 5)
	ip[6] = encap.ProtocolTCP
	tcp := ip[40:]
	clear(tcp[:20])
	tcp[12], tcp[13] = 5<<4, 0x10
	binary.BigEndian.PutUint16(tcp[16:], encap.IPv6(ip).PseudoHeaderSum(encap.ProtocolTCP, len(tcp)))
	h := offload.Header{
		Flags: offload.NeedsChecksum, GSOType: offload.GSOTCPv6, HdrLen: 60, GSOSize: uint16(mss), CsumStart: 40, CsumOffset: 16,
	}
	b := make([]byte, deviceHeader)
	h.Put(b)
	return append(b, ip...)
}
