package daemon

import (
	"context"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"culvert/forwarder"
)

const (
	// pathProbe is how often the kernel is asked for path MTUs: it forgets a lowered one after ten minutes
	// (net.ipv4.route.mtu_expires) and says so to nobody.
	pathProbe = time.Minute
	// eventBurst bounds the events that are handled under one hold of the lock.
	eventBurst = 64
	// frameBurst bounds those that follow as many control messages: a session is two messages and five PPP frames, and
	// where frames had to wait for messages they would be dropped, and come again seconds later.
	frameBurst = 8 * eventBurst
)

// sampled lets the first messages of a kind through in each second, and then few.
func sampled(c zapcore.Core) zapcore.Core {
	return zapcore.NewSamplerWithOptions(c, time.Second, 20, 1000)
}

// control runs until ctx is done, or until the data plane failed.
func (d *daemon) control(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := d.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step waits for one thing to happen and deals with it. PPP frames that come of it leave at its end.
func (d *daemon) step(ctx context.Context) error {
	defer d.fwd.Flush()
	d.mu.Lock()
	wait := d.timers.wait(time.Now(), earlier(d.probeAt, d.plane.ep.Deadline()))
	d.mu.Unlock()
	known, strangers := d.fwd.ControlMessages()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return nil
	case e := <-d.fwd.Events():
		return d.handleBurst(e)
	case m := <-known:
		return d.converse(m)
	case m := <-strangers:
		return d.converse(m)
	case c := <-d.commands:
		return d.run(c)
	case <-d.verdicts.wake:
		d.judged(time.Now())
		return nil
	case <-d.lookups.wake:
		d.resolved(time.Now())
		return nil
	case <-d.links.Wake():
		d.linksChanged(time.Now())
		return nil
	case <-t.C:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.due(time.Now())
		return nil
	}
}

// handleBurst deals with an event, those that already wait behind it, and then whatever is due.
func (d *daemon) handleBurst(e forwarder.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	defer d.due(now)
	if err := d.handle(e, now); err != nil {
		return err
	}
	return d.handleWaiting(eventBurst-1, now)
}

// handleWaiting deals with up to n events that are there.
func (d *daemon) handleWaiting(n int, now time.Time) error {
	for range n {
		select {
		case e := <-d.fwd.Events():
			if err := d.handle(e, now); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// handle deals with one event; an error says that the data plane cannot go on.
func (d *daemon) handle(e forwarder.Event, now time.Time) error {
	defer d.fwd.Release(e)
	switch e.Kind {
	case forwarder.EventFrame:
		if s := d.byFwd[e.Session]; s != nil && s.ppp != nil {
			d.frame(s, e.Frame, now)
		}
	case forwarder.EventEarly:
		d.earlyFrame(e.Early, e.Frame, now)
	case forwarder.EventRouter:
		if s := d.byFwd[e.Session]; s != nil && s.ppp != nil && s.ppp.router != nil {
			s.ppp.router.link.Input(now, e.Frame)
			d.settle(s, now)
		}
	case forwarder.EventPathMTU:
		if t := d.byTunnel[e.Tunnel]; t != nil {
			d.adaptTunnel(t)
		}
	case forwarder.EventDeviceGone:
		if e.Shared != nil {
			d.sharedGone(e.Shared)
		}
		if s := d.byFwd[e.Session]; s != nil {
			s.lost = true
			d.tellDown(s, "its device was removed by somebody else")
			d.log.Error("device was removed by somebody else", zap.String("session", s.fullName()),
				zap.String("interface", s.cfg.InterfaceName))
		}
	case forwarder.EventFailed:
		return e.Err
	}
	return nil
}

// frame gives a link what its peer has sent. A peer may be faster than the last message that sets up its session.
func (d *daemon) frame(s *session, b []byte, now time.Time) {
	if s.circuit != nil && !s.circuit.up {
		s.circuit.keep(b)
		return
	}
	d.traceFrame(s, false, b)
	s.ppp.link.Input(now, b)
	d.settle(s, now)
}

// due gives the time to all whose timer has run out, carries out what the control plane wants, and looks after path MTUs
// once in a while.
func (d *daemon) due(now time.Time) {
	for {
		o := d.timers.next(now)
		if o == nil {
			break
		}
		o.tick(d, now)
	}
	d.plane.ep.Tick(now)
	d.settlePlane(now)
	d.net.Flush()
	d.publish()
	if now.Before(d.probeAt) {
		return
	}
	d.probeAt = now.Add(pathProbe)
	for _, t := range d.tunnels {
		t.fwd.ProbePathMTU()
		d.adaptTunnel(t)
	}
}
