package forwarder

import (
	"fmt"

	"culvert/forwarder/netio"
	"culvert/snapshot"
)

// A takeover moves the data plane to another process: the old one is paused, its sockets and numbers go over, and the new
// one, which has been paused from its beginning, resumes. Packets wait in the kernel meanwhile.

// PauseInbound stops reading sockets. What was held back for its turn is delivered. The control side still gets what had
// come, and its answers leave.
func (f *Forwarder) PauseInbound() {
	for _, w := range f.workers {
		w.in.pause()
	}
	for _, w := range f.workers { // what they had handed each other
		w.in.call(w.in.drain)
	}
}

// PauseOutbound stops reading devices, after what was to be sent has left.
func (f *Forwarder) PauseOutbound() {
	for _, w := range f.workers {
		w.out.pause()
	}
}

// Resume undoes both.
func (f *Forwarder) Resume() {
	for _, w := range f.workers {
		w.out.resume()
	}
	for _, w := range f.workers {
		w.in.resume()
	}
}

// drain delivers what other workers handed over, and what waits in reorder queues.
func (in *inbound) drain() {
	in.now = in.f.clock()
	in.takeHandover()
	for _, s := range in.waiting {
		for len(s.reorder.slots) > 0 {
			h := s.reorder.pop()
			if !h.seq.Behind(s.seq.expected) {
				s.seq.accept(h.seq, in.now)
				in.deliver(s, h.buf, rxHeadroom)
				in.join.FlushTarget(&s.target)
			}
			s.reorder.recycle(h.buf)
		}
		s.waiting = false
	}
	clear(in.waiting)
	in.waiting = in.waiting[:0]
	in.flush()
}

// SnapshotSockets writes what there is to know of the sockets, and returns their descriptors in that order.
func (f *Forwarder) SnapshotSockets(c *snapshot.Codec) (fds []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*listener, 0, len(f.listeners))
	for _, l := range f.listeners {
		all = append(all, l)
	}
	snapshot.Slice(c, &all, func(l **listener) {
		(*l).group.Snapshot(c)
		unjoined := (*l).unjoined.Load()
		c.Bool(&unjoined)
		for _, s := range (*l).group.Sockets() {
			fds = append(fds, s.FD())
		}
	})
	return fds
}

// adopted are sockets that another process has opened, for the tunnel that wants them.
type adopted struct {
	group    *netio.Group
	unjoined bool
}

// AdoptSockets takes sockets that the Forwarder of another process has written; next gives their descriptors. Local
// addresses get them instead of new ones. Both must have equally many workers.
func (f *Forwarder) AdoptSockets(c *snapshot.Codec, next func() (int, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	var none []adopted
	snapshot.Slice(c, &none, func(a *adopted) {
		if err != nil {
			return
		}
		if a.group, err = netio.AdoptGroup(c, next); err != nil {
			return
		}
		c.Bool(&a.unjoined)
		if n := a.group.Workers(); n != len(f.workers) {
			c.Failf("sockets for %d workers, of which there are %d", n, len(f.workers))
		}
		f.adopted[listenerKey{a.group.Transport(), a.group.LocalAddr()}] = *a
	})
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		return fmt.Errorf("take over sockets: %w", err)
	}
	return nil
}

// CloseSpare closes sockets that nobody has wanted.
func (f *Forwarder) CloseSpare() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.adopted {
		_ = a.group.Close()
	}
	clear(f.adopted)
}

// Abandon is Close for a Forwarder whose sockets another process has: nothing is done to these.
func (f *Forwarder) Abandon() {
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
		_ = l.group.Abandon()
	}
	for _, a := range f.adopted {
		_ = a.group.Abandon()
	}
	clear(f.listeners)
	clear(f.adopted)
}

// Snapshot writes or reads the workers' counters. Both loops are paused.
func (f *Forwarder) Snapshot(c *snapshot.Codec) {
	for _, w := range f.workers {
		w.in.stats.snapshot(c)
		w.out.stats.snapshot(c)
	}
}

func (s *loopStats) snapshot(c *snapshot.Codec) {
	s.traffic.snapshot(c)
	counter(c, &s.batches)
	counter(c, &s.control)
	s.drops.snapshot(c)
}

func (t *traffic) snapshot(c *snapshot.Codec) {
	counter(c, &t.packets)
	counter(c, &t.bytes)
}

func (d *drops) snapshot(c *snapshot.Codec) {
	for i := range d {
		counter(c, &d[i])
	}
}

// atomicCounter is atomic.Uint64, for who only loads and stores.
type atomicCounter interface {
	Load() uint64
	Store(v uint64)
}

func counter(c *snapshot.Codec, p atomicCounter) {
	v := p.Load()
	snapshot.Int(c, &v)
	if c.Reading() {
		p.Store(v)
	}
}

// Snapshot writes or reads sequence numbers and counters of a session. Both loops are paused.
func (s *Session) Snapshot(c *snapshot.Codec) {
	clock := s.worker.in.f.clock()
	snapshot.Int(c, &s.txSeq)
	q := &s.seq
	c.Bool(&q.started)
	snapshot.Int(c, &q.oldRun)
	snapshot.Int(c, &q.expected)
	snapshot.Int(c, &q.oldNext)
	age := clock - q.last
	snapshot.Limited(c, &age, 1<<62, "an age")
	if c.Reading() {
		q.last = clock - age
	}
	s.rx.snapshot(c)
	s.tx.snapshot(c)
	counter(c, &s.punted)
	counter(c, &s.injected)
	d := s.drops.Load()
	snapshot.Maybe(c, &d, func(d *drops) { d.snapshot(c) })
	if c.Reading() {
		s.drops.Store(d)
	}
}
