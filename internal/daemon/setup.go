package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"culvert/encap"
	"culvert/forwarder"
	"culvert/forwarder/tuntap"
	"culvert/internal/config"
)

// tunnel is a tunnel and its place in the data plane: a configured one, or that of a control connection.
type tunnel struct {
	cfg      *config.Tunnel
	fwd      *forwarder.Tunnel
	conn     *connection // nil: static
	told     bool        // static: that it is there
	index    int         // in daemon.tunnels
	sessions map[*session]struct{}
	pathMTU  int // that the sessions' devices were last adapted to
}

// session is a session, configured or of a control connection, its device, and its place in the data plane.
type session struct {
	cfg      *config.Session
	tunnel   *tunnel
	fcfg     *forwarder.SessionConfig // of fwd, once that is there
	dev      *tuntap.Device           // nil: shared
	shared   *shared                  // nil: dev is its own
	fwd      *forwarder.Session
	ppp      *ppp // nil for Ethernet
	mtu      int  // of the device
	offloads tuntap.Offload
	up       bool // Ethernet: usable
	lost     bool // the device was removed by somebody else
	told     told

	circuit *circuit // nil: static
	index   int      // in daemon.sessions
	gone    bool     // it is being removed
	removed bool
}

// addTunnel brings up a configured tunnel with its sessions, or what dials it.
func (d *daemon) addTunnel(c *config.Tunnel) error {
	if c.Control != nil {
		return d.addDialer(c)
	}
	t, err := d.openTunnel(c, nil)
	if err != nil {
		return d.fault(c.Line, tunnelKey(c, "local"), err)
	}
	for i := range c.Sessions {
		s := &session{cfg: &c.Sessions[i], tunnel: t, fcfg: sessionConfig(&c.Sessions[i])}
		if err := d.addSession(s); err != nil {
			return err
		}
	}
	return nil
}

// openTunnel gives a tunnel its place in the data plane.
func (d *daemon) openTunnel(c *config.Tunnel, conn *connection) (*tunnel, error) {
	f, err := d.fwd.AddTunnel(forwarder.TunnelConfig{
		Name:       c.Name,
		Transport:  c.Transport,
		Local:      c.Local,
		Peer:       c.Peer,
		TTL:        c.TTL,
		TOS:        tos(c.DSCP),
		CopyTOS:    c.DSCP == config.DSCPCopy,
		DF:         c.DF,
		NoChecksum: !c.UDPChecksum,
		PathMTU:    c.PathMTU,
		Overhead:   c.UnderlayOverhead,
	})
	if err != nil {
		return nil, err
	}
	t := &tunnel{
		cfg: c, fwd: f, conn: conn, index: len(d.tunnels), sessions: make(map[*session]struct{}), pathMTU: f.PathMTU(),
	}
	d.tunnels = append(d.tunnels, t)
	d.byTunnel[f] = t
	return t, nil
}

// removeTunnel is the opposite of openTunnel. The tunnel must have no sessions any more.
func (d *daemon) removeTunnel(t *tunnel) {
	d.removeEnded()
	d.tunnels = removeAt(d.tunnels, t.index, func(moved *tunnel) { moved.index = t.index })
	delete(d.byTunnel, t.fwd)
	d.fwd.RemoveTunnel(t.fwd)
}

// removeAt fills the place of an element with the last one.
func removeAt[T any](all []*T, i int, moved func(*T)) []*T {
	last := len(all) - 1
	all[i] = all[last]
	moved(all[i])
	all[last] = nil
	return all[:last]
}

// tos is the TOS byte for a configured DSCP, below 0 where the system's default stays.
func tos(dscp int) int {
	if dscp < 0 {
		return -1
	}
	return dscp << 2 // RFC 2474 section 3: the upper six bits
}

// addSession makes the device of a session that has its configuration, and gives it its place in the data plane. What it
// made before an error is undone.
func (d *daemon) addSession(s *session) error { return d.addSessions([]*session{s})[0] }

// addSessions is addSession for many, with an error for each that could not be added.
func (d *daemon) addSessions(all []*session) (errs []error) {
	for some := range slices.Chunk(all, d.fwd.Burst()) {
		errs = append(errs, d.addBurst(some)...)
	}
	if n := d.fwd.Annexes(); n != d.annexes {
		d.annexes = n
		d.setProcessors()
	}
	return errs
}

// addBurst is addSessions for as many as there are descriptors for at once.
func (d *daemon) addBurst(all []*session) []error {
	errs := d.makeDevices(all)
	var wanted []forwarder.NewSession
	var which []int
	for i, s := range all {
		if errs[i] != nil {
			errs[i] = d.fault(s.cfg.Line, sessionKey(s.tunnel.cfg, s.cfg, "interface_name"), errs[i])
			continue
		}
		wanted, which = append(wanted, forwarder.NewSession{Tunnel: s.tunnel.fwd, Config: *s.fcfg}), append(which, i)
	}
	added, refused := d.fwd.AddSessions(wanted)
	for k, i := range which {
		s := all[i]
		s.fwd = added[k]
		switch {
		case refused[k] == nil:
			errs[i] = d.enter(s)
			continue
		case s.shared != nil:
			d.part(s)
		default:
			_ = s.dev.Close()
		}
		errs[i] = d.fault(s.cfg.Line, sessionKey(s.tunnel.cfg, s.cfg, "sid"), refused[k])
	}
	return errs
}

// makeDevices makes sessions' PPP links, and their devices where these are not shared.
func (d *daemon) makeDevices(all []*session) []error {
	errs := make([]error, len(all))
	var configs []tuntap.Config
	var own []int
	for i, s := range all {
		s.mtu = s.deviceMTU(0)
		if s.cfg.Pseudowire == config.PseudowirePPP {
			s.ppp = d.newPPP(s)
		}
		if s.cfg.Shared != "" {
			if d.shared[s.cfg.Shared] == nil { // a reload could not make it
				errs[i] = errNoShared
			} else {
				d.join(s)
			}
			continue
		}
		configs, own = append(configs, d.deviceConfig(s)), append(own, i)
	}
	devices, refused := tuntap.CreateAll(configs)
	for k, i := range own {
		s := all[i]
		if errs[i] = refused[k]; errs[i] != nil {
			continue
		}
		s.dev = devices[k]
		s.fcfg.Device = s.dev.Queue()
		if !d.cfg.Offload {
			continue
		}
		if s.offloads, s.fcfg.Merge, errs[i] = takeOffload(s.dev); errs[i] != nil {
			_ = s.dev.Close()
		}
	}
	return errs
}

// deviceConfig says what a session's own device is to be.
func (d *daemon) deviceConfig(s *session) tuntap.Config {
	c := s.cfg
	kind := tuntap.TAP
	if s.ppp != nil {
		kind = tuntap.TUN
	}
	return tuntap.Config{
		Name:         c.InterfaceName,
		Kind:         kind,
		MTU:          s.mtu,
		TxQueueLen:   c.TxQueueLen,
		Group:        d.cfg.Group,
		NetNS:        c.NetNS,
		Bridge:       c.Bridge,
		HardwareAddr: c.HardwareAddr,
	}
}

// enter notes a session that the data plane has, and configures its device.
func (d *daemon) enter(s *session) error {
	d.note(s)
	if s.ppp == nil {
		if err := d.configureEthernet(s); err != nil {
			d.removeSessions([]*session{s})
			return err
		}
	}
	d.watch(s)
	return nil
}

// note makes everybody know a session.
func (d *daemon) note(s *session) {
	s.fcfg = s.fwd.Config()
	s.fwd.SetMTU(s.mtu)
	s.index = len(d.sessions)
	d.sessions = append(d.sessions, s)
	d.byFwd[s.fwd] = s
	s.tunnel.sessions[s] = struct{}{}
	d.tuneMemory()
}

// removeSessions takes sessions out of the data plane, and removes their devices with all that is on them.
func (d *daemon) removeSessions(all []*session) {
	d.net.Flush()
	all = slices.DeleteFunc(slices.Clone(all), func(s *session) bool { return s.removed })
	places := make([]*forwarder.Session, len(all))
	for i, s := range all {
		why := "removed from the configuration"
		if d.plane.closing {
			why = shuttingDown
		}
		d.tellDown(s, why) // unless there was another reason before
		s.gone, s.removed = true, true
		places[i] = s.fwd
		if s.ppp != nil {
			d.timers.set(&s.ppp.timer, s, time.Time{})
		}
		if s.shared != nil {
			d.part(s)
		}
		d.unwatch(s)
	}
	d.fwd.RemoveSessions(places)
	for _, s := range all {
		d.sessions = removeAt(d.sessions, s.index, func(moved *session) { moved.index = s.index })
		delete(d.byFwd, s.fwd)
		delete(s.tunnel.sessions, s)
	}
	d.tuneMemory()
	d.closeDevices(all)
}

func sessionConfig(c *config.Session) *forwarder.SessionConfig {
	f := &forwarder.SessionConfig{
		Name:           c.Name,
		Pseudowire:     forwarder.Ethernet,
		LocalID:        c.SID,
		PeerID:         c.PSID,
		SendCookie:     c.Cookie,
		ExpectCookie:   c.PeerCookie,
		SendSublayer:   c.Sublayer,
		ExpectSublayer: c.Sublayer,
		Sequence:       c.SeqNum && c.Sublayer == encap.SublayerDefault,
		ReorderTimeout: c.ReorderTimeout,
		ClampMSS:       c.ClampMSS,
		Isolated:       c.Isolated,
		MACLimit:       c.MACLimit,
	}
	switch c.Pseudowire {
	case config.PseudowireEthernet:
	case config.PseudowirePPP:
		f.Pseudowire = forwarder.PPP
	case config.PseudowireVLAN:
		f.Pseudowire, f.VLAN = forwarder.EthernetVLAN, c.VLAN
	}
	return f
}

// minIPv6MTU is the least that an interface with IPv6 may have (RFC 8200 section 5). Where the path is too narrow for
// it the outer packets are fragmented.
const minIPv6MTU = 1280

// deviceMTU is what the session's device gets: the configured MTU, else what the path allows, and with a PPP peer's
// MRU (0: not known) never more than that.
func (s *session) deviceMTU(peerMRU int) int {
	mtu := s.cfg.MTU
	if mtu == 0 {
		mtu = s.tunnel.fwd.MTU(*s.fcfg)
		if s.cfg.PPP == nil || s.cfg.PPP.Link.IPv6 {
			mtu = max(mtu, minIPv6MTU)
		}
	}
	if peerMRU > 0 {
		mtu = min(mtu, peerMRU)
	}
	return mtu
}

// configureEthernet gives a TAP its addresses and routes; they stay for as long as the device.
func (d *daemon) configureEthernet(s *session) error {
	for _, a := range s.cfg.Addresses {
		if err := s.dev.AddAddress(a, netip.Addr{}); err != nil {
			return d.fault(s.cfg.Line, sessionKey(s.tunnel.cfg, s.cfg, "addresses"), err)
		}
	}
	for _, r := range s.cfg.Routes {
		if err := s.dev.AddRoute(r.To, r.Via); err != nil {
			err = fmt.Errorf("route %s: %w", r.To, err)
			return d.fault(s.cfg.Line, sessionKey(s.tunnel.cfg, s.cfg, "routes"), err)
		}
	}
	return nil
}
