package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix" //nolint:depguard // see sys.go
)

const (
	quietTime = 100 * time.Millisecond // no packet for so long after the sender has stopped: the rest is lost
	drainTime = 3 * time.Second        // wait at most so long
	maxConns  = 16
)

// Report is what a sink tells about a trial.
type Report struct {
	Trial    uint32         `json:"trial"`
	From     netip.AddrPort `json:"from"`
	Sent     uint64         `json:"sent"`
	Lost     uint64         `json:"lost"`
	Counts                  // of all flows
	Seconds  float64        `json:"seconds"` // from the first to the last packet
	Finished time.Time      `json:"finished"`
}

// Sink counts the packets of generators and answers requests.
type Sink struct {
	data, echo *socket
	control    net.Listener
	report     func(Report)

	mu    sync.Mutex
	trial *trial // the one that runs, or nil
}

// trial is what one generator has announced, and what has arrived of it.
type trial struct {
	id          uint32
	flows       []tracker
	packets     uint64 // all, copies too
	first, last time.Time
}

// NewSink opens the sockets of a sink on addr and the port after it. report, when not nil, is called after each trial,
// from one goroutine at a time.
func NewSink(addr netip.AddrPort, report func(Report)) (*Sink, error) {
	if report == nil {
		report = func(Report) {}
	}
	if addr.Port() == 0 || addr.Port() == 65535 {
		return nil, errors.New("the sink needs a port from 1 to 65534")
	}
	s := &Sink{report: report}
	var err error
	s.data, err = listenUDP(addr)
	if errors.Is(err, unix.EAFNOSUPPORT) && addr.Addr() == netip.IPv6Unspecified() { // a host without IPv6
		addr = netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())
		s.data, err = listenUDP(addr)
	}
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", addr, err)
	}
	if s.echo, err = listenUDP(netip.AddrPortFrom(addr.Addr(), addr.Port()+1)); err != nil {
		s.data.close()
		return nil, fmt.Errorf("sink %s, next port: %w", addr, err)
	}
	if s.control, err = net.Listen("tcp", addr.String()); err != nil {
		s.data.close()
		s.echo.close()
		return nil, fmt.Errorf("sink: %w", err)
	}
	return s, nil
}

// Serve works until ctx ends, then closes everything.
func (s *Sink) Serve(ctx context.Context) error {
	var threads, conns sync.WaitGroup
	stop := make(chan struct{})
	for _, work := range []func(stop <-chan struct{}) error{s.count, s.answerRequests} {
		threads.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			_ = work(stop)
		})
	}
	cancelled := context.AfterFunc(ctx, func() { _ = s.control.Close() })
	room := make(chan struct{}, maxConns)
	var err error
	for {
		var conn net.Conn
		if conn, err = s.control.Accept(); err != nil {
			break
		}
		select {
		case room <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-room }()
			s.converse(ctx, conn)
		})
	}
	cancelled()
	_ = s.control.Close()
	close(stop)
	conns.Wait()
	threads.Wait()
	s.data.close()
	s.echo.close()
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// count receives and counts until stop.
func (s *Sink) count(stop <-chan struct{}) error {
	b := newBatch(maxBatch, maxDatagram)
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		n, err := s.data.receive(b)
		if err != nil {
			if again(err) {
				continue
			}
			return err
		}
		s.take(b, n)
	}
}

// take counts n received messages.
func (s *Sink) take(b *batch, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.trial
	if t == nil {
		return
	}
	for i := range n {
		msg := b.message(i)
		size := b.segment(i, len(msg))
		for len(msg) > 0 {
			p := msg[:min(size, len(msg))]
			msg = msg[len(p):]
			h, ok := parseHeader(p)
			if !ok || h.kind != kindData || h.trial != t.id || int(h.flow) >= len(t.flows) {
				continue
			}
			t.flows[h.flow].add(h.seq, len(p))
			t.packets++
		}
	}
	if t.packets > 0 {
		t.last = time.Now()
		if t.first.IsZero() {
			t.first = t.last
		}
	}
}

// answerRequests sends every request back as a reply.
func (s *Sink) answerRequests(stop <-chan struct{}) error {
	buf := make([]byte, maxDatagram)
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		n, from, err := unix.Recvfrom(s.echo.fd, buf, 0)
		if err != nil {
			if again(err) {
				continue
			}
			return err
		}
		if h, ok := parseHeader(buf[:n]); ok && h.kind == kindRequest && from != nil {
			h.kind = kindReply
			h.put(buf)
			_ = unix.Sendto(s.echo.fd, buf[:n], 0, from) // a lost reply is the asker's finding
		}
	}
}

// converse serves one control connection.
func (s *Sink) converse(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := bufio.NewReaderSize(conn, maxLine)
	var mine *trial
	defer func() { s.finish(mine) }()
	for conn.SetDeadline(time.Now().Add(trialWait)) == nil {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		var r request
		var a answer
		if err = json.Unmarshal(line, &r); err == nil {
			a, mine, err = s.handle(ctx, conn, r, mine)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if json.NewEncoder(conn).Encode(a) != nil {
			return
		}
	}
}

// handle does what a request asks; t is the connection's trial.
func (s *Sink) handle(ctx context.Context, conn net.Conn, r request, t *trial) (answer, *trial, error) {
	switch {
	case r.Op == "begin" && t == nil:
		begun, err := s.begin(r)
		return answer{}, begun, err
	case r.Op == "end" && t != nil && r.Trial == t.id:
		s.drain(ctx, t, r.Sent)
		s.finish(t)
		rep := Report{Trial: t.id, Sent: r.Sent, Finished: time.Now()}
		if a, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
			rep.From = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		}
		for i := range t.flows {
			rep.add(t.flows[i].Counts)
		}
		span := t.last.Sub(t.first)
		rep.Lost, rep.Seconds = r.Sent-min(rep.Received, r.Sent), span.Seconds()
		s.mu.Lock()
		s.report(rep)
		s.mu.Unlock()
		return answer{Counts: rep.Counts, Span: span}, nil, nil
	}
	return answer{}, t, fmt.Errorf("unexpected request %q", r.Op)
}

// begin makes room for a trial.
func (s *Sink) begin(r request) (*trial, error) {
	if r.Flows < 1 || r.Flows > maxFlows {
		return nil, ErrFlows
	}
	t := &trial{id: r.Trial, flows: make([]tracker, r.Flows)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial != nil {
		return nil, errors.New("busy with another trial")
	}
	if err := s.data.setGRO(r.GRO); err != nil {
		return nil, err
	}
	s.trial = t
	return t, nil
}

// drain waits until all has arrived or nothing comes any more.
func (s *Sink) drain(ctx context.Context, t *trial, sent uint64) {
	seen, since := uint64(0), time.Now()
	for end := since.Add(drainTime); time.Now().Before(end); {
		s.mu.Lock()
		n := t.packets
		s.mu.Unlock()
		if n != seen {
			seen, since = n, time.Now()
		}
		if n >= sent || time.Since(since) > quietTime {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// finish ends trial t if it runs.
func (s *Sink) finish(t *trial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != nil && s.trial == t {
		s.trial = nil
	}
}
