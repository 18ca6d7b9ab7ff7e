package daemon

import (
	"time"

	"culvert/control"
	"culvert/forwarder"
	"culvert/internal/config"
)

// await lets the first PPP frames through of sessions that are asked for by the messages which are about to leave. A peer may
// begin with LCP as soon as it has our Session ID, and its frame may come before its answer. Sessions whose connection only
// comes up with them wait for callReady.
func (d *daemon) await(acts []control.Action) {
	var all []*forwarder.Early
	for _, a := range acts {
		if ready, ok := a.(control.SessionReady); ok && ready.Session.Initiator() {
			if k, _ := ready.Session.Data.(*circuit); k != nil && d.awaits(k) {
				all = append(all, k.awaited)
			}
		}
	}
	if len(all) > 0 {
		d.fwd.Await(all)
	}
}

// awaits makes the circuit ready for early frames, and tells whether it can have any.
func (d *daemon) awaits(k *circuit) bool {
	owner, _ := k.call.Conn().Data.(*connection)
	if k.s != nil || k.cfg.Pseudowire != config.PseudowirePPP || owner == nil || owner.t == nil {
		return false
	}
	if k.awaited != nil { // a tie was lost, and its id is another one now
		d.fwd.Forget([]*forwarder.Early{k.awaited})
	}
	p := k.call.Params().Local
	k.awaited = forwarder.NewEarly(owner.t.fwd, forwarder.SessionConfig{
		LocalID: p.SessionID, ExpectCookie: p.Cookie, ExpectSublayer: p.Sublayer,
	}, k)
	return true
}

// earlyFrame takes a frame of a session that was awaited, and may be up by now.
func (d *daemon) earlyFrame(e *forwarder.Early, b []byte, now time.Time) {
	k, ok := e.Owner.(*circuit)
	switch {
	case !ok:
	case k.s != nil && k.s.ppp != nil:
		d.frame(k.s, b, now)
	case k.awaited == e:
		k.keep(b)
	}
}
