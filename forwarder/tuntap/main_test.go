package tuntap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"culvert/internal/testenv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testGroup is the interface group of the tests' devices.
const testGroup = 0x63761

var netnsCount atomic.Int32

// newNetNS makes a named namespace for the test and returns its name and a handle in it.
func newNetNS(tb testing.TB) (string, *netlink.Handle) {
	tb.Helper()
	testenv.RequireNetns(tb)
	name := fmt.Sprintf("cv%d-tt%d", os.Getpid(), netnsCount.Add(1))
	ip(tb, "netns", "add", name)
	tb.Cleanup(func() { ip(tb, "netns", "del", name) })
	fd, err := netns.GetFromName(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = fd.Close() }()
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(h.Close)
	return name, h
}

func ip(tb testing.TB, args ...string) {
	tb.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		tb.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// mustCreate creates a device and closes it with the test.
func mustCreate(tb testing.TB, c Config) *Device {
	tb.Helper()
	d, err := Create(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, ErrClosed) {
			tb.Error(err)
		}
	})
	return d
}

// must stops the test at an error.
func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wantErr checks the sentinel of an error, and that it has a text.
func wantErr(tb testing.TB, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Fatalf("error %v, want %v", err, want)
	}
	tb.Log(err)
}

// link returns the link of that name, nil when there is none.
func link(tb testing.TB, h *netlink.Handle, name string) netlink.Link {
	tb.Helper()
	l, err := h.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	must(tb, err)
	return l
}

// files counts this process's open descriptors.
func files(tb testing.TB) int {
	tb.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	must(tb, err)
	return len(e)
}

// eventually waits up to two seconds for cond.
func eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	tb.Fatalf("not within 2 s: %s", what)
}

// read waits up to two seconds for a frame that ok accepts and returns it without its header, which must be zeros.
func read(tb testing.TB, q *Queue, ok func(frame []byte) bool) []byte {
	tb.Helper()
	b := make([]byte, 2048)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n, err := q.Read(b)
		if errors.Is(err, ErrWouldBlock) {
			fds := []unix.PollFd{{Fd: int32(q.FD()), Events: unix.POLLIN}}
			_, _ = unix.Poll(fds, 100)
			continue
		}
		must(tb, err)
		if h := VnetHeader(b[:n]); !h.Valid() || [HeaderLen]byte(h) != ([HeaderLen]byte{}) {
			tb.Fatalf("header % x", b[:n])
		}
		if ok(b[HeaderLen:n]) {
			return b[HeaderLen:n]
		}
	}
	tb.Fatal("nothing came within 2 s")
	return nil
}

// frame puts a header of zeros in front of a packet.
func frame(packet []byte) []byte { return append(make([]byte, HeaderLen), packet...) }

// checksum is RFC 1071's, for data of even length.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
