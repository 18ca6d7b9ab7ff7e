//go:build interop

package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// The underlay: one subnet of either IP version on the tap. A stranger is the guest under an address that no tunnel
// of ours names.
var (
	host4     = netip.MustParseAddr("10.9.0.1")
	peer4     = netip.MustParseAddr("10.9.0.2")
	stranger4 = netip.MustParseAddr("10.9.0.3")
	host6     = netip.MustParseAddr("fd09::1")
	peer6     = netip.MustParseAddr("fd09::2")
	stranger6 = netip.MustParseAddr("fd09::3")
)

const tapName = "tap0"

// hostNS is the network namespace that culvert runs in.
type hostNS struct {
	name   string
	handle netns.NsHandle
	nl     *netlink.Handle
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// newHostNS makes the namespace with its tap and addresses.
func newHostNS(name string) (*hostNS, error) {
	if err := ip("netns", "add", name); err != nil {
		return nil, err
	}
	h := &hostNS{name: name, handle: netns.None()}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"tuntap", "add", "dev", tapName, "mode", "tap"},
		{"addr", "add", host4.String() + "/24", "dev", tapName},
		{"addr", "add", host6.String() + "/64", "dev", tapName, "nodad"},
		{"link", "set", tapName, "up"},
	} {
		if err := ip(append([]string{"-n", name}, args...)...); err != nil {
			h.close()
			return nil, err
		}
	}
	var err error
	if h.handle, err = netns.GetFromName(name); err != nil {
		h.close()
		return nil, err
	}
	if h.nl, err = netlink.NewHandleAt(h.handle); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *hostNS) close() {
	if h.nl != nil {
		h.nl.Close()
	}
	if h.handle.IsOpen() {
		_ = h.handle.Close()
	}
	if err := ip("netns", "del", h.name); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// do runs f on a thread inside the namespace. The thread goes back to its own afterwards: were it to end instead,
// children that it once started would get their parent-death signal.
func (h *hostNS) do(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(h.handle); err != nil {
		return err
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // a thread in the wrong namespace must not go on
		}
	}()
	return f()
}

// device gives a device of the namespace, nil when there is none of the name.
func (h *hostNS) device(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := h.nl.LinkByName(name)
	var missing netlink.LinkNotFoundError
	switch {
	case errors.As(err, &missing):
		return nil
	case err != nil:
		t.Fatalf("link %s: %v", name, err)
	}
	return l
}

// carrier tells whether the device exists, is up and has carrier (IFF_UP, IFF_LOWER_UP of netdevice(7)).
func (h *hostNS) carrier(t *testing.T, name string) bool {
	t.Helper()
	const up, lowerUp = 0x1, 0x10000
	l := h.device(t, name)
	return l != nil && l.Attrs().RawFlags&(up|lowerUp) == up|lowerUp
}

// addresses lists the device's addresses as "local" or "local peer remote", prefix lengths included.
func (h *hostNS) addresses(t *testing.T, name string) []string {
	t.Helper()
	l := h.device(t, name)
	if l == nil {
		return nil
	}
	list, err := h.nl.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatalf("addresses of %s: %v", name, err)
	}
	var all []string
	for _, a := range list {
		s := a.IPNet.String()
		if a.Peer != nil && !a.Peer.IP.Equal(a.IP) {
			s = a.IP.String() + " peer " + a.Peer.String()
		}
		all = append(all, s)
	}
	return all
}

// others lists the devices that a case may have left: all but the loopback and the underlay.
func (h *hostNS) others(t *testing.T) []string {
	t.Helper()
	list, err := h.nl.LinkList()
	if err != nil {
		t.Fatalf("links: %v", err)
	}
	var names []string
	for _, l := range list {
		if n := l.Attrs().Name; n != "lo" && n != tapName {
			names = append(names, n)
		}
	}
	return names
}

// sweepStale removes what test runs left behind that were killed: namespaces and folders named after their process.
func sweepStale() {
	if entries, err := os.ReadDir("/run/netns"); err == nil {
		for _, e := range entries {
			if orphan(e.Name()) {
				_ = ip("netns", "del", e.Name())
			}
		}
	}
	if entries, err := os.ReadDir(os.TempDir()); err == nil {
		for _, e := range entries {
			if name, _, ok := strings.Cut(e.Name(), "-"); ok && orphan(name) {
				_ = os.RemoveAll(filepath.Join(os.TempDir(), e.Name()))
			}
		}
	}
}

// orphan tells whether a name is that of a test process that is gone.
func orphan(name string) bool {
	digits, ok := strings.CutPrefix(name, "cvi")
	pid, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return false
	}
	_, err = os.Stat("/proc/" + strconv.Itoa(pid))
	return os.IsNotExist(err)
}

// eventually polls until check gives "", and fails the test with its last answer after the timeout.
func eventually(t *testing.T, timeout time.Duration, check func() string) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		why := check()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", timeout, why)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
