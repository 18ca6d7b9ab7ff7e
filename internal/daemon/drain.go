package daemon

import (
	"context"
	"time"

	"go.uber.org/zap"

	"culvert/internal/mgmt"
)

// full tells whether no connection or session may begin.
func (p *plane) full() bool { return p.closing || p.draining }

// Drain implements mgmt.Changer.
func (s source) Drain(_ context.Context, r mgmt.DrainRequest) (report mgmt.DrainReport, err error) {
	d := s.d
	d.changing.Lock()
	defer d.changing.Unlock()
	err = d.do(func(now time.Time) {
		was := d.plane.draining
		if d.plane.draining = !r.Off; was && r.Off {
			d.askAgain(now)
		}
		report.Draining = d.plane.draining
		for _, t := range d.tunnels {
			if t.conn != nil {
				report.Tunnels++
				report.Sessions += len(t.sessions)
			}
		}
	})
	if err == nil {
		kind := mgmt.EventDrain
		if r.Off {
			kind = mgmt.EventDrainEnd
		}
		d.announce(mgmt.Event{Time: eventTime(), Type: kind})
		d.log.Info("drain", zap.Bool("draining", report.Draining), zap.Int("tunnels", report.Tunnels), zap.Int("sessions", report.Sessions))
	}
	return report, err
}

// askAgain dials what has ended while draining, and asks for sessions.
func (d *daemon) askAgain(now time.Time) {
	for _, l := range d.plane.dialers {
		if l.conn == nil {
			d.timers.set(&l.timer, l, now)
			continue
		}
		for _, n := range l.lines {
			if n.call == nil {
				d.timers.set(&n.timer, n, now)
			}
		}
	}
}
