package netio

import "golang.org/x/sys/unix"

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of linux/membarrier.h.
const membarrierGlobal = 1

// waitInFlight returns when no packet is any more between two steps of its delivery that began before the call: the
// kernel delivers in read sections of RCU, and membarrier(2) waits for the end of all that are open. A packet may else
// have been given a socket under one program and meet the filters that came after the next. Where a kernel or a sandbox
// refuses, such a packet is one of another worker, which the data plane hands over.
func waitInFlight() {
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0)
}
