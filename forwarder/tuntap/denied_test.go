package tuntap

import (
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// onLostThread runs fn inside the namespace on a thread that ends with it, so that fn may spoil the thread. The process'
// first thread does not end, and shows what the process has (/proc/self/fd): it is not that one.
func onLostThread(t *testing.T, name string, fn func() error) error {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- onLostThread(t, name, fn)
			return
		}
		h, err := netns.GetFromName(name)
		if err == nil {
			err = netns.Set(h)
			_ = h.Close()
		}
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return <-done
}

// TestPermission takes the capabilities from one thread. Nothing may leak: a daemon tries again and again.
func TestPermission(t *testing.T) {
	ns, h := newNetNS(t)
	before := files(t)
	err := onLostThread(t, ns, func() error {
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			return err
		}
		_, err := Create(Config{Name: "deny0"})
		return err
	})
	wantErr(t, err, ErrPermission)
	if n := files(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
	if n := countLinks(t, h); n != 1 {
		t.Errorf("%d links", n)
	}
}

// TestNoTUN hides /dev/net from one thread.
func TestNoTUN(t *testing.T) {
	ns, h := newNetNS(t)
	before := files(t)
	err := onLostThread(t, ns, func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("none", "/dev/net", "tmpfs", 0, ""); err != nil {
			return err
		}
		_, err := Create(Config{Name: "notun0"})
		return err
	})
	wantErr(t, err, ErrNoTUN)
	if n := files(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
	if n := countLinks(t, h); n != 1 {
		t.Errorf("%d links", n)
	}
}

// TestTooManyFiles has fewer and fewer descriptors left for the device; it is there or it is not.
func TestTooManyFiles(t *testing.T) {
	ns, h := newNetNS(t)
	mustCreate(t, Config{Name: "first0", NetNS: ns}) // the namespace's sockets are open
	for room := range 4 {
		err := onLostThread(t, ns, func() error {
			if err := unix.Unshare(unix.CLONE_FILES); err != nil { // a table of its own to fill
				return err
			}
			last := 0
			for {
				fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
				if err != nil {
					break
				}
				last = fd
			}
			for fd := last; fd > last-room; fd-- {
				_ = unix.Close(fd)
			}
			d, err := Create(Config{Name: "many0"})
			if err != nil {
				return err
			}
			return d.Close()
		})
		if room == 0 || err != nil {
			wantErr(t, err, ErrTooManyFiles)
		}
		if link(t, h, "many0") != nil {
			t.Errorf("left behind with room for %d", room)
		}
	}
	if len(spaces.open) != 1 {
		t.Errorf("%d namespaces held", len(spaces.open))
	}
}
