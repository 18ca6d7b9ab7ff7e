package daemon

import (
	"os"
	"runtime/debug"
)

// growths says how far, in percent, the garbage collector lets the heap grow from so many sessions on (GOGC, runtime
// package), instead of to its double: the last line is 1.5 GB less at 1,000,000. It costs set-up some CPU, and next to
// nothing once sessions are up, because they make no garbage but what LCP echoes are.
var growths = [...]struct{ sessions, percent int }{{10_000, 50}, {100_000, 25}}

// tuneMemory adapts the collector to the number of sessions, unless the environment says what it is to do. What was
// tightened is let loose at half the number.
func (d *daemon) tuneMemory() {
	level := d.tuned
	for level < len(growths) && len(d.sessions) >= growths[level].sessions {
		level++
	}
	for level > 0 && len(d.sessions) < growths[level-1].sessions/2 {
		level--
	}
	if level == d.tuned || os.Getenv("GOGC") != "" {
		return
	}
	percent := d.growth
	if level > 0 {
		percent = growths[level-1].percent
	}
	before := debug.SetGCPercent(percent)
	if d.tuned == 0 {
		d.growth = before
	}
	d.tuned = level
}
