package scale

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"culvert/client"
)

const (
	port    = 7007
	payload = 200 // bytes
	// burst packets are sent in a row, then others get their turn: no queue on the way is shorter.
	burst = 64
	pause = time.Millisecond
)

// addressOf is ours at the answering end of session n; see accessServer.
func addressOf(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|64<<16+n)
	return netip.AddrFrom4(b)
}

// talk is a socket at either end: what the subscribers' sends, the access server's answers.
type talk struct {
	from, to *net.UDPConn
	answers  *ipv4.PacketConn

	mu    sync.Mutex
	seen  []bool // [session] answered
	left  int
	count int // answers
	wrong int // packets of another session than theirs
	done  sync.WaitGroup
}

// listen opens a UDP socket inside a namespace.
func (e *end) listen(at string) (c *net.UDPConn, err error) {
	err = e.ns.Do(func() error {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
		return err
	})
	return c, err
}

// newTalk starts answering.
func (l *lab) newTalk() (*talk, error) {
	t := &talk{seen: make([]bool, l.c.Sessions), left: l.c.Sessions}
	var err error
	if t.to, err = l.lns.listen(fmt.Sprint("0.0.0.0:", port)); err != nil {
		return nil, err
	}
	if t.from, err = l.lac.listen("0.0.0.0:0"); err != nil {
		_ = t.to.Close()
		return nil, err
	}
	_ = t.to.SetReadBuffer(4 << 20)
	_ = t.from.SetReadBuffer(4 << 20)
	t.answers = ipv4.NewPacketConn(t.to)
	if err := t.answers.SetControlMessage(ipv4.FlagDst, true); err != nil {
		t.close()
		return nil, err
	}
	t.done.Go(t.answer)
	t.done.Go(t.collect)
	return t, nil
}

func (t *talk) close() {
	_ = t.to.Close()
	_ = t.from.Close()
	t.done.Wait()
}

// answer sends back what has come, from the address that it came to: that of the session whose number it carries.
func (t *talk) answer() {
	b := make([]byte, 2048)
	for {
		n, cm, from, err := t.answers.ReadFrom(b)
		if err != nil {
			return
		}
		a, ok := netip.AddrFromSlice(cm.Dst)
		if n != payload || !ok || a.Unmap() != addressOf(binary.BigEndian.Uint32(b)) {
			t.note(func() { t.wrong++ })
			continue
		}
		_, _ = t.answers.WriteTo(b[:n], &ipv4.ControlMessage{Src: cm.Dst}, from) // who misses it asks again
	}
}

// collect takes the answers.
func (t *talk) collect() {
	b := make([]byte, 2048)
	for {
		n, from, err := t.from.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		t.note(func() {
			i := binary.BigEndian.Uint32(b)
			if n != payload || int(i) >= len(t.seen) || from.Addr().Unmap() != addressOf(i) {
				t.wrong++
				return
			}
			t.count++
			if !t.seen[i] {
				t.seen[i] = true
				t.left--
			}
		})
	}
}

func (t *talk) note(fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn()
}

// missing are the sessions that no answer has come through, and how many packets have come through others' than theirs.
func (t *talk) missing() (all []uint32, answers, wrong int) {
	t.note(func() {
		for i, ok := range t.seen {
			if !ok {
				all = append(all, uint32(i))
			}
		}
		answers, wrong = t.count, t.wrong
	})
	return all, answers, wrong
}

// send sends a packet through each of the sessions.
func (t *talk) send(ctx context.Context, sessions []uint32) error {
	b := make([]byte, payload)
	for i, n := range sessions {
		binary.BigEndian.PutUint32(b, n)
		if _, err := t.from.WriteToUDPAddrPort(b, netip.AddrPortFrom(addressOf(n), port)); err != nil {
			return err
		}
		if i%burst == burst-1 {
			time.Sleep(pause)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// through sends a packet through every session and back, again where it was lost, and checks each session's counters.
func (l *lab) through(ctx context.Context, t *talk) error {
	before, err := l.counters(ctx)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		left, _, wrong := t.missing()
		switch {
		case wrong > 0:
			return fmt.Errorf("%d packets came out of another session than theirs", wrong)
		case len(left) == 0:
			return l.moved(ctx, before)
		case try == 20:
			return fmt.Errorf("nothing comes through %d sessions, lac%d among them", len(left), left[0])
		}
		if err := t.send(ctx, left); err != nil {
			return err
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// counters gives the packets of each session at the answering end, by interface.
func (l *lab) counters(ctx context.Context) (map[string][2]uint64, error) {
	all, err := client.Collect(l.lns.client.Sessions(ctx, client.Filter{}))
	m := make(map[string][2]uint64, len(all))
	for i := range all {
		m[all[i].Interface] = [2]uint64{all[i].RxPackets, all[i].TxPackets}
	}
	return m, err
}

// moved checks that every session has counted.
func (l *lab) moved(ctx context.Context, before map[string][2]uint64) error {
	time.Sleep(100 * time.Millisecond) // counters may lag a round behind
	after, err := l.counters(ctx)
	if err != nil {
		return err
	}
	if len(after) != l.c.Sessions {
		return fmt.Errorf("%d sessions, not %d", len(after), l.c.Sessions)
	}
	for name, now := range after {
		if was := before[name]; now[0] <= was[0] || now[1] <= was[1] {
			return fmt.Errorf("%s has not counted: %v after %v", name, now, was)
		}
	}
	return nil
}

// idle is for how long at most, Config.Echo else, the CPU time is watched that a packet is not charged with.
const idle = time.Second

// cost gives the CPU time of both ends for a packet there and back, spread over the first n sessions, without what LCP
// echoes and the like take meanwhile.
func (l *lab) cost(ctx context.Context, t *talk, n int) (time.Duration, error) {
	all := make([]uint32, l.c.Packets)
	for i := range all {
		all[i] = uint32(i % n)
	}
	_, answers, _ := t.missing()
	began := time.Now()
	start, err := l.used()
	if err != nil {
		return 0, err
	}
	time.Sleep(min(idle, l.c.Echo))
	before, err := l.used()
	if err != nil {
		return 0, err
	}
	watched := max(time.Since(began), idle/4) // a tick of the clock in less is no rate
	began = time.Now()
	if err := t.send(ctx, all); err != nil {
		return 0, err
	}
	time.Sleep(250 * time.Millisecond)
	used, err := l.used()
	_, now, _ := t.missing()
	if err == nil && now <= answers {
		err = errors.New("no packet came back")
	}
	if err != nil {
		return 0, err
	}
	used -= before + time.Duration(float64(before-start)*float64(time.Since(began))/float64(watched))
	return max(used, 0) / time.Duration(now-answers), nil
}

// used is the CPU time of both culverts.
func (l *lab) used() (time.Duration, error) {
	a, err1 := cpu(l.lns.process.PID())
	b, err2 := cpu(l.lac.process.PID())
	return a + b, errors.Join(err1, err2)
}
