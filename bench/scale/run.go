package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"culvert/forwarder/tuntap"
	"culvert/internal/netlab"
)

// Sample is one measurement of the ramp. Memory is in bytes; Kernel is one end's half.
type Sample struct {
	Seconds  float64 `json:"seconds"`
	Sessions int     `json:"sessions"`
	LNS      int64   `json:"lns_resident"`
	LAC      int64   `json:"lac_resident"`
	Kernel   int64   `json:"kernel"`
}

// end is the memory of the larger end.
func (s Sample) end() int64 { return s.Kernel + max(s.LNS, s.LAC) }

// Result is what a run has shown.
type Result struct {
	Sessions int   `json:"sessions"`
	Memory   int64 `json:"memory_limit,omitempty"` // of one end
	Limited  bool  `json:"limited"`                // memory ended the ramp
	// Descriptors is the limit of open files of each end.
	Descriptors int `json:"descriptor_limit"`
	// Floor is how many bare devices this machine makes and brings up a second, one thread, nothing else running.
	Floor float64  `json:"floor_devices_per_second"`
	Ramp  []Sample `json:"ramp"`
	// SetupSeconds is from the start of both processes to the last session's IPCP being open.
	SetupSeconds    float64 `json:"setup_seconds"`
	ListSeconds     float64 `json:"list_seconds"`           // all sessions by the API
	EchoCPU         float64 `json:"echo_cpu_share"`         // of one CPU, both ends
	CostOne         float64 `json:"cost_one_us"`            // CPU time a packet there and back, both ends, one session in the process
	CostOneOfAll    float64 `json:"cost_one_of_all_us"`     // through one session, all present
	CostAll         float64 `json:"cost_all_us"`            // spread over all
	StopSeconds     float64 `json:"stop_seconds"`           // from SIGTERM to the end of the process that dialed
	PeerGoneSeconds float64 `json:"peer_gone_seconds"`      // from then until the other end has no device left
	EchoInterval    int     `json:"echo_interval_seconds"`  // of LCP
	PerSession      int64   `json:"bytes_per_session"`      // of the larger end
	Process         int64   `json:"process_bytes_per_sess"` // of that, the process
}

// floorDevices is how many devices the floor is taken from.
const floorDevices = 2000

// Run does one run.
func Run(ctx context.Context, c Config) (r *Result, err error) {
	r = &Result{Memory: c.Memory, EchoInterval: echoInterval, Descriptors: c.Descriptors}
	if r.Descriptors == 0 {
		r.Descriptors = tuntap.DescriptorLimit()
	}
	if r.Floor, err = floor(min(floorDevices, c.Sessions)); err != nil {
		return r, fmt.Errorf("bare devices: %w", err)
	}
	one := c
	one.Sessions, one.Memory = 1, 0
	if err := single(ctx, one, r); err != nil {
		return r, fmt.Errorf("one session: %w", err)
	}
	l, err := newLab(c)
	if err != nil {
		return r, err
	}
	defer l.close()
	if err := l.ramp(ctx, r); err != nil {
		return r, err
	}
	last := r.Ramp[len(r.Ramp)-1]
	r.PerSession = last.end() / int64(r.Sessions)
	r.Process = max(last.LNS, last.LAC) / int64(r.Sessions)
	l.log("%d sessions in %.1f s, %d KB each at one end", r.Sessions, last.Seconds, r.PerSession>>10)
	if !r.Limited {
		if err := l.exercise(ctx, r); err != nil {
			return r, err
		}
	}
	return r, l.teardown(r)
}

// single measures the CPU time of a packet with one session.
func single(ctx context.Context, c Config, r *Result) error {
	l, err := newLab(c)
	if err != nil {
		return err
	}
	defer l.close()
	var alone Result
	if err := l.ramp(ctx, &alone); err != nil {
		return err
	}
	t, err := l.newTalk()
	if err != nil {
		return err
	}
	defer t.close()
	if err := l.through(ctx, t); err != nil {
		return err
	}
	cost, err := l.cost(ctx, t, 1)
	r.CostOne = microseconds(cost)
	return errors.Join(err, l.teardown(&alone))
}

// exercise sends traffic through all sessions and measures what they cost.
func (l *lab) exercise(ctx context.Context, r *Result) error {
	t, err := l.newTalk()
	if err != nil {
		return err
	}
	defer t.close()
	if err := l.through(ctx, t); err != nil {
		return err
	}
	l.log("a packet came through each of %d sessions", l.c.Sessions)
	cost, err := l.cost(ctx, t, 1)
	if err != nil {
		return err
	}
	r.CostOneOfAll = microseconds(cost)
	if cost, err = l.cost(ctx, t, l.c.Sessions); err != nil {
		return err
	}
	r.CostAll = microseconds(cost)
	before, err := l.used()
	if err != nil {
		return err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(l.c.Echo):
	}
	used, err := l.used()
	r.EchoCPU = float64(used-before) / float64(time.Since(began))
	return err
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// floor makes n devices like those of sessions, in batches like theirs, with an address and carrier, and tells how many a
// second it made.
func floor(n int) (perSecond float64, err error) {
	ns, err := netlab.New()
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	var all []*tuntap.Device
	began := time.Now()
	for at := 0; at < n && err == nil; at += burst {
		var configs []tuntap.Config
		for i := at; i < min(at+burst, n); i++ {
			configs = append(configs, tuntap.Config{Name: fmt.Sprintf("floor%d", i), Kind: tuntap.TUN, MTU: 1400, TxQueueLen: 16})
		}
		err = ns.Do(func() error {
			devices, errs := tuntap.CreateAll(configs)
			for _, d := range devices {
				if d != nil {
					all = append(all, d)
				}
			}
			return errors.Join(errs...)
		})
	}
	perSecond = float64(len(all)) / time.Since(began).Seconds()
	return perSecond, errors.Join(err, tuntap.CloseAll(all))
}
