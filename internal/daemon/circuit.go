package daemon

import (
	"bytes"
	"slices"
	"time"

	"go.uber.org/zap"

	"culvert/control"
	"culvert/encap"
	"culvert/forwarder"
	"culvert/internal/config"
	"culvert/pppfsm"
)

// maxEarly bounds the PPP frames that are kept of a peer whose last message of the set-up is still on its way.
const maxEarly = 8

// circuit is a session of a control connection; it is control.Session.Data.
type circuit struct {
	call *control.Session
	cfg  config.Session // as configured, with what was agreed on
	line *line          // that asked for it; nil: the peer did
	slot slot           // of the responder, zero for a line
	s    *session       // in the data plane; nil: not yet
	up   bool           // frames may be sent
	// prepared: what SessionReady asks for was done.
	prepared bool
	// told: the end of its session has been.
	told bool
	// worked: its PPP link had a network up.
	worked bool
	early  [][]byte
	// awaited lets frames through that come before the peer's answer; nil: none can.
	awaited *forwarder.Early
}

// keep stores a frame for when the session is up.
func (k *circuit) keep(frame []byte) {
	if len(k.early) < maxEarly {
		k.early = append(k.early, bytes.Clone(frame))
	}
}

// callFor is what a session is asked for, or answered with. PPP has the number ppp.
func callFor(c *config.Session, ppp control.PseudowireType) control.Call {
	call := control.Call{
		PseudowireType: c.Pseudowire.Type(ppp),
		RemoteEndID:    c.RemoteEndID,
		CookieLen:      c.CookieSize,
		Sublayer:       control.SublayerType(c.Sublayer),
		ForceSublayer:  c.ForceSublayer,
		TieBreaker:     c.TieBreaker,
		Circuit:        control.CircuitUp,
		Outgoing:       c.Outgoing,
	}
	if c.CookieSize == 0 {
		call.CookieLen = -1
	}
	if c.SeqNum {
		call.Sequencing = control.SequencingAll
	}
	return call
}

// callReady makes the receiving side of a session the peer has asked for: its frames may come before it is up. Where we
// have asked, the peer's session id is not known before it is up, or its OCRP has come. The call that an OCRQ wants placed
// is the session's device: it is up as soon as that exists.
func (d *daemon) callReady(a control.SessionReady, now time.Time) {
	k, _ := a.Session.Data.(*circuit)
	if k != nil && k.prepared {
		k.prepared = false
		k.place(now)
		return
	}
	if k != nil && k.s != nil { // a tie was lost, and its id is another one now
		d.removeSessions([]*session{d.release(k, now)})
		if k.line == nil {
			d.plane.responder.taken[k.slot] = k
		}
	}
	if a.Session.Initiator() {
		if k != nil && k.awaited == nil && d.awaits(k) {
			d.fwd.Await([]*forwarder.Early{k.awaited})
		}
		return
	}
	if k == nil {
		if k = d.answered(a.Session, now); k == nil {
			a.Session.Close(now, control.Result{Code: control.CallNoFacilities})
			return
		}
	}
	d.install(k, now)
	k.place(now)
}

// place answers an OCRQ whose call is there.
func (k *circuit) place(now time.Time) {
	if k.s != nil && k.call.State() == control.WaitCSAnswer {
		k.call.CallUp(now)
	}
}

// install gives a circuit its device and its place in the data plane. When that fails the peer is told.
func (d *daemon) install(k *circuit, now time.Time) { d.installAll([]*circuit{k}, now) }

// installAll is install for many: their devices are made together.
func (d *daemon) installAll(all []*circuit, now time.Time) {
	d.removeEnded() // another session may want the name of a device
	sessions := make([]*session, 0, len(all))
	for _, k := range all {
		owner, _ := k.call.Conn().Data.(*connection)
		if owner == nil || owner.t == nil {
			k.call.Close(now, control.Result{Code: control.CallNoFacilities})
			continue
		}
		sessions = append(sessions, k.session(owner.t))
	}
	for i, err := range d.addSessions(sessions) {
		s := sessions[i]
		if err != nil {
			d.refused++
			d.noisyControl.Error("session", zap.String("session", s.fullName()), zap.Error(err))
			s.circuit.call.Close(now, control.Result{
				Code: control.CallError, Error: control.ErrorResources, Text: "no device, see the log of this end",
			})
			continue
		}
		s.circuit.s, s.circuit.awaited = s, nil
	}
}

// session is what a circuit becomes in the data plane.
func (k *circuit) session(t *tunnel) *session {
	p := k.call.Params()
	c := &k.cfg
	c.SID, c.PSID, c.Cookie, c.PeerCookie = p.Local.SessionID, p.Remote.SessionID, p.Remote.Cookie, p.Local.Cookie
	s := &session{cfg: c, tunnel: t, fcfg: sessionConfig(c), circuit: k}
	s.fcfg.SendSublayer, s.fcfg.ExpectSublayer = p.Remote.Sublayer, p.Local.Sublayer
	s.fcfg.Sequence = p.Remote.Sublayer == encap.SublayerDefault &&
		(c.SeqNum || p.RemoteSequencing != control.SequencingNone)
	return s
}

// prepare installs all sessions of which the actions say that they need it, together: devices take their time, and are
// made before the message leaves that lets the peer send. Those whose connection only comes up with them wait.
func (d *daemon) prepare(acts []control.Action, now time.Time) {
	var all []*circuit
	d.await(acts)
	for _, a := range acts {
		var call *control.Session
		switch a := a.(type) {
		case control.SessionUp:
			call = a.Session
		case control.CallAccepted:
			call = a.Session
		case control.SessionReady:
			if call = a.Session; call.Initiator() {
				continue
			}
		default:
			continue
		}
		owner, _ := call.Conn().Data.(*connection)
		if owner == nil || owner.t == nil {
			continue
		}
		k, _ := call.Data.(*circuit)
		_, ready := a.(control.SessionReady)
		if ready && k == nil {
			k = d.answered(call, now)
		}
		if k != nil && k.s == nil && !slices.Contains(all, k) {
			k.prepared = ready
			all = append(all, k)
		}
	}
	if len(all) > 0 {
		d.installAll(all, now)
	}
}

// removeEnded removes the sessions that callDown has left for it: the kernel takes 17 ms for one device, and little more for
// many.
func (d *daemon) removeEnded() {
	if len(d.ended) == 0 {
		return
	}
	all := d.ended
	d.ended = nil
	d.removeSessions(all)
}

// callUp opens a session: PPP begins, Ethernet is usable.
func (d *daemon) callUp(call *control.Session, now time.Time) {
	k, _ := call.Data.(*circuit)
	if k != nil && k.s == nil && call.State() == control.Established {
		d.install(k, now)
	}
	if k == nil || k.s == nil {
		return // it could not be installed, and was closed
	}
	s := k.s
	k.up = true
	d.noisyControl.Info("session up", zap.String("session", s.fullName()), zap.String("interface", s.cfg.InterfaceName))
	if s.ppp == nil {
		k.worked = true
		d.circuitChanged(call)
		return
	}
	d.openPPP(s, now)
	for _, b := range k.early {
		s.ppp.link.Input(now, b)
		d.settle(s, now)
	}
	k.early = nil
}

// circuitChanged lets an Ethernet pseudowire be usable while the peer's circuit is. PPP notices by itself.
func (d *daemon) circuitChanged(call *control.Session) {
	k, _ := call.Data.(*circuit)
	if k == nil || k.s == nil || k.s.ppp != nil || !k.up {
		return
	}
	if call.PeerCircuit()&control.CircuitUp != 0 {
		d.openEthernet(k.s)
		return
	}
	k.s.up = false
	k.s.fwd.SetLink(k.s.linkState())
	d.carrier(k.s)
	d.tellDown(k.s, "the peer's circuit is down")
}

// callDown takes away what a session had.
func (d *daemon) callDown(a control.SessionDown, now time.Time) {
	k, _ := a.Session.Data.(*circuit)
	if k == nil {
		return
	}
	d.noisyControl.Info("session down", zap.String("session", k.fullName()), zap.Stringer("reason", a.Reason))
	s := d.release(k, now)
	d.tellCallDown(k, s, a.Reason.String())
	if s != nil {
		d.ended = append(d.ended, s)
	}
	if k.line != nil {
		k.line.ended(d, k, a.Reason.String(), now)
	}
}

// release ends a circuit's PPP link and gives back what it holds, but for its session, which is returned for
// removeSessions; nil when it has none.
func (d *daemon) release(k *circuit, now time.Time) *session {
	d.plane.responder.leave(k)
	if k.awaited != nil {
		d.fwd.Forget([]*forwarder.Early{k.awaited})
		k.awaited = nil
	}
	s := k.s
	k.s, k.up, k.early = nil, false, nil
	if s == nil {
		return nil
	}
	if s.ppp != nil {
		k.worked = k.worked || s.ppp.worked
		s.gone = true // what the link wants to send goes nowhere
		s.ppp.link.Down(now)
		d.settle(s, now)
	}
	return s
}

// circuitFinished ends a session whose PPP link has: who wants it back asks for it again.
func (d *daemon) circuitFinished(s *session, a pppfsm.Finished, now time.Time) {
	k, p := s.circuit, s.ppp
	k.worked = k.worked || p.worked
	if p.closing || s.gone {
		return
	}
	k.call.Close(now, control.Result{Code: control.CallAdministrative, Text: a.Reason})
}

// fullName is the session's name in the API and in logs.
func (k *circuit) fullName() string {
	if owner, ok := k.call.Conn().Data.(*connection); ok {
		return owner.cfg.Name + "/" + k.cfg.Name
	}
	return k.cfg.Name
}
