package daemon

import (
	"fmt"
	"net/netip"

	"culvert/encap"
	"culvert/forwarder"
	"culvert/forwarder/tuntap"
	"culvert/internal/config"
)

// tunnel is a configured tunnel and its place in the data plane.
type tunnel struct {
	cfg     *config.Tunnel
	fwd     *forwarder.Tunnel
	pathMTU int // that the sessions' devices were last adapted to
}

// session is a configured session, its device, and its place in the data plane.
type session struct {
	cfg      *config.Session
	tunnel   *tunnel
	fcfg     forwarder.SessionConfig
	dev      *tuntap.Device
	fwd      *forwarder.Session
	ppp      *ppp // nil for Ethernet
	mtu      int  // of the device
	offloads tuntap.Offload
	up       bool // Ethernet: usable
	lost     bool // the device was removed by somebody else
}

func (d *daemon) addTunnel(c *config.Tunnel) error {
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
		return d.fault(c.Line, tunnelKey(c, "local"), err)
	}
	t := &tunnel{cfg: c, fwd: f, pathMTU: f.PathMTU()}
	d.tunnels = append(d.tunnels, t)
	for i := range c.Sessions {
		if err := d.addSession(t, &c.Sessions[i]); err != nil {
			return err
		}
	}
	return nil
}

// tos is the TOS byte for a configured DSCP, below 0 where the system's default stays.
func tos(dscp int) int {
	if dscp < 0 {
		return -1
	}
	return dscp << 2 // RFC 2474 section 3: the upper six bits
}

func (d *daemon) addSession(t *tunnel, c *config.Session) (err error) {
	s := &session{cfg: c, tunnel: t, fcfg: sessionConfig(c)}
	s.mtu = s.deviceMTU(0)
	kind := tuntap.TAP
	if c.Pseudowire == config.PseudowirePPP {
		kind = tuntap.TUN
		s.ppp = d.newPPP(s)
	}
	s.dev, err = tuntap.Create(tuntap.Config{
		Name:         c.InterfaceName,
		Kind:         kind,
		MTU:          s.mtu,
		TxQueueLen:   c.TxQueueLen,
		Group:        d.cfg.Group,
		NetNS:        c.NetNS,
		Bridge:       c.Bridge,
		HardwareAddr: c.HardwareAddr,
	})
	if err != nil {
		return d.fault(c.Line, sessionKey(t.cfg, c, "interface_name"), err)
	}
	s.fcfg.Device = s.dev.Queue()
	if d.cfg.Offload {
		if err := s.offload(); err != nil {
			_ = s.dev.Close()
			return d.fault(c.Line, sessionKey(t.cfg, c, "interface_name"), err)
		}
	}
	if s.fwd, err = d.fwd.AddSession(t.fwd, s.fcfg); err != nil {
		_ = s.dev.Close()
		return d.fault(c.Line, sessionKey(t.cfg, c, "sid"), err)
	}
	s.fwd.SetMTU(s.mtu)
	d.sessions = append(d.sessions, s)
	d.byFwd[s.fwd] = s
	if s.ppp == nil {
		return d.configureEthernet(s)
	}
	return nil
}

func sessionConfig(c *config.Session) forwarder.SessionConfig {
	f := forwarder.SessionConfig{
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
	}
	if c.Pseudowire == config.PseudowirePPP {
		f.Pseudowire = forwarder.PPP
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
		mtu = s.tunnel.fwd.MTU(s.fcfg)
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
