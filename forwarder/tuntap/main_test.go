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
func newNetNS(t testing.TB) (string, *netlink.Handle) {
	t.Helper()
	testenv.RequireNetns(t)
	name := fmt.Sprintf("cv%d-tt%d", os.Getpid(), netnsCount.Add(1))
	ip(t, "netns", "add", name)
	t.Cleanup(func() { ip(t, "netns", "del", name) })
	fd, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fd.Close() }()
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return name, h
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// mustCreate creates a device and closes it with the test.
func mustCreate(t testing.TB, c Config) *Device {
	t.Helper()
	d, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return d
}

// must stops the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr checks the sentinel of an error, and that it has a text.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	t.Log(err)
}

// link returns the link of that name, nil when there is none.
func link(t testing.TB, h *netlink.Handle, name string) netlink.Link {
	t.Helper()
	l, err := h.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	must(t, err)
	return l
}

// files counts this process's open descriptors.
func files(t testing.TB) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(e)
}

// eventually waits up to two seconds for cond.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("not within 2 s: %s", what)
}

// read waits up to two seconds for a frame that ok accepts and returns it without its header, which must be zeros.
func read(t testing.TB, q *Queue, ok func(frame []byte) bool) []byte {
	t.Helper()
	b := make([]byte, 2048)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n, err := q.Read(b)
		if errors.Is(err, ErrWouldBlock) {
			fds := []unix.PollFd{{Fd: int32(q.FD()), Events: unix.POLLIN}}
			_, _ = unix.Poll(fds, 100)
			continue
		}
		must(t, err)
		if h := VnetHeader(b[:n]); !h.Valid() || [HeaderLen]byte(h) != ([HeaderLen]byte{}) {
			t.Fatalf("header % x", b[:n])
		}
		if ok(b[HeaderLen:n]) {
			return b[HeaderLen:n]
		}
	}
	t.Fatal("nothing came within 2 s")
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
