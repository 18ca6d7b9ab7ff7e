package forwarder

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"culvert/forwarder/netio"
)

// loop is what both directions of a worker have in common: a thread, an epoll instance, and commands that others ask
// it to run between two batches.
type loop struct {
	poller *netio.Poller
	events []netio.Event
	done   chan struct{}
	thread atomic.Int32 // its id, 0 before it runs

	mu       sync.Mutex
	commands []func()
	closed   bool

	// The loop's own.
	quit   bool
	paused bool // no events, only commands
	woken  bool // somebody called Wake in this round
}

// eventsPerWait bounds what one epoll_wait returns.
const eventsPerWait = 128

func (l *loop) init() (err error) {
	l.events, l.done = make([]netio.Event, eventsPerWait), make(chan struct{})
	l.poller, err = netio.NewPoller()
	return err
}

// post asks for fn to run on the loop; false when the loop has ended.
func (l *loop) post(fn func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.commands = append(l.commands, fn)
	if len(l.commands) == 1 { // else the one before has woken it
		l.poller.Wake()
	}
	return true
}

// call is post that waits until fn has run. It returns false at once, without having run it, when the loop has ended.
func (l *loop) call(fn func()) bool {
	ran := make(chan struct{})
	ok := l.post(func() { fn(); close(ran) })
	if ok {
		<-ran
	}
	return ok
}

// runCommands runs what was posted. Commands may post.
func (l *loop) runCommands() {
	l.mu.Lock()
	todo := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, fn := range todo {
		fn()
	}
}

// spin handles events until the loop is told to quit. Commands run behind the other events of their round, so that an
// event never meets a token which a command has just given up.
func (l *loop) spin(timeout func() time.Duration, handle func(netio.Event), after func()) error {
	runtime.LockOSThread() // never unlocked: the thread ends with the loop
	netio.TuneThread()
	l.thread.Store(int32(syscall.Gettid()))
	defer close(l.done)
	for !l.quit {
		if l.paused {
			if err := l.commanded(after); err != nil {
				return err
			}
			continue
		}
		n, err := l.poller.Wait(l.events, timeout())
		if err != nil {
			l.refuse()
			l.runCommands()
			return err
		}
		l.woken = false
		for _, e := range l.events[:n] {
			if e.Wake {
				l.woken = true
				continue
			}
			handle(e)
		}
		if l.woken {
			l.runCommands()
		}
		after()
	}
	return nil
}

// commanded is a round of a loop that is paused.
func (l *loop) commanded(after func()) error {
	if err := l.poller.WaitWake(); err != nil {
		l.refuse()
		l.runCommands()
		return err
	}
	l.runCommands()
	if !l.paused { // what came meanwhile has had its Wake
		l.woken = true
		after()
	}
	return nil
}

// pause has the loop handle no events until resume: what arrives waits in the kernel. When it returns, everything that the
// loop had read has gone on its way.
func (l *loop) pause() {
	l.call(func() {}) // what was posted before has a round of its own
	l.call(func() { l.paused = true })
	l.call(func() {}) // the end of that round
}

func (l *loop) resume() { l.call(func() { l.paused = false }) }

// stop ends the loop, waits for it, and frees its epoll instance. Commands posted before it still run.
func (l *loop) stop() {
	l.post(func() { l.quit = true })
	l.refuse()
	<-l.done
	l.runCommands() // what came between the last round and closed
	_ = l.poller.Close()
}

// refuse makes post fail from now on.
func (l *loop) refuse() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
}

func forever() time.Duration { return -1 }
