package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"go.uber.org/goleak"

	"culvert/encap"
	"culvert/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nsCounter atomic.Int32

// space is a network namespace of the test's own.
type space struct {
	t      testing.TB
	name   string
	handle netns.NsHandle
}

// newSpace makes a namespace with loopback up and further addresses on it.
func newSpace(t testing.TB) *space {
	t.Helper()
	testenv.RequireNetns(t)
	s := &space{t: t, name: fmt.Sprintf("cv%dio%d", os.Getpid(), nsCounter.Add(1))}
	command(t, "ip", "netns", "add", s.name)
	t.Cleanup(func() { command(t, "ip", "netns", "del", s.name) })
	h, err := netns.GetFromName(s.name)
	if err != nil {
		t.Fatal(err)
	}
	s.handle = h
	t.Cleanup(func() { _ = h.Close() })
	s.ip("link", "set", "lo", "up")
	s.ip("address", "add", "127.0.0.2/8", "dev", "lo")
	for _, a := range []string{"fd00:c::1/128", "fd00:c::2/128"} {
		s.ip("address", "add", a, "dev", "lo", "nodad")
	}
	s.settle("fd00:c::1", "fd00:c::2")
	return s
}

// settle waits until IPv6 addresses are local. The kernel adds the prefix route at once and the local route a little
// later; in between a packet is sent without an error, and dropped when it comes back.
func (s *space) settle(addrs ...string) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		out, err := exec.Command("ip", "-n", s.name, "-6", "route", "show", "table", "local").Output()
		missing := err != nil
		for _, a := range addrs {
			missing = missing || !strings.Contains(string(out), "local "+a+" ")
		}
		if !missing {
			return
		}
	}
	s.t.Fatal("IPv6 addresses do not become local")
}

// ip runs ip(8) in the namespace.
func (s *space) ip(args ...string) {
	s.t.Helper()
	command(s.t, "ip", append([]string{"-n", s.name}, args...)...)
}

// exec runs a command in the namespace.
func (s *space) exec(args ...string) {
	s.t.Helper()
	command(s.t, "ip", append([]string{"netns", "exec", s.name}, args...)...)
}

// do runs f with the calling goroutine's thread in the namespace.
func (s *space) do(f func()) {
	s.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := netns.Get()
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	if err := netns.Set(s.handle); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(old); err != nil {
			panic(err) // the thread would carry the namespace into other tests
		}
	}()
	f()
}

// open opens a group in the namespace and closes it with the test.
func (s *space) open(c GroupConfig) *Group {
	s.t.Helper()
	var g *Group
	var err error
	s.do(func() { g, err = OpenGroup(c) })
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = g.Close() })
	return g
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// kind is one of the four underlays.
type kind struct {
	name      string
	transport encap.Transport
	ipv6      bool
}

var kinds = []kind{
	{"udp4", encap.TransportUDP, false},
	{"udp6", encap.TransportUDP, true},
	{"ip4", encap.TransportIP, false},
	{"ip6", encap.TransportIP, true},
}

// forKinds runs a subtest for each underlay.
func forKinds(t *testing.T, f func(t *testing.T, k kind)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { f(t, k) })
	}
}

// ports completes addresses for the transport.
func (k kind) at(addr string) netip.AddrPort {
	port := uint16(1701)
	if k.transport == encap.TransportIP {
		port = 0
	}
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

// pick chooses by address family.
func (k kind) pick(v4, v6 string) netip.AddrPort {
	if k.ipv6 {
		return k.at(v6)
	}
	return k.at(v4)
}

// local and remote are two addresses on the loopback of a space.
func (k kind) local() netip.AddrPort  { return k.pick("127.0.0.1", "fd00:c::1") }
func (k kind) remote() netip.AddrPort { return k.pick("127.0.0.2", "fd00:c::2") }

// data makes a data packet of a session with n more bytes, which start with a tag.
func (k kind) data(id, tag uint32, n int) []byte {
	b := encap.DataHeader{Transport: k.transport, SessionID: encap.SessionID(id)}.AppendTo(nil)
	b = append(b, make([]byte, max(n, 4))...)
	binary.BigEndian.PutUint32(b[len(b)-max(n, 4):], tag)
	return b
}

// control makes a control message with a tag where the CCID stands.
func (k kind) control(tag uint32) []byte {
	b := []byte{0xc8, 0x03, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0}
	if k.transport == encap.TransportIP {
		b = append([]byte{0, 0, 0, 0}, b...)
	}
	binary.BigEndian.PutUint32(b[len(b)-8:], tag)
	return b
}

// session reads a data packet's session id and tag.
func (k kind) session(p []byte) (id, tag uint32) {
	off := 0
	if k.transport == encap.TransportUDP {
		off = 4
	}
	if len(p) < off+8 {
		return 0, 0
	}
	return binary.BigEndian.Uint32(p[off:]), binary.BigEndian.Uint32(p[off+4:])
}

// dest prepares a peer with default options.
func dest(t testing.TB, to netip.AddrPort) *Dest {
	t.Helper()
	d, err := NewDest(to, DestOptions{TOS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// send sends packets and fails the test unless all go out.
func send(t testing.TB, s *Socket, d *Dest, pkts ...[]byte) {
	t.Helper()
	b := NewTxBatch(len(pkts))
	for _, p := range pkts {
		b.Add(p, d, -1, 0)
	}
	n, err := sendAll(s, b)
	if err != nil || n != len(pkts) {
		t.Fatalf("%v: sent %d of %d: %v", s, n, len(pkts), err)
	}
}

// sendAll sends a batch and waits for room as a caller would.
func sendAll(s *Socket, b *TxBatch) (sent int, err error) {
	for range 100 {
		n, err := s.Send(b)
		sent += n
		if !errors.Is(err, ErrWouldBlock) {
			return sent, err
		}
		s.WaitWritable(100 * time.Millisecond)
	}
	return sent, ErrWouldBlock
}

// received is a packet copied out of a batch.
type received struct {
	data      []byte
	source    netip.AddrPort
	truncated bool
	segment   int
}

// drain reads a socket until nothing came for a moment.
func drain(t testing.TB, s *Socket, quiet time.Duration) []received {
	t.Helper()
	return collect(t, 0, quiet, s)[0]
}

// patience is how long to wait for what must arrive: loopback usually delivers before send returns, a busy machine not.
const patience = 5 * time.Second

// quiet is how long nothing must arrive to believe that nothing more will.
const quiet = 15 * time.Millisecond

// collect reads sockets until want packets came, and then until nothing came for a moment.
func collect(t testing.TB, want int, quiet time.Duration, socks ...*Socket) [][]received {
	t.Helper()
	out := make([][]received, len(socks))
	b := NewRxBatch(32, 16, 9000)
	start, last := time.Now(), time.Now()
	for want > 0 && time.Since(start) < patience || time.Since(last) < quiet {
		before := last
		for si, s := range socks {
			n, err := s.ReadBatch(b)
			if err != nil && !errors.Is(err, ErrWouldBlock) {
				t.Fatalf("%v: %v", s, err)
			}
			for i := range n {
				out[si] = append(out[si], received{append([]byte(nil), b.Packet(i)...), b.Source(i), b.Truncated(i), b.SegmentSize(i)})
				last, want = time.Now(), want-1
			}
		}
		if last == before {
			time.Sleep(time.Millisecond)
		}
	}
	return out
}

// readOne waits for exactly one packet.
func readOne(t testing.TB, s *Socket) received {
	t.Helper()
	got := collect(t, 1, 0, s)[0]
	if len(got) != 1 {
		t.Fatalf("%v: %d packets instead of one", s, len(got))
	}
	return got[0]
}
