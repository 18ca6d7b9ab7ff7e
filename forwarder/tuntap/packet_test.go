package tuntap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// echoRequest is an ICMP echo request of RFC 792 in an IPv4 header.
func echoRequest(src, dst netip.Addr, data []byte) []byte {
	p := make([]byte, 28, 28+len(data))
	p[0], p[8], p[9] = 0x45, 64, 1
	binary.BigEndian.PutUint16(p[2:], uint16(28+len(data)))
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(p[10:], checksum(p[:20]))
	p[20] = 8
	binary.BigEndian.PutUint32(p[24:], 0x12340001)
	p = append(p, data...)
	binary.BigEndian.PutUint16(p[22:], checksum(p[20:]))
	return p
}

var here, there = netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("10.77.0.2")

// newLink makes a TUN with addresses and carrier.
func newLink(tb testing.TB, qlen int) (ns string, d *Device) {
	tb.Helper()
	ns, h := newNetNS(tb)
	d = mustCreate(tb, Config{Name: "pkt0", TxQueueLen: qlen, NetNS: ns})
	must(tb, d.AddAddress(netip.PrefixFrom(here, 32), there))
	switchOn(tb, h, d)
	return ns, d
}

// switchOn sets the carrier and waits until the kernel sends.
func switchOn(tb testing.TB, h *netlink.Handle, d *Device) {
	tb.Helper()
	must(tb, d.SetCarrier(true))
	eventually(tb, "operational", func() bool { return link(tb, h, d.Name()).Attrs().OperState == netlink.OperUp })
}

// TestPing: the kernel answers what is written, and the answer comes out with a header of zeros and right checksums.
func TestPing(t *testing.T) {
	_, d := newLink(t, 0)
	request := echoRequest(there, here, bytes.Repeat([]byte{0xa5, 0x5a}, 300))
	must(t, d.Queue().Write(frame(request)))
	reply := read(t, d.Queue(), func(f []byte) bool { return f[0]>>4 == 4 && f[9] == 1 })
	if len(reply) != len(request) || reply[20] != 0 || !bytes.Equal(reply[24:], request[24:]) {
		t.Errorf("reply % x", reply)
	}
	if checksum(reply[:20]) != 0 || checksum(reply[20:]) != 0 {
		t.Errorf("checksums of % x", reply)
	}
}

// TestHostSends: what a socket of the host sends has its UDP checksum complete although offloads exist.
func TestHostSends(t *testing.T) {
	ns, d := newLink(t, 0)
	sendUDP(t, ns, []byte("hello, subscriber!"), 1)
	p := read(t, d.Queue(), func(f []byte) bool { return f[0]>>4 == 4 && f[9] == 17 })
	pseudo := append(append([]byte{}, p[12:20]...), 0, 17, 0, p[25])
	if got := checksum(append(pseudo, p[20:]...)); got != 0 || string(p[28:]) != "hello, subscriber!" {
		t.Errorf("%x in % x", got, p)
	}
}

// sendUDP sends n datagrams to the far end of newLink from inside the namespace.
func sendUDP(tb testing.TB, ns string, data []byte, n int) {
	tb.Helper()
	s, err := acquire(ns)
	must(tb, err)
	defer s.release()
	must(tb, s.do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		for range n {
			err = errors.Join(err, unix.Sendto(fd, data, 0, &unix.SockaddrInet4{Port: 9, Addr: there.As4()}))
		}
		return err
	}))
}

// TestARP: a TAP carries Ethernet both ways.
func TestARP(t *testing.T) {
	ns, h := newNetNS(t)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	d := mustCreate(t, Config{Name: "pkt0", Kind: TAP, NetNS: ns, HardwareAddr: mac})
	must(t, d.AddAddress(netip.PrefixFrom(here, 24), netip.Addr{}))
	switchOn(t, h, d)
	peer := []byte{2, 0, 0, 0, 0, 2}
	q := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, peer...)
	q = append(q, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1) // RFC 826: Ethernet, IPv4, request
	q = append(append(q, peer...), there.AsSlice()...)
	q = append(append(q, 0, 0, 0, 0, 0, 0), here.AsSlice()...)
	must(t, d.Queue().Write(frame(q)))
	a := read(t, d.Queue(), func(f []byte) bool { return f[12] == 8 && f[13] == 6 && f[21] == 2 })
	if !bytes.Equal(a[:6], peer) || !bytes.Equal(a[6:12], mac) || !bytes.Equal(a[22:28], mac) || !bytes.Equal(a[28:32], here.AsSlice()) {
		t.Errorf("answer % x", a)
	}
}

func TestQueueErrors(t *testing.T) {
	ns, h := newNetNS(t)
	d := mustCreate(t, Config{Name: "pkt0", NetNS: ns})
	q, b := d.Queue(), make([]byte, 100)
	_, err := q.Read(b)
	wantErr(t, err, ErrWouldBlock)
	_, err = q.Read(b[:HeaderLen-1])
	wantErr(t, err, ErrWouldBlock) // the kernel looks for a packet first
	wantErr(t, q.Write(b[:HeaderLen-1]), ErrInvalid)
	wantErr(t, q.Write(nil), ErrInvalid)
	wantErr(t, q.Write(b), ErrInvalid) // IP version 0
	bad := frame(echoRequest(there, here, nil))
	bad[1] = VnetGSOTCPv4 // no offload was negotiated, and ICMP is not TCP
	wantErr(t, q.Write(bad), ErrInvalid)
	must(t, d.SetUp(false))
	wantErr(t, q.Write(frame(echoRequest(there, here, nil))), ErrDown)
	must(t, h.LinkDel(link(t, h, "pkt0")))
	_, err = q.Read(b)
	wantErr(t, err, ErrGone)
	wantErr(t, q.Write(b), ErrGone)
	must(t, d.Close())
	_, err = q.Read(b)
	wantErr(t, err, ErrClosed)
	wantErr(t, q.Write(b), ErrClosed)
	if q.FD() != -1 {
		t.Error(q.FD())
	}
}

// TestCut: a frame longer than the buffer is cut; one spare byte tells.
func TestCut(t *testing.T) {
	_, d := newLink(t, 0)
	must(t, d.Queue().Write(frame(echoRequest(there, here, make([]byte, 400)))))
	eventually(t, "reply", func() bool {
		b := make([]byte, 100)
		n, err := d.Queue().Read(b)
		return err == nil && n == len(b)
	})
}

// TestTxQueueLen: the ring holds as many packets as asked for, and the kernel drops the rest.
func TestTxQueueLen(t *testing.T) {
	for _, qlen := range []int{16, 100} {
		ns, d := newLink(t, qlen)
		sendUDP(t, ns, []byte("x"), 200)
		n, b := 0, make([]byte, 2048)
		for {
			if _, err := d.Queue().Read(b); err != nil {
				wantErr(t, err, ErrWouldBlock)
				break
			}
			n++
		}
		t.Logf("ring %d: %d of 200 packets waited", qlen, n)
		if n < qlen || n > 2*qlen+8 {
			t.Errorf("%d packets in a ring of %d", n, qlen)
		}
	}
}

func TestQueueAllocs(t *testing.T) {
	_, d := newLink(t, 0)
	q, ping, b := d.Queue(), frame(echoRequest(there, here, make([]byte, 64))), make([]byte, 2048)
	replies := 0
	allocs := testing.AllocsPerRun(1000, func() {
		if err := q.Write(ping); err != nil {
			t.Error(err)
		}
		for {
			if _, err := q.Read(b); err != nil {
				if !errors.Is(err, ErrWouldBlock) {
					t.Error(err)
				}
				return
			}
			replies++
		}
	})
	if allocs != 0 || replies < 1000 {
		t.Errorf("%v allocations, %d replies", allocs, replies)
	}
	must(t, d.SetUp(false))
	if n := testing.AllocsPerRun(100, func() { _ = q.Write(ping) }); n != 0 {
		t.Errorf("%v allocations for an error", n)
	}
}

// BenchmarkCreate makes 200 devices, and removes them as a clean stop does.
func BenchmarkCreate(b *testing.B) {
	ns, _ := newNetNS(b)
	for b.Loop() {
		devices := make([]*Device, 200)
		for i := range devices {
			d, err := Create(Config{Name: fmt.Sprintf("bench%d", i), MTU: 1400, Group: testGroup, NetNS: ns})
			must(b, err)
			devices[i] = d
		}
		b.StopTimer()
		must(b, DeleteGroup(testGroup, ns))
		for _, d := range devices {
			must(b, d.Close())
		}
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/200, "ms/device")
}

// BenchmarkClose closes single devices: a kernel grace period each.
func BenchmarkClose(b *testing.B) {
	ns, _ := newNetNS(b)
	for b.Loop() {
		b.StopTimer()
		d, err := Create(Config{Name: "bench0", Group: testGroup, NetNS: ns})
		must(b, err)
		b.StartTimer()
		must(b, d.Close())
	}
}

// BenchmarkPing writes an echo request and reads the reply: both directions through the kernel's stack.
func BenchmarkPing(b *testing.B) {
	_, d := newLink(b, 0)
	q, ping, buf := d.Queue(), frame(echoRequest(there, here, make([]byte, 64))), make([]byte, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Write(ping); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Read(buf); err != nil && !errors.Is(err, ErrWouldBlock) {
			b.Fatal(err)
		}
	}
}
