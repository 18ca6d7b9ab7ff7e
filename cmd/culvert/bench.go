package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"culvert/bench/load"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure any tunnel: paced UDP generator, sink, request/response",
		Long: `bench measures whatever lies between two hosts. Start "bench sink" on one and "bench generate" or "bench ping" on
the other. The sink uses one TCP and UDP port, and UDP on the next; reachability of both through what is to be measured
is all that is needed. docs/benchmarks.md explains the figures.`,
	}
	onlySubcommands(cmd)
	cmd.AddCommand(newBenchSink(), newBenchGenerate(), newBenchPing(), newBenchScale())
	return cmd
}

// benchAddress resolves host:port, where the port may be missing and, for a listener, the host.
func benchAddress(ctx context.Context, s string, listen bool) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, strconv.Itoa(load.DefaultPort)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || number == 65535 {
		return netip.AddrPort{}, usagef("port %q of %q is not a number from 1 to 65534", port, s)
	}
	if host == "" && listen {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(number)), nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, failure{err}
	}
	a := addrs[0].Unmap()
	if z := a.Zone(); z != "" {
		if link, err := net.InterfaceByName(z); err == nil {
			a = a.WithZone(strconv.Itoa(link.Index))
		}
	}
	return netip.AddrPortFrom(a, uint16(number)), nil
}

// benchWork runs fn until it is done or a signal comes.
func benchWork(fn func(ctx context.Context, w io.Writer) error) action {
	return work(func(cmd *cobra.Command, _ []string) error {
		ctx, release := untilSignal(cmd.Context(), zap.NewNop())
		defer release()
		return fn(ctx, cmd.OutOrStdout())
	})
}

// printJSON writes v on a line of its own.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

func newBenchSink() *cobra.Command {
	var listen string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "count what generators send, answer requests",
		Args:  noArgs,
		RunE: benchWork(func(ctx context.Context, w io.Writer) error {
			addr, err := benchAddress(ctx, listen, true)
			if err != nil {
				return err
			}
			sink, err := load.NewSink(addr, func(r load.Report) { _ = printReport(w, r, asJSON) })
			if err != nil {
				return err
			}
			if !asJSON {
				fmt.Fprintf(w, "Listening on %s, TCP and UDP, and on the next UDP port.\n", addr)
			}
			return sink.Serve(ctx)
		}),
	}
	cmd.Flags().StringVar(&listen, "listen", fmt.Sprintf(":%d", load.DefaultPort), "`address` to listen on")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each trial")
	return cmd
}

func printReport(w io.Writer, r load.Report, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	_, err := fmt.Fprintf(w, "%s  sent %d  received %d  lost %d  reordered %d  duplicated %d  in %.3f s\n",
		r.From, r.Sent, r.Received, r.Lost, r.Reordered, r.Duplicated, r.Seconds)
	return err
}

// generate is the flags of `bench generate`.
type generate struct {
	to, control, rate string
	size, mtu         int
	imix, gso, asJSON bool
	duration          time.Duration
	cfg               load.GeneratorConfig
	search            load.SearchConfig
	segments          int
}

func newBenchGenerate() *cobra.Command {
	var g generate
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "send packets of one size or IMIX at a rate, or find the highest rate",
		Long: `generate sends UDP packets to a sink and prints what arrived. --rate is in packets per second, "max" for no pacing,
or "search" for the highest rate at which at most --loss of the packets is lost. Sizes are of IP packets, all headers
included. IMIX is 7 x 64, 4 x 594 and 1 x 1518 bytes, cut to --mtu.`,
		Args: noArgs,
		RunE: benchWork(g.run),
	}
	f := cmd.Flags()
	f.StringVar(&g.to, "to", "", "the sink's `address`")
	f.StringVar(&g.control, "control", "", "`address` to reach the sink over TCP, if another")
	f.StringVar(&g.rate, "rate", "search", "packets per `second`, max or search")
	f.IntVar(&g.size, "size", load.MinSize, "IP packet length in `bytes`")
	f.BoolVar(&g.imix, "imix", false, "a mix of sizes instead")
	f.IntVar(&g.mtu, "mtu", 1500, "longest IP packet of the mix, `bytes`")
	f.BoolVar(&g.gso, "gso", false, "hand the kernel many packets at once (UDP_SEGMENT)")
	f.BoolVar(&g.cfg.GRO, "gro", false, "let the sink take many packets at once (UDP_GRO)")
	f.IntVar(&g.segments, "segments", load.MaxSegments, "`packets` at once with --gso")
	f.IntVar(&g.cfg.Flows, "flows", 1, "`number` of UDP ports to send from")
	f.DurationVar(&g.duration, "duration", time.Second, "`time` of each trial")
	f.Float64Var(&g.search.Loss, "loss", 0.001, "greatest `share` lost in a search")
	f.Float64Var(&g.search.Precision, "precision", 0.05, "`share` by which a search may be off")
	f.IntVar(&g.search.Retries, "retries", 1, "further `trials` before a rate counts as too high")
	f.Float64Var(&g.search.Start, "start", 0, "packets per `second` a search begins with")
	f.IntSliceVar(&g.cfg.PIDs, "cpu-of", nil, "`process ids` whose CPU time to report")
	f.BoolVar(&g.asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

// prepare reads the flags.
func (g *generate) prepare(ctx context.Context) (rate float64, search bool, err error) {
	switch g.rate {
	case "search":
		search = true
	case "max":
	default:
		if rate, err = strconv.ParseFloat(g.rate, 64); err != nil || !(rate > 0 && rate <= 1e9) {
			return 0, false, usagef("--rate must be a number up to 1e9, max or search")
		}
	}
	if g.search.Loss < 0 || g.search.Loss >= 1 || g.search.Precision <= 0 || g.search.Precision > 1 {
		return 0, false, usagef("--loss must be 0 to below 1, --precision above 0 to 1")
	}
	if g.search.Retries <= 0 {
		g.search.Retries = -1
	}
	if g.imix {
		g.cfg.Profile, err = load.IMIX(g.mtu)
	} else {
		g.cfg.Profile, err = load.Fixed(g.size)
	}
	if err != nil {
		return 0, false, usageError{err}
	}
	if g.gso {
		g.cfg.GSO = g.segments
	}
	if g.cfg.To, err = benchAddress(ctx, g.to, false); err == nil && g.control != "" {
		g.cfg.Control, err = benchAddress(ctx, g.control, false)
	}
	return rate, search, err
}

func (g *generate) run(ctx context.Context, w io.Writer) error {
	rate, search, err := g.prepare(ctx)
	if err != nil {
		return err
	}
	gen, err := load.NewGenerator(ctx, g.cfg)
	if err != nil {
		return err
	}
	defer gen.Close()
	if !search {
		r, err := gen.Run(ctx, rate, g.duration)
		if err != nil {
			return err
		}
		if g.asJSON {
			return printJSON(w, r)
		}
		return printResult(w, r)
	}
	found, err := load.Search(g.search, func(rate float64) (load.Result, error) { return gen.Run(ctx, rate, g.duration) })
	switch {
	case err != nil:
		return err
	case g.asJSON:
		return printJSON(w, found)
	}
	if err := printResult(w, found.Best); err != nil {
		return err
	}
	note := ""
	if found.Limited {
		note = "; the sender was the limit"
	}
	_, err = fmt.Fprintf(w, "highest rate with at most %g %% lost, of %d trials%s\n", g.search.Loss*100, found.Trials, note)
	return err
}

func printResult(w io.Writer, r load.Result) error {
	_, err := fmt.Fprintf(w, `%.0f packets/s of %.0f bytes arrived, %.1f Mbit/s; %.0f packets/s sent
sent %d  lost %d (%.3f %%)  reordered %d  duplicated %d  in %.3f s
CPU seconds per million packets: host %.2f, processes %.2f
`, r.Rate, r.Mean, r.Mbps, r.Offered, r.Sent, r.Lost, r.Loss*100, r.Reordered, r.Duplicated, r.Seconds,
		r.Relative.Host, r.Relative.Processes)
	return err
}

func newBenchPing() *cobra.Command {
	var to string
	var c load.PingConfig
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ping",
		Short: "send a request, await its reply, and so on: latency percentiles",
		Args:  noArgs,
		RunE: benchWork(func(ctx context.Context, w io.Writer) (err error) {
			if c.To, err = benchAddress(ctx, to, false); err != nil {
				return err
			}
			l, err := load.Ping(ctx, c)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(w, l)
			}
			us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
			_, err = fmt.Fprintf(w, "%d of %d answered; us: min %.1f  mean %.1f  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
				l.Received, l.Sent, us(l.Min), us(l.Mean), us(l.P50), us(l.P90), us(l.P99), us(l.P999), us(l.Max))
			return err
		}),
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "the sink's `address`")
	f.IntVar(&c.Size, "size", load.MinSize, "IP packet length in `bytes`")
	f.DurationVar(&c.Duration, "duration", 5*time.Second, "`time` to go on")
	f.DurationVar(&c.Interval, "interval", 0, "`time` from a reply to the next request")
	f.DurationVar(&c.Wait, "wait", time.Second, "`time` until a reply counts as lost")
	f.IntVar(&c.Count, "count", 0, "`requests` at most")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}
