package forwarder

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"culvert/encap"
	"culvert/forwarder/tuntap"
	"culvert/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.OwnNetNS()
	goleak.VerifyTestMain(m)
}

// wire is a device of a test: what the data plane writes to one end of a socket pair comes out of the other, frame by
// frame, with the virtio header in front as on a TUN.
type wire struct {
	t    testing.TB
	dev  *tuntap.Queue
	host *os.File
}

func newWire(t testing.TB) *wire {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<20)
	}
	w := &wire{t: t, dev: tuntap.NewQueue(fds[0]), host: os.NewFile(uintptr(fds[1]), "wire")}
	t.Cleanup(func() {
		_ = w.dev.Close()
		_ = w.host.Close()
	})
	return w
}

// put makes the device hand out frame.
func (w *wire) put(frame []byte) {
	w.t.Helper()
	b := append(make([]byte, tuntap.HeaderLen), frame...)
	if _, err := w.host.Write(b); err != nil {
		w.t.Fatalf("put: %v", err)
	}
}

// get takes the next frame that was written to the device, nil when none comes in time.
func (w *wire) get(wait time.Duration) []byte {
	w.t.Helper()
	_ = w.host.SetReadDeadline(time.Now().Add(wait))
	b := make([]byte, 70000)
	n, err := w.host.Read(b)
	if err != nil {
		return nil
	}
	if !bytes.Equal(b[:tuntap.HeaderLen], make([]byte, tuntap.HeaderLen)) {
		w.t.Fatalf("virtio header % x is not empty", b[:tuntap.HeaderLen])
	}
	return b[tuntap.HeaderLen:n]
}

const soon = 2 * time.Second

// expect waits for exactly this frame.
func (w *wire) expect(want []byte) {
	w.t.Helper()
	if got := w.get(soon); !bytes.Equal(got, want) {
		w.t.Fatalf("device got\n% x, want\n% x", got, want)
	}
}

// newForwarder starts a forwarder that ends with the test.
func newForwarder(t testing.TB, workers int) *Forwarder {
	t.Helper()
	f, err := New(Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// peer is the far end, naive on purpose: a plain socket, with one packet at a time built and read by package encap.
type peer struct {
	t    testing.TB
	conn *net.UDPConn
}

func newPeer(t testing.TB, host string) *peer {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(4 << 20)
	t.Cleanup(func() { _ = c.Close() })
	return &peer{t: t, conn: c}
}

func (p *peer) addr() netip.AddrPort {
	a := p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (p *peer) send(to netip.AddrPort, b []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) recv(wait time.Duration) []byte {
	p.t.Helper()
	b := make([]byte, 70000)
	_ = p.conn.SetReadDeadline(time.Now().Add(wait))
	n, err := p.conn.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// freePort finds a UDP port of host that nobody uses now.
func freePort(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// rig is one forwarder with a naive peer and one session between them.
type rig struct {
	t     testing.TB
	f     *Forwarder
	peer  *peer
	local netip.AddrPort
	tun   *Tunnel
	wire  *wire
	cfg   SessionConfig
	s     *Session
}

func cookie(t testing.TB, n int) encap.Cookie {
	t.Helper()
	c, err := encap.NewCookie([]byte{1, 2, 3, 4, 5, 6, 7, 8}[:n])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newRig makes a rig; change may edit both configurations.
func newRig(t testing.TB, workers int, change func(*TunnelConfig, *SessionConfig)) *rig {
	t.Helper()
	r := &rig{t: t, f: newForwarder(t, workers), peer: newPeer(t, "127.0.0.1"), local: freePort(t, "127.0.0.1"), wire: newWire(t)}
	tc := TunnelConfig{
		Name: "t", Transport: encap.TransportUDP, Local: r.local, Peer: r.peer.addr(), TOS: -1, DF: true, PathMTU: 1500,
	}
	r.cfg = SessionConfig{
		Name: "s", Pseudowire: Ethernet, LocalID: 1001, PeerID: 2002, SendCookie: cookie(t, 8), ExpectCookie: cookie(t, 4),
		Device: r.wire.dev,
	}
	if change != nil {
		change(&tc, &r.cfg)
	}
	var err error
	if r.tun, err = r.f.AddTunnel(tc); err != nil {
		t.Fatal(err)
	}
	if r.s, err = r.f.AddSession(r.tun, r.cfg); err != nil {
		t.Fatal(err)
	}
	r.s.SetLink(LinkState{Ethernet: true, IPv4: true, IPv6: true})
	r.s.SetMTU(1438)
	return r
}

// packet is what the peer sends to carry frame, before its sequence number.
func (r *rig) packet(frame []byte) []byte {
	return append(r.tun.expect(r.cfg).AppendTo(nil), frame...)
}

// numbered is packet with a sequence number.
func (r *rig) numbered(seq encap.Seq, frame []byte) []byte {
	h := r.tun.expect(r.cfg).AppendTo(nil)
	encap.PutSeq(h[len(h)-4:], true, seq)
	return append(h, frame...)
}

// dropped waits until n packets were dropped for r, and nothing else was.
func (r *rig) dropped(reason DropReason, n uint64) {
	r.t.Helper()
	var all Drops
	for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(time.Millisecond) {
		all = Drops{}
		for _, w := range r.f.Stats() {
			for i, v := range w.Drops {
				all[i] += v
			}
		}
		if all[reason] == n {
			break
		}
	}
	for _, other := range DropReasons() {
		want := uint64(0)
		if other == reason {
			want = n
		}
		if all[other] != want {
			r.t.Fatalf("dropped for %q: %d, want %d", other, all[other], want)
		}
	}
}

// etherFrame is an Ethernet frame of n bytes, 14 at least, of a type nobody looks into.
func etherFrame(n int, fill byte) []byte {
	b := bytes.Repeat([]byte{fill}, n)
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
	return b
}

// ipv4Packet is a UDP packet of n bytes in all from 10.0.0.1 to 10.0.0.2, with valid checksums.
func ipv4Packet(n int, df bool, fill byte) []byte {
	b := bytes.Repeat([]byte{fill}, n)
	copy(b, []byte{0x45, 0, byte(n >> 8), byte(n), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	if df {
		b[6] = 0x40
	}
	copy(b[20:], []byte{0x12, 0x34, 0x56, 0x78, byte((n - 20) >> 8), byte(n - 20), 0, 0})
	p := encap.IPv4(b)
	p.SetChecksum(p.ComputeChecksum())
	return b
}

// ipv6Packet is a packet of n bytes in all with next header "none".
func ipv6Packet(n int, fill byte) []byte {
	b := bytes.Repeat([]byte{fill}, n)
	copy(b, []byte{0x60, 0, 0, 0, byte((n - 40) >> 8), byte(n - 40), 59, 64})
	copy(b[8:], netip.MustParseAddr("fd00::1").AsSlice())
	copy(b[24:], netip.MustParseAddr("fd00::2").AsSlice())
	return b
}
