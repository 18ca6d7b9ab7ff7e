package daemon

import (
	"strings"
	"time"

	"culvert/control"
	"culvert/internal/mgmt"
	"culvert/pppfsm"
)

// maxNews bounds the events that wait for the end of a round.
const maxNews = 256

// Events implements mgmt.Source.
func (s source) Events() *mgmt.Feed { return &s.d.feed }

// told is what has been said of a session, so that each of its ends is told once.
type told struct {
	up   bool   // it is, to who listens
	user string // of the peer then
}

// tell has an event published when what is to be done to devices has been: who hears of an interface finds it ready.
func (d *daemon) tell(e mgmt.Event) {
	if d.wanted(e.Type) {
		e.Time = eventTime()
		if d.news = append(d.news, e); len(d.news) >= maxNews {
			d.publish()
		}
	}
}

func eventTime() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// publish lets everybody know what was told.
func (d *daemon) publish() {
	for _, e := range d.news {
		d.announce(e)
	}
	if len(d.news) > 0 {
		clear(d.news)
		d.news = d.news[:0]
	}
}

// tellUp says that a session is usable, or that another network of it is or is no longer.
func (d *daemon) tellUp(s *session) {
	kind := mgmt.EventSessionUp
	if s.told.up {
		if s.ppp == nil {
			return
		}
		kind = mgmt.EventSessionChanged
	}
	s.told.up = true
	if s.ppp != nil {
		s.told.user = s.ppp.link.Status().PeerName
	}
	if !d.wanted(kind) {
		return
	}
	e := d.eventOf(kind, s, "")
	if s.ppp != nil {
		p := s.ppp.show()
		e.Local, e.Address, e.PeerID, e.Prefix = p.LocalAddress, p.PeerAddress, p.PeerID, p.Prefix
	}
	d.tell(e)
}

func (d *daemon) eventOf(kind string, s *session, reason string) mgmt.Event {
	return mgmt.Event{
		Type: kind, Tunnel: s.tunnel.cfg.Name, Session: s.cfg.Name, Interface: s.cfg.InterfaceName, Reason: reason,
		User: s.told.user, Peer: endpoint(s.tunnel.cfg.Peer),
	}
}

// tellDown says that a session is not usable any more, if it was.
func (d *daemon) tellDown(s *session, reason string) {
	if !s.told.up {
		return
	}
	d.tell(d.eventOf(mgmt.EventSessionDown, s, reason))
	if s.told = (told{}); s.circuit != nil {
		s.circuit.told = true
	}
}

// tellNetworkDown says what is left of a session without one of its networks. When LCP has gone as well its reason comes
// later, with Finished or the end of the session.
func (d *daemon) tellNetworkDown(s *session, reason string) {
	switch {
	case !s.told.up || s.ppp.link.Status().LCP != pppfsm.Opened:
	case s.ppp.state.IPv4 || s.ppp.state.IPv6:
		d.tellUp(s)
	default:
		d.tellDown(s, reason)
	}
}

// tellFinished says that a PPP link has ended, or that an attempt has.
func (d *daemon) tellFinished(s *session, reason string) {
	if s.told.up {
		d.tellDown(s, reason)
		return
	}
	d.tell(d.eventOf(mgmt.EventSessionFailed, s, reason))
	if s.circuit != nil {
		s.circuit.told = true
	}
}

// tellCallDown says that a session of a control connection has ended; s is what it had in the data plane, or nil.
func (d *daemon) tellCallDown(k *circuit, s *session, reason string) {
	switch {
	case s != nil && s.told.up:
		d.tellDown(s, reason)
	case !k.told:
		e := mgmt.Event{Type: mgmt.EventSessionFailed, Session: k.cfg.Name, Interface: k.cfg.InterfaceName, Reason: reason}
		if owner, ok := k.call.Conn().Data.(*connection); ok {
			e.Tunnel, e.Peer = owner.cfg.Name, endpoint(k.call.Conn().Path().Remote)
		}
		d.tell(e)
	}
	k.told = true
}

// tellConn says what has become of a control connection.
func (d *daemon) tellConn(kind string, k *connection, reason string) {
	d.tell(mgmt.Event{
		Type: kind, Tunnel: k.cfg.Name, Peer: endpoint(k.conn.Path().Remote), HostName: k.conn.Peer().HostName, Reason: reason,
	})
}

// tellConnDown says that a control connection has ended, after those sessions that were on it.
func (d *daemon) tellConnDown(k *connection, a control.ConnDown) {
	kind := mgmt.EventTunnelDown
	if k.upAt.IsZero() {
		kind = mgmt.EventTunnelFailed
	}
	d.tellConn(kind, k, a.Reason.String())
}

// shuttingDown is the reason of what goes with us.
const shuttingDown = "shutting down"

// tellStatic says that a static tunnel is there, or is no longer.
func (d *daemon) tellStatic(kind string, t *tunnel, reason string) {
	if up := kind == mgmt.EventTunnelUp; t.conn == nil && t.told != up {
		t.told = up
		d.tell(mgmt.Event{Type: kind, Tunnel: t.cfg.Name, Peer: endpoint(t.cfg.Peer), Reason: reason})
	}
}

// tellReload says that the configuration is another one, or why not.
func (d *daemon) tellReload(r mgmt.ReloadReport, refused error) {
	e := mgmt.Event{Time: eventTime(), Type: mgmt.EventReload, Changes: figures(r)}
	if refused != nil {
		e = mgmt.Event{Time: e.Time, Type: mgmt.EventReloadRefused, Reason: refused.Error()}
	} else if len(r.Failed) > 0 {
		e.Reason = strings.Join(r.Failed, "; ")
	}
	d.announce(e)
}
