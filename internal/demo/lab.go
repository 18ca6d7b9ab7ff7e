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
func newLab() (*lab, error) {
	l := &lab{}
	if err := l.build(); err != nil {
		l.discard()
		return nil, err
	}
	return l, nil
}

func (l *lab) build() (err error) {
	if l.dir, err = os.MkdirTemp("", "culvert-demo-"); err != nil {
		return err
	}
	if l.lac, err = newNode(l.dir, "lac", examples.LAC); err != nil {
		return err
	}
	if l.lns, err = newNode(l.dir, "lns", examples.LNS); err != nil {
		return err
	}
	if err = l.lac.ns.Join(l.lns.ns, vethName, vethMTU); err != nil {
		return err
	}
	for _, n := range l.nodes() {
		for _, a := range underlay(n.cfg) {
			if err = n.ns.Address(vethName, netip.PrefixFrom(a, a.BitLen()-8)); err != nil {
				return err
			}
		}
		if err = n.ns.Up(vethName); err != nil {
			return err
		}
	}
	return nil
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
	ctx, cancel := context.WithTimeoutCause(ctx, upWait, errNotUp)
	defer cancel()
	for _, n := range l.nodes() {
		if err := n.start(exe); err != nil {
			return 0, err
		}
	}
	for {
		up, err := l.up(ctx)
		switch {
		case up:
			return time.Since(began), nil
		case err != nil && ctx.Err() == nil:
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, l.notUp(context.Cause(ctx))
		case <-time.After(upPolling):
		}
	}
}

// notUp says why waiting has ended, with all that is known when that was the time.
func (l *lab) notUp(cause error) error {
	if !errors.Is(cause, errNotUp) {
		return cause
	}
	return fmt.Errorf("%w after %v\n%s\n%s", cause, upWait, l.lac.process.Log(), l.lns.process.Log())
}

// up tells whether every session on both nodes carries traffic.
func (l *lab) up(ctx context.Context) (bool, error) {
	for _, n := range l.nodes() {
		if up, err := n.up(ctx); !up || err != nil {
			return false, err
		}
	}
	return true, nil
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
