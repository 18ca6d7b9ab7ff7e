package mgmt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of Listen.
const (
	socketMode  fs.FileMode = 0o660
	dirMode     fs.FileMode = 0o755
	maxPath                 = 107             // sun_path is 108 bytes with its NUL, unix(7)
	probeWait               = time.Second     // for whoever may be listening to take our connection
	lockWait                = 3 * time.Second // for another instance's Listen to finish
	lockRetry               = 10 * time.Millisecond
	listenTries             = 3 // bind again when the file came back between removal and bind
)

// What Listen refuses; errors.Is tells them apart.
var (
	ErrRunning    = errors.New("another culvert is running")
	ErrNotSocket  = errors.New("exists and is not a socket")
	ErrSocketPath = errors.New("not usable as a socket path")
)

// Listen opens the management socket at path with mode 0660, creating its directory (0755) when it is missing. A
// socket file on which nobody listens is replaced; one that answers gives ErrRunning; any other file, a symbolic link
// among them, gives ErrNotSocket and stays. Close removes the file.
func Listen(path string) (net.Listener, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("directory of the management socket: %w", err)
	}
	unlock, err := lockDir(dir, lockWait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for try := 1; ; try++ {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		ln, err := bind(path)
		if errors.Is(err, syscall.EADDRINUSE) && try < listenTries {
			continue // somebody who does not know the lock was quicker
		}
		return ln, err
	}
}

// checkPath refuses what bind(2) would cut short or take for a name without a file (abstract sockets have no mode).
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("empty path: %w", ErrSocketPath)
	case strings.HasPrefix(path, "@") || strings.ContainsRune(path, 0):
		return fmt.Errorf("%q: %w: abstract names and NUL bytes are not supported", path, ErrSocketPath)
	case len(path) > maxPath:
		return fmt.Errorf("%s: %w: %d bytes, at most %d fit", path, ErrSocketPath, len(path), maxPath)
	}
	return nil
}

// lockDir holds flock(2) on the directory, so that of two instances that start together the second sees the first
// one's socket listening and does not take it for stale. It leaves no lock file behind.
func lockDir(dir string, wait time.Duration) (unlock func(), err error) {
	f, err := os.Open(dir) //nolint:gosec // the operator's own configuration names it
	if err != nil {
		return nil, fmt.Errorf("directory of the management socket: %w", err)
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(lockRetry) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing gives the lock up
		}
		busy := errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
		if !busy || time.Now().After(deadline) {
			_ = f.Close()
			return nil, fmt.Errorf("lock directory %s of the management socket: %w", dir, err)
		}
	}
}

// removeStale makes room for a socket at path or says why there is none.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("management socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s %w", path, ErrNotSocket)
	}
	c, err := net.DialTimeout("unix", path, probeWait)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("%w on %s", ErrRunning, path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		// A full backlog (EAGAIN), another socket type (EPROTOTYPE), no permission: somebody may be there.
		return fmt.Errorf("%w on %s, or something else holds it: %w", ErrRunning, path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale management socket: %w", err)
	}
	return nil
}

// bind makes the socket file and listens. Linux takes the file's mode from the socket's inode less the umask
// (unix_bind_bsd in net/unix/af_unix.c, v6.12), so fchmod before bind leaves no moment in which others may connect;
// the chmod behind it gives back what the umask took.
func bind(path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmodErr error
		err := c.Control(func(fd uintptr) { chmodErr = syscall.Fchmod(int(fd), uint32(socketMode)) })
		return errors.Join(err, chmodErr)
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("management socket: %w", err)
	}
	ul := ln.(*net.UnixListener) //nolint:forcetypeassert // what net documents for "unix"
	ul.SetUnlinkOnClose(false)
	err = os.Chmod(path, socketMode)
	info, statErr := os.Lstat(path)
	if err = errors.Join(err, statErr); err != nil {
		_ = ul.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("management socket: %w", err)
	}
	return &listener{UnixListener: ul, path: path, info: info}, nil
}

// listener removes its own socket file on Close.
type listener struct {
	*net.UnixListener
	path string
	info fs.FileInfo // of the file bind made
	once sync.Once
}

// Close stops listening and removes the socket file, unless another file has taken its place. The file goes first, so
// that nobody ever finds it refusing connections.
func (l *listener) Close() error {
	l.once.Do(func() {
		if info, err := os.Lstat(l.path); err == nil && os.SameFile(info, l.info) {
			_ = os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}
