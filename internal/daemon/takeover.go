package daemon

import (
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/internal/config"
)

// A router that has lost its state dials again while its old connections still live here. Once it has proven who it is
// (RFC 3931 section 4.3) its newer connection takes what older ones have; nobody else does. An old connection then has
// its CDN to deliver, and ends when that is not acknowledged.

// sameRouter tells whether a connection is of the router that calls itself so, among those of one [peer.NAME].
func sameRouter(k *connection, p *config.Peer, hostName string, routerID uint32) bool {
	old := k.conn.Peer()
	return p != nil && k.peer == p && hostName != "" && old.HostName == hostName &&
		(old.RouterID == 0 || routerID == 0 || old.RouterID == routerID)
}

// mayHave tells whether a session of c may have the place: nobody has it, or an older connection of the same router does.
func (r *responder) mayHave(c *control.Conn, s slot) bool {
	holder := r.taken[s]
	if holder == nil {
		return true
	}
	old, _ := holder.call.Conn().Data.(*connection)
	k, _ := c.Data.(*connection) // nil: it is being established
	who := c.Peer()
	return old != nil && who.Authenticated && (k == nil || k.serial > old.serial) &&
		sameRouter(old, r.peerOf(c), who.HostName, who.RouterID)
}

// takenOver is why the older one of two sessions ends.
const takenOver = "taken over by a newer connection"

// evict ends the session that has a place which another one may have.
func (d *daemon) evict(s slot, now time.Time) {
	old := d.plane.responder.taken[s]
	if old == nil {
		return
	}
	d.noisyControl.Info("session taken over by a newer connection of its router", zap.String("session", old.fullName()))
	gone := d.release(old, now)
	d.tellCallDown(old, gone, takenOver)
	if gone != nil {
		d.removeSessions([]*session{gone})
	}
	old.call.Close(now, control.Result{Code: control.CallAdministrative, Text: takenOver})
}

// full tells whether a peer has all connections that it may have, and none of them can go in favour of one of that
// router.
func (r *responder) full(p *config.Peer, hostName string, routerID uint32, authenticated bool) bool {
	return p.MaxTunnels > 0 && len(r.tunnels[p]) >= p.MaxTunnels &&
		(!authenticated || r.quietest(p, hostName, routerID) == nil)
}

// quietest finds the connection of a router that was heard of the longest ago, nil where it has none.
func (r *responder) quietest(p *config.Peer, hostName string, routerID uint32) (found *connection) {
	var since time.Time
	for k := range r.tunnels[p] {
		heard := k.conn.Status().LastHeard
		if k.conn.State() == control.Established && sameRouter(k, p, hostName, routerID) &&
			(found == nil || heard.Before(since) || heard.Equal(since) && k.serial < found.serial) {
			found, since = k, heard
		}
	}
	return found
}

// makeRoom ends a connection where a peer has all that it may have.
func (d *daemon) makeRoom(p *config.Peer, who control.Peer, now time.Time) {
	r := &d.plane.responder
	if p.MaxTunnels == 0 || len(r.tunnels[p]) < p.MaxTunnels {
		return
	}
	if old := r.quietest(p, who.HostName, who.RouterID); old != nil {
		d.noisyControl.Info("control connection taken over by a newer one of its router", zap.String("tunnel", old.cfg.Name))
		old.conn.Close(now, control.Result{Code: control.StopGeneral, Text: "taken over by a newer connection"})
	}
}
