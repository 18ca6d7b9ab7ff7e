package daemon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"culvert/encap"
)

// Of a thousand datagrams so many get lost, come twice, and come late: after 1 to 8 later ones.
const (
	loseOf1000  = 10
	twiceOf1000 = 10
	lateOf1000  = 20
	lateBy      = 8
)

// What the relay's kernel takes apart again (udp(7), UDP_SEGMENT), and how long a late datagram waits for later ones.
const (
	udpSegment  = 103
	mostAtOnce  = 64
	mostBytes   = 65507
	lateAtLeast = 5 * time.Millisecond
)

// relay stands between two daemons as a bad path does: whole datagrams get lost, come twice and come late, as a seeded
// generator decides. Those of one size that leave it in a row leave in one send, and so arrive joined (UDP_GRO), as from
// a network card.
type relay struct {
	facing [2]*net.UDPConn // a's and b's peer
	ways   [2]*way         // from a, from b
	stop   chan struct{}
	done   sync.WaitGroup
}

// way is one direction of a relay; a goroutine runs it.
type way struct {
	in, out *net.UDPConn
	to      netip.AddrPort

	mu      sync.Mutex // guards the rest
	rng     *rand.Rand
	late    []lateDatagram
	ready   [][]byte // what leaves next
	segment int      // UDP_SEGMENT as it is set now

	lost, twice, delayed, joined int
	passed                       map[encap.SessionID]uint64   // datagrams that left, by session
	numbers                      map[encap.SessionID][]uint32 // of the test's datagrams that left, in their order
}

type lateDatagram struct {
	b     []byte
	after int // so many later ones
}

// newRelay opens a relay's sockets. Daemons may send to them at once; start lets it through.
func newRelay(t *testing.T) *relay {
	t.Helper()
	r := &relay{stop: make(chan struct{})}
	for i := range r.facing {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		r.facing[i] = c
		if err := setSocket(c, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 4<<20); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// port is where the daemon at that end has its peer.
func (r *relay) port(end int) int { return r.facing[end].LocalAddr().(*net.UDPAddr).Port }

// start passes datagrams on to the daemons' ports, until close.
func (r *relay) start(t *testing.T, ports [2]int, seed uint64) {
	t.Helper()
	for i := range r.ways {
		w := &way{
			in: r.facing[i], out: r.facing[1-i],
			to:     netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(ports[1-i])),
			rng:    rand.New(rand.NewPCG(seed, uint64(i))),
			passed: map[encap.SessionID]uint64{}, numbers: map[encap.SessionID][]uint32{},
		}
		r.ways[i] = w
		r.done.Go(func() {
			if err := w.run(r.stop); err != nil {
				t.Errorf("relay: %v", err)
			}
		})
	}
}

func (r *relay) close() {
	close(r.stop)
	r.done.Wait()
	for _, c := range r.facing {
		_ = c.Close()
	}
}

func (w *way) run(stop chan struct{}) error {
	batch := make([]ipv4.Message, mostAtOnce)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 2000)}
	}
	in := ipv4.NewPacketConn(w.in)
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		_ = w.in.SetReadDeadline(time.Now().Add(lateAtLeast))
		n, err := in.ReadBatch(batch, 0)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := w.pass(batch[:max(n, 0)]); err != nil {
			return err
		}
	}
}

// pass sends on what came. When nothing came, what is late waits no longer.
func (w *way) pass(batch []ipv4.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range batch {
		w.disturb(bytes.Clone(m.Buffers[0][:m.N]))
	}
	if len(batch) == 0 {
		for _, l := range w.late {
			w.ready = append(w.ready, l.b)
		}
		w.late = nil
	}
	return w.send()
}

// left tells what has left the relay for a session.
func (w *way) left(id encap.SessionID) (datagrams uint64, numbers []uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed[id], w.numbers[id]
}

// disturbance tells how many datagrams were lost, came twice and came late, and how many sends had several.
func (w *way) disturbance() [4]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return [4]int{w.lost, w.twice, w.delayed, w.joined}
}

// disturb decides what happens to a datagram.
func (w *way) disturb(b []byte) {
	dice := w.rng.IntN(1000)
	switch {
	case dice < loseOf1000:
		w.lost++
	case dice < loseOf1000+twiceOf1000:
		w.twice++
		w.ready = append(w.ready, b, b)
	case dice < loseOf1000+twiceOf1000+lateOf1000:
		w.delayed++
		w.late = append(w.late, lateDatagram{b, 1 + w.rng.IntN(lateBy)})
		return
	default:
		w.ready = append(w.ready, b)
	}
	keep := w.late[:0]
	for _, l := range w.late {
		if l.after--; l.after == 0 {
			w.ready = append(w.ready, l.b)
		} else {
			keep = append(keep, l)
		}
	}
	w.late = keep
}

// send lets everything leave that is ready, runs of one size at once; the last one of a run may be shorter.
func (w *way) send() error {
	for len(w.ready) > 0 {
		size, n, all := len(w.ready[0]), 0, []byte(nil)
		for n < min(len(w.ready), mostAtOnce) && len(w.ready[n]) <= size && len(all)+len(w.ready[n]) <= mostBytes {
			all = append(all, w.ready[n]...)
			n++
			if len(w.ready[n-1]) < size {
				break
			}
		}
		for _, b := range w.ready[:n] {
			w.note(b)
		}
		if n > 1 {
			w.joined++
		}
		w.ready = w.ready[n:]
		if err := w.write(all, size); err != nil {
			return err
		}
	}
	w.ready = w.ready[:0]
	return nil
}

// write sends b as datagrams of so many bytes.
func (w *way) write(b []byte, size int) error {
	if size != w.segment {
		if err := setSocket(w.out, syscall.IPPROTO_UDP, udpSegment, size); err != nil {
			return err
		}
		w.segment = size
	}
	_, err := w.out.WriteToUDPAddrPort(b, w.to)
	return err
}

// note keeps what is compared with the far end's figures.
func (w *way) note(b []byte) {
	d := encap.UDPData(b)
	if !d.Valid() {
		return
	}
	id := d.SessionID()
	w.passed[id]++
	if at := bytes.Index(b, datagramMark); at >= 0 {
		w.numbers[id] = append(w.numbers[id], binary.BigEndian.Uint32(b[at+len(datagramMark):]))
	}
}

// setSocket is setsockopt(2).
func setSocket(c *net.UDPConn, level, option, value int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), level, option, value) })
	return errors.Join(err, set)
}
