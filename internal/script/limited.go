package script

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"
)

// As says whom a program runs as. Its zero value, or nil: as ourselves.
type As struct {
	// User and Groups take the place of ours, for which we must be root; nil: ours.
	User *Identity
	// Capabilities are those that it keeps, by number (capabilities(7)), of those that we have.
	Capabilities []uintptr
}

// Identity is a user other than root.
type Identity struct {
	UID, GID uint32
	Groups   []uint32 // supplementary ones
}

// Of prctl(2) and capset(2): linux/prctl.h, linux/capability.h.
const (
	prSetNoNewPrivs      = 38
	prCapAmbient         = 47
	prCapAmbientClearAll = 4
	capabilityVersion3   = 0x20080522
)

type (
	capHeader struct {
		version uint32
		pid     int32 // 0: this thread
	}
	capData struct{ effective, permitted, inheritable uint32 }
)

// start starts cmd without our capabilities but for those it may keep. Capabilities are a thread's, and what it has
// given away it cannot get back: a thread is made for this, starts the program and ends.
func start(cmd *exec.Cmd, as *As) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and not unlocked: so the thread ends with this goroutine
		if syscall.Gettid() == syscall.Getpid() {
			// The first thread does not end, and is the one that /proc/PID shows: it stays as it is.
			defer runtime.UnlockOSThread()
			started <- start(cmd, as)
			return
		}
		err := limit(as)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

// limit takes from this thread what a program that it starts must not get: what is ambient and inheritable, and,
// since root gets everything back when a program begins, what is permitted to root. With no_new_privs set no program
// gets more than the thread has, whatever its owner or file capabilities (prctl(2), capabilities(7)).
func limit(as *As) error {
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prCapAmbient, prCapAmbientClearAll, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("clear ambient capabilities: %w", e)
	}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("set no_new_privs: %w", e)
	}
	header := capHeader{version: capabilityVersion3}
	var data [2]capData
	if e := capabilities(syscall.SYS_CAPGET, &header, &data); e != 0 {
		return fmt.Errorf("capget: %w", e)
	}
	data[0].inheritable, data[1].inheritable = 0, 0
	if as.User == nil { // else the child must change its user first, and has no more after that
		var keep [2]uint32
		for _, c := range as.Capabilities {
			keep[c/32] |= 1 << (c % 32)
		}
		for i := range data {
			data[i].permitted &= keep[i]
			data[i].effective = data[i].permitted
		}
	}
	if e := capabilities(syscall.SYS_CAPSET, &header, &data); e != 0 {
		return fmt.Errorf("capset: %w", e)
	}
	return nil
}

func capabilities(call uintptr, header *capHeader, data *[2]capData) syscall.Errno {
	_, _, e := syscall.RawSyscall(call, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)), 0)
	return e
}

// attributes are what the kernel is told about the new process.
func (as *As) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, AmbientCaps: as.Capabilities}
	if u := as.User; u != nil {
		a.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	return a
}
