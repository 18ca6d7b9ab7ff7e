package tuntap

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Table is a descriptor table of one OS thread (unshare(2), CLONE_FILES), which has room for as many files as
// RLIMIT_NOFILE says, whatever other tables hold. Devices are made in the process' table and go over by Adopt. From then
// on only that thread can read and write them, and everything else that needs the descriptor is done there, by run. The
// files are closed with their devices, or by the end of the thread.
type Table struct {
	run    func(func()) bool
	to, in int // a socket pair: to is the process', in the thread's
	thread int

	mu   sync.Mutex
	room int
}

// moveBatch is how many files one message carries: SCM_MAX_FD of net/core/scm.c is 253.
const moveBatch = 128

// NewTable prepares a table. run is called by any goroutine, has the thread execute the function, and waits for that; it
// returns false when the thread has ended. Whoever calls NewTable calls Close, after the end of the thread.
func NewTable(run func(func()) bool) (*Table, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, explain("tuntap: socket pair", err)
	}
	return &Table{run: run, to: fds[0], in: fds[1]}, nil
}

// Enter makes the calling thread the table's, with all that it still needs of the process' table: standard streams, and
// epoll instances with their eventfds, ours and those of Go's runtime, which any thread writes to
// (runtime.netpollBreak). The goroutine must have locked the thread and never unlock it, and must not open, write or
// close files of the process, not even a log, from then on.
func (t *Table) Enter() error {
	// The runtime makes its epoll instance when it is first needed, for a timer for example.
	time.AfterFunc(time.Hour, func() {}).Stop()
	// Container runtimes refuse unshare(2) to those without CAP_SYS_ADMIN, whatever is asked of it.
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		if unix.CloseRange(math.MaxUint32, math.MaxUint32, unix.CLOSE_RANGE_UNSHARE) != nil {
			return fmt.Errorf("tuntap: descriptor table of a thread: %w", err)
		}
	}
	t.thread = unix.Gettid()
	kept, err := closeOthers(t.in)
	if err != nil {
		return fmt.Errorf("tuntap: descriptor table of a thread: %w", err)
	}
	t.room = DescriptorLimit() - kept
	return nil
}

// DescriptorLimit is how many files a descriptor table may have: the soft limit, which Go's runtime makes the hard one.
func DescriptorLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil { // never
		return math.MaxInt32
	}
	return int(min(limit.Cur, math.MaxInt32))
}

// closeOthers closes what is not needed in a thread's own table, and tells how many files are left.
func closeOthers(in int) (kept int, err error) {
	const dir = "/proc/thread-self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return 0, err
		}
		what, err := os.Readlink(dir + "/" + e.Name())
		switch {
		case err != nil: // ReadDir's own
		case fd <= 2, fd == in, strings.HasPrefix(what, "anon_inode:") && strings.Contains(what, "event"):
			kept++
		default:
			_ = unix.Close(fd)
		}
	}
	return kept, nil
}

// Room is how many devices the table takes yet.
func (t *Table) Room() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.room
}

// Adopt moves devices' files into the table, with an error for each that stays where it was. Nobody may use them
// meanwhile. It must not be called by the table's thread.
func (t *Table) Adopt(queues []*Queue) []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	errs := make([]error, len(queues))
	for at := 0; at < len(queues); at += moveBatch {
		end := min(at+moveBatch, len(queues))
		t.adopt(queues[at:end], errs[at:end])
	}
	return errs
}

func (t *Table) adopt(queues []*Queue, errs []error) {
	fds := make([]int, len(queues))
	for i, q := range queues {
		fds[i] = q.FD()
	}
	err := unix.Sendmsg(t.to, []byte{0}, unix.UnixRights(fds...), nil, 0)
	var got []int
	if err == nil {
		if rerr := t.on(func() { got, err = receiveFiles(t.in, len(fds)) }); rerr != nil {
			err = rerr
		}
	}
	if err == nil && len(got) < len(queues) {
		err, t.room = ErrTooManyFiles, len(got)
	}
	for i, q := range queues {
		if i >= len(got) {
			errs[i] = explain("tuntap: move a device to another descriptor table", err)
			continue
		}
		t.room--
		q.table = t
		q.fd.Store(int32(got[i]))
		_ = unix.Close(fds[i])
	}
}

// receiveFiles takes the files of one message, up to n of them (unix(7), SCM_RIGHTS); fewer when the table is full.
func receiveFiles(sock, n int) ([]int, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4*n))
	_, used, _, _, err := unix.Recvmsg(sock, b[:], oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil || used == 0 {
		return nil, err
	}
	all, err := unix.ParseSocketControlMessage(oob[:used])
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return unix.ParseUnixRights(&all[0])
}

// on runs fn on the thread. ErrClosed: that has ended, and all files with it.
func (t *Table) on(fn func()) error {
	err := ErrClosed
	t.run(func() {
		if unix.Gettid() == t.thread { // else it has ended, and its descriptors are other files' here
			fn()
			err = nil
		}
	})
	return err
}

// release closes files of the table, all by one request to its thread. Closing a file whose device is still there makes
// the thread wait for the kernel.
func (t *Table) release(queues []*Queue) {
	var fds []int
	for _, q := range queues {
		if fd := q.fd.Swap(-1); fd >= 0 {
			fds = append(fds, int(fd))
		}
	}
	_ = t.on(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
	t.mu.Lock()
	t.room += len(fds)
	t.mu.Unlock()
}

// Close frees what NewTable has made.
func (t *Table) Close() error { return errors.Join(unix.Close(t.to), unix.Close(t.in)) }

// Table is where the file is; nil: in the process' own table.
func (q *Queue) Table() *Table { return q.table }

// at runs fn with the descriptor, where that means this file.
func (q *Queue) at(fn func(fd int) error) (err error) {
	if q.table == nil {
		return fn(q.FD())
	}
	if terr := q.table.on(func() { err = fn(q.FD()) }); terr != nil {
		return terr
	}
	return err
}

// releaseAll closes the files of those devices that are in tables of threads, whose links are gone.
func releaseAll(devices []*Device) {
	byTable := make(map[*Table][]*Queue)
	for _, d := range devices {
		if t := d.queue.table; t != nil {
			byTable[t] = append(byTable[t], d.queue)
		}
	}
	for t, queues := range byTable {
		t.release(queues)
	}
}
