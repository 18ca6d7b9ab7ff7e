package forwarder

import (
	"errors"
	"runtime"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"culvert/forwarder/netio"
	"culvert/forwarder/tuntap"
)

// annex is a thread with a descriptor table of its own (tuntap.Table), which has devices that the process' table has no
// room for. It reads them for the outbound loops of their sessions and writes what the inbound loops have for them. That
// costs a copy and a wake-up each way; sessions, sockets and sequence numbers stay with the workers.
type annex struct {
	loop
	f       *Forwarder
	id      int // in annexes.all
	table   *tuntap.Table
	devices []*Session // [place]
	free    []int      // places to use again
	frame   []byte     // room for one, behind txHeadroom
	outbox  outbox     // to outbound loops, by worker
	given   int        // frames in it
	mailbox mailbox
	reading parcel // room for what was in the mailbox
}

func newAnnex(f *Forwarder, id int) (*annex, error) {
	a := &annex{f: f, id: id, frame: make([]byte, txHeadroom+maxFrame)}
	if err := a.init(); err != nil {
		return nil, err
	}
	a.mailbox.poller = a.poller
	for _, w := range f.workers {
		a.outbox.to(&w.out.mailbox)
	}
	var err error
	if a.table, err = tuntap.NewTable(a.call); err == nil {
		err = a.start()
	}
	if err != nil {
		_ = a.poller.Close()
		return nil, err
	}
	return a, nil
}

// start begins the thread. What it has to say goes through others, as it has no file for it.
func (a *annex) start() error {
	entered, ended := make(chan error), make(chan error, 1)
	go a.live(entered, ended)
	if err := <-entered; err != nil {
		_ = a.table.Close()
		return err
	}
	go func() { a.f.died(<-ended) }()
	return nil
}

// live is the thread's life. It is not the process' first thread, which does not end with its goroutine, and whose
// descriptors are what others see as the process' (/proc/PID/fd).
func (a *annex) live(entered chan<- error, ended chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread and its descriptors end with the loop
	if syscall.Gettid() == syscall.Getpid() {
		defer runtime.UnlockOSThread()
		inside := make(chan error)
		go a.live(inside, ended)
		entered <- <-inside
		return
	}
	err := a.table.Enter()
	entered <- err
	if err == nil {
		ended <- a.spin(forever, a.handle, a.round)
	}
}

func (a *annex) end() {
	a.stop()
	_ = a.table.Close()
}

func (a *annex) add(s *Session) error {
	if n := len(a.free); n > 0 {
		s.place, a.free = a.free[n-1], a.free[:n-1]
	} else {
		s.place = len(a.devices)
		a.devices = append(a.devices, nil)
	}
	a.devices[s.place] = s
	if err := a.poller.Add(s.dev.FD(), uint64(s.place)); err != nil {
		a.forget(s)
		return err
	}
	return nil
}

func (a *annex) remove(s *Session) {
	if a.has(s) {
		_ = a.poller.Remove(s.dev.FD())
		a.forget(s)
	}
}

func (a *annex) has(s *Session) bool { return s.place < len(a.devices) && a.devices[s.place] == s }

func (a *annex) forget(s *Session) {
	a.devices[s.place] = nil
	a.free = append(a.free, s.place)
}

// handle reads a device until it is empty or has had its share.
func (a *annex) handle(e netio.Event) {
	s := a.devices[e.Token]
	for range batchPackets {
		n, err := s.dev.Read(a.frame[txHeadroom-deviceHeader:])
		if err != nil {
			if !errors.Is(err, tuntap.ErrWouldBlock) && !errors.Is(err, netio.ErrWouldBlock) {
				a.gone(s)
			}
			return
		}
		if n <= deviceHeader {
			continue
		}
		h := handed{s: s, buf: append(a.outbox.buffer(), a.frame[:txHeadroom+n-deviceHeader]...)}
		if !a.outbox.give(s.worker.id, h) {
			a.refuse(h)
		}
		if a.given++; a.given == batchPackets {
			a.mail()
		}
	}
}

// gone stops reading a device that fails: it was removed under us.
func (a *annex) gone(s *Session) {
	_ = a.poller.Remove(s.dev.FD())
	s.worker.out.stats.drops[DropDevice].Add(1)
	s.dropped(DropDevice, 1)
	a.f.event(Event{Kind: EventDeviceGone, Session: s})
}

// round ends each round of events.
func (a *annex) round() {
	a.mail()
	todo := a.mailbox.take(a.reading)
	for i := range todo {
		a.write(&todo[i])
	}
	a.reading = todo[:0]
	if len(todo) > 0 {
		a.mailbox.giveBack(todo)
	}
}

func (a *annex) mail() {
	a.given = 0
	a.outbox.mail(a.refuse)
}

// refuse drops what an outbound loop has no room for.
func (a *annex) refuse(h handed) {
	h.s.worker.out.stats.drops[DropMixed].Add(1)
	h.s.dropped(DropMixed, 1)
}

// write gives a frame to its device, and books it as the worker's.
func (a *annex) write(h *handed) {
	s := h.s
	if !a.has(s) {
		return // removed meanwhile
	}
	stats := &s.worker.in.stats
	if err := s.dev.Write(h.buf); err != nil {
		stats.drops[DropDevice].Add(uint64(h.packets))
		if h.packets > 0 {
			s.dropped(DropDevice, h.packets)
		}
		return
	}
	if h.packets > 0 {
		s.rx.add(uint64(h.packets), uint64(h.bytes))
		stats.add(uint64(h.packets), uint64(h.bytes))
	}
}

// answer gives a device a frame that no peer has sent. Few are: each is posted by itself.
func (a *annex) answer(s *Session, frame []byte) {
	var spare [][]byte
	n, first := a.mailbox.put(parcel{{s: s, buf: append([]byte(nil), frame...)}}, &spare)
	if first && n > 0 {
		a.poller.Wake()
	}
}

// annexes are made when they are needed, and stay.
type annexes struct {
	first int // descriptors from this number on go to an annex
	burst int

	mu     sync.Mutex
	all    []*annex
	closed bool
	failed bool // there can be none here
}

// Of a descriptor limit a share is left for other things than devices, and for devices that are being made; for the
// latter the half of it.
const (
	reserveShare = 4
	reserveMost  = 1024
)

func (x *annexes) init(first int) {
	n := tuntap.DescriptorLimit()
	reserve := min(n/reserveShare, reserveMost)
	x.first, x.burst = n-reserve, max(reserve/2, 1)
	if first > 0 {
		x.first = first
	}
}

// Burst is how many devices may be made before they are given to AddSessions, so that there are descriptors for them.
func (f *Forwarder) Burst() int { return f.annexes.burst }

// Annexes is how many threads there are that have devices because the process' descriptor table is full.
func (f *Forwarder) Annexes() int {
	f.annexes.mu.Lock()
	defer f.annexes.mu.Unlock()
	return len(f.annexes.all)
}

func (x *annexes) stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	for _, a := range x.all {
		a.end()
	}
}

// place moves the devices of sessions to annexes where the process' descriptor table has no room for them.
func (f *Forwarder) place(all []*Session, errs []error) {
	x := &f.annexes
	var move []int
	for i, s := range all {
		if errs[i] != nil || s.shared != nil {
			continue
		}
		q, ok := s.dev.(*tuntap.Queue)
		switch {
		case !ok:
		case q.Table() != nil:
			s.annex = x.of(q.Table())
		case q.FD() >= x.first:
			move = append(move, i)
		}
	}
	if len(move) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(move) > 0 {
		a := f.roomy()
		if a == nil {
			return // they stay where they are
		}
		n := min(a.table.Room(), len(move))
		queues := make([]*tuntap.Queue, n)
		for k, i := range move[:n] {
			queues[k] = all[i].dev.(*tuntap.Queue)
		}
		for k, err := range a.table.Adopt(queues) {
			i := move[k]
			if errs[i] = err; err == nil {
				all[i].annex = a
			}
		}
		move = move[n:]
	}
}

// of finds the annex with a table.
func (x *annexes) of(t *tuntap.Table) *annex {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range x.all {
		if a.table == t {
			return a
		}
	}
	return nil
}

// roomy gives an annex with room, a new one when the others are full; nil when there can't be any.
func (f *Forwarder) roomy() *annex {
	x := &f.annexes
	for _, a := range x.all {
		if a.table.Room() > 0 {
			return a
		}
	}
	if x.closed || x.failed {
		return nil
	}
	a, err := newAnnex(f, len(x.all))
	if err != nil {
		x.failed = true
		f.log.Warn("no further descriptor table, sessions are limited by RLIMIT_NOFILE", zap.Error(err))
		return nil
	}
	x.all = append(x.all, a)
	for _, w := range f.workers {
		w.in.call(func() { w.in.annexed.to(&a.mailbox) })
	}
	f.log.Info("more devices than the descriptor limit: another descriptor table",
		zap.Int("tables", len(x.all)+1), zap.Int("devices", a.table.Room()))
	return a
}

// byAnnex sorts sessions by the annex that has their devices.
func byAnnex(all []*Session) map[*annex][]*Session {
	var m map[*annex][]*Session
	for _, s := range all {
		if s.annex != nil {
			if m == nil {
				m = make(map[*annex][]*Session)
			}
			m[s.annex] = append(m[s.annex], s)
		}
	}
	return m
}

// addToAnnexes has the devices of some sessions read, and returns those for which that failed.
func addToAnnexes(all []*Session, which []int, errs []error) (failed []*Session) {
	byAnnex := make(map[*annex][]int)
	for _, i := range which {
		if errs[i] == nil && all[i].annex != nil {
			byAnnex[all[i].annex] = append(byAnnex[all[i].annex], i)
		}
	}
	for a, some := range byAnnex {
		ran := a.call(func() {
			for _, i := range some {
				errs[i] = a.add(all[i])
			}
		})
		for _, i := range some {
			if !ran {
				errs[i] = ErrClosed
			}
			if errs[i] != nil {
				failed = append(failed, all[i])
			}
		}
	}
	return failed
}

// removeFromAnnexes is the opposite.
func removeFromAnnexes(all []*Session) {
	for a, some := range byAnnex(all) {
		a.call(func() {
			for _, s := range some {
				a.remove(s)
			}
		})
	}
}
