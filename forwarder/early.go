package forwarder

import (
	"net/netip"

	"culvert/encap"
)

// maxEarlyFrames is how many frames of one Early get through. A peer that begins with LCP has sent no more by then.
const maxEarlyFrames = 8

// Early lets the first PPP frames of a session through to the control side whose peer may send already, while where to send
// is not known yet: our request (ICRQ) has told it our Session ID and cookie, and data overtakes its answer.
type Early struct {
	// Owner is the control side's.
	Owner any

	tunnel *Tunnel
	expect encap.DataHeader
	left   int // inbound loop
}

// NewEarly describes the frames that are waited for: LocalID, ExpectCookie and ExpectSublayer of cfg are looked at.
func NewEarly(t *Tunnel, cfg SessionConfig, owner any) *Early {
	return &Early{Owner: owner, tunnel: t, expect: t.expect(cfg), left: maxEarlyFrames}
}

// Await waits for frames from its return on: each comes as an EventEarly. Adding the session ends that, and so does Forget.
func (f *Forwarder) Await(all []*Early) { f.eachEarly(all, (*inbound).await) }

// Forget waits no more.
func (f *Forwarder) Forget(all []*Early) { f.eachEarly(all, (*inbound).forgetEarly) }

// eachEarly has the loops do something about those that are theirs.
func (f *Forwarder) eachEarly(all []*Early, do func(*inbound, *Early)) {
	byWorker := make([][]*Early, len(f.workers))
	for _, e := range all {
		w := f.owner(e.expect.SessionID).id
		byWorker[w] = append(byWorker[w], e)
	}
	for i, mine := range byWorker {
		if in := f.workers[i].in; len(mine) > 0 {
			in.call(func() {
				for _, e := range mine {
					do(in, e)
				}
			})
		}
	}
}

func (in *inbound) await(e *Early) {
	id := e.expect.SessionID
	if l := e.tunnel.l; l.tables[in.id][id] == nil { // else it came first
		l.early[in.id][id] = e
	}
}

func (in *inbound) forgetEarly(e *Early) {
	if all := e.tunnel.l.early[in.id]; all[e.expect.SessionID] == e {
		delete(all, e.expect.SessionID)
	}
}

// early looks at a packet of a session that is not there yet.
func (in *inbound) early(e *Early, b []byte, from netip.AddrPort) {
	if from != e.tunnel.peer {
		in.drop(nil, DropSource)
		return
	}
	body := encap.IPData(b).Body
	if e.expect.Transport == encap.TransportUDP {
		body = encap.UDPData(b).Body
	}
	_, frame, err := e.expect.Split(body())
	if err != nil {
		in.drop(nil, splitDrop(err))
		return
	}
	switch proto, _, _, err := encap.ParsePPP(frame); {
	case err != nil:
		in.drop(nil, DropPPPProtocol)
	case proto == encap.ProtoIPv4 || proto == encap.ProtoIPv6:
		in.drop(nil, DropNotOpen)
	case e.left == 0 || !in.f.copyFrame(Event{Kind: EventEarly, Early: e}, frame):
		in.drop(nil, DropPunt)
	default:
		e.left--
		in.stats.control.Add(1)
	}
}
