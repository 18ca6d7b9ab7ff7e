package daemon

import (
	"encoding/binary"

	"culvert/encap"
	"culvert/internal/diagnose"
	"culvert/pppfsm"
)

// probeSizes are sizes of outer packets that paths are known to end at, beside what we believe: PPPoE, IPsec, tunnels,
// IPv6's minimum.
var probeSizes = []int{1492, 1472, 1450, 1420, 1400, 1380, 1340, 1300, 1280, 1000, 600}

// probeMost is the largest probe: no path but a host's own holds more than a jumbo frame.
const probeMost = 9216

// probeID is the Identifier of the first Echo-Request that probes; the keepalive has its own, and takes no notice of
// replies that it does not wait for.
const probeID = 0xa0

// probes makes Echo-Requests of LCP (RFC 1661 section 5.8) that fill outer packets of such sizes, the largest first, for a
// peer that has to answer them as they are. Only what fits the path that we believe in leaves with DF.
func (s *session) probes() (all []diagnose.Probe, frames [][]byte) {
	if s.ppp == nil {
		return nil, nil
	}
	st := s.ppp.link.Status()
	if st.LCP != pppfsm.Opened {
		return nil, nil
	}
	below := s.tunnel.cfg.UnderlayOverhead
	most := s.tunnel.fwd.PathMTU() - below
	head := most - s.tunnel.fwd.MTU(*s.fcfg) // of an outer packet before the PPP information field
	for _, outer := range append([]int{most}, probeSizes...) {
		n := outer - head
		if outer > min(most, probeMost) || len(all) > 0 && outer == most || n > min(st.PeerMRU, st.LocalMRU) || n < 8 {
			continue
		}
		id := byte(probeID + len(all))
		frame := encap.AppendPPPHeader(make([]byte, 0, n+4), encap.ProtoLCP, encap.PPPFraming{})
		frame = binary.BigEndian.AppendUint16(append(frame, byte(pppfsm.CodeEchoRequest), id), uint16(n))
		frame = binary.BigEndian.AppendUint32(frame, st.LocalMagic)
		frames = append(frames, append(frame, make([]byte, n-8)...))
		all = append(all, diagnose.Probe{ID: id, Size: outer, MTU: outer + below})
	}
	return all, frames
}

// probe sends probes in the first session of a tunnel that can, and gives its name and what was sent.
func (d *daemon) probe(tunnel string) (session string, all []diagnose.Probe) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tunnels {
		if t.cfg.Name != tunnel || !t.cfg.DF {
			continue // without DF a packet gets through in pieces
		}
		for s := range t.sessions {
			probes, frames := s.probes()
			for _, f := range frames {
				s.fwd.Inject(f)
			}
			if len(frames) > 0 {
				d.fwd.Flush()
				return s.cfg.Name, probes
			}
		}
	}
	return "", nil
}
