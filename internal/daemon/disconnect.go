package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/internal/mgmt"
)

// disconnected is what peers are told.
const disconnected = "administrative disconnect"

// errStaticEthernet: there is nothing that such a session could end.
var errStaticEthernet = errors.New("an Ethernet session of a static tunnel has no peer that could be told: remove it from the configuration")

// Disconnect implements mgmt.Changer.
func (s source) Disconnect(_ context.Context, r mgmt.DisconnectRequest) (mgmt.DisconnectReport, error) {
	d := s.d
	d.changing.Lock()
	defer d.changing.Unlock()
	var report mgmt.DisconnectReport
	var failed error
	err := d.do(func(now time.Time) { report, failed = d.disconnect(r, now) })
	return report, errors.Join(err, failed)
}

// disconnect ends the sessions that r is about, or a control connection with all of its. Nothing is ended when one of them
// cannot be.
func (d *daemon) disconnect(r mgmt.DisconnectRequest, now time.Time) (mgmt.DisconnectReport, error) {
	report := mgmt.DisconnectReport{Sessions: []string{}}
	var all []*session
	for _, s := range d.sessions {
		if s.chosen(r) {
			all = append(all, s)
			report.Sessions = append(report.Sessions, s.fullName())
		}
	}
	slices.Sort(report.Sessions)
	if i := slices.IndexFunc(d.tunnels, func(t *tunnel) bool { return t.conn != nil && t.cfg.Name == r.Tunnel }); i >= 0 {
		report.Tunnel = r.Tunnel
		d.log.Info("disconnect", zap.String("tunnel", r.Tunnel), zap.Int("sessions", len(all)))
		d.tunnels[i].conn.conn.Close(now, control.Result{Code: control.StopGeneral, Text: disconnected})
		d.settlePlane(now)
		return report, nil
	}
	if len(all) == 0 {
		return report, fmt.Errorf("no session: %w", mgmt.ErrNotFound)
	}
	if i := slices.IndexFunc(all, func(s *session) bool { return s.circuit == nil && s.ppp == nil }); i >= 0 {
		return report, fmt.Errorf("session %s: %w", all[i].fullName(), errStaticEthernet)
	}
	d.log.Info("disconnect", zap.Int("sessions", len(all)))
	for _, s := range all {
		if s.ppp != nil { // its session goes with it
			s.ppp.link.Close(now, disconnected)
			d.settle(s, now)
		} else {
			s.circuit.call.Close(now, control.Result{Code: control.CallAdministrative, Text: disconnected})
		}
	}
	d.settlePlane(now)
	return report, nil
}

// chosen tells whether r is about the session.
func (s *session) chosen(r mgmt.DisconnectRequest) bool {
	switch {
	case r.Tunnel != "":
		return s.tunnel.cfg.Name == r.Tunnel
	case r.Session != "":
		return s.fullName() == r.Session
	case s.ppp == nil:
		return false
	}
	st := s.ppp.link.Status()
	if r.User != "" {
		return st.PeerName == r.User
	}
	a, err := netip.ParseAddr(r.Address)
	in6 := s.ppp.router != nil && (s.ppp.router.prefix.Contains(a) || s.ppp.router.link.Delegated().Contains(a))
	return err == nil && (s.ppp.state.IPv4 && st.PeerAddress == a || s.ppp.state.IPv6 && in6)
}
