package forwarder

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"culvert/encap"
	"culvert/forwarder/netio"
)

// narrow is a rig on a path of 1000 bytes.
func narrow(t *testing.T, pw Pseudowire) *rig {
	t.Helper()
	return newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) {
		tc.PathMTU, tc.Overhead = 1040, 40
		c.Pseudowire = pw
	})
}

// roomIn is the largest inner packet of r on its path: outer IPv4 and UDP, data header with 8-byte cookie, PPP or
// Ethernet header.
func roomIn(r *rig) int {
	const headers = 20 + 8 + 8 + 8
	if r.cfg.Pseudowire == PPP {
		return 1000 - headers - 4
	}
	return 1000 - headers - 14
}

func ethernet(etherType uint16, tags int, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for range tags {
		b = append(b, 0x81, 0, 0, 100)
	}
	return append(binary.BigEndian.AppendUint16(b, etherType), payload...)
}

func TestMTUOfTunnel(t *testing.T) {
	for _, pw := range []Pseudowire{Ethernet, PPP} {
		r := narrow(t, pw)
		if got := r.tun.MTU(r.cfg); got != roomIn(r) {
			t.Errorf("%v: MTU %d, want %d", pw, got, roomIn(r))
		}
		if got := r.tun.ReceiveMTU(r.cfg); got != roomIn(r)+4 { // the peer's cookie is shorter
			t.Errorf("%v: receive MTU %d, want %d", pw, got, roomIn(r)+4)
		}
	}
}

// TestToldPathMTU: what the kernel said when it refused a packet counts for ten probes, which know nothing of that, and
// again when it is said again; then the path may be wider.
func TestToldPathMTU(t *testing.T) {
	r := newRig(t, 1, func(tc *TunnelConfig, _ *SessionConfig) { tc.PathMTU, tc.DF = 1040, true })
	refuse := func(mtu int) bool {
		return len(r.tun.l.news(netio.NetError{Peer: netip.AddrPortFrom(r.tun.peer.Addr(), 0), MTU: mtu})) == 1
	}
	if !refuse(900) || r.tun.PathMTU() != 900 {
		t.Fatalf("path MTU %d after 900 was told", r.tun.PathMTU())
	}
	if refuse(1000) || refuse(900) || r.tun.PathMTU() != 900 {
		t.Errorf("path MTU %d after no news", r.tun.PathMTU())
	}
	if r.tun.lowerPathMTU() {
		t.Errorf("path MTU %d after a probe that may only lower", r.tun.PathMTU())
	}
	for range toldProbes {
		if r.tun.ProbePathMTU() || r.tun.PathMTU() != 900 {
			t.Fatalf("path MTU %d after a probe", r.tun.PathMTU())
		}
	}
	if !r.tun.ProbePathMTU() || r.tun.PathMTU() != 1040 {
		t.Errorf("path MTU %d long after it was told", r.tun.PathMTU())
	}
}

func TestTooBigPPP(t *testing.T) {
	r := narrow(t, PPP)
	room := roomIn(r)
	r.wire.put(ipv4Packet(room, true, 1))
	if r.peer.recv(soon) == nil {
		t.Fatal("a packet that fits did not leave")
	}
	r.wire.put(ipv4Packet(room+1, true, 1))
	answer := r.wire.get(soon)
	p := encap.IPv4(answer)
	if !p.Valid() || p.Protocol() != encap.ProtocolICMP || !bytes.Equal(answer[12:20], []byte{10, 0, 0, 2, 10, 0, 0, 1}) {
		t.Fatalf("answer % x", answer)
	}
	if m := p.Payload(); m[0] != 3 || m[1] != 4 || int(binary.BigEndian.Uint16(m[6:])) != room {
		t.Fatalf("ICMP % x, want fragmentation needed, MTU %d", m[:8], room)
	}
	r.dropped(DropTooBig, 1)

	// IPv6 is answered above its minimum MTU and sent in fragments up to it.
	r.wire.put(ipv6Packet(1281, 2))
	answer = r.wire.get(soon)
	if len(answer) < 48 || answer[0]>>4 != 6 || answer[40] != 2 || binary.BigEndian.Uint32(answer[44:]) != 1280 {
		t.Fatalf("answer % x", answer)
	}
	r.dropped(DropTooBig, 2)
	for _, ip := range [][]byte{ipv6Packet(1280, 2), ipv4Packet(room+1, false, 3)} {
		r.wire.put(ip)
		if got := r.peer.recv(soon); !bytes.HasSuffix(got, ip) {
			t.Fatalf("packet of %d bytes was not sent in fragments", len(ip))
		}
	}
	// Control frames have no sender to tell.
	lcp := append([]byte{0xff, 3, 0xc0, 0x21}, make([]byte, 1200)...)
	r.s.Inject(lcp)
	r.f.Flush()
	if got := r.peer.recv(soon); !bytes.HasSuffix(got, lcp) {
		t.Fatal("long control frame was not sent in fragments")
	}
}

func TestTooBigEthernet(t *testing.T) {
	r := narrow(t, Ethernet)
	for tags := range 3 {
		room := roomIn(r) - 4*tags
		fits := ethernet(0x0800, tags, ipv4Packet(room, true, 1))
		r.wire.put(fits)
		if got := r.peer.recv(soon); !bytes.HasSuffix(got, fits) {
			t.Fatalf("%d tags: a frame that fits did not leave", tags)
		}
		r.wire.put(ethernet(0x0800, tags, ipv4Packet(room+1, true, 1)))
		answer := r.wire.get(soon)
		_, payload, ok := encap.Ethernet(answer).Network()
		if !ok || len(answer)-len(payload) != 14+4*tags || answer[5] != 2 || answer[11] != 1 {
			t.Fatalf("%d tags: answer % x", tags, answer)
		}
		if m := encap.IPv4(payload).Payload(); m[0] != 3 || m[1] != 4 || int(binary.BigEndian.Uint16(m[6:])) != room {
			t.Fatalf("%d tags: ICMP % x, want MTU %d", tags, m[:8], room)
		}
	}
	other := etherFrame(1200, 7)
	r.wire.put(other)
	if got := r.peer.recv(soon); !bytes.HasSuffix(got, other) {
		t.Fatal("a frame that is not IP was not sent in fragments")
	}
	r.dropped(DropTooBig, 3)
}

func TestNoDFLeavesFragmentingToTheKernel(t *testing.T) {
	r := newRig(t, 1, func(tc *TunnelConfig, c *SessionConfig) { tc.PathMTU, tc.DF, c.Pseudowire = 1000, false, PPP })
	ip := ipv4Packet(1400, true, 1)
	r.wire.put(ip)
	if got := r.peer.recv(soon); !bytes.HasSuffix(got, ip) {
		t.Fatal("packet did not leave")
	}
	r.dropped(DropTooBig, 0)
}

func TestTooBigIsLimited(t *testing.T) {
	r := narrow(t, PPP)
	const n = 10 * bucketSize
	began := time.Now()
	for i := range n {
		r.wire.put(ipv4Packet(1400, true, 1))
		if i%32 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	r.dropped(DropTooBig, n)
	most := bucketSize + int(time.Since(began)/bucketFill) + 1
	answers := 0
	for r.wire.get(10*time.Millisecond) != nil {
		answers++
	}
	if answers < bucketSize || answers > most {
		t.Fatalf("%d answers to %d packets, want %d to %d: those that time brought", answers, n, bucketSize, most)
	}
}

// synPacket is an IPv4 TCP SYN with an MSS option.
func synPacket(mss uint16) []byte {
	b := ipv4Packet(44, true, 0)
	b[9] = encap.ProtocolTCP
	tcp := b[20:]
	clear(tcp)
	tcp[12], tcp[13] = 6<<4, 2
	copy(tcp[20:], []byte{2, 4, byte(mss >> 8), byte(mss)})
	p := encap.IPv4(b)
	p.SetChecksum(0)
	p.SetChecksum(p.ComputeChecksum())
	binary.BigEndian.PutUint16(tcp[16:], ^encap.Checksum(tcp, p.PseudoHeaderSum(encap.ProtocolTCP, 24)))
	return b
}

func mssOf(ip []byte) uint16 { return binary.BigEndian.Uint16(ip[42:]) }

func TestClampMSSBothWays(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := newRig(t, 1, func(_ *TunnelConfig, c *SessionConfig) { c.Pseudowire, c.ClampMSS = PPP, on })
		r.s.SetMTU(1300)
		want := uint16(1460)
		if on {
			want = 1260
		}
		r.wire.put(synPacket(1460))
		got := r.peer.recv(soon)
		if ip := got[len(got)-44:]; mssOf(ip) != want || encap.Checksum(ip[20:], encap.IPv4(ip).PseudoHeaderSum(encap.ProtocolTCP, 24)) != 0xffff {
			t.Errorf("clamp %v: sent MSS %d, want %d with a valid checksum", on, mssOf(ip), want)
		}
		r.peer.send(r.local, r.packet(append([]byte{0xff, 3, 0, 0x21}, synPacket(1460)...)))
		if ip := r.wire.get(soon); mssOf(ip) != want {
			t.Errorf("clamp %v: delivered MSS %d, want %d", on, mssOf(ip), want)
		}
	}
}
