package load

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"time"
)

// MaxSegments is how many packets one GSO send may hold: UDP_MAX_SEGMENTS of kernels before 6.9.
const MaxSegments = 64

// GeneratorConfig tells what to send where.
type GeneratorConfig struct {
	To      netip.AddrPort // a sink
	Control netip.AddrPort // where to reach it over TCP; zero: To
	Profile Profile
	Flows   int   // UDP ports to send from, 1 to 256; 0: 1
	GSO     int   // packets per send, 2 to MaxSegments; 0: no GSO. Needs a profile of one size
	GRO     bool  // the sink takes many packets at once, too
	PIDs    []int // processes whose CPU time is reported
}

// Result is a finished trial.
type Result struct {
	Profile  string  `json:"profile"`
	Mean     float64 `json:"mean_bytes"` // IP length
	Flows    int     `json:"flows"`
	GSO      int     `json:"gso"`   // packets per send, 0: no GSO
	GRO      bool    `json:"gro"`   // the sink took many at once
	Asked    float64 `json:"asked"` // packets/s, 0: as fast as possible
	Offered  float64 `json:"offered"`
	Rate     float64 `json:"rate"` // packets/s that arrived
	Mbps     float64 `json:"mbps"` // of IP packets that arrived
	Sent     uint64  `json:"sent"`
	Lost     uint64  `json:"lost"`
	Loss     float64 `json:"loss"` // share of sent
	Counts           // what arrived
	Seconds  float64 `json:"seconds"`      // of sending
	CPU      CPU     `json:"cpu_s"`        // while sending
	Relative CPU     `json:"cpu_per_mpkt"` // seconds per million packets that arrived
}

// Generator sends trials to a sink.
type Generator struct {
	cfg     GeneratorConfig
	ctl     controller
	socks   []*socket
	batch   *batch
	lens    []int    // UDP payload lengths of the profile
	seqs    []uint32 // next number of each flow
	turn    int      // whose turn it is among the flows
	pos     int      // place in the profile
	trialID uint32
}

// NewGenerator connects to a sink.
func NewGenerator(ctx context.Context, cfg GeneratorConfig) (*Generator, error) {
	if cfg.Flows == 0 {
		cfg.Flows = 1
	}
	if cfg.Flows < 1 || cfg.Flows > maxFlows {
		return nil, ErrFlows
	}
	if cfg.GSO != 0 && (cfg.GSO < 2 || cfg.GSO > MaxSegments || len(cfg.Profile.Sizes) != 1) {
		return nil, fmt.Errorf("GSO takes 2 to %d packets of one size a send", MaxSegments)
	}
	if len(cfg.Profile.Sizes) == 0 {
		return nil, ErrSize
	}
	if !cfg.Control.IsValid() {
		cfg.Control = cfg.To
	}
	g := &Generator{cfg: cfg, seqs: make([]uint32, cfg.Flows)}
	for _, n := range cfg.Profile.Sizes {
		g.lens = append(g.lens, n-udpOverhead(!cfg.To.Addr().Unmap().Is4()))
	}
	size := cfg.Profile.max()
	if cfg.GSO > 0 {
		g.cfg.GSO = min(cfg.GSO, 65000/g.lens[0])
		size = g.cfg.GSO * g.lens[0]
	}
	g.batch = newBatch(maxBatch, size)
	if err := g.connect(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// connect opens the control connection and a socket for each flow.
func (g *Generator) connect(ctx context.Context) error {
	d := net.Dialer{Timeout: answerWait}
	conn, err := d.DialContext(ctx, "tcp", g.cfg.Control.String())
	if err != nil {
		return fmt.Errorf("no sink: %w", err)
	}
	g.ctl = controller{conn, bufio.NewReaderSize(conn, maxLine)}
	for range g.cfg.Flows {
		s, err := dialUDP(g.cfg.To)
		if err != nil {
			g.Close()
			return fmt.Errorf("send to %s: %w", g.cfg.To, err)
		}
		g.socks = append(g.socks, s)
	}
	return nil
}

// Close gives everything back.
func (g *Generator) Close() {
	_ = g.ctl.conn.Close()
	for _, s := range g.socks {
		s.close()
	}
}

// Run sends for a duration at rate packets/s, or as fast as it goes if that is 0, and asks what arrived.
func (g *Generator) Run(ctx context.Context, rate float64, duration time.Duration) (Result, error) {
	r := Result{Profile: g.cfg.Profile.Name, Mean: g.cfg.Profile.Mean(), Flows: g.cfg.Flows, GSO: g.cfg.GSO, GRO: g.cfg.GRO, Asked: rate}
	if duration <= 0 || duration > maxDuration {
		return r, ErrDuration
	}
	g.trialID, g.turn, g.pos = rand.Uint32(), 0, 0 //nolint:gosec // only tells trials apart
	clear(g.seqs)
	defer context.AfterFunc(ctx, func() { _ = g.ctl.conn.SetDeadline(time.Now()) })()
	if _, err := g.ctl.ask(request{Op: "begin", Trial: g.trialID, Flows: g.cfg.Flows, GRO: g.cfg.GRO}); err != nil {
		return r, cause(ctx, err)
	}
	before, err := ReadCPU(g.cfg.PIDs)
	if err != nil {
		return r, err
	}
	took, err := g.send(ctx, rate, duration)
	if err != nil {
		return r, cause(ctx, err)
	}
	after, err := ReadCPU(g.cfg.PIDs)
	if err != nil {
		return r, err
	}
	for _, n := range g.seqs {
		r.Sent += uint64(n)
	}
	a, err := g.ctl.ask(request{Op: "end", Trial: g.trialID, Sent: r.Sent})
	if err != nil {
		return r, cause(ctx, err)
	}
	r.CPU = after.sub(before)
	r.finish(a, took)
	return r, nil
}

// cause prefers the reason a context ended to what broke because of it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// finish fills in what follows from the sink's answer. Packets that were still on the way when sending ended lengthen
// the time the rate is reckoned over.
func (r *Result) finish(a answer, took time.Duration) {
	r.Counts, r.Seconds = a.Counts, took.Seconds()
	r.Lost = r.Sent - min(a.Counts.Received, r.Sent)
	if r.Sent > 0 {
		r.Loss = float64(r.Lost) / float64(r.Sent)
	}
	if r.Seconds > 0 {
		r.Offered = float64(r.Sent) / r.Seconds
		r.Rate = float64(r.Received) / max(r.Seconds, a.Span.Seconds())
	}
	r.Mbps = r.Rate * r.Mean * 8 / 1e6
	if r.Received > 0 {
		million := float64(r.Received) / 1e6
		r.Relative = CPU{r.CPU.Host / million, r.CPU.Processes / million}
	}
}

// send sends until the time is over.
func (g *Generator) send(ctx context.Context, rate float64, duration time.Duration) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	preciseSleep()
	unit := max(g.cfg.GSO, 1)
	most := maxBatch * unit
	if g.cfg.GSO > 0 {
		most = 4 * unit
	}
	start := time.Now()
	end := start.Add(duration)
	p := newPacer(rate, unit, most, start)
	for now := start; now.Before(end); now = time.Now() {
		n := most
		if rate > 0 {
			n = p.grant(now, unit, most)
		}
		if n > 0 {
			if err := g.burst(n); err != nil {
				return 0, err
			}
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if rate > 0 {
			if d := p.wait(); d > 0 {
				sleep(min(d, time.Until(end)))
			}
		}
	}
	return time.Since(start), nil
}

// burst sends n packets of the flow whose turn it is.
func (g *Generator) burst(n int) error {
	flow := g.turn
	g.turn = (flow + 1) % len(g.socks)
	per := max(g.cfg.GSO, 1)
	messages := n / per
	for i := range messages {
		g.fill(i, flow, per)
	}
	for sent := 0; sent < messages; {
		done, err := g.socks[flow].send(g.batch, messages-sent)
		switch {
		case err == nil && done == messages-sent:
			return nil
		case err == nil:
			g.shift(done, messages-sent)
			sent += done
		case localDrop(err): // the first of the rest is lost
			g.shift(1, messages-sent)
			sent++
		default:
			return err
		}
	}
	return nil
}

// shift moves the messages from first to n to the front: rare, so copying is good enough.
func (g *Generator) shift(first, n int) {
	for i := first; i < n; i++ {
		length := int(g.batch.iovs[i].Len)
		copy(g.batch.bufs[i-first], g.batch.bufs[i][:length])
		g.batch.setLen(i-first, length)
	}
}

// fill makes message i of the next per packets of a flow.
func (g *Generator) fill(i, flow, per int) {
	b := g.batch.bufs[i]
	length := 0
	for range per {
		n := g.lens[g.pos]
		g.pos = (g.pos + 1) % len(g.lens)
		header{trial: g.trialID, kind: kindData, flow: uint16(flow), seq: g.seqs[flow]}.put(b[length:])
		g.seqs[flow]++
		length += n
	}
	g.batch.setLen(i, length)
	if g.cfg.GSO > 0 {
		g.batch.setSegment(i, g.lens[0])
	}
}
