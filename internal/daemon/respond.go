package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"culvert/control"
	"culvert/internal/config"
)

// responder answers those who dial us.
type responder struct {
	listens  map[ownAddress]*config.Tunnel
	peers    []config.Peer
	exact    map[string]*config.SessionProfile
	template []*config.SessionProfile
	tunnels  map[*config.Peer]map[*connection]struct{} // that each has
	taken    map[slot]*circuit
	serial   int // of the tunnels' names
}

// slot is a place for one session: a profile, and the number in a template.
type slot struct {
	profile *config.SessionProfile
	number  int
}

func newResponder(c *config.Config) responder {
	r := responder{
		listens: make(map[ownAddress]*config.Tunnel),
		peers:   c.Peers,
		exact:   make(map[string]*config.SessionProfile),
		tunnels: make(map[*config.Peer]map[*connection]struct{}),
		taken:   make(map[slot]*circuit),
	}
	for i := range c.Listens {
		l := &c.Listens[i].Tunnel
		r.listens[ownAddress{l.Transport, l.Local}] = l
	}
	for i := range c.Profiles {
		p := &c.Profiles[i]
		if p.Template {
			r.template = append(r.template, p)
		} else {
			r.exact[p.RemoteEndID] = p
		}
	}
	return r
}

// listen opens the addresses at which peers may connect.
func (d *daemon) listen() error {
	for i := range d.cfg.Listens {
		c := &d.cfg.Listens[i].Tunnel
		if _, err := d.socket(c, true); err != nil {
			return d.fault(c.Line, fmt.Sprintf("listen.%s.local", c.Name), err)
		}
	}
	return nil
}

// peer finds who connects, nil for nobody we know: the first in the file that fits.
func (r *responder) peer(a netip.Addr, hostName string, routerID uint32) *config.Peer {
	for i := range r.peers {
		if p := &r.peers[i]; p.Fits(a, hostName, routerID) {
			return p
		}
	}
	return nil
}

// peerOf finds who has dialed a connection, nil for nobody we know.
func (r *responder) peerOf(c *control.Conn) *config.Peer {
	if k, ok := c.Data.(*connection); ok {
		return k.peer
	}
	return r.peer(c.Path().Remote.Addr(), c.Peer().HostName, c.Peer().RouterID)
}

// find gives the place of a session with a Remote End ID, exact profiles first.
func (r *responder) find(remoteEndID string) (slot, bool) {
	if p := r.exact[remoteEndID]; p != nil {
		return slot{profile: p}, true
	}
	for _, p := range r.template {
		if n, ok := p.Number(remoteEndID); ok {
			return slot{p, n}, true
		}
	}
	return slot{}, false
}

// allowed tells whether the peer may have sessions at the place.
func allowed(p *config.Peer, s slot) bool { return p != nil && p.May(s.profile.Name) }

// leave gives a circuit's place back, unless another one has taken it over.
func (r *responder) leave(k *circuit) {
	if r.taken[k.slot] == k {
		delete(r.taken, k.slot)
	}
}

// policy decides for the control plane what peers may have. It is asked with daemon.mu held.
type policy struct{ d *daemon }

// Known implements control.Policy. A peer that we dial may dial us, too.
func (p policy) Known(a netip.Addr) bool {
	if p.d.plane.dialed[a] > 0 {
		return true
	}
	from := func(c config.Peer) bool { return c.Addresses != nil && !c.Refused && c.From(a) }
	return slices.ContainsFunc(p.d.plane.responder.peers, from)
}

// AcceptConnection implements control.Policy. The profile of a peer that is refused lets it believe that.
func (p policy) AcceptConnection(path control.Path, m *control.Message) (control.Profile, *control.Result) {
	pl := p.d.plane
	r := &pl.responder
	c := r.peer(path.Remote.Addr(), m.HostName, m.RouterID)
	switch {
	case c == nil || r.listens[ownAddress{path.Transport, path.Local}] == nil:
		return control.Profile{}, &control.Result{Code: control.StopUnauthorized}
	case c.Refused:
		return c.Control, &control.Result{Code: control.StopUnauthorized}
	case pl.full():
		return c.Control, &control.Result{Code: control.StopShutdown}
	case r.full(c, m.HostName, m.RouterID, len(c.Control.Secrets) > 0): // nothing else comes up without proof
		return c.Control, &control.Result{Code: control.StopError, Error: control.ErrorResources, Text: "too many tunnels"}
	}
	return c.Control, nil
}

// AcceptCall implements control.Policy.
func (p policy) AcceptCall(c *control.Conn, m *control.Message) (control.Call, *control.Result) {
	r := &p.d.plane.responder
	s, ok := r.find(m.RemoteEndID)
	peer := r.peerOf(c)
	switch {
	case p.d.plane.closing:
		return control.Call{}, &control.Result{Code: control.CallNoFacilities, Text: "shutting down"}
	case p.d.plane.draining:
		return control.Call{}, &control.Result{Code: control.CallNoFacilities, Text: "draining"}
	case c.Status().Initiator || !ok || !allowed(peer, s):
		return control.Call{}, &control.Result{Code: control.CallNever, Text: "no session profile has this Remote End ID"}
	}
	if !r.mayHave(c, s) {
		return control.Call{}, &control.Result{Code: control.CallNoFacilities, Text: "the Remote End ID is in use"}
	}
	call := callFor(&s.profile.Session, peer.PPPType)
	if call.PseudowireType != m.PseudowireType {
		return control.Call{}, &control.Result{Code: control.CallPseudowireType}
	}
	return call, nil
}

// enter counts a connection among those of its peer.
func (r *responder) enter(k *connection) {
	if r.tunnels[k.peer] == nil {
		r.tunnels[k.peer] = make(map[*connection]struct{})
	}
	r.tunnels[k.peer][k] = struct{}{}
}

// connectionOf gives what a control connection stands for. One that a peer has dialed is made at the first call.
func (d *daemon) connectionOf(c *control.Conn, now time.Time) *connection {
	if k, ok := c.Data.(*connection); ok {
		return k
	}
	r := &d.plane.responder
	path := c.Path()
	peer, listen := r.peerOf(c), r.listens[ownAddress{path.Transport, path.Local}]
	who := c.Peer()
	if peer == nil || listen == nil || r.full(peer, who.HostName, who.RouterID, who.Authenticated) {
		return nil // of several that came up together
	}
	d.makeRoom(peer, who, now)
	cfg := *listen
	r.serial++
	cfg.Name = fmt.Sprintf("%s:%d", peer.Name, r.serial)
	k := &connection{conn: c, cfg: &cfg, peer: peer, serial: r.serial}
	r.enter(k)
	c.Data = k
	return k
}

// answered makes the circuit of a session that a peer has asked for, nil when its place was taken meanwhile.
func (d *daemon) answered(call *control.Session, now time.Time) *circuit {
	r := &d.plane.responder
	k := d.connectionOf(call.Conn(), now)
	s, ok := r.find(call.RemoteEndID())
	if k == nil || !ok || !r.mayHave(call.Conn(), s) {
		return nil
	}
	d.evict(s, now)
	c := &circuit{call: call, slot: s, cfg: s.profile.At(s.number)}
	if c.cfg.InterfaceName == "" {
		c.cfg.InterfaceName = config.InterfaceName(k.cfg.Name, c.cfg.Name)
	}
	r.taken[s], call.Data = c, c
	return c
}
