package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"culvert/bench/load"
)

// toolArg as the first argument makes this program one of its own load programs, which run inside the namespaces. They
// are `culvert bench`, but never of the culvert that is measured: that one may be old or broken.
const toolArg = "tool"

// tools are the load programs.
var tools = map[string]func(ctx context.Context, w io.Writer, args []string) error{
	"sink": toolSink, "generate": toolGenerate, "ping": toolPing,
}

// errTool: this program did not call itself rightly.
var errTool = errors.New("unknown tool")

// tool runs a load program that writes JSON to w.
func tool(ctx context.Context, w io.Writer, args []string) error {
	if len(args) == 0 || tools[args[0]] == nil {
		return errTool
	}
	return tools[args[0]](ctx, w, args[1:])
}

// toolCommand is the command line of a load program.
func (p programs) toolCommand(args ...string) []string {
	return append([]string{p.self, toolArg}, args...)
}

func toolSink(ctx context.Context, _ io.Writer, _ []string) error {
	sink, err := load.NewSink(netip.AddrPortFrom(netip.IPv6Unspecified(), load.DefaultPort), nil)
	if err != nil {
		return err
	}
	return sink.Serve(ctx)
}

// sinkAddress parses the address of a sink on the default port.
func sinkAddress(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(s)
	return netip.AddrPortFrom(a, load.DefaultPort), err
}

func toolGenerate(ctx context.Context, w io.Writer, args []string) error {
	f := flag.NewFlagSet("generate", flag.ContinueOnError)
	to, pids := f.String("to", "", ""), f.String("cpu-of", "", "")
	size, imix := f.Int("size", load.MinSize, ""), f.Int("imix", 0, "")
	gso, gro := f.Bool("gso", false, ""), f.Bool("gro", false, "")
	duration, start := f.Duration("duration", time.Second, ""), f.Float64("start", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	cfg := load.GeneratorConfig{GRO: *gro}
	var err error
	if cfg.To, err = sinkAddress(*to); err != nil {
		return err
	}
	if *imix > 0 {
		cfg.Profile, err = load.IMIX(*imix)
	} else {
		cfg.Profile, err = load.Fixed(*size)
	}
	if err != nil {
		return err
	}
	if *gso {
		cfg.GSO = load.MaxSegments
	}
	if cfg.PIDs, err = parsePIDs(*pids); err != nil {
		return err
	}
	g, err := load.NewGenerator(ctx, cfg)
	if err != nil {
		return err
	}
	defer g.Close()
	found, err := load.Search(load.SearchConfig{Start: *start}, func(rate float64) (load.Result, error) {
		return g.Run(ctx, rate, *duration)
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(found)
}

// parsePIDs reads process ids with commas between them.
func parsePIDs(list string) ([]int, error) {
	var pids []int
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil, fmt.Errorf("process id %q: %w", s, err)
		}
		pids = append(pids, n)
	}
	return pids, nil
}

func toolPing(ctx context.Context, w io.Writer, args []string) error {
	f := flag.NewFlagSet("ping", flag.ContinueOnError)
	var c load.PingConfig
	to := f.String("to", "", "")
	f.DurationVar(&c.Duration, "duration", time.Second, "")
	f.DurationVar(&c.Interval, "interval", 0, "")
	f.DurationVar(&c.Wait, "wait", 0, "")
	f.IntVar(&c.Count, "count", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if c.To, err = sinkAddress(*to); err != nil {
		return err
	}
	l, err := load.Ping(ctx, c)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(l)
}
