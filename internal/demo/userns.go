package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// What keeps the demo from running at all.
var (
	// ErrNoTUN: /dev/net/tun is missing or may not be opened.
	ErrNoTUN = errors.New("the demo needs /dev/net/tun")
	// ErrNoNamespace: neither network namespaces nor a user namespace can be made.
	ErrNoNamespace = errors.New("the demo needs network namespaces")
	// ErrReported: the process inside the user namespace has failed and said why on standard error.
	ErrReported = errors.New("the demo failed inside its user namespace")
)

// insideEnv marks the process that runs inside the user namespace.
const insideEnv = "CULVERT_DEMO_USERNS"

// checkTUN tells in the user's words why there can be no devices.
func checkTUN() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w, which is missing: load the module (modprobe tun) or pass the device into the container", ErrNoTUN)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w, which this user may not open: run as root, or chmod 0666 /dev/net/tun", ErrNoTUN)
	default:
		return fmt.Errorf("%w: %w", ErrNoTUN, err)
	}
}

// runInUserNamespace runs this very command again as root of a user namespace of its own, where namespaces may be
// made. args are its arguments.
func runInUserNamespace(ctx context.Context, w io.Writer, args []string) error {
	if os.Getenv(insideEnv) != "" {
		return fmt.Errorf("%w, and is refused even inside a user namespace (security policy?): run as root", ErrNoNamespace)
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = "culvert"
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Setpgid:     true, // an interrupt from the terminal is ours to pass on, once
		Pdeathsig:   syscall.SIGTERM,
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w, and this user may not make a user namespace (%w): run as root", ErrNoNamespace, err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return ErrReported
	default:
		return err
	}
}
