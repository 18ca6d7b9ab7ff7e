package daemon

import (
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// changer is what changes need while the daemon runs.
type changer struct {
	// changing is held over a whole change, of which there is one at a time. It comes before daemon.mu.
	changing sync.Mutex
	commands chan command
	ending   chan struct{} // closed: no command is taken any more
	// absent is what is in daemon.cfg and does not run, guarded by changing.
	absent      map[config.SessionName]bool
	setLogLevel func(string)
}

func newChanger() changer {
	return changer{commands: make(chan command), ending: make(chan struct{}), absent: make(map[config.SessionName]bool)}
}

// command is work that the control loop does for another goroutine: all changes are made there, in pieces that are short,
// so that nobody waits for long.
type command struct {
	do   func(now time.Time)
	done chan error
}

// do has the control loop do something, and waits for it. The only error is mgmt.ErrStopping: it was not done.
func (d *daemon) do(fn func(now time.Time)) error {
	c := command{fn, make(chan error, 1)}
	select {
	case d.commands <- c:
		return <-c.done
	case <-d.ending:
		return mgmt.ErrStopping
	}
}

// run carries out a command, unless we are about to end. The only error is errHandedOver.
func (d *daemon) run(c command) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plane.closing {
		c.done <- mgmt.ErrStopping
		return nil
	}
	now := time.Now()
	c.do(now)
	if d.handedOver {
		c.done <- nil
		return errHandedOver
	}
	d.due(now)
	c.done <- nil
	return nil
}

// reloadOn reloads for each signal until the daemon ends, then closes what it returns.
func (d *daemon) reloadOn(signals <-chan os.Signal) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-d.ending:
				return
			case s, ok := <-signals:
				if !ok {
					signals = nil
					continue
				}
				d.log.Info("reload", zap.Stringer("signal", s))
				_, _ = d.reload(mgmt.ReloadRequest{}) // what is wrong is logged
			}
		}
	}()
	return done
}
