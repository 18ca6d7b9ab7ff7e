package daemon

import (
	"context"
	"maps"
	"net/http"
	"time"

	"culvert/control"
	"culvert/encap"
	"culvert/forwarder"
	"culvert/internal/config"
	"culvert/internal/diagnose"
	"culvert/internal/mgmt"
)

const (
	// diagnoseBytes are kept of each packet: IPv6, UDP and L2TP header, cookie, sublayer, and what frames begin with.
	diagnoseBytes = 128
	// diagnosePackets bounds what is looked at.
	diagnosePackets = 20_000
)

// Diagnose implements mgmt.Source. Packets of the underlay are captured meanwhile, which costs the data plane no more than
// any capture, of a bounded number of them.
func (s source) Diagnose(ctx context.Context, name string, wait time.Duration) ([]mgmt.Finding, error) {
	d := s.d
	before, peer, ok := d.observe(name)
	if !ok {
		return nil, mgmt.Refuse(http.StatusNotFound, "no tunnel %q", name)
	}
	drops := dropCounts(s)
	begin := time.Now()
	var packets []diagnose.Packet
	var probed string
	var probes []diagnose.Probe
	if peer.Peer.IsValid() {
		taps, err := d.fwd.Capture(peer)
		if err != nil {
			return nil, mgmt.Refuse(http.StatusConflict, "%v: packets cannot be looked at before it ends", err)
		}
		probed, probes = d.probe(name)
		sleep(ctx, wait/2)
		d.probe(name) // one of them may be lost for another reason
		sleep(ctx, wait-wait/2)
		taps.Close()
		_ = taps.Drain(func(p forwarder.CapturedPacket) error { // enough is no error
			if len(packets) == diagnosePackets {
				return errEnough
			}
			if q, l2tp := diagnose.ParseOuter(before.Transport, p.Sent, p.Data); l2tp {
				packets = append(packets, q)
			}
			return nil
		})
	} else {
		sleep(ctx, wait)
	}
	if err := ctx.Err(); err != nil {
		return nil, mgmt.Refuse(http.StatusServiceUnavailable, "%v", err)
	}
	t, _, ok := d.observe(name)
	if !ok {
		return nil, mgmt.Refuse(http.StatusNotFound, "tunnel %q has gone meanwhile", name)
	}
	t.For, t.Packets, t.Drops = time.Since(begin), packets, less(dropCounts(s), drops)
	since(&t, &before)
	for i := range t.Sessions {
		if t.Sessions[i].Name == probed {
			t.Sessions[i].Probes = probes
		}
	}
	found := diagnose.Look(&t)
	all := make([]mgmt.Finding, 0, len(found))
	for _, f := range found {
		if f.Session != "" {
			f.Session = name + "/" + f.Session
		}
		all = append(all, mgmt.Finding(f))
	}
	return all, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// observe takes a tunnel's state down, all counts since the beginning, and says what of it is captured.
func (d *daemon) observe(name string) (t diagnose.Tunnel, taps forwarder.CaptureConfig, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	var cfg *config.Tunnel
	for _, own := range d.tunnels {
		if own.cfg.Name != name {
			continue
		}
		cfg = own.cfg
		t.PathMTU, t.KernelMTU = own.fwd.PathMTU(), own.fwd.KernelMTU()
		if own.conn != nil {
			t.Control = controlState(own.conn.conn, now)
		}
		for s := range own.sessions {
			t.Sessions = append(t.Sessions, s.observe())
		}
	}
	for _, l := range d.plane.dialers {
		if l.cfg.Name != name {
			continue
		}
		if cfg == nil {
			cfg = l.cfg
		}
		if t.Control == nil {
			t.Control = &diagnose.Control{State: control.Idle.String()}
			if l.conn != nil {
				t.Control = controlState(l.conn.conn, now)
			}
		}
		if t.Control.Reason = l.reason; l.peer.IsValid() {
			taps.Peer = l.peer
		}
	}
	if cfg == nil {
		return t, taps, false
	}
	t.Transport, t.Peer, t.ConfiguredMTU = cfg.Transport, cfg.Peer, cfg.PathMTU
	if cfg.Peer.Addr().IsValid() {
		taps.Peer = cfg.Peer.Addr()
	}
	taps.Tunnel, taps.Outer, taps.SnapLen = name, true, diagnoseBytes
	return t, taps, true
}

func (s *session) observe() diagnose.Session {
	rx, tx, drops := s.fwd.Stats()
	c := s.fcfg
	o := diagnose.Session{
		Name: s.cfg.Name, LocalID: c.LocalID,
		Expect: encap.DataHeader{SessionID: c.LocalID, Cookie: c.ExpectCookie, Sublayer: c.ExpectSublayer},
		Send:   encap.DataHeader{SessionID: c.PeerID, Cookie: c.SendCookie, Sublayer: c.SendSublayer},
		MTU:    s.mtu, Fits: s.tunnel.fwd.MTU(*c),
		AllRx: rx.Packets, AllTx: tx.Packets, AllDrops: dropMap(drops), Reorder: c.ReorderTimeout,
	}
	if s.ppp != nil {
		o.Pseudowire, o.LCP = diagnose.PPP, s.ppp.link.Status().LCP.String()
	}
	return o
}

func controlState(c *control.Conn, now time.Time) *diagnose.Control {
	st := c.Status()
	o := &diagnose.Control{
		State: st.State.String(), Established: st.State == control.Established, RTT: st.RTT, InFlight: st.InFlight,
		Sent: st.Sender.Messages, Again: st.Sender.Retransmissions, Received: st.Received, Duplicates: st.Duplicates,
	}
	if !st.LastHeard.IsZero() {
		o.Heard, o.Silence = true, now.Sub(st.LastHeard)
	}
	return o
}

// since makes the counts of t those since before, for what was there then.
func since(t, before *diagnose.Tunnel) {
	old := make(map[encap.SessionID]*diagnose.Session, len(before.Sessions))
	for i := range before.Sessions {
		old[before.Sessions[i].LocalID] = &before.Sessions[i]
	}
	for i := range t.Sessions {
		s := &t.Sessions[i]
		was := old[s.LocalID]
		if was == nil || was.AllRx > s.AllRx || was.AllTx > s.AllTx {
			was = &diagnose.Session{}
		}
		s.Rx, s.Tx, s.Drops = s.AllRx-was.AllRx, s.AllTx-was.AllTx, less(s.AllDrops, was.AllDrops)
	}
	if c, b := t.Control, before.Control; c != nil && b != nil && c.Sent >= b.Sent && c.Received >= b.Received && c.Again >= b.Again {
		c.Sent, c.Again, c.Received, c.Duplicates = c.Sent-b.Sent, c.Again-b.Again, c.Received-b.Received, c.Duplicates-b.Duplicates
	}
}

// less gives what counts have grown by.
func less(now, before map[string]uint64) map[string]uint64 {
	grown := maps.Clone(now)
	if grown == nil {
		return nil
	}
	for k, n := range before {
		grown[k] -= min(n, grown[k])
	}
	return grown
}

func dropCounts(s source) map[string]uint64 {
	m := make(map[string]uint64)
	for _, d := range s.Drops() {
		m[d.Reason] = d.Count
	}
	return m
}
