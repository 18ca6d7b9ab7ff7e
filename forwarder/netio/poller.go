package netio

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// shortWait is how long, in milliseconds, Wait lingers in the kernel before it lets the scheduler know that it
	// sleeps: a worker with traffic is woken within it, and the hand-over of its processor, dear on few cores, saved. It
	// ends before the kernel's next tick in any case (CONFIG_HZ up to 300), and is no shorter than that needs: a timer that
	// is due before the tick has to be programmed and withdrawn at every sleep, two exits of a virtual machine.
	shortWait = 3
	// maxRawWait bounds what epollWaitRaw accepts: a goroutine stuck there would hold up stop-the-world.
	maxRawWait = shortWait
	// pollBatch is how many events one Wait fetches at most.
	pollBatch = 256
	// wakeToken marks the event of Wake inside epoll.
	wakeToken = ^uint64(0)
)

// Event is one thing that happened to a descriptor, or a Wake.
type Event struct {
	Token    uint64 // as given to Add
	Readable bool   // EPOLLIN
	Error    bool   // EPOLLERR or EPOLLHUP: for a socket, ReadErrors
	Wake     bool   // from Wake; Token means nothing
}

// Poller is one epoll instance with a wake-up. Add, Remove and Wake may be called from any goroutine, Wait from one at a
// time, Close when Wait does not run and will not.
type Poller struct {
	mu     sync.RWMutex // guards the descriptors against Close
	epfd   int
	wakefd int
	woken  atomic.Bool // a wake event is under way
	events [pollBatch]unix.EpollEvent
}

// NewPoller opens an epoll instance and its eventfd.
func NewPoller() (*Poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, &OpError{Op: "epoll_create1", Err: err, Hint: hint(err)}
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, &OpError{Op: "eventfd", Err: err, Hint: hint(err)}
	}
	p := &Poller{epfd: epfd, wakefd: wakefd}
	if err := p.control(unix.EPOLL_CTL_ADD, wakefd, wakeToken); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the instance; the descriptors added stay open.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epfd < 0 {
		return nil
	}
	err := unix.Close(p.epfd)
	if e := unix.Close(p.wakefd); err == nil {
		err = e
	}
	p.epfd, p.wakefd = -1, -1
	return err
}

// Add watches a descriptor for something to read, level-triggered; errors and hang-ups come by themselves. token comes
// back in the events; the greatest uint64 is reserved.
func (p *Poller) Add(fd int, token uint64) error {
	if token == wakeToken {
		return ErrToken
	}
	return p.control(unix.EPOLL_CTL_ADD, fd, token)
}

// Remove ends the watching of a descriptor. It must come before the descriptor is closed. An event that Wait has already
// fetched may still be reported.
func (p *Poller) Remove(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, 0) }

func (p *Poller) control(op, fd int, token uint64) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.epfd < 0 {
		return ErrClosed
	}
	// Fd and Pad together are the 64 bits of user data.
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if err := unix.EpollCtl(p.epfd, op, fd, &ev); err != nil {
		return &OpError{Op: "epoll_ctl", Err: err, Hint: hint(err)}
	}
	return nil
}

// Wake makes a Wait, the running one or the next, return with a Wake event. Wakes not yet seen are one.
func (p *Poller) Wake() {
	if p.woken.Swap(true) {
		return
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.wakefd >= 0 {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(p.wakefd, one[:])
	}
}

// WaitWake waits for Wake alone, whatever else there is.
func (p *Poller) WaitWake() error {
	fds := []unix.PollFd{{Fd: int32(p.wakefd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == nil:
			p.swallow()
			return nil
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// Wait fills ev with what happened and returns how many, 0 when the time is over; a negative timeout is for ever. It
// looks first without waiting, then waits a moment without telling the Go scheduler, and only then blocks like any
// system call. Time-outs are rounded up to milliseconds. A goroutine that waits holds its processor (GOMAXPROCS) at first:
// there should be one for each, and more for others.
func (p *Poller) Wait(ev []Event, timeout time.Duration) (int, error) {
	raw := p.events[:min(len(ev), len(p.events))]
	n, errno := epollWaitRaw(p.epfd, raw, 0)
	if n == 0 && errno == 0 && timeout != 0 {
		n, errno = epollWaitRaw(p.epfd, raw, shortWait)
		if left := timeout - shortWait*time.Millisecond; (errno == 0 && n == 0 || errno == unix.EINTR) && (timeout < 0 || left > 0) {
			return p.block(ev, raw, max(left, -1))
		}
	}
	if errno == unix.EINTR {
		return 0, nil
	}
	if errno != 0 {
		return 0, errno
	}
	return p.translate(ev, raw[:n]), nil
}

// block is the last step of Wait: an ordinary system call.
func (p *Poller) block(ev []Event, raw []unix.EpollEvent, timeout time.Duration) (int, error) {
	var end time.Time
	if timeout >= 0 {
		end = time.Now().Add(timeout)
	}
	for {
		n, err := unix.EpollWait(p.epfd, raw, milliseconds(timeout))
		if err == nil {
			return p.translate(ev, raw[:n]), nil
		}
		if err != unix.EINTR {
			return 0, err
		}
		if !end.IsZero() {
			timeout = max(time.Until(end), 0)
		}
	}
}

// translate copies the kernel's events and swallows the wake-up behind Wake.
func (p *Poller) translate(ev []Event, raw []unix.EpollEvent) int {
	for i := range raw {
		token := uint64(uint32(raw[i].Fd)) | uint64(uint32(raw[i].Pad))<<32
		if token == wakeToken {
			p.swallow()
			ev[i] = Event{Wake: true}
			continue
		}
		ev[i] = Event{
			Token:    token,
			Readable: raw[i].Events&unix.EPOLLIN != 0,
			Error:    raw[i].Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0,
		}
	}
	return len(raw)
}

// swallow empties the eventfd and then allows the next Wake. A Wake in between is part of this event: whatever it
// announces was there before Wait returns. In the other order it would be lost for good.
func (p *Poller) swallow() {
	var b [8]byte
	_, _ = unix.Read(p.wakefd, b[:])
	p.woken.Store(false)
}
