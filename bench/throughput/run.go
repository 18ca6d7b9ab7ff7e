package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// errMissing: what a comparator needs is not on this machine.
var errMissing = errors.New("not installed")

// sample is one measurement.
type sample struct {
	Round      int     `json:"round"` // from 1
	Load       string  `json:"load"`
	Comparator string  `json:"comparator"`
	Values     values  `json:"values,omitempty"`
	Error      string  `json:"error,omitempty"`
	Load1      float64 `json:"load_average"` // of the host, before it
}

// runner is a run.
type runner struct {
	opt     options
	lab     *lab
	samples []sample
	began   time.Time
}

// run measures and reports.
func run(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("time is over after %v", o.timeout))
	defer cancel()
	top, err := root()
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("this needs root: network namespaces and TUN devices")
	}
	exe, err := find(ctx, top, o)
	if err != nil {
		return err
	}
	m := describe(ctx, top, exe, o)
	r := &runner{opt: o, began: time.Now()}
	if err = r.measure(ctx, exe); err != nil && len(r.samples) == 0 {
		return err
	}
	m.Ended, m.LoadAfter = time.Now().UTC(), loadAverage()
	seen := make([]float64, 0, len(r.samples))
	for _, s := range r.samples {
		seen = append(seen, s.Load1)
	}
	m.LoadDuring = newSpread(seen)
	rep := summarize(m, o, r.samples)
	fmt.Fprint(os.Stdout, rep.text())
	dir := o.out
	switch {
	case dir != "":
	case o.quick:
		dir = filepath.Join(top, "build", "bench", "quick")
	case err != nil:
		dir = filepath.Join(top, "build", "bench", "partial")
	default:
		dir = filepath.Join(top, "docs", "results", m.Began.Format("2006-01-02")+"-"+m.Commit)
	}
	if failed := rep.write(dir); failed != nil {
		return errors.Join(err, failed)
	}
	progress("report: %s", dir)
	if err == nil && rep.Failures > 0 {
		err = fmt.Errorf("%d of %d measurements failed", rep.Failures, len(r.samples))
	}
	return err
}

// measure builds the lab, goes round by round and clears the lab away.
func (r *runner) measure(ctx context.Context, exe programs) (err error) {
	if r.lab, err = newLab(exe, r.opt.mtu); err != nil {
		return err
	}
	defer r.lab.close()
	for _, c := range r.opt.comparators {
		if !exe.has(c.needs) {
			r.lab.tunnels = append(r.lab.tunnels, &tunnel{comparator: c, index: len(r.lab.tunnels) + 1, err: errMissing})
			progress("%s: %v", c.name, errMissing)
			continue
		}
		if t := r.lab.add(ctx, c); t.err != nil {
			progress("%s: %v", c.name, t.err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	for round := 1; round <= r.opt.rounds; round++ {
		for _, w := range r.opt.loads {
			for i := range r.lab.tunnels { // each round begins with another
				t := r.lab.tunnels[(i+round-1)%len(r.lab.tunnels)]
				r.one(ctx, round, w, t)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
			}
		}
	}
	return nil
}

// start is the rate, in packets/s, a search begins with: what earlier rounds found, or 0.
func (r *runner) start(t *tunnel, load string) float64 {
	var found []float64
	for _, s := range r.samples {
		if v := s.Values[packetRate.Key]; v > 0 && s.Comparator == t.name && s.Load == load {
			found = append(found, v)
		}
	}
	return newSpread(found).Median
}

// one takes one sample.
func (r *runner) one(ctx context.Context, round int, w workload, t *tunnel) {
	s := sample{Round: round, Load: w.name, Comparator: t.name, Load1: loadAverage()[0]}
	err := t.err
	if err == nil {
		s.Values, err = w.run(ctx, r, t)
		s.Values = s.Values.finite()
	}
	if ctx.Err() != nil {
		return // says nothing about the tunnel
	}
	what := figure(s.Values[w.metric.Key]*w.metric.Scale) + " " + w.metric.Title
	if err != nil {
		s.Error, what = err.Error(), err.Error()
	}
	r.samples = append(r.samples, s)
	progress("%5.0fs  round %d/%d  %-10s %-16s %s", time.Since(r.began).Seconds(), round, r.opt.rounds, w.name, t.name, what)
}
