package forwarder

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"culvert/encap"
	"culvert/forwarder/netio"
)

// Options of a Forwarder.
type Options struct {
	// Workers is the number of shards; 0: one per core.
	Workers int
	// NoOffload sends and receives packet by packet: no UDP_SEGMENT, no UDP_GRO. What devices hand out is the matter of
	// who opens them.
	NoOffload bool
	// Descriptors is from which number on a device's descriptor is moved to an annex; 0: as the limit of open files
	// demands.
	Descriptors int
	Log         *zap.Logger
}

// Forwarder is the data plane: workers, local addresses, tunnels and sessions. Its methods may be called by any
// goroutine but not by a loop.
type Forwarder struct {
	log     *zap.Logger
	offload bool
	workers []*worker
	events  chan Event
	// Control messages on their way to the control side, see ControlMessages.
	known, strangers chan ControlMessage
	began            time.Time
	frames           sync.Pool // *[]byte of maxPunt

	capturing sync.Mutex          // starting and ending captures
	tap       atomic.Pointer[tap] // of what the control side sends

	mu        sync.Mutex
	listeners map[listenerKey]*listener
	adopted   map[listenerKey]adopted // for those that will come
	closed    bool

	annexes annexes
}

// New starts the workers; nothing is received before there is a tunnel.
func New(o Options) (*Forwarder, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.NumCPU()
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	f := &Forwarder{
		log:       o.Log,
		offload:   !o.NoOffload,
		events:    make(chan Event, eventQueue),
		known:     make(chan ControlMessage, knownQueue),
		strangers: make(chan ControlMessage, strangerQueue),
		began:     time.Now(),
		listeners: make(map[listenerKey]*listener),
		adopted:   make(map[listenerKey]adopted),
	}
	f.annexes.init(o.Descriptors)
	f.frames.New = func() any { b := make([]byte, maxPunt); return &b }
	for i := range o.Workers {
		w, err := newWorker(f, i)
		if err != nil {
			for _, w := range f.workers {
				w.stop()
			}
			return nil, fmt.Errorf("start worker %d: %w", i, err)
		}
		f.workers = append(f.workers, w)
	}
	return f, nil
}

// Close ends the loops and closes the sockets. Sessions and tunnels that are left are simply gone; devices are the
// caller's.
func (f *Forwarder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.closed = true
	for _, w := range f.workers {
		w.stop()
	}
	f.annexes.stop()
	for _, l := range f.listeners {
		_ = l.group.Close()
	}
	clear(f.listeners)
}

// owner is the worker that a session id belongs to: the rule that the kernel steers by as well (netio.OpenGroup).
func (f *Forwarder) owner(id encap.SessionID) *worker {
	return f.workers[uint32(id)%uint32(len(f.workers))]
}

// Workers is the number of workers.
func (f *Forwarder) Workers() int { return len(f.workers) }

// Stats gives a snapshot of each worker's counters.
func (f *Forwarder) Stats() []WorkerStats {
	all := make([]WorkerStats, len(f.workers))
	for i, w := range f.workers {
		all[i] = w.stats()
	}
	return all
}

// clock is the time since the start, monotonic.
func (f *Forwarder) clock() time.Duration { return time.Since(f.began) }

// died reports a loop that could not go on: its epoll instance failed, which only a bug of ours can cause.
func (f *Forwarder) died(err error) {
	if err != nil {
		f.log.Error("worker loop failed", zap.Error(err))
		f.event(Event{Kind: EventFailed, Err: err})
	}
}

// listen finds or opens the socket set of a local address.
func (f *Forwarder) listen(cfg TunnelConfig) (*listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	key := listenerKey{cfg.Transport, cfg.Local}
	if cfg.Transport == encap.TransportIP {
		key.local = netip.AddrPortFrom(cfg.Local.Addr(), 0)
	}
	if l := f.listeners[key]; l != nil {
		l.refs++
		return l, nil
	}
	group, err := f.openGroup(cfg, key)
	if err != nil {
		return nil, err
	}
	l := &listener{key: key, group: group, refs: 1, tunnels: make(map[*Tunnel]struct{}), known: make(map[netip.Addr]int)}
	if a, ok := f.adopted[key]; ok {
		delete(f.adopted, key)
		l.unjoined.Store(a.unjoined)
	}
	for range f.workers {
		l.tables = append(l.tables, make(map[encap.SessionID]*Session))
		l.early = append(l.early, make(map[encap.SessionID]*Early))
	}
	if err := f.watch(l); err != nil {
		f.unwatch(l)
		_ = group.Close()
		return nil, err
	}
	f.listeners[key] = l
	return l, nil
}

// openGroup gives the sockets of a local address: those that were adopted, or new ones.
func (f *Forwarder) openGroup(cfg TunnelConfig, key listenerKey) (*netio.Group, error) {
	if a, ok := f.adopted[key]; ok {
		return a.group, nil
	}
	return netio.OpenGroup(netio.GroupConfig{
		Transport:           cfg.Transport,
		Local:               key.local,
		Workers:             len(f.workers),
		Variant:             cfg.variant(),
		AcceptZeroChecksum6: cfg.NoChecksum,
		GRO:                 f.offload,
	})
}

// watch lets every worker read its socket, and the first one the control socket.
func (f *Forwarder) watch(l *listener) error {
	for i, w := range f.workers {
		err := ErrClosed
		w.in.call(func() {
			err = w.in.watch(l, l.group.Data(i), false)
			if err == nil && i == 0 {
				err = w.in.watch(l, l.group.Control(), true)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Forwarder) unwatch(l *listener) {
	for _, w := range f.workers {
		w.in.call(func() { w.in.unwatch(l) })
	}
}

// release gives back one use of a listener.
func (f *Forwarder) release(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.refs--; l.refs > 0 || f.closed {
		return
	}
	delete(f.listeners, l.key)
	f.unwatch(l)
	_ = l.group.Close()
}

// worker is one shard.
type worker struct {
	id  int
	in  *inbound
	out *outbound
}

func newWorker(f *Forwarder, id int) (*worker, error) {
	in, err := newInbound(f, id)
	if err != nil {
		return nil, err
	}
	out, err := newOutbound(f, id)
	if err != nil {
		_ = in.poller.Close()
		return nil, err
	}
	in.start()
	out.start()
	return &worker{id: id, in: in, out: out}, nil
}

func (w *worker) stop() {
	w.in.stop()
	w.out.stop()
}

// addAll makes the loops know some of the sessions, those that send first: what arrives may be answered at once.
func (w *worker) addAll(all []*Session, which []int, errs []error) {
	if len(which) == 0 {
		return
	}
	type sockets struct{ own, fragile *netio.Socket }
	of := make([]sockets, len(which))
	for n, i := range which {
		if all[i].shared == nil { // else sockets and device are there already
			of[n].own, of[n].fragile, errs[i] = w.senders(all[i].tunnel)
		}
	}
	each := func(add func(s *Session, k sockets) error) func() {
		return func() {
			for n, i := range which {
				if errs[i] == nil {
					errs[i] = add(all[i], of[n])
				}
			}
		}
	}
	own := false
	out := func(s *Session, k sockets) error {
		if s.shared != nil {
			return nil
		}
		return w.out.add(s, k.own, k.fragile)
	}
	for _, i := range which {
		own = own || all[i].shared == nil
	}
	if own && !w.out.call(each(out)) {
		each(func(*Session, sockets) error { return ErrClosed })()
		return
	}
	undo := addToAnnexes(all, which, errs)
	in := func(s *Session, k sockets) error {
		var err error
		if s.shared == nil {
			err = w.in.watch(s.tunnel.l, k.own, false)
		}
		if err == nil && s.shared == nil {
			err = w.in.watch(s.tunnel.l, k.fragile, false)
		}
		if err == nil {
			err = w.in.add(s)
		}
		if err != nil {
			undo = append(undo, s)
		}
		return err
	}
	if !w.in.call(each(in)) {
		each(func(s *Session, _ sockets) error { undo = append(undo, s); return ErrClosed })()
	}
	if len(undo) > 0 {
		removeFromAnnexes(undo)
		w.out.call(func() { w.out.removeAll(undo) })
	}
}

func (w *worker) removeAll(all []*Session) {
	if len(all) == 0 {
		return
	}
	w.in.call(func() { w.in.removeAll(all) })
	removeFromAnnexes(all)
	w.out.call(func() { w.out.removeAll(all) })
}

func (w *worker) stats() WorkerStats {
	in, out := &w.in.stats, &w.out.stats
	s := WorkerStats{
		Rx: in.load(), Tx: out.load(),
		RxBatches: in.batches.Load(), TxBatches: out.batches.Load(),
		Punted: in.control.Load(), Injected: out.control.Load(),
	}
	in.drops.addTo(&s.Drops)
	out.drops.addTo(&s.Drops)
	s.RxCPU, s.TxCPU = threadCPU(int(w.in.thread.Load())), threadCPU(int(w.out.thread.Load()))
	w.in.call(func() { s.Sessions, s.GRO = w.in.count, w.in.joined() })
	w.out.call(func() { s.GSO = w.out.kernelCuts() })
	return s
}
