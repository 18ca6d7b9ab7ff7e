package tuntap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"culvert/forwarder/offload"
)

// wire joins two devices as two forwarders and an underlay would: super-packets out of one are cut into packets, which
// are joined to super-packets for the other.
type wire struct {
	layer offload.Layer
	stop  atomic.Bool
	done  chan error
	dirs  [2]direction
}

// direction is one of the two ways over a wire.
type direction struct {
	from, to      *Queue
	target        offload.Target
	read          atomic.Int64 // super-packets read
	cut           atomic.Int64 // packets they were cut into
	joined        atomic.Int64 // super-packets written
	packets       atomic.Int64 // packets they were joined from
	err           error
	mangle        func(pkt []byte) // damages packets on the wire
	lastHeader    atomic.Value     // offload.Header of the last super-packet written
	widestSegment atomic.Int64
}

// Deliver implements offload.Sink.
func (d *direction) Deliver(frame []byte, packets, _ int) {
	if packets > 1 {
		d.joined.Add(1)
		d.packets.Add(int64(packets))
		d.lastHeader.Store(offload.ParseHeader(frame))
	}
	if err := d.to.Write(frame); err != nil {
		d.err = errors.Join(d.err, fmt.Errorf("write % x: %w", frame[:HeaderLen], err))
	}
}

// newWire starts a wire between two devices and stops it with the test.
func newWire(tb testing.TB, a, b *Device, mangle func(pkt []byte)) *wire {
	tb.Helper()
	w := &wire{done: make(chan error, 2)}
	if a.Kind() == TAP {
		w.layer = offload.LayerEthernet
	}
	w.dirs[0].from, w.dirs[0].to = a.Queue(), b.Queue()
	w.dirs[1].from, w.dirs[1].to = b.Queue(), a.Queue()
	for i := range w.dirs {
		d := &w.dirs[i]
		d.mangle = mangle
		d.target = offload.Target{Sink: d, Layer: w.layer, Merge: offload.MergeTCP4 | offload.MergeTCP6}
		got, err := d.to.SetOffload(OffloadAll)
		must(tb, err)
		if got&offloadUSO != 0 {
			d.target.Merge |= offload.MergeUDP4 | offload.MergeUDP6
		}
		go func() { w.done <- w.run(d) }()
	}
	tb.Cleanup(func() {
		w.stop.Store(true)
		for range w.dirs {
			if err := <-w.done; err != nil {
				tb.Error(err)
			}
		}
	})
	return w
}

// run carries one direction until it is told to stop. One batch is up to four frames.
func (w *wire) run(d *direction) error {
	c := offload.NewCoalescer(8)
	in, out := make([]byte, HeaderLen+1<<16+64), make([]byte, 0, 4<<17)
	for !w.stop.Load() {
		out = out[:0]
		var bufs [][]byte
		for range 4 {
			n, err := d.from.Read(in)
			if errors.Is(err, ErrWouldBlock) {
				break
			}
			if err != nil {
				return err
			}
			at := len(out)
			if out, err = w.cut(d, out, in[:n]); err != nil {
				return fmt.Errorf("header % x: %w", in[:HeaderLen], err)
			}
			bufs = append(bufs, out[at:])
		}
		if len(bufs) == 0 {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(d.from.FD()), Events: unix.POLLIN}}, 20)
			continue
		}
		for _, b := range bufs {
			for len(b) > 0 {
				size := int(b[0])<<8 | int(b[1])
				if d.mangle != nil {
					d.mangle(b[lead:size])
				}
				c.Add(&d.target, b[:size], lead)
				b = b[size:]
			}
		}
		c.Flush()
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// lead is the room before each packet on the wire; its first two bytes are the length of both.
const lead = HeaderLen + 2

func (w *wire) cut(d *direction, out, frame []byte) ([]byte, error) {
	s, err := offload.Parse(frame[HeaderLen:], offload.ParseHeader(frame), w.layer)
	if err != nil {
		return out, err
	}
	s.Complete()
	at := len(out)
	out = s.AppendSegments(out, lead)
	n, segLen, lastLen := s.Segments()
	if s.Segmented() {
		d.read.Add(1)
		d.cut.Add(int64(n))
		d.widestSegment.Store(max(d.widestSegment.Load(), int64(segLen)))
	}
	for i := range n {
		size := lead + segLen
		if i == n-1 {
			size = lead + lastLen
		}
		out[at], out[at+1] = byte(size>>8), byte(size)
		at += size
	}
	return out, nil
}

// joinHosts makes two namespaces with a device each, on one subnet, and a wire between them.
func joinHosts(tb testing.TB, kind Kind, mangle func([]byte)) (ns [2]string, w *wire) {
	tb.Helper()
	var d [2]*Device
	var hs [2]*netlink.Handle
	for i := range d {
		ns[i], hs[i] = newNetNS(tb)
		d[i] = mustCreate(tb, Config{Name: "off0", Kind: kind, MTU: 1400, NetNS: ns[i]})
	}
	w = newWire(tb, d[0], d[1], mangle)
	for i := range d {
		must(tb, d[i].SetGSOMaxSegs(46))
		switchOn(tb, hs[i], d[i])
		ip(tb, "-n", ns[i], "address", "add", fmt.Sprintf("10.77.0.%d/24", i+1), "dev", "off0")
		ip(tb, "-n", ns[i], "address", "add", fmt.Sprintf("fd77::%d/64", i+1), "dev", "off0", "nodad")
	}
	return ns, w
}

// inside runs f in a namespace: sockets that it opens are there for good.
func inside(tb testing.TB, name string, f func() error) {
	tb.Helper()
	s, err := acquire(name)
	must(tb, err)
	defer s.release()
	must(tb, s.do(f))
}

// transfer sends n random bytes over TCP from one namespace to another and compares hashes.
func transfer(tb testing.TB, ns [2]string, to string, n int64) {
	tb.Helper()
	var l net.Listener
	inside(tb, ns[1], func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(to, "0")); return err })
	defer func() { _ = l.Close() }()
	type result struct {
		sum [32]byte
		n   int64
		err error
	}
	got := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- result{err: err}
			return
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		h := sha256.New()
		m, err := io.Copy(h, c)
		_, _ = c.Write([]byte("done"))
		_ = c.Close()
		got <- result{[32]byte(h.Sum(nil)), m, err}
	}()
	var c net.Conn
	inside(tb, ns[0], func() (err error) { c, err = net.DialTimeout("tcp", l.Addr().String(), 5*time.Second); return err })
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	h := sha256.New()
	src := io.LimitReader(rand.NewChaCha8([32]byte{1}), n)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(c, h)}, src, make([]byte, 256<<10)); err != nil {
		tb.Fatal(err)
	}
	must(tb, c.(*net.TCPConn).CloseWrite())
	r := <-got
	if r.err != nil || r.n != n || r.sum != [32]byte(h.Sum(nil)) {
		tb.Fatalf("%d of %d bytes arrived, %v", r.n, n, r.err)
	}
	if answer, err := io.ReadAll(c); err != nil || string(answer) != "done" {
		tb.Fatalf("answer %q, %v", answer, err)
	}
}

// TestSuperPackets: TCP between two hosts comes out of a device as super-packets, and goes into the other as such.
func TestSuperPackets(t *testing.T) {
	for _, c := range []struct {
		name string
		kind Kind
	}{{"tun", TUN}, {"tap", TAP}} {
		for _, to := range []string{"10.77.0.2", "fd77::2"} {
			t.Run(c.name+"/"+to, func(t *testing.T) {
				ns, w := joinHosts(t, c.kind, nil)
				transfer(t, ns, to, 24<<20)
				d := &w.dirs[0]
				t.Logf("read %d super-packets of %d packets, wrote %d of %d, last header %+v",
					d.read.Load(), d.cut.Load(), d.joined.Load(), d.packets.Load(), d.lastHeader.Load())
				if d.read.Load() == 0 || d.cut.Load() < 3*d.read.Load() || d.joined.Load() == 0 || d.packets.Load() < 3*d.joined.Load() {
					t.Error("hardly any super-packets")
				}
				link := int64(0)
				if c.kind == TAP {
					link = 14
				}
				if got := d.widestSegment.Load(); got != 1400+link {
					t.Errorf("segments of up to %d bytes, want %d", got, 1400+link)
				}
			})
		}
	}
}

// TestBadChecksums: what is damaged between the devices does not reach the application, because it is not joined with
// what is sound.
func TestBadChecksums(t *testing.T) {
	var n, damaged atomic.Int64
	ns, _ := joinHosts(t, TUN, func(pkt []byte) {
		if len(pkt) > 1000 && n.Add(1)%97 == 0 {
			pkt[100+int(n.Load())%800] ^= 0x10
			damaged.Add(1)
		}
	})
	transfer(t, ns, "10.77.0.2", 4<<20)
	if damaged.Load() < 10 {
		t.Errorf("only %d packets damaged", damaged.Load())
	}
}

// TestUDPSuperPackets: what a sender has the kernel cut (UDP_SEGMENT) comes out of the device whole, and what goes in
// joined is one receive for a socket with UDP_GRO, and many for another.
func TestUDPSuperPackets(t *testing.T) {
	for _, to := range []string{"10.77.0.2", "fd77::2"} {
		for _, gro := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s/gro=%d", to, gro), func(t *testing.T) {
				ns, w := joinHosts(t, TUN, nil)
				if w.dirs[0].target.Merge&offload.MergeUDP4 == 0 {
					t.Skip("this kernel has no USO")
				}
				checkUDP(t, ns, netip.AddrPortFrom(netip.MustParseAddr(to), 4000), gro)
				if d := &w.dirs[0]; d.read.Load() != 1 || d.cut.Load() != 30 || d.joined.Load() != 1 || d.packets.Load() != 30 {
					t.Errorf("read %d super-packets of %d, wrote %d of %d", d.read.Load(), d.cut.Load(), d.joined.Load(), d.packets.Load())
				}
			})
		}
	}
}

// checkUDP sends 30 datagrams, the last one shorter, with one call, and looks how they arrive.
func checkUDP(t *testing.T, ns [2]string, to netip.AddrPort, gro int) {
	t.Helper()
	rx := udpSocket(t, ns[1])
	must(t, unix.Bind(rx, sockaddr(to)))
	must(t, unix.SetsockoptInt(rx, unix.SOL_UDP, unix.UDP_GRO, gro))
	must(t, unix.SetsockoptTimeval(rx, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3}))
	tx := udpSocket(t, ns[0])
	must(t, unix.SetsockoptInt(tx, unix.SOL_UDP, unix.UDP_SEGMENT, 1000))
	payload := make([]byte, 29*1000+123)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(payload)
	must(t, unix.Sendto(tx, payload, 0, sockaddr(to)))
	var got []byte
	receives := 0
	b := make([]byte, 1<<16)
	for len(got) < len(payload) {
		n, _, err := unix.Recvfrom(rx, b, 0)
		if err != nil {
			t.Fatalf("%d bytes: %v", len(got), err)
		}
		got = append(got, b[:n]...)
		receives++
	}
	want := 30
	if gro == 1 {
		want = 1
	}
	if !bytes.Equal(got, payload) || receives != want {
		t.Errorf("%d bytes in %d receives, want %d in %d", len(got), receives, len(payload), want)
	}
}

func udpSocket(tb testing.TB, ns string) (fd int) {
	tb.Helper()
	inside(tb, ns, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	tb.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// sockaddr is an address for an IPv6 socket, IPv4 mapped.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// TestTaggedSuper: the kernel takes a super-packet behind VLAN tags, as one packet.
func TestTaggedSuper(t *testing.T) {
	for _, tags := range []string{"", "\x81\x00\x00\x07", "\x88\xa8\x00\x09\x81\x00\x00\x07"} {
		ns, h := newNetNS(t)
		d := mustCreate(t, Config{Name: "off0", Kind: TAP, NetNS: ns})
		switchOn(t, h, d)
		before := link(t, h, "off0").Attrs().Statistics
		const payload, l4 = 20000, 20 + 20
		packet := append([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"+tags+"\x08\x00"), make([]byte, l4+payload)...)
		ip4 := packet[14+len(tags):]
		ip4[0], ip4[2], ip4[3], ip4[8], ip4[9] = 0x45, (l4+payload)>>8, (l4+payload)&0xff, 64, 6
		copy(ip4[12:], "\x0a\x4d\x00\x02\x0a\x4d\x00\x01")
		sum := checksum(ip4[:20])
		ip4[10], ip4[11] = byte(sum>>8), byte(sum)
		ip4[32], ip4[33] = 0x50, 0x10
		f := frame(packet)
		VnetHeader(f).Set(VnetNeedsCsum, VnetGSOTCPv4, uint16(len(packet)-payload), 1000, uint16(len(packet)-payload-20), 16)
		must(t, d.Queue().Write(f))
		after := link(t, h, "off0").Attrs().Statistics
		// The stack may drop it later, as nobody here listens behind two tags.
		if n, size := after.RxPackets-before.RxPackets, after.RxBytes-before.RxBytes; n != 1 || size < payload {
			t.Errorf("%d tags: %d packets of %d bytes received", len(tags)/4, n, size)
		}
		f[1] = 9
		if err := d.Queue().Write(f); !errors.Is(err, ErrInvalid) {
			t.Errorf("unknown GSO type: %v", err)
		}
	}
}
