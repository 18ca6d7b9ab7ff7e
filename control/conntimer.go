package control

import "time"

// due returns when tick has something to do; the zero time when never.
func (c *Conn) due() (d time.Time) {
	earlier := func(t time.Time) {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	if c.phase == phaseGone {
		return d
	}
	if c.proven {
		earlier(c.send.timer)
	}
	earlier(c.setupAt)
	earlier(c.lingerAt)
	if c.state == Established && !c.helloOut {
		earlier(c.heard.Add(c.helloAfter))
	}
	if s := c.settling.head; s != nil {
		earlier(s.deadline)
	}
	return d
}

// tick runs the timers that are due.
func (c *Conn) tick() {
	now := c.ep.now
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if c.proven && c.send.expire(now) {
		if c.phase == phaseLive {
			c.step(evExhausted, &input{silent: true, result: Result{Code: StopStateMachine}})
		} else {
			c.remove()
		}
		return
	}
	if due(c.lingerAt) {
		c.remove()
		return
	}
	if due(c.setupAt) {
		c.setupAt = time.Time{}
		if !c.proven { // whoever that address belongs to may never have asked
			c.step(evExhausted, &input{silent: true, result: Result{Code: StopStateMachine}})
			return
		}
		c.step(evClose, &input{result: Result{Code: StopStateMachine, Text: "timeout in " + c.state.String()}})
		return
	}
	if c.state == Established && !c.helloOut && due(c.heard.Add(c.helloAfter)) {
		c.probe()
	}
	for s := c.settling.head; s != nil && due(s.deadline); s = c.settling.head {
		s.end(Result{Code: CallStateMachine, Text: "timeout in " + s.state.String()}, reasonTimeout)
	}
}
