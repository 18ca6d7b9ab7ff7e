package daemon

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"culvert/control"
	"culvert/forwarder"
	"culvert/internal/config"
	"culvert/internal/mgmt"
	"culvert/internal/version"
	"culvert/pppfsm"
)

// source shows a daemon to the management interface. Counters are read without stopping anything.
type source struct{ d *daemon }

// Version implements mgmt.Source.
func (s source) Version() string { return version.Get().Version }

// Tunnels implements mgmt.Source.
func (s source) Tunnels() []mgmt.Tunnel {
	all, sum := s.d.showTunnels()
	s.d.eachSession(func(e *session) {
		m := sum[e.tunnel]
		if m == nil { // it has come meanwhile
			return
		}
		rx, tx, _ := e.fwd.Stats()
		m.Sessions++
		m.RxPackets += rx.Packets
		m.RxBytes += rx.Bytes
		m.TxPackets += tx.Packets
		m.TxBytes += tx.Bytes
	})
	return all
}

// showTunnels shows tunnels without what their sessions add up to; sum is where each one's goes.
func (d *daemon) showTunnels() (all []mgmt.Tunnel, sum map[*tunnel]*mgmt.Tunnel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum = make(map[*tunnel]*mgmt.Tunnel, len(d.tunnels))
	all = make([]mgmt.Tunnel, len(d.tunnels), len(d.tunnels)+len(d.plane.dialers))
	for i, t := range d.tunnels {
		all[i] = t.show()
		sum[t] = &all[i]
	}
	for _, l := range d.plane.dialers {
		if l.conn == nil || l.conn.t == nil {
			all = append(all, l.show())
		}
	}
	return all, sum
}

func (t *tunnel) show() mgmt.Tunnel {
	m := showTunnel(t.cfg)
	m.State, m.PathMTU = "up", t.fwd.PathMTU()
	if t.conn != nil {
		m.State = t.conn.conn.State().String()
	}
	return m
}

// show is for a dialer whose connection is not up.
func (l *dialer) show() mgmt.Tunnel {
	m := showTunnel(l.cfg)
	if l.cfg.PeerName != "" {
		m.Peer = l.cfg.PeerName
		if l.peer.IsValid() {
			m.Peer = endpoint(netip.AddrPortFrom(l.peer, l.cfg.Peer.Port()))
		}
	}
	m.State = control.Idle.String()
	if l.conn != nil {
		m.State = l.conn.conn.State().String()
	}
	return m
}

func showTunnel(c *config.Tunnel) mgmt.Tunnel {
	return mgmt.Tunnel{
		Name:      c.Name,
		Transport: c.Transport.String(),
		Local:     endpoint(c.Local),
		Peer:      endpoint(c.Peer),
		TID:       c.TID,
		PTID:      c.PTID,
	}
}

// endpoint leaves a port out that means nothing.
func endpoint(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// Tunnel implements mgmt.Source.
func (s source) Tunnel(name string) (mgmt.Tunnel, bool) {
	all := s.Tunnels()
	i := slices.IndexFunc(all, func(m mgmt.Tunnel) bool { return m.Name == name })
	if i < 0 {
		return mgmt.Tunnel{}, false
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	m := all[i]
	now := time.Now()
	for _, l := range s.d.plane.dialers {
		if l.cfg.Name == name {
			if m.Control = (&mgmt.Control{Role: "initiator"}); l.conn != nil {
				m.Control = showControl(l.conn.conn, now)
			}
			m.Control.Reason = l.reason
			return m, true
		}
	}
	for _, t := range s.d.tunnels {
		if t.cfg.Name == name && t.conn != nil {
			m.Control = showControl(t.conn.conn, now)
		}
	}
	return m, true
}

func showControl(c *control.Conn, now time.Time) *mgmt.Control {
	st := c.Status()
	role := "responder"
	if st.Initiator {
		role = "initiator"
	}
	silence := 0.0
	if !st.LastHeard.IsZero() {
		silence = now.Sub(st.LastHeard).Seconds()
	}
	return &mgmt.Control{
		Role: role, HostName: st.Peer.HostName, VendorName: st.Peer.VendorName, RouterID: st.Peer.RouterID,
		Ns: uint32(st.Ns), Nr: uint32(st.Nr),
		Window: st.Window, CongestionWindow: st.CongestionWindow, InFlight: st.InFlight,
		RTT:  float64(st.RTT.Microseconds()) / 1000,
		Sent: st.Sender.Messages, Retransmissions: st.Sender.Retransmissions,
		Received: st.Received, Duplicates: st.Duplicates, Waiting: st.Waiting, Settling: st.Settling,
		Silence: silence,
	}
}

// carried tells whether the line's session is in the data plane, among daemon.sessions.
func (n *line) carried() bool {
	if n.call == nil {
		return false
	}
	k, _ := n.call.Data.(*circuit)
	return k != nil && k.s != nil
}

// show is for a line that is not carried.
func (n *line) show() mgmt.Session {
	m := mgmt.Session{
		Name:       n.cfg.Name,
		Tunnel:     n.dialer.cfg.Name,
		Pseudowire: sessionConfig(n.cfg).Pseudowire.String(),
		Interface:  n.cfg.InterfaceName,
		Call:       callKind(n.cfg.Outgoing),
		State:      "down",
		Reason:     n.reason,
	}
	if n.call != nil {
		m.State = n.call.State().String()
	}
	return m
}

// Session implements mgmt.Source.
func (s source) Session(tunnel, name string) (m mgmt.Session, ok bool) {
	s.d.eachSession(func(e *session) {
		if ok || e.cfg.Name != name || e.tunnel.cfg.Name != tunnel {
			return
		}
		if m, ok = e.show(), true; e.ppp != nil {
			m.Link = e.showLink(time.Now())
		}
	})
	if ok {
		return m, true
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for _, l := range s.d.plane.dialers {
		for _, n := range l.lines {
			if n.cfg.Name == name && l.cfg.Name == tunnel && !n.carried() {
				return n.show(), true
			}
		}
	}
	return mgmt.Session{}, false
}

func (s *session) show() mgmt.Session {
	rx, tx, drops := s.fwd.Stats()
	m := mgmt.Session{
		Name:       s.cfg.Name,
		Tunnel:     s.tunnel.cfg.Name,
		Pseudowire: s.fcfg.Pseudowire.String(),
		SID:        uint32(s.cfg.SID),
		PSID:       uint32(s.cfg.PSID),
		Interface:  s.cfg.InterfaceName,
		Worker:     s.fwd.Worker(),
		State:      s.state(),
		MTU:        s.mtu,
		Offloads:   s.offloads.Names(),
		Traffic:    traffic(rx, tx),
		Drops:      dropMap(drops),
	}
	m.MACs, m.MACsRefused = s.fwd.MACs()
	if s.circuit != nil {
		m.Call = callKind(s.circuit.call.Outgoing())
	}
	if s.ppp != nil {
		m.PPP = s.ppp.show()
	}
	return m
}

// callKind names a kind of call.
func callKind(outgoing bool) string {
	if outgoing {
		return "outgoing"
	}
	return "incoming"
}

// state is one word about a session.
func (s *session) state() string {
	switch {
	case s.lost:
		return "lost"
	case s.ppp == nil && s.up, s.ppp != nil && (s.ppp.state.IPv4 || s.ppp.state.IPv6):
		return "up"
	case s.ppp == nil || s.ppp.finished:
		return "down"
	default:
		return strings.ToLower(s.ppp.link.Status().Phase.String())
	}
}

func (p *ppp) show() *mgmt.PPP {
	st := p.link.Status()
	m := &mgmt.PPP{
		LCP:      st.LCP.String(),
		IPCP:     st.IPCP.String(),
		IPv6CP:   st.IPv6CP.String(),
		LocalMRU: st.LocalMRU,
		PeerMRU:  st.PeerMRU,
		Framing:  framingName(st.Framing),
		Reason:   p.reason,
		PeerName: st.PeerName, LocalName: st.LocalName,
		PeerAuth: methodName(st.PeerAuth), LocalAuth: methodName(st.LocalAuth),

		IPCPReason:   st.IPCPReason,
		IPv6CPReason: st.IPv6CPReason,
	}
	if p.state.IPv4 {
		m.LocalAddress, m.PeerAddress = show(st.LocalAddress), show(st.PeerAddress)
	}
	if p.state.IPv6 {
		m.LocalID, m.PeerID = linkLocal(st.LocalID).String(), linkLocal(st.PeerID).String()
		if p.router != nil {
			m.Prefix, m.Delegated = shown(p.router.prefix), shown(p.router.link.Delegated())
		}
	}
	for _, a := range st.DNS {
		if a.IsValid() {
			m.DNS = append(m.DNS, a.String())
		}
	}
	return m
}

// methodName is empty for no authentication.
func methodName(m pppfsm.AuthMethod) string {
	if m == pppfsm.AuthNone {
		return ""
	}
	return m.String()
}

func shown(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func show(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func traffic(rx, tx forwarder.Traffic) mgmt.Traffic {
	return mgmt.Traffic{RxPackets: rx.Packets, RxBytes: rx.Bytes, TxPackets: tx.Packets, TxBytes: tx.Bytes}
}

func dropMap(d forwarder.Drops) map[string]uint64 {
	if d.Total() == 0 {
		return nil
	}
	m := make(map[string]uint64)
	for _, r := range forwarder.DropReasons() {
		if n := d[r]; n > 0 {
			m[r.String()] = n
		}
	}
	return m
}

// Workers implements mgmt.Source.
func (s source) Workers() []mgmt.Worker {
	stats := s.d.fwd.Stats()
	all := make([]mgmt.Worker, len(stats))
	for i, w := range stats {
		all[i] = mgmt.Worker{
			ID:        i,
			Sessions:  w.Sessions,
			RxBatches: w.RxBatches,
			TxBatches: w.TxBatches,
			RxCPU:     w.RxCPU.Seconds(),
			TxCPU:     w.TxCPU.Seconds(),
			Offloads:  workerOffloads(w),
			Punted:    w.Punted,
			Injected:  w.Injected,
			Dropped:   w.Drops.Total(),
			Traffic:   traffic(w.Rx, w.Tx),
		}
	}
	return all
}

func workerOffloads(w forwarder.WorkerStats) (names []string) {
	if w.GSO {
		names = append(names, "udp-gso")
	}
	if w.GRO {
		names = append(names, "udp-gro")
	}
	return names
}

// Pools implements mgmt.Source.
func (s source) Pools() []mgmt.Pool {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	all := make([]mgmt.Pool, 0, len(s.d.pools))
	for _, p := range s.d.pools {
		st := p.Stats()
		m := mgmt.Pool{
			Name: p.Name(), Kind: "ipv4", PrefixLength: p.Bits(),
			Size: st.Size, Used: st.Used, Free: st.Size - st.Used, Exhausted: st.Exhausted,
		}
		if p.Is6() {
			m.Kind = "ipv6"
		}
		all = append(all, m)
	}
	return all
}

// Drops implements mgmt.Source.
func (s source) Drops() []mgmt.Drop {
	var sum forwarder.Drops
	for _, w := range s.d.fwd.Stats() {
		for i, n := range w.Drops {
			sum[i] += n
		}
	}
	var all []mgmt.Drop
	for _, r := range forwarder.DropReasons() {
		all = append(all, mgmt.Drop{Reason: r.String(), Help: r.Help(), Count: sum[r]})
	}
	s.d.mu.Lock()
	count, noDevice := s.d.plane.ep.Counters(), s.d.refused
	s.d.mu.Unlock()
	for _, r := range control.DropReasons() {
		all = append(all, mgmt.Drop{Reason: controlDrop + r.String(), Help: r.Help(), Count: count.Drops[r]})
	}
	return append(all, mgmt.Drop{
		Reason: controlDrop + "refused", Count: count.Refused,
		Help: "SCCRQ that was answered with StopCCN: no peer or listen table for it, not allowed, too many tunnels, or a tie",
	}, mgmt.Drop{
		Reason: "session_refused", Count: noDevice,
		Help: "sessions of dynamic tunnels that got no device or no place in the data plane: a name that is taken, memory, descriptors; the log says which",
	}, mgmt.Drop{
		Reason: "script_refused", Count: s.d.scripts.Stats().Refused,
		Help: "hooks and scripts that were not run because too many waited",
	})
}

// controlDrop begins the reasons for which control messages came to nothing.
const controlDrop = "control_"
