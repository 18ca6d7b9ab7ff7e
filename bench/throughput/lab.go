package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"culvert/bench/load"
	"culvert/internal/netlab"
)

const (
	veth     = "underlay"
	vethMTU  = 1500
	upWait   = 20 * time.Second
	linkWait = 10 * time.Second
)

// errNoAnswer: a tunnel is set up but carries nothing.
var errNoAnswer = errors.New("no answer through the tunnel")

// end is one side: its namespace and address on the veth.
type end struct {
	ns     *netlab.Namespace
	under  netip.Addr
	number int // 1 near (sends), 2 far (sinks)
}

// lab is the two ends and what runs in them.
type lab struct {
	ends      [2]*end
	exe       programs
	dir       string // configurations
	mtu       int
	processes []*netlab.Process
	tunnels   []*tunnel
	iperf     *netlab.Process
}

// tunnel is a comparator that is set up.
type tunnel struct {
	comparator
	index int   // names addresses, ports and ids
	pids  []int // its processes, both ends
	err   error // why it cannot be measured
}

// inner is the address of an end inside the tunnel.
func (t *tunnel) inner(e *end) netip.Addr {
	if t.plain {
		return e.under
	}
	return netip.AddrFrom4([4]byte{10, 90, byte(t.index), byte(e.number)})
}

// device is the tunnel's device name at both ends.
func (t *tunnel) device() string { return "bench" + strconv.Itoa(t.index) }

// newLab makes the namespaces and starts the sinks. On error nothing is left.
func newLab(exe programs, mtu int) (l *lab, err error) {
	l = &lab{exe: exe, mtu: mtu}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "culvert-bench-"); err != nil {
		return nil, err
	}
	for i := range l.ends {
		ns, err := netlab.New()
		if err != nil {
			return nil, err
		}
		l.ends[i] = &end{ns: ns, under: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), number: i + 1}
	}
	if err = l.near().ns.Join(l.far().ns, veth, vethMTU); err != nil {
		return nil, err
	}
	for _, e := range l.ends {
		if err = e.ns.Address(veth, netip.PrefixFrom(e.under, 24)); err != nil {
			return nil, err
		}
		if err = e.ns.Up(veth); err != nil {
			return nil, err
		}
	}
	if _, err = l.start(l.far(), "sink", nil, exe.toolCommand("sink")...); err != nil {
		return nil, err
	}
	return l, l.startIperf()
}

func (l *lab) near() *end { return l.ends[0] }
func (l *lab) far() *end  { return l.ends[1] }

// start runs a process of the lab's until close.
func (l *lab) start(e *end, name string, input []byte, argv ...string) (*netlab.Process, error) {
	p, err := e.ns.Start(name, input, argv...)
	if err == nil {
		l.processes = append(l.processes, p)
	}
	return p, err
}

// startIperf starts the iperf3 server, again if it hung or ended.
func (l *lab) startIperf() (err error) {
	if l.iperf != nil {
		_ = l.iperf.Stop() // it may have ended
	}
	l.iperf, err = l.far().ns.Start("iperf3", nil, "iperf3", "-s", "-p", iperfPort)
	return err
}

// add sets a comparator up and waits until it carries packets. Failure is noted in the tunnel.
func (l *lab) add(ctx context.Context, c comparator) *tunnel {
	t := &tunnel{comparator: c, index: len(l.tunnels) + 1}
	l.tunnels = append(l.tunnels, t)
	for _, e := range l.ends {
		if t.err == nil {
			t.err = c.setup(ctx, l, t, e)
		}
	}
	if t.err == nil {
		t.err = l.await(ctx, t)
	}
	return t
}

// await asks through the tunnel until there is an answer.
func (l *lab) await(ctx context.Context, t *tunnel) error {
	for until := time.Now().Add(upWait); time.Now().Before(until); {
		out, err := l.near().ns.Run(ctx, l.exe.toolCommand("ping", "-to", t.inner(l.far()).String(),
			"-duration", "300ms", "-wait", "100ms", "-count", "3")...)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var got load.Latency
		if err == nil && json.Unmarshal(out, &got) == nil && got.Received > 0 {
			return nil
		}
		for _, p := range l.processes {
			if err := p.Check(); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w within %v", errNoAnswer, upWait)
}

// close stops every process and gives the namespaces back.
func (l *lab) close() {
	if l.iperf != nil {
		_ = l.iperf.Stop() // it may have ended
	}
	done := make(chan struct{})
	for _, p := range l.processes {
		go func() {
			_ = p.Stop() // the figures are in; how it ends does not matter
			done <- struct{}{}
		}()
	}
	for range l.processes {
		<-done
	}
	for _, e := range l.ends {
		if e != nil {
			e.ns.Close()
		}
	}
	_ = os.RemoveAll(l.dir)
}
