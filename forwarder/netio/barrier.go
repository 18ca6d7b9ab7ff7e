package netio

import "golang.org/x/sys/unix"

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of linux/membarrier.h.
const membarrierGlobal = 1

// waitInFlight returns when every delivery of a packet that began before the call is over: the kernel delivers within
// read sections of RCU, and membarrier(2) waits for the end of all that are open. Without it the kernel may choose a
// socket before steering is attached, and look at that socket's filter after it was removed. Where a kernel or a sandbox
// refuses the call, the data plane hands such a packet over to the worker it is for; over IP 115, where each socket has a
// copy, it may come twice.
func waitInFlight() {
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0)
}
