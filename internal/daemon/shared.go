package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/forwarder"
	"culvert/forwarder/bridge"
	"culvert/forwarder/tuntap"
	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// shared is a device that many sessions have in common.
type shared struct {
	cfg      *config.Shared
	dev      *tuntap.Device
	fwd      *forwarder.Shared
	offloads tuntap.Offload
	sessions int
	lost     bool  // the device was removed by somebody else
	aging    timer // of a TAP
}

func newShared(c *config.Shared) *shared { return &shared{cfg: c, aging: timer{index: -1}} }

// tick tells a TAP's bridge the time.
func (sh *shared) tick(d *daemon, now time.Time) {
	sh.fwd.Bridge().Age(now.Sub(d.began))
	d.timers.set(&sh.aging, sh, now.Add(sh.fwd.Bridge().Tick()))
}

// errNoShared: the shared device of a session does not exist.
var errNoShared = errors.New("the shared device does not exist")

// addShared makes the configured shared devices, with their addresses and routes. They have carrier as long as we run.
func (d *daemon) addShared() error {
	d.shared = make(map[string]*shared, len(d.cfg.Shared))
	for i := range d.cfg.Shared {
		c := &d.cfg.Shared[i]
		sh := newShared(c)
		if key, err := d.openShared(sh); err != nil {
			d.closeShared(sh)
			return d.fault(c.Line, fmt.Sprintf("shared.%s.%s", c.Name, key), err)
		}
		d.shared[c.Name] = sh
	}
	return nil
}

// openShared makes one; an error comes with the key that is to blame.
func (d *daemon) openShared(sh *shared) (key string, err error) {
	c := sh.cfg
	t := tuntap.Config{
		Name: c.InterfaceName, Kind: tuntap.TUN, MTU: c.MTU, TxQueueLen: c.TxQueueLen, Group: d.cfg.Group, NetNS: c.NetNS,
	}
	f := forwarder.SharedConfig{Name: c.Name}
	if c.TAP != nil {
		t.Kind, t.Bridge, t.HardwareAddr = tuntap.TAP, c.TAP.Bridge, c.TAP.HardwareAddr
		if t.HardwareAddr == nil {
			t.HardwareAddr = randomMAC()
		}
		f.Floods = c.TAP.Floods
		f.Bridge = &bridge.Config{
			MaxMACs: c.TAP.MaxMACs, Aging: c.TAP.MACAging, Reserved: c.TAP.Reserved, Own: [6]byte(t.HardwareAddr),
		}
	}
	dev, queues, err := tuntap.CreateMulti(t, d.fwd.Workers())
	if err != nil {
		return "interface_name", err
	}
	sh.dev = dev
	for _, q := range queues {
		f.Queues = append(f.Queues, q)
	}
	if d.cfg.Offload {
		if sh.offloads, f.Merge, err = takeOffload(dev); err != nil {
			return "interface_name", err
		}
	}
	if sh.fwd, err = d.fwd.AddShared(f); err != nil {
		return "interface_name", err
	}
	for _, a := range c.Addresses {
		if err = dev.AddAddress(a, netip.Addr{}); err != nil {
			return "addresses", err
		}
	}
	if err = dev.SetCarrier(true); err != nil {
		return "interface_name", err
	}
	for _, r := range c.Routes {
		if err = dev.AddRoute(r.To, r.Via); err != nil {
			return "routes", fmt.Errorf("route %s: %w", r.To, err)
		}
	}
	if c.TAP != nil {
		sh.tick(d, time.Now())
	}
	return "", nil
}

// randomMAC makes an address of one host that is nobody's (IEEE 802c).
func randomMAC() net.HardwareAddr {
	a := make(net.HardwareAddr, 6)
	_, _ = rand.Read(a) // it never fails
	a[0] = a[0]&^1 | 2
	return a
}

// closeShared removes a shared device, which has no sessions any more.
func (d *daemon) closeShared(sh *shared) {
	d.timers.set(&sh.aging, sh, time.Time{})
	if sh.fwd != nil {
		d.fwd.RemoveShared(sh.fwd)
	}
	if sh.dev != nil {
		if err := sh.dev.Close(); err != nil && !sh.lost {
			d.log.Warn("remove device", zap.String("interface", sh.cfg.InterfaceName), zap.Error(err))
		}
	}
}

// join puts a session on its shared device.
func (d *daemon) join(s *session) {
	s.shared = d.shared[s.cfg.Shared]
	s.shared.sessions++
	s.fcfg.Shared, s.offloads, s.lost = s.shared.fwd, s.shared.offloads, s.shared.lost
}

// part takes it off again, with all that it has claimed.
func (d *daemon) part(s *session) {
	s.shared.sessions--
	if s.ppp != nil {
		d.unclaim(s, func(netip.Prefix) bool { return true })
	}
}

// claim makes p the session's on its shared device, or tells why that cannot be.
func (d *daemon) claim(s *session, p netip.Prefix) (why string) {
	if err := s.shared.fwd.Claim(s.fwd, p); err != nil {
		return err.Error()
	}
	if !slices.Contains(s.ppp.routes, p) {
		s.ppp.routes = append(s.ppp.routes, p)
	}
	return ""
}

// unclaim gives back what the session has claimed and which says so.
func (d *daemon) unclaim(s *session, which func(netip.Prefix) bool) {
	s.ppp.routes = slices.DeleteFunc(s.ppp.routes, func(p netip.Prefix) bool {
		if !which(p) {
			return false
		}
		s.shared.fwd.Unclaim(s.fwd, p)
		return true
	})
}

// sharedGone marks all sessions of a device that somebody has removed.
func (d *daemon) sharedGone(f *forwarder.Shared) {
	for _, sh := range d.shared {
		if sh.fwd != f || sh.lost {
			continue
		}
		sh.lost = true
		d.log.Error("shared device was removed by somebody else", zap.String("interface", sh.cfg.InterfaceName),
			zap.Int("sessions", sh.sessions))
		for _, s := range d.sessions {
			s.lost = s.lost || s.shared == sh
		}
	}
}

// Shared implements mgmt.Source.
func (s source) Shared() []mgmt.Shared {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	all := make([]mgmt.Shared, 0, len(s.d.shared))
	for _, sh := range s.d.shared {
		m := mgmt.Shared{
			Name: sh.cfg.Name, Pseudowire: "ppp", Interface: sh.cfg.InterfaceName, MTU: sh.cfg.MTU, Lost: sh.lost, Offloads: sh.offloads.Names(),
			Sessions: sh.sessions, Destinations: sh.fwd.Routes(), Refused: sh.fwd.Refused(), Drops: dropMap(sh.fwd.Drops()),
		}
		if b := sh.fwd.Bridge(); b != nil {
			st := b.Stats()
			m.Pseudowire, m.MACs, m.MACsRefused, m.MACsMoved, m.Flooded = "eth", st.MACs, st.Refused, st.Moved, st.Flooded
		}
		all = append(all, m)
	}
	return all
}

// MACs implements mgmt.Source.
func (s source) MACs(shared string) ([]mgmt.MAC, bool) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	sh := s.d.shared[shared]
	if sh == nil || sh.fwd.Bridge() == nil {
		return nil, false
	}
	table := sh.fwd.Bridge().MACs()
	all := make([]mgmt.MAC, len(table))
	for i, m := range table {
		all[i] = mgmt.MAC{Address: net.HardwareAddr(m.Addr[:]).String(), VLAN: int(m.VLAN), Idle: m.Idle.Seconds()}
		if e := s.d.byFwd[m.Owner]; e != nil {
			all[i].Session = e.fullName()
		}
	}
	return all, true
}
