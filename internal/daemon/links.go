package daemon

import (
	"time"

	"culvert/control"
)

// watch lets the peer know when somebody sets an Ethernet session's device down or up, or removes it: our attachment
// circuit is that device (RFC 3931 section 5.4.5, RFC 4719 section 2.3.2). A PPP session has LCP for that.
func (d *daemon) watch(s *session) {
	if s.circuit == nil || s.ppp != nil || s.dev == nil {
		return
	}
	d.byDevice[s.dev] = s
	d.complain(s, "watch the device", d.links.Add(s.dev))
}

// unwatch is the opposite; again does nothing.
func (d *daemon) unwatch(s *session) {
	if d.byDevice[s.dev] == s {
		delete(d.byDevice, s.dev)
		d.links.Remove(s.dev)
	}
}

// linksChanged reports to the peers what has become of devices.
func (d *daemon) linksChanged(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for dev, up := range d.links.Changed() {
		if s := d.byDevice[dev]; s != nil {
			status := control.CircuitStatus(0)
			if up {
				status = control.CircuitUp
			}
			s.circuit.call.SetCircuit(now, status)
		}
	}
	d.due(now)
}
