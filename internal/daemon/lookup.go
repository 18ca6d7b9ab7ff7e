package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"culvert/internal/config"
)

const (
	// lookupTimeout bounds one question for the addresses of a peer's name: two servers asked twice, as resolv.conf(5)
	// has it by default.
	lookupTimeout = 20 * time.Second
	// maxLookups bounds those that are under way at once.
	maxLookups = 16
)

// lookup is the answer to a dialer that asked for its peer's addresses.
type lookup struct {
	l     *dialer
	addrs []netip.Addr
	err   error
}

// lookups resolves peers' names in goroutines of their own: the control loop waits for none.
type lookups struct {
	*answers[lookup]
	r       config.Resolver
	ctx     context.Context // of all that are under way
	cancel  context.CancelFunc
	running sync.WaitGroup
	places  chan struct{}
}

func newLookups(r config.Resolver) *lookups {
	if r == nil {
		r = net.DefaultResolver
	}
	q := &lookups{answers: newAnswers[lookup](), r: r, places: make(chan struct{}, maxLookups)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// ask resolves the name of a dialer's peer. The answer may come when the dialer is gone.
func (q *lookups) ask(l *dialer) {
	cfg := l.cfg // a reload may give it another one
	q.running.Go(func() {
		select {
		case q.places <- struct{}{}:
		case <-q.ctx.Done():
			return
		}
		defer func() { <-q.places }()
		ctx, cancel := context.WithTimeout(q.ctx, lookupTimeout)
		defer cancel()
		addrs, err := cfg.PeerAddresses(ctx, q.r)
		q.put(lookup{l, addrs, err})
	})
}

// close ends all that are under way.
func (q *lookups) close() {
	q.cancel()
	q.running.Wait()
}

// resolved takes the answers that have come.
func (d *daemon) resolved(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.lookups.take() {
		a.l.resolved(d, a, now)
	}
	d.due(now)
}

// resolved dials an address of the peer's name. One that was good before will do where the resolver knows none.
func (l *dialer) resolved(d *daemon, a lookup, now time.Time) {
	l.asking = false
	if l.conn != nil || l.removed || d.plane.full() {
		return
	}
	if a.err != nil {
		l.reason = a.err.Error()
		d.noisyControl.Warn("peer's name", zap.String("tunnel", l.cfg.Name), zap.Error(a.err))
	} else {
		l.addrs = a.addrs
	}
	if len(l.addrs) == 0 {
		d.timers.set(&l.timer, l, now.Add(l.backoff.next(redialMost)))
		return
	}
	l.dial(d, l.choose(), now)
}

// choose takes the first address that was not dialed in vain, and begins anew when all were.
func (l *dialer) choose() netip.Addr {
	l.failed = slices.DeleteFunc(l.failed, func(a netip.Addr) bool { return !slices.Contains(l.addrs, a) })
	for _, a := range l.addrs {
		if !slices.Contains(l.failed, a) {
			return a
		}
	}
	l.failed = nil
	return l.addrs[0]
}

// expect lets control messages of the address in that is dialed, and no longer those of the one before.
func (l *dialer) expect(d *daemon, a netip.Addr) {
	if l.peer == a {
		return
	}
	l.forget(d)
	l.peer = a
	l.sock.Expect(a)
	d.plane.dialed[a]++
}

// forget undoes expect.
func (l *dialer) forget(d *daemon) {
	old := l.peer
	if !old.IsValid() {
		return
	}
	l.peer = netip.Addr{}
	l.sock.Forget(old)
	if d.plane.dialed[old]--; d.plane.dialed[old] == 0 {
		delete(d.plane.dialed, old)
	}
}
