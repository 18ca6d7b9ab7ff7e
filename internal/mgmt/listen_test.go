package mgmt

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestListen(t *testing.T) {
	old := syscall.Umask(0o077) // must not take the group's access away
	defer syscall.Umask(old)
	path := socketPath(t)
	ln := listen(t, path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.ModeSocket|0o660; got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
	if err := ln.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket file after Close: %v", err)
	}
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v, want net.ErrClosed", err)
	}
}

// TestModeAtBind shows that the mode is there without the chmod after bind, so that no moment is open to others.
func TestModeAtBind(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	path := filepath.Join(filepath.Dir(filepath.Dir(socketPath(t))), "s")
	if err := errors.Join(syscall.Fchmod(fd, uint32(socketMode)), syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != socketMode {
		t.Errorf("mode %v after bind, want %v", info.Mode().Perm(), socketMode)
	}
}

func TestListenStale(t *testing.T) {
	path := socketPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after a crash
	_ = dead.Close()
	ln := listen(t, path)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the new socket does not answer: %v", err)
	}
	_ = c.Close()
	_ = ln.Close()
}

func TestListenRefuses(t *testing.T) {
	tests := []struct {
		name, before string
		want         error
		text         string
	}{
		{"second instance", "listener", ErrRunning, "another culvert is running on "},
		{"regular file", "file", ErrNotSocket, "exists and is not a socket"},
		{"directory", "directory", ErrNotSocket, "exists and is not a socket"},
		{"dangling symbolic link", "link", ErrNotSocket, "exists and is not a socket"},
		{"datagram socket in use", "unixgram", ErrRunning, "or something else holds it"},
		{"directory is a file", "no directory", syscall.ENOTDIR, "directory of the management socket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := socketPath(t)
			mkdir(t, filepath.Dir(path))
			occupy(t, path, tt.before)
			before, _ := os.Lstat(path)
			fds := openFiles(t)
			ln, err := Listen(path)
			if err == nil {
				_ = ln.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Listen: %v, want %q", err, tt.text)
			}
			after, _ := os.Lstat(path)
			if before != nil && (after == nil || !os.SameFile(before, after)) {
				t.Error("the file was touched")
			}
			if n := openFiles(t); n != fds {
				t.Errorf("%d descriptors, %d before", n, fds)
			}
		})
	}
}

func TestListenPaths(t *testing.T) {
	for _, path := range []string{"", "@abstract", "a\x00b", "/tmp/" + strings.Repeat("x", 103)} {
		if ln, err := Listen(path); !errors.Is(err, ErrSocketPath) {
			t.Errorf("Listen(%q) = %v, %v", path, ln, err)
		}
	}
	path := socketPath(t)
	path = filepath.Join(filepath.Dir(path), strings.Repeat("x", maxPath-len(filepath.Dir(path))-1))
	if err := listen(t, path).Close(); err != nil {
		t.Errorf("longest path: %v", err)
	}
}

// TestListenRace starts several instances at once over a stale socket: exactly one may win.
func TestListenRace(t *testing.T) {
	for range 20 {
		path := socketPath(t)
		mkdir(t, filepath.Dir(path))
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		_ = dead.Close()
		var wg sync.WaitGroup
		lns := make([]net.Listener, 4)
		errs := make([]error, len(lns))
		for i := range lns {
			wg.Go(func() { lns[i], errs[i] = Listen(path) })
		}
		wg.Wait()
		won := 0
		for i, ln := range lns {
			if ln != nil {
				won++
				_ = ln.Close()
			} else if !errors.Is(errs[i], ErrRunning) {
				t.Errorf("loser: %v", errs[i])
			}
		}
		if won != 1 {
			t.Fatalf("%d listeners", won)
		}
	}
}

func TestLockTimeout(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := lockDir(dir, 50*time.Millisecond); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("second lock: %v", err)
	}
}

func TestCloseLeavesSuccessor(t *testing.T) {
	path := socketPath(t)
	first := listen(t, path)
	if err := os.Remove(path); err != nil { // an operator cleans up under us
		t.Fatal(err)
	}
	listen(t, path)
	_ = first.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("closing the first listener took the second one's file: %v", err)
	}
	_ = c.Close()
}

// occupy puts something where the socket should be.
func occupy(t *testing.T, path, what string) {
	t.Helper()
	switch what {
	case "listener":
		listen(t, path)
	case "file":
		write(t, path)
	case "directory":
		mkdir(t, path)
	case "link":
		if err := os.Symlink("elsewhere", path); err != nil {
			t.Fatal(err)
		}
	case "unixgram":
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	case "no directory":
		if err := os.Remove(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Dir(path))
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
}
