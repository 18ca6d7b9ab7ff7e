package daemon

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"culvert/encap"
	"culvert/internal/ipv6link"
	"culvert/internal/pool"
	"culvert/pppfsm"
)

// router is what makes us the IPv6 router on a session's link.
type router struct {
	link   *ipv6link.Link
	prefix netip.Prefix // of the link, while IPv6 is up; zero: none
	lease  *pool.Lease  // of prefix, nil: it is fixed, or there is none
	pd     *pool.Lease  // of the delegated prefix, nil: none
}

// newRouter makes a session's router, nil where its profile wants none.
func (d *daemon) newRouter(s *session) *router {
	c := s.cfg.PPP
	if c.Router == nil {
		return nil
	}
	r := &router{}
	o := ipv6link.Options{Config: c.Router, Server: d.duid, Random: rand.Reader}
	if c.PDPool != "" {
		o.Delegate = func() (netip.Prefix, error) {
			from := d.pools[c.PDPool] // a reload may replace it
			var err error
			if r.pd, err = from.Allocate(s.ppp.owner); err != nil {
				d.noisyPPP.Warn("no prefix to delegate", zap.String("session", s.fullName()), zap.Error(err), remedy(seePools))
				return netip.Prefix{}, err
			}
			return from.Prefix(r.pd), nil
		}
	}
	r.link = ipv6link.NewLink(o)
	return r
}

// routerUp begins to advertise, after packets may pass.
func (d *daemon) routerUp(s *session, a pppfsm.IPv6Up, now time.Time) {
	r := s.ppp.router
	if r == nil {
		return
	}
	r.prefix = s.cfg.PPP.IPv6Prefix
	if r.lease != nil {
		r.prefix = d.pools[s.cfg.PPP.IPv6Pool].Prefix(r.lease)
	}
	if r.prefix.IsValid() {
		d.addRoute(s, r.prefix, netip.Addr{})
	}
	r.link.Up(now, ipv6link.State{Local: linkLocal(a.LocalID), Prefix: r.prefix, MTU: s.mtu})
}

// routerDown ends that, before packets may not pass any more. The link's routes go with the others of IPv6.
func (d *daemon) routerDown(s *session, now time.Time) {
	if r := s.ppp.router; r != nil {
		r.link.Down(now)
		d.settleRouter(s)
		r.prefix = netip.Prefix{}
		s.ppp.state.Router = false
	}
}

// settleRouter carries out what the router wants done.
func (d *daemon) settleRouter(s *session) {
	r := s.ppp.router
	for _, a := range r.link.Take() {
		switch a := a.(type) {
		case ipv6link.Send:
			s.fwd.Inject(append(encap.AppendPPPHeader(nil, encap.ProtoIPv6, s.ppp.state.Framing), a.Packet...))
		case ipv6link.AddRoute:
			d.noisyPPP.Info("prefix delegated", zap.String("session", s.fullName()), zap.Stringer("prefix", a.Prefix))
			d.addRoute(s, a.Prefix, netip.Addr{})
		case ipv6link.RemoveRoute:
			d.noisyPPP.Info("prefix withdrawn", zap.String("session", s.fullName()), zap.Stringer("prefix", a.Prefix))
			d.removeRoute(s, a.Prefix)
		case ipv6link.Return:
			d.pools[s.cfg.PPP.PDPool].Free(r.pd)
			r.pd = nil
		}
	}
}

// serverDUID is our DHCPv6 identifier: a DUID-UUID (RFC 6355) that stays the same on this machine, so that clients know
// us again after a restart. It is made from /etc/machine-id, which must not be shown itself (machine-id(5)); without
// that it is random.
func serverDUID() []byte {
	var id [16]byte
	if b, err := os.ReadFile("/etc/machine-id"); err == nil && len(strings.TrimSpace(string(b))) == 32 {
		h := hmac.New(sha256.New, []byte(strings.TrimSpace(string(b))))
		_, _ = h.Write([]byte("culvert DHCPv6 server"))
		copy(id[:], h.Sum(nil))
	} else {
		_, _ = rand.Read(id[:])
	}
	id[6] = id[6]&0x0f | 0x40 // RFC 9562 section 5.4
	id[8] = id[8]&0x3f | 0x80
	return append([]byte{0, 4}, id[:]...)
}
