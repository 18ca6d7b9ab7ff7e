package daemon

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"culvert/encap"
)

// TestDisturbedPath has two daemons with offloads talk over a path that loses, repeats and reorders datagrams. TCP must
// bring every byte, what comes of UDP must be what was sent, in the order that the path explains, or that of the
// sequence numbers where they are on. And nothing else may get lost: every datagram that left the path was delivered or
// has its drop counted.
func TestDisturbedPath(t *testing.T) {
	const numbered = "l2spec_type = \"default\"\nseqnum = true\n"
	for i, tt := range []struct {
		name, keys string
		seq        bool // deliveries follow the numbers
		waits      bool // for what is late
	}{
		{name: "no numbers"},
		{name: "numbers", keys: numbered, seq: true},
		{name: "numbers and a reorder queue", keys: numbered + "reorder_timeout = 50\n", seq: true, waits: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newDisturbedPair(t, tt.keys, uint64(i))
			for _, session := range []string{"line", "wire"} {
				to := map[string]string{"line": "10.77.0.2", "wire": "10.78.0.2"}[session]
				eventually(t, "ping "+to, func() bool { return ping(p.nsA, to) == nil })
				transfer(t, p.nsA, p.nsB, to+":5001", 2<<20)
				p.got[session] = datagrams(t, p.nsA, p.nsB, to+":5002")
			}
			p.check(t, tt.seq, tt.waits)
		})
	}
}

// disturbedPair is two daemons with a relay between them, and what came of the datagrams from a to b.
type disturbedPair struct {
	nsA, nsB string
	a, b     *instance
	relay    *relay
	got      map[string][]uint32 // by session
}

func newDisturbedPair(t *testing.T, keys string, seed uint64) *disturbedPair {
	t.Helper()
	p := &disturbedPair{nsA: newNS(t), nsB: newNS(t), relay: newRelay(t), got: map[string][]uint32{}}
	ports := freePorts(t, 2)
	textA, _ := twoEnds(p.nsA, p.nsB, []int{ports[0], p.relay.port(0)})
	_, textB := twoEnds(p.nsA, p.nsB, []int{p.relay.port(1), ports[1]})
	t.Cleanup(p.relay.close) // after the daemons, which say goodbye to each other
	change := strings.NewReplacer("interface_name", keys+"interface_name", "lcp_echo_interval = 1", "")
	p.a, p.b = run(t, change.Replace(textA)), run(t, change.Replace(textB))
	p.relay.start(t, [2]int{ports[0], ports[1]}, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a: %+v %+v", p.a.session("line"), p.a.session("wire"))
			t.Logf("b: %+v %+v", p.b.session("line"), p.b.session("wire"))
		}
	})
	eventually(t, "PPP up", func() bool { return p.a.session("line").State == "up" && p.b.session("line").State == "up" })
	return p
}

// check compares both ends with what left the path.
func (p *disturbedPair) check(t *testing.T, seq, waits bool) {
	t.Helper()
	for i, end := range []struct {
		i   *instance
		ids map[string]encap.SessionID
	}{{p.b, map[string]encap.SessionID{"line": 2, "wire": 12}}, {p.a, map[string]encap.SessionID{"line": 1, "wire": 11}}} {
		w := p.relay.ways[i]
		if d := w.disturbance(); slices.Contains(d[:], 0) {
			t.Errorf("way %d: lost, twice, late, sends of several: %d", i, d)
		}
		for session, id := range end.ids {
			checkCounters(t, end.i, session, w, id, seq)
			if _, numbers := w.left(id); i == 0 {
				checkOrder(t, p.got[session], numbers, seq, waits)
			}
		}
	}
}

// checkOrder compares the datagrams that came with those that left the path.
func checkOrder(t *testing.T, got, left []uint32, seq, waits bool) {
	t.Helper()
	distinct := slices.Compact(slices.Sorted(slices.Values(left)))
	t.Logf("%d of %d datagrams came, %d left the path", len(got), datagramCount, len(distinct))
	rest := left
	for i, n := range got {
		if seq && i > 0 && n <= got[i-1] {
			t.Errorf("datagram %d came behind %d in spite of numbers", n, got[i-1])
		}
		if waits { // in another order than the path's
			rest = left
		}
		at := slices.Index(rest, n)
		if at < 0 {
			t.Fatalf("datagram %d, the %dth that came, is not explained by the path", n, i)
		}
		rest = rest[at+1:]
	}
	if waits && len(got) < len(distinct)*99/100 || len(got) < len(distinct)*9/10 {
		t.Errorf("%d of %d datagrams came", len(got), len(distinct))
	}
}

// checkCounters: what left the path towards a session was delivered, or dropped for a reason.
func checkCounters(t *testing.T, i *instance, session string, w *way, id encap.SessionID, seq bool) {
	t.Helper()
	s, old, left := i.session(session), uint64(0), uint64(0)
	defer func() {
		if t.Failed() {
			t.Logf("%s: %d datagrams left the path, %d delivered, drops %v", session, left, s.RxPackets, s.Drops)
		}
	}()
	eventually(t, session+" has counted what left the path", func() bool {
		left, _ = w.left(id)
		s = i.session(session)
		old = s.Drops["sequence"]
		// data before its protocol was open counts in either direction
		return s.RxPackets+old <= left && left <= s.RxPackets+old+s.Drops["not_open"]
	})
	if seq == (old == 0) {
		t.Errorf("%s: %d drops for their number", session, old)
	}
	for reason, n := range s.Drops {
		if reason != "sequence" && reason != "not_open" {
			t.Errorf("%s: %d drops: %s", session, n, reason)
		}
	}
}

// The datagrams of the test: a mark, the number, and bytes that follow from the number. Runs of them have one size and
// are handed to the kernel at once.
var datagramMark = []byte("\x00disturb\xff")

const (
	datagramCount = 1600 // in one go
	datagramRun   = 16
)

// datagram makes number n.
func datagram(n uint32) []byte {
	size := 40 + rand.New(rand.NewPCG(uint64(n/datagramRun), 1)).IntN(1300)
	b := binary.BigEndian.AppendUint32(bytes.Clone(datagramMark), n)
	src := rand.NewPCG(uint64(n), 2)
	for len(b) < size {
		b = binary.BigEndian.AppendUint64(b, src.Uint64())
	}
	return b[:size]
}

// datagrams sends datagramCount of them to addr, numbered from 0, and gives the numbers of those that came, in their
// order.
func datagrams(t *testing.T, nsA, nsB, addr string) []uint32 {
	t.Helper()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))
	var from, at *net.UDPConn
	inside(t, nsB, func() (err error) {
		at, err = net.ListenUDP("udp4", to)
		return err
	})
	defer at.Close()
	inside(t, nsA, func() (err error) {
		from, err = net.DialUDP("udp4", nil, to)
		return err
	})
	defer from.Close()
	if err := setSocket(at, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 8<<20); err != nil { // all of them
		t.Fatal(err)
	}
	for n := uint32(0); n < datagramCount; n += datagramRun {
		var run []byte
		for i := range uint32(datagramRun) {
			run = append(run, datagram(n+i)...)
		}
		if err := setSocket(from, syscall.IPPROTO_UDP, udpSegment, len(run)/datagramRun); err != nil {
			t.Fatal(err)
		}
		if _, err := from.Write(run); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Microsecond) // what a device's queue holds
	}
	return received(t, at)
}

// received reads datagrams until none comes any more, and compares them with what was sent.
func received(t *testing.T, c *net.UDPConn) (numbers []uint32) {
	t.Helper()
	b := make([]byte, 2000)
	for {
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.Read(b)
		if err != nil {
			if !os.IsTimeout(err) {
				t.Error(err)
			}
			return numbers
		}
		num := uint32(0)
		if n >= len(datagramMark)+4 {
			num = binary.BigEndian.Uint32(b[len(datagramMark):])
		}
		if !bytes.Equal(b[:n], datagram(num)) {
			t.Errorf("a datagram of %d bytes is not what was sent: % x", n, b[:min(n, 32)])
		}
		numbers = append(numbers, num)
	}
}
