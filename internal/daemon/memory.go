package daemon

import (
	"os"
	"runtime/debug"
)

// From manySessions on the garbage collector lets the heap grow by a half and not to its double (GOGC, runtime package):
// at 1,000,000 sessions of 2.4 KB that is 1.2 GB less. It costs set-up some CPU, and next to nothing once sessions are up, because
// they make no garbage but what LCP echoes are. A quarter was tried: then half of the CPU time of a set-up is the
// collector's at 500,000 sessions.
const (
	manySessions = 10_000
	manyGrowth   = 50
)

// tuneMemory adapts the collector to the number of sessions, unless the environment says what it is to do.
func (d *daemon) tuneMemory() {
	switch many := len(d.sessions) >= manySessions; {
	case many == d.tuned || os.Getenv("GOGC") != "":
	case many:
		d.tuned, d.growth = true, debug.SetGCPercent(manyGrowth)
	case len(d.sessions) < manySessions/2:
		d.tuned = false
		debug.SetGCPercent(d.growth)
	}
}
