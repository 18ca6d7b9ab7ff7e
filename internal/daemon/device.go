package daemon

import (
	"go.uber.org/zap"

	"culvert/forwarder"
	"culvert/forwarder/tuntap"
)

// openEthernet lets an Ethernet pseudowire pass frames: a static one is usable as soon as it exists.
func (d *daemon) openEthernet(s *session) {
	s.up = true
	s.fwd.SetLink(forwarder.LinkState{Ethernet: true})
	d.carrier(s)
	d.tellUp(s)
}

// carrier shows on the device whether the pseudowire is usable.
func (d *daemon) carrier(s *session) {
	on := s.up
	if s.ppp != nil {
		on = s.ppp.state.IPv4 || s.ppp.state.IPv6
	}
	if s.shared != nil {
		return // a shared device always has carrier
	}
	d.complain(s, "set carrier", s.dev.SetCarrier(on))
}

// adaptMTU brings the device's MTU in line with path and peer.
func (d *daemon) adaptMTU(s *session) {
	peer := 0
	if s.ppp != nil {
		peer = int(s.ppp.peerMRU)
	}
	mtu := s.deviceMTU(peer)
	if mtu == s.mtu {
		return
	}
	if s.shared == nil { // a shared device has its own MTU; the data plane goes by the session's
		if err := d.setMTU(s, mtu); err != nil {
			d.complain(s, "set MTU", err)
			return
		}
	}
	s.mtu = mtu
	s.fwd.SetMTU(mtu)
	if s.ppp != nil && s.ppp.router != nil {
		s.ppp.router.link.SetMTU(mtu)
	}
}

// setMTU sets a device's MTU: together with what else is to be done to devices, unless that brings IPv6 back to it.
func (d *daemon) setMTU(s *session, mtu int) error {
	if s.mtu >= minIPv6MTU || mtu < minIPv6MTU {
		d.net.SetMTU(s.dev, mtu, func(err error) { d.complain(s, "set MTU", err) })
		return nil
	}
	d.net.Flush()
	return s.dev.SetMTU(mtu)
}

// adaptTunnel does so for all sessions of a tunnel whose path MTU changed.
func (d *daemon) adaptTunnel(t *tunnel) {
	now := t.fwd.PathMTU()
	if now == t.pathMTU {
		return
	}
	d.noisy.Info("path MTU changed", zap.String("tunnel", t.cfg.Name), zap.Int("from", t.pathMTU), zap.Int("to", now))
	t.pathMTU = now
	for s := range t.sessions {
		d.adaptMTU(s)
	}
	d.net.Flush()
}

// complain logs what the kernel refused on a device that may be gone already.
func (d *daemon) complain(s *session, what string, err error) {
	if err != nil && !s.lost {
		d.noisy.Warn(what, zap.String("session", s.fullName()), zap.String("interface", s.cfg.InterfaceName), zap.Error(err))
	}
}

// closeDevices removes devices; the data plane must have let go of them.
func (d *daemon) closeDevices(of []*session) {
	devices := make([]*tuntap.Device, 0, len(of))
	for _, s := range of {
		if s.dev != nil {
			devices = append(devices, s.dev)
		}
	}
	if err := tuntap.CloseAll(devices); err != nil {
		d.log.Warn("remove devices", zap.Error(err))
	}
}

// linkState is what may pass the session now.
func (s *session) linkState() forwarder.LinkState {
	if s.ppp != nil {
		return s.ppp.state
	}
	return forwarder.LinkState{Ethernet: s.up}
}
