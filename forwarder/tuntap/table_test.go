package tuntap

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tableThread is a thread with a table, which runs what it is told to.
type tableThread struct {
	*Table
	work  chan func()
	quit  chan struct{}
	ended chan struct{}
	tid   int
}

func newTableThread(tb testing.TB) *tableThread {
	tb.Helper()
	h := &tableThread{work: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{})}
	var err error
	h.Table, err = NewTable(func(fn func()) bool {
		done := make(chan struct{})
		select {
		case h.work <- func() { fn(); close(done) }:
			<-done
			return true
		case <-h.ended:
			return false
		}
	})
	must(tb, err)
	entered := make(chan error)
	go h.live(entered)
	must(tb, <-entered)
	tb.Cleanup(func() {
		h.end()
		must(tb, h.Table.Close())
	})
	return h
}

// live is the thread's life. It is another than the process' first one, which does not end, and shows what the process has
// (/proc/self/fd).
func (h *tableThread) live(entered chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		inside := make(chan error)
		go h.live(inside)
		entered <- <-inside
		return
	}
	defer close(h.ended)
	h.tid = unix.Gettid()
	entered <- h.Enter()
	for {
		select {
		case fn := <-h.work:
			fn()
		case <-h.quit:
			return
		}
	}
}

// end ends the thread, and waits until the kernel has done so.
func (h *tableThread) end() {
	select {
	case <-h.ended:
		return
	default:
	}
	close(h.quit)
	<-h.ended
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", h.tid)); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// open counts the files in the table.
func (h *tableThread) open(tb testing.TB) int {
	tb.Helper()
	e, err := os.ReadDir(fmt.Sprintf("/proc/self/task/%d/fd", h.tid))
	must(tb, err)
	return len(e)
}

// TestTable: what a table adopts leaves the process' table, works on the table's thread only, and is closed with its
// device; the thread has nothing of ours but what it needs.
func TestTable(t *testing.T) {
	ns, nl := newNetNS(t)
	pipe := [2]int{}
	must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	h := newTableThread(t)
	must(t, unix.Close(pipe[1]))
	if n, err := unix.Read(pipe[0], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the thread has a copy of a file of ours: read %d, %v", n, err)
	}
	_ = unix.Close(pipe[0])
	before, own, room := files(t), h.open(t), h.Room()
	if own > 20 || room != DescriptorLimit()-own {
		t.Errorf("%d files, room for %d, at the beginning", own, room)
	}
	var configs []Config
	for i := range 300 { // more than one message
		configs = append(configs, Config{Name: fmt.Sprintf("far%d", i), Kind: TUN, Group: testGroup, NetNS: ns})
	}
	devices, errs := CreateAll(configs)
	must(t, errors.Join(errs...))
	near := mustCreate(t, Config{Name: "near", Kind: TUN, Group: testGroup, NetNS: ns})
	queues := make([]*Queue, len(devices))
	for i, d := range devices {
		queues[i] = d.Queue()
	}
	held := files(t)
	must(t, errors.Join(h.Adopt(queues)...))
	if n := held - files(t); n != len(devices) {
		t.Errorf("%d files left the process' table", n)
	}
	if h.open(t) != own+len(devices) || h.Room() != room-len(devices) {
		t.Errorf("%d files, room for %d", h.open(t), h.Room())
	}
	if queues[7].Table() != h.Table || near.Queue().Table() != nil {
		t.Error("who is where?")
	}

	// The device works as before, each descriptor being its own device's.
	must(t, devices[7].SetCarrier(true))
	if l := link(t, nl, "far7"); l.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 {
		t.Error("no carrier")
	}
	if got, err := queues[7].SetOffload(OffloadChecksum); err != nil || got != OffloadChecksum {
		t.Error(got, err)
	}
	must(t, h.on(func() {
		req, err := unix.NewIfreq("")
		must(t, err)
		must(t, unix.IoctlIfreq(queues[7].FD(), unix.TUNGETIFF, req))
		if req.Name() != "far7" {
			t.Errorf("descriptor %d is %s's", queues[7].FD(), req.Name())
		}
		if fl, err := unix.FcntlInt(uintptr(queues[7].FD()), unix.F_GETFD, 0); err != nil || fl&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags %#x, error %v", fl, err)
		}
	}))

	must(t, devices[0].Close())
	if link(t, nl, "far0") != nil || h.open(t) != own+len(devices)-1 {
		t.Errorf("%d files after a Close", h.open(t))
	}
	wantErr(t, devices[0].Close(), ErrClosed)
	_, err := queues[0].SetOffload(OffloadAll)
	wantErr(t, err, ErrClosed)
	must(t, CloseAll(devices[1:250]))
	if link(t, nl, "far9") != nil || link(t, nl, "far250") == nil || h.open(t) != own+50 || h.Room() != room-50 {
		t.Errorf("%d files after CloseAll, room for %d", h.open(t), h.Room())
	}

	// With the thread goes what it had. The process' descriptors of those numbers are not touched.
	h.end()
	if link(t, nl, "far260") != nil {
		t.Error("the end of the thread has left a device")
	}
	must(t, CloseAll(devices[250:]))
	wantErr(t, errors.Join(h.Adopt([]*Queue{near.Queue()})...), ErrClosed)
	must(t, near.SetCarrier(true))
	must(t, near.Close())
	if n := files(t); n > before {
		t.Errorf("%d files, %d before", n, before)
	}
}

// TestTableFull: what finds no room in a table stays where it was.
func TestTableFull(t *testing.T) {
	ns, _ := newNetNS(t)
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	h := newTableThread(t)
	var configs []Config
	for i := range 20 {
		configs = append(configs, Config{Name: fmt.Sprintf("full%d", i), Kind: TUN, Group: testGroup, NetNS: ns})
	}
	devices, errs := CreateAll(configs)
	must(t, errors.Join(errs...))
	queues := make([]*Queue, len(devices))
	for i, d := range devices {
		queues[i] = d.Queue()
	}
	lower := old
	lower.Cur = 24 // the thread has some of the numbers below it
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &lower))
	errs = h.Adopt(queues)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	moved := 0
	for i, q := range queues {
		switch {
		case errs[i] == nil && q.Table() == h.Table:
			moved++
		case !errors.Is(errs[i], ErrTooManyFiles) || q.Table() != nil:
			t.Errorf("device %d: %v", i, errs[i])
		}
		must(t, devices[i].SetUp(true))
	}
	if moved == 0 || moved == len(queues) || h.Room() != 0 {
		t.Errorf("%d devices moved, room for %d", moved, h.Room())
	}
	must(t, CloseAll(devices))
	if h.Room() != moved {
		t.Errorf("room for %d", h.Room())
	}
}
