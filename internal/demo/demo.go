package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"culvert/client"
)

// Options of a demo; the zero value is good.
type Options struct {
	// Exe is the culvert to run; empty: this one.
	Exe string
	// Args start this command again inside a user namespace; nil: the arguments of this process.
	Args []string
	// Duration of each TCP transfer; two a pseudowire, one each way. 0: 2 s.
	Duration time.Duration
	// Pings per pseudowire and address family. 0: 20.
	Pings int
	// JSON prints the Result instead of a table.
	JSON bool
}

func (o Options) withDefaults() Options {
	if o.Exe == "" {
		o.Exe = "/proc/self/exe"
	}
	if o.Args == nil {
		o.Args = os.Args[1:]
	}
	if o.Duration <= 0 {
		o.Duration = 2 * time.Second
	}
	if o.Pings <= 0 {
		o.Pings = 20
	}
	return o
}

// Run runs the demo and writes what it found to w. The error says what did not work; nothing is left behind either
// way.
func Run(ctx context.Context, w io.Writer, o Options) (err error) {
	o = o.withDefaults()
	if err = checkTUN(); err != nil {
		return err
	}
	l, err := newLab()
	if errors.Is(err, syscall.EPERM) {
		return runInUserNamespace(ctx, w, o.Args)
	}
	if err != nil {
		return err
	}
	defer l.discard()
	result, err := l.run(ctx, progress(w, o.JSON), o)
	if err != nil {
		return err
	}
	if err = l.stop(); err != nil {
		return err
	}
	return result.write(w, o.JSON)
}

// progress is where news goes while the demo runs: nowhere when a program reads.
func progress(w io.Writer, json bool) io.Writer {
	if json {
		return io.Discard
	}
	return w
}

// run brings the pseudowires up and measures them.
func (l *lab) run(ctx context.Context, w io.Writer, o Options) (*Result, error) {
	all, err := pairs(l.lac.cfg, l.lns.cfg)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "Two culverts (%s, %s) in two network namespaces, joined by a veth of MTU %d.\n",
		l.lac.name, l.lns.name, vethMTU)
	took, err := l.start(ctx, o.Exe)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "All pseudowires up after %d ms; pings, then TCP for %v each way.\n", took.Milliseconds(), o.Duration)
	result := &Result{UpAfter: took}
	for _, p := range all {
		row, err := l.measure(ctx, p, o)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("pseudowire %s: %w\n%s", row.Name, err, l.whatWasDropped(ctx))
		}
		result.Pseudowires = append(result.Pseudowires, row)
	}
	result.Drops, err = l.drops(ctx)
	return result, err
}

// measure pings and moves TCP through one pseudowire.
func (l *lab) measure(ctx context.Context, p pair, o Options) (Row, error) {
	row := Row{Name: p.tunnel.Name + "/" + p.lac.Name, Transport: p.tunnel.Transport.String(), Cookie: p.cookie() * 8}
	ends, err := l.endpoints(ctx, p)
	if err != nil {
		return row, err
	}
	row.Pseudowire, row.MTU = ends.near.Pseudowire, ends.near.MTU
	if row.Ping4, err = ping(ctx, l.lac.ns, ends.lns4, o.Pings); err != nil {
		return row, err
	}
	if row.Ping6, err = ping(ctx, l.lac.ns, ends.lns6, o.Pings); err != nil {
		return row, err
	}
	if row.Up, err = transfer(ctx, l.lac.ns, l.lns.ns, ends.lns4, o.Duration); err != nil {
		return row, err
	}
	if row.Down, err = transfer(ctx, l.lns.ns, l.lac.ns, ends.lac4, o.Duration); err != nil {
		return row, err
	}
	after, err := l.endpoints(ctx, p)
	if err != nil {
		return row, err
	}
	row.Packets = after.near.RxPackets + after.near.TxPackets
	for _, s := range []client.Session{after.near, after.far} {
		for _, n := range s.Drops {
			row.Dropped += n
		}
	}
	return row, nil
}

// endpoints are the two sessions of a pseudowire and the addresses to reach one from the other.
type endpoints struct {
	near, far        client.Session // LAC's, LNS's
	lac4, lns4, lns6 netip.Addr
}

// endpoints asks both culverts.
func (l *lab) endpoints(ctx context.Context, p pair) (e endpoints, err error) {
	near, err := l.lac.sessions(ctx)
	if err != nil {
		return e, err
	}
	far, err := l.lns.sessions(ctx)
	if err != nil {
		return e, err
	}
	e.near, e.far = near[p.tunnel.Name+"/"+p.lac.Name], far[p.far.Name+"/"+p.lns.Name]
	e.lac4, e.lns4, e.lns6 = first(p.lac.Addresses, false), first(p.lns.Addresses, false), first(p.lns.Addresses, true)
	if ppp := e.near.PPP; ppp != nil {
		if e.lac4, err = netip.ParseAddr(ppp.LocalAddress); err != nil {
			return e, err
		}
		if e.lns4, err = netip.ParseAddr(ppp.PeerAddress); err != nil {
			return e, err
		}
		if e.lns6, err = netip.ParseAddr(ppp.PeerID); err != nil {
			return e, err
		}
	}
	if e.lns6.IsLinkLocalUnicast() {
		// a number: names mean other devices outside the namespace
		index, _ := l.lac.ns.Index(p.lac.InterfaceName)
		e.lns6 = e.lns6.WithZone(strconv.Itoa(index))
	}
	return e, nil
}
