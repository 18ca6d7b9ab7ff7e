package netio

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file and nothing else in the package uses unsafe. What the kernel is given are addresses of unix.Mmsghdr,
// unix.Iovec and unix.EpollEvent arrays on the Go heap. They hold ordinary typed Go pointers to buffers, names and
// control data, which keeps all of those reachable; heap objects do not move, and KeepAlive holds the array itself
// until the kernel is done (unsafe.Pointer, rule 4).

// recvmmsg is recvmmsg(2) without blocking and without the scheduler noticing.
func recvmmsg(fd int, msgs []unix.Mmsghdr, flags int) (int, unix.Errno) {
	if len(msgs) == 0 {
		return 0, 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(msgs))),
		uintptr(len(msgs)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	runtime.KeepAlive(msgs)
	return int(n), errno
}

// sendmmsg is sendmmsg(2) without blocking and without the scheduler noticing.
func sendmmsg(fd int, msgs []unix.Mmsghdr) (int, unix.Errno) {
	if len(msgs) == 0 {
		return 0, 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(msgs))),
		uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	runtime.KeepAlive(msgs)
	return int(n), errno
}

// epollWaitRaw is epoll_wait(2) without the scheduler noticing. ms must be small and never negative: a goroutine in
// here can be stopped by nothing but its time-out or a signal.
func epollWaitRaw(epfd int, ev []unix.EpollEvent, ms int) (int, unix.Errno) {
	if len(ev) == 0 {
		return 0, 0
	}
	ms = min(max(ms, 0), maxRawWait)
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(unsafe.SliceData(ev))),
		uintptr(len(ev)), uintptr(ms), 0, 0)
	runtime.KeepAlive(ev)
	return int(n), errno
}

// setBytes points an iovec at b, which stays referenced.
func setBytes(iov *unix.Iovec, b []byte) {
	iov.Base = unsafe.SliceData(b)
	iov.SetLen(len(b))
}
