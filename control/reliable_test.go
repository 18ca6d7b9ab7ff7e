package control

import (
	"slices"
	"testing"
	"time"
)

// sendAll pushes n messages and returns how many had room.
func sendAll(s *sender, now time.Time, n int) (sent int) {
	for ; sent < n && s.room(false); sent++ {
		s.push(now, SLI, nil)
	}
	return sent
}

// TestRetransmission: 1 s doubling to 8 s, ten tries, the verdict one interval after the tenth (RFC 3931 section 4.2).
func TestRetransmission(t *testing.T) {
	for _, c := range []struct {
		cfg  Reliability
		want []int // seconds of retransmissions, and of the end
	}{
		{Reliability{}, []int{1, 3, 7, 15, 23, 31, 39, 47, 55, 63, 71}},
		{Reliability{RetryTimeout: 2 * time.Second, RetryCap: 3 * time.Second, MaxRetries: 3}, []int{2, 5, 8, 11}},
		{Reliability{RetryTimeout: 20 * time.Second, MaxRetries: 1}, []int{20, 40}},
	} {
		s := newSender(c.cfg.normal())
		s.push(epoch, HELLO, nil)
		var got []int
		for dead := false; !dead; {
			now := s.timer
			got = append(got, int(now.Sub(epoch)/time.Second))
			if dead = s.expire(now); !dead && s.repeat(now) == nil {
				t.Fatal("nothing repeated")
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.cfg, got, c.want)
		}
		if cycle := c.cfg.normal().cycle(); cycle != max(minLinger, time.Duration(c.want[len(c.want)-1])*time.Second) {
			t.Errorf("%+v: cycle %v", c.cfg, cycle)
		}
	}
}

// TestSlowStart follows the congestion window through RFC 3931 appendix A.
func TestSlowStart(t *testing.T) {
	s := newSender(Reliability{}.normal())
	s.setWindow(8)
	now := epoch
	var windows []int
	round := func() { // send what fits, acknowledge one by one
		n := sendAll(&s, now, 100)
		windows = append(windows, n)
		for range n {
			s.acked(now, s.next-Seq(len(s.flight))+1)
		}
	}
	for range 5 {
		round()
	}
	if want := []int{1, 2, 4, 7, 7}; !slices.Equal(windows, want) || s.cwnd != 8 { // one place is kept
		t.Errorf("windows %v, cwnd %d", windows, s.cwnd)
	}
	sendAll(&s, now, 100)
	now = s.timer
	if s.expire(now) || s.cwnd != 1 || s.threshold != 4 || s.room(false) {
		t.Errorf("after a timeout: cwnd %d, threshold %d", s.cwnd, s.threshold)
	}
	if s.repeat(now) == nil || s.repeat(now) != nil {
		t.Error("not exactly one message repeated")
	}
	s.acked(now, s.next) // the rest had arrived
	windows = nil
	for range 4 {
		round()
	}
	if want := []int{2, 4, 5, 6}; !slices.Equal(windows, want) {
		t.Errorf("windows after congestion %v, want %v", windows, want)
	}
}

// TestGoBack: messages lost with the first are repeated as the window opens, oldest first, without waiting for their own
// timers, and those that arrived are not.
func TestGoBack(t *testing.T) {
	s := newSender(Reliability{}.normal())
	s.setWindow(16)
	s.cwnd = 16
	sendAll(&s, epoch, 6) // 0 to 5
	now := s.timer
	s.expire(now)
	if m := s.repeat(now); m == nil || m.ns != 0 {
		t.Fatalf("repeated %+v", m)
	}
	s.acked(now, 2) // 1 had arrived
	var got []Seq
	for m := s.repeat(now); m != nil; m = s.repeat(now) {
		got = append(got, m.ns)
	}
	if !slices.Equal(got, []Seq{2, 3}) || s.count.Retransmissions != 3 {
		t.Errorf("repeated %v", got)
	}
	if s.srtt != 0 {
		t.Errorf("a repeated message was taken for a measurement of the round trip: %v", s.srtt)
	}
}

// TestWindow: sessions leave one place of the peer's window to HELLO and StopCCN, and a window of 1 is nobody's alone.
func TestWindow(t *testing.T) {
	for _, c := range []struct{ advertised, sessions, urgent int }{{0, 3, 1}, {1, 1, 0}, {2, 1, 1}, {100, 99, 1}, {65535, maxWindow - 1, 1}} {
		s := newSender(Reliability{}.normal())
		s.setWindow(uint16(c.advertised))
		s.cwnd = s.peer
		if n := sendAll(&s, epoch, 1<<17); n != c.sessions {
			t.Errorf("window %d: %d messages of sessions, want %d", c.advertised, n, c.sessions)
		}
		n := 0
		for ; s.room(true); n++ {
			s.push(epoch, HELLO, nil)
		}
		if n != c.urgent {
			t.Errorf("window %d: %d urgent messages behind them, want %d", c.advertised, n, c.urgent)
		}
	}
}

// TestAcked: an Nr acknowledges what was sent and no more, also where the numbers wrap.
func TestAcked(t *testing.T) {
	for _, start := range []Seq{0, 1, 0x7fff, 0xfffe, 0xffff} {
		s := newSender(Reliability{}.normal())
		s.setWindow(8)
		s.next, s.cwnd = start, 8
		sendAll(&s, epoch, 4)
		for _, c := range []struct {
			nr    Seq
			valid bool
			n     int
		}{{start, true, 0}, {start - 1, true, 0}, {start + 5, false, 0}, {start + 1, true, 1}, {start + 3, true, 2}, {start + 1, true, 0}, {start + 4, true, 1}, {start + 4, true, 0}, {start + 5, false, 0}} {
			if v := s.valid(c.nr); v != c.valid {
				t.Errorf("start %d: Nr %d valid %v", start, c.nr, v)
			}
			if c.valid {
				if n := s.acked(epoch, c.nr); n != c.n {
					t.Errorf("start %d: Nr %d acknowledges %d, want %d", start, c.nr, n, c.n)
				}
			}
		}
		if len(s.flight) != 0 || !s.timer.IsZero() {
			t.Errorf("start %d: %d left", start, len(s.flight))
		}
	}
}

// TestReorder delivers messages in every order within the window, across the wrap, whatever the window's size.
func TestReorder(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5, 7, 8, 100} {
		for _, start := range []Seq{0, 0xfffd} {
			r := receiver{next: start, size: size}
			packet := func(n int) Packet { return Packet{Header: Header{Ns: start + Seq(n)}, raw: []byte{byte(n)}} }
			for n := size - 1; n > 0; n-- {
				if r.judge(packet(n).Ns) != orderAhead || !r.keep(packet(n), n) || !r.keep(packet(n), n) {
					t.Fatalf("size %d: %d not kept", size, n)
				}
			}
			if r.keep(packet(size), 0) || r.keep(packet(size+1000), 0) {
				t.Errorf("size %d: kept what lies beyond the window", size)
			}
			if r.held != size-1 || r.judge(start) != orderDue || r.judge(start-1) != orderDuplicate {
				t.Errorf("size %d: %d held", size, r.held)
			}
			n := 1
			for r.advance(); ; n++ {
				p, key, ok := r.successor()
				if !ok {
					break
				}
				if key != n || p.Ns != start+Seq(n) {
					t.Errorf("size %d: %d instead of %d", size, p.Ns, n)
				}
				r.advance()
			}
			if n != size || r.held != 0 || r.early != nil {
				t.Errorf("size %d: %d delivered, %d held", size, n, r.held)
			}
		}
	}
}

// FuzzReliable joins a sender and a receiver by a wire that the input loses, repeats and reorders: everything arrives
// once and in order, and nothing beyond the window is in flight.
func FuzzReliable(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint16(4), uint16(0))
	f.Add([]byte{2, 2, 2, 0, 0, 1, 1, 3, 7, 7, 7, 1, 0, 2}, uint16(1), uint16(0xfffe))
	f.Fuzz(func(t *testing.T, script []byte, window, start uint16) {
		s, r := newSender(Reliability{MaxRetries: 1000}.normal()), receiver{next: Seq(start), size: int(min(max(window, 1), 64))}
		s.next = Seq(start)
		s.setWindow(uint16(r.size))
		now, due := epoch, Seq(start)
		var wire []Packet
		send := func(m *outMessage) { wire = append(wire, Packet{Header: Header{Ns: m.ns}, raw: []byte{1}}) }
		deliver := func(p Packet) {
			switch r.judge(p.Ns) {
			case orderDue:
				for ok := true; ok; p, _, ok = r.successor() {
					if p.Ns != due {
						t.Fatalf("delivered %d, due %d", p.Ns, due)
					}
					due++
					r.advance()
				}
			case orderAhead:
				r.keep(p, 0)
			case orderDuplicate:
			}
		}
		step := func(op byte) {
			switch {
			case op%4 == 0 && s.room(op&4 != 0):
				send(s.push(now, SLI, nil))
			case op%4 == 1 && len(wire) > 0:
				i := int(op/4) % len(wire)
				deliver(wire[i])
				wire = slices.Delete(wire, i, i+1)
			case op%4 == 2 && len(wire) > 0: // lost
				wire = wire[1:]
			case op%4 == 3:
				if !s.valid(r.next) {
					t.Fatal("Nr of the receiver is not valid")
				}
				s.acked(now, r.next)
				now = now.Add(time.Duration(op) * 100 * time.Millisecond)
				s.expire(now)
				for m := s.repeat(now); m != nil; m = s.repeat(now) {
					send(m)
				}
			}
			if len(s.flight) > r.size || (len(s.flight) == 0) != s.timer.IsZero() {
				t.Fatalf("%d in flight, window %d, timer %v", len(s.flight), r.size, s.timer)
			}
		}
		for _, op := range script {
			step(op)
		}
		for range 4 * (len(s.flight) + 1) { // a wire that works ends it
			for len(wire) > 0 {
				step(1)
			}
			now = now.Add(10 * time.Second)
			step(3)
		}
		if len(s.flight) != 0 || due != s.next {
			t.Fatalf("%d in flight, %d delivered of %d", len(s.flight), due, s.next)
		}
	})
}
