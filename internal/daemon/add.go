package daemon

import (
	"slices"
	"time"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// add brings up what is new, and what is another one now. What cannot be brought up is named and left out; the rest goes
// on.
func (r *reload) add() error {
	d := r.d
	if err := d.do(func(time.Time) { r.addShared() }); err != nil {
		return err
	}
	tunnels := set(r.diff.Tunnels.Added, r.diff.Tunnels.Changed)
	for i := range r.next.Tunnels {
		t := &r.next.Tunnels[i]
		if !tunnels[t.Name] {
			continue
		}
		if err := d.do(func(now time.Time) { r.addTunnel(t, now) }); err != nil {
			return err
		}
	}
	names := slices.Concat(r.diff.Sessions.Added, r.diff.Sessions.Changed)
	for piece := range slices.Chunk(names, addingPiece) {
		err := d.do(func(now time.Time) {
			for _, n := range piece {
				r.addSession(n, now)
			}
			d.settlePlane(now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addTunnel brings up a tunnel without its sessions, or what dials it with them.
func (r *reload) addTunnel(c *config.Tunnel, now time.Time) {
	d := r.d
	if c.Control != nil {
		if err := d.addDialer(c); err != nil {
			r.fails(config.SessionName{Tunnel: c.Name}, err)
			return
		}
		d.plane.dialers[len(d.plane.dialers)-1].tick(d, now)
		d.settlePlane(now)
		return
	}
	t, err := d.openTunnel(c, nil)
	if err != nil {
		r.fails(config.SessionName{Tunnel: c.Name}, d.fault(c.Line, tunnelKey(c, "local"), err))
		return
	}
	r.static[c.Name] = t
	d.tellStatic(mgmt.EventTunnelUp, t, "")
}

func (r *reload) fails(name config.SessionName, err error) {
	r.absent[name] = true
	r.failed = append(r.failed, err)
}

// addSession brings up a session of a static tunnel, or has it asked for in a dynamic one.
func (r *reload) addSession(name config.SessionName, now time.Time) {
	d, c := r.d, r.sessions[name]
	if l := r.dials[name.Tunnel]; l != nil {
		n := &line{cfg: c, dialer: l, timer: timer{index: -1}}
		l.lines = append(l.lines, n)
		n.tick(d, now)
		return
	}
	t := r.static[name.Tunnel]
	if t == nil {
		return // its tunnel could not be brought up, or is a new one that we dial, which has its sessions
	}
	s := &session{cfg: c, tunnel: t, fcfg: sessionConfig(c)}
	if err := d.addSession(s); err != nil {
		r.fails(name, err)
		return
	}
	if s.ppp == nil {
		d.openEthernet(s)
	} else {
		d.openPPP(s, now)
	}
}
