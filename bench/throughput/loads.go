package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"culvert/bench/load"
)

const (
	iperfPort  = "5201"
	bulkBefore = 500 * time.Millisecond // the bulk flow runs for so long before and after requests are timed
	grace      = 30 * time.Second       // a program that takes this much longer than it should is killed
)

// errIperf: iperf3 says what went wrong.
var errIperf = errors.New("iperf3")

// workload is one kind of work for a tunnel.
type workload struct {
	name, title string
	metric      metric   // the figure that counts
	also        []metric // what else is measured
	run         func(ctx context.Context, r *runner, t *tunnel) (values, error)
}

func (w workload) key() string { return w.name }

var (
	bulkAlso   = []metric{hostGB, tunnelGB, retransmit}
	packetAlso = []metric{hostMpkt, tunnelMpkt, bitRate, lossShare}
)

// allLoads are the loads in the order of reports.
func allLoads() []workload {
	return []workload{
		{"tcp1", "TCP, one flow", bitRate, bulkAlso, bulkLoad(1)},
		{"tcp4", "TCP, four flows", bitRate, bulkAlso, bulkLoad(4)},
		{"pps64", "64-byte packets", packetRate, packetAlso, packetLoad("pps64", "-size", "64")},
		{"imix", "IMIX", packetRate, packetAlso, packetLoad("imix", "-imix", "MTU")},
		{"pps1400", "MTU-size packets", packetRate, packetAlso, packetLoad("pps1400", "-size", "MTU")},
		{"gso64", "64-byte packets, GSO sender", packetRate, packetAlso, packetLoad("gso64", "-size", "64", "-gso")},
		{"gso64-gro", "64-byte packets, GSO sender, GRO receiver", packetRate, packetAlso, packetLoad("gso64-gro", "-size", "64", "-gso", "-gro")},
		{"rr-idle", "request/response, idle", median, []metric{tail99}, idleLoad(0)},
		{"rr-paced", "request/response, idle, 1 ms apart", median, []metric{tail99}, idleLoad(time.Millisecond)},
		{"rr-loaded", "request/response beside one TCP flow", median, []metric{tail99, bitRate}, loadedLoad},
	}
}

// within bounds a program's time.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("not done after %v", d))
}

// bulkLoad is TCP from near to far by iperf3(1).
func bulkLoad(flows int) func(ctx context.Context, r *runner, t *tunnel) (values, error) {
	return func(ctx context.Context, r *runner, t *tunnel) (values, error) {
		before, err := load.ReadCPU(t.pids)
		if err != nil {
			return nil, err
		}
		got, err := r.iperf(ctx, t, flows, r.opt.bulk)
		if err != nil {
			return nil, err
		}
		after, err := load.ReadCPU(t.pids)
		if err != nil {
			return nil, err
		}
		gb := got.End.Received.Bytes / 1e9
		return values{
			bitRate.Key: got.End.Received.BitsPerSecond, retransmit.Key: got.End.Sent.Retransmits,
			hostGB.Key: (after.Host - before.Host) / gb, tunnelGB.Key: (after.Processes - before.Processes) / gb,
		}, nil
	}
}

// iperfResult is what of iperf3 --json matters.
type iperfResult struct {
	Error string `json:"error"`
	End   struct {
		Sent struct {
			Retransmits float64 `json:"retransmits"`
		} `json:"sum_sent"`
		Received struct {
			Bytes         float64 `json:"bytes"`
			BitsPerSecond float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
}

func parseIperf(out []byte) (iperfResult, error) {
	var r iperfResult
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("%w: %w", errIperf, err)
	}
	switch {
	case r.Error != "":
		return r, fmt.Errorf("%w: %s", errIperf, r.Error)
	case r.End.Received.Bytes == 0:
		return r, fmt.Errorf("%w: nothing was received", errIperf)
	}
	return r, nil
}

// iperf runs the client. After a failure the server starts anew: it may still wait for the old client.
func (r *runner) iperf(ctx context.Context, t *tunnel, flows int, d time.Duration) (iperfResult, error) {
	ctx, cancel := within(ctx, d+grace)
	defer cancel()
	out, err := r.lab.near().ns.Run(ctx, "iperf3", "--json", "-c", t.inner(r.lab.far()).String(), "-p", iperfPort,
		"-P", strconv.Itoa(flows), "-t", strconv.FormatFloat(d.Seconds(), 'f', 1, 64), "--connect-timeout", "5000")
	var got iperfResult
	var failed *exec.ExitError
	if err == nil || errors.As(err, &failed) { // the reason is in the output then
		var parsed error
		if got, parsed = parseIperf(out); err == nil || errors.Is(parsed, errIperf) && got.Error != "" {
			err = parsed
		}
	}
	if err != nil {
		if restart := r.lab.startIperf(); restart != nil {
			err = errors.Join(err, restart)
		}
	}
	return got, err
}

// packetLoad is the highest rate of UDP packets that loses at most 0.1 %. "MTU" among args is replaced.
func packetLoad(name string, args ...string) func(ctx context.Context, r *runner, t *tunnel) (values, error) {
	return func(ctx context.Context, r *runner, t *tunnel) (values, error) {
		mtu := strconv.Itoa(r.opt.mtu)
		argv := r.lab.exe.toolCommand("generate", "-to", t.inner(r.lab.far()).String(), "-duration", r.opt.trial.String(),
			"-start", strconv.FormatFloat(r.start(t, name), 'f', 0, 64))
		for _, a := range args {
			if a == "MTU" {
				a = mtu
			}
			argv = append(argv, a)
		}
		pids := make([]string, 0, len(t.pids))
		for _, pid := range t.pids {
			pids = append(pids, strconv.Itoa(pid))
		}
		argv = append(argv, "-cpu-of", strings.Join(pids, ","))
		ctx, cancel := within(ctx, 40*r.opt.trial+grace)
		defer cancel()
		out, err := r.lab.near().ns.Run(ctx, argv...)
		if err != nil {
			return nil, err
		}
		var got load.SearchResult
		if err := json.Unmarshal(out, &got); err != nil {
			return nil, err
		}
		return values{
			packetRate.Key: got.Best.Rate, bitRate.Key: got.Best.Mbps * 1e6, lossShare.Key: got.Best.Loss,
			hostMpkt.Key: got.Best.Relative.Host, tunnelMpkt.Key: got.Best.Relative.Processes,
		}, nil
	}
}

// idleLoad is one request after the other on an idle tunnel. With a pause in between, processors fall asleep and
// waking them counts; without, the scheduler may keep all on one processor.
func idleLoad(pause time.Duration) func(ctx context.Context, r *runner, t *tunnel) (values, error) {
	return func(ctx context.Context, r *runner, t *tunnel) (values, error) { return r.ask(ctx, t, pause) }
}

// loadedLoad is paced requests beside a bulk flow in their direction.
func loadedLoad(ctx context.Context, r *runner, t *tunnel) (values, error) {
	type outcome struct {
		got iperfResult
		err error
	}
	bulk := make(chan outcome, 1)
	go func() {
		got, err := r.iperf(ctx, t, 1, r.opt.ask+2*bulkBefore)
		bulk <- outcome{got, err}
	}()
	select {
	case <-ctx.Done():
	case <-time.After(bulkBefore):
	}
	v, err := r.ask(ctx, t, time.Millisecond)
	o := <-bulk
	if err = errors.Join(err, o.err); err != nil {
		return nil, err
	}
	v[bitRate.Key] = o.got.End.Received.BitsPerSecond
	return v, nil
}

// ask is requests, each sent a pause after the last reply.
func (r *runner) ask(ctx context.Context, t *tunnel, pause time.Duration) (values, error) {
	ctx, cancel := within(ctx, r.opt.ask+grace)
	defer cancel()
	out, err := r.lab.near().ns.Run(ctx, r.lab.exe.toolCommand("ping", "-to", t.inner(r.lab.far()).String(),
		"-duration", r.opt.ask.String(), "-interval", pause.String())...)
	if err != nil {
		return nil, err
	}
	var l load.Latency
	if err := json.Unmarshal(out, &l); err != nil {
		return nil, err
	}
	return values{median.Key: l.P50.Seconds(), tail99.Key: l.P99.Seconds()}, nil
}
