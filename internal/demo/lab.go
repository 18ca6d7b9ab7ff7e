package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"culvert/examples"
)

const (
	vethName  = "underlay"
	vethMTU   = 1500
	upWait    = 15 * time.Second
	upPolling = 10 * time.Millisecond
)

// errNotUp: a pseudowire did not come up in time.
var errNotUp = errors.New("pseudowires not up")

// lab is the two nodes, what joins them and the folder their files are in.
type lab struct {
	dir      string
	lac, lns *node
}

// newLab makes namespaces, the veth, configurations and addresses. On error nothing is left.
func newLab() (l *lab, err error) {
	l = &lab{}
	defer func() {
		if err != nil {
			l.discard()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "culvert-demo-"); err != nil {
		return nil, err
	}
	if l.lac, err = newNode(l.dir, "lac", examples.LAC); err != nil {
		return nil, err
	}
	if l.lns, err = newNode(l.dir, "lns", examples.LNS); err != nil {
		return nil, err
	}
	if err = l.lac.ns.join(l.lns.ns, vethName, vethMTU); err != nil {
		return nil, err
	}
	for _, n := range l.nodes() {
		for _, a := range underlay(n.cfg) {
			if err = n.ns.address(vethName, netip.PrefixFrom(a, a.BitLen()-8)); err != nil {
				return nil, err
			}
		}
		if err = n.ns.up(vethName); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// nodes returns the nodes made so far.
func (l *lab) nodes() []*node {
	var all []*node
	for _, n := range []*node{l.lac, l.lns} {
		if n != nil {
			all = append(all, n)
		}
	}
	return all
}

// start runs both culverts and waits until every session carries traffic.
func (l *lab) start(ctx context.Context, exe string) (time.Duration, error) {
	began := time.Now()
	for _, n := range l.nodes() {
		if err := n.start(exe); err != nil {
			return 0, err
		}
	}
	for {
		waiting := ""
		for _, n := range l.nodes() {
			up, err := n.up(ctx)
			if err != nil {
				return 0, err
			}
			if !up {
				waiting = n.name
			}
		}
		if waiting == "" {
			return time.Since(began), nil
		}
		if time.Since(began) > upWait {
			return 0, fmt.Errorf("%w on the %s after %v:\n%s%s", errNotUp, waiting, upWait, l.lac.log.String(), l.lns.log.String())
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(upPolling):
		}
	}
}

// stop ends both culverts and reports what they left.
func (l *lab) stop() error {
	return errors.Join(l.lac.stop(), l.lns.stop())
}

// discard removes everything that is still there.
func (l *lab) discard() {
	for _, n := range l.nodes() {
		n.kill()
	}
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}
