package daemon

import (
	"fmt"
	"strings"
	"time"

	"culvert/internal/mgmt"
	"culvert/pppfsm"
)

// showLink is all there is to say about a session's PPP link.
func (s *session) showLink(now time.Time) *mgmt.Link {
	p := s.ppp
	st := p.link.Status()
	l := &mgmt.Link{
		Phase:    strings.ToLower(st.Phase.String()),
		Failures: int(p.failures),
		Counters: linkCounters(&st.Counters),

		ScriptsRefused: int(p.scriptsRefused),
	}
	l.RxDataPackets, l.TxDataPackets = s.fwd.Data()
	if st.LCP == pppfsm.Opened {
		l.Seconds = now.Sub(p.opened).Seconds()
		l.LocalOptions = lcpOptions(st.LocalMRU, st.LocalMagic, st.LocalPFC, st.LocalACFC)
		l.PeerOptions = lcpOptions(st.PeerMRU, st.PeerMagic, st.PeerPFC, st.PeerACFC)
	}
	if s.cfg.PPP.Link.EchoInterval > 0 {
		l.Echo = showEcho(p.link.EchoLog())
	}
	return l
}

// lcpOptions names what one side of LCP agreed to, as pppd's log does.
func lcpOptions(mru int, magic uint32, pfc, acfc bool) []string {
	all := []string{fmt.Sprintf("mru %d", mru)}
	if magic != 0 {
		all = append(all, fmt.Sprintf("magic 0x%08x", magic))
	}
	if pfc {
		all = append(all, "pcomp")
	}
	if acfc {
		all = append(all, "accomp")
	}
	return all
}

func showEcho(g pppfsm.EchoLog) *mgmt.Echo {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	e := &mgmt.Echo{
		Sent: g.Sent, Lost: g.Lost,
		RTTLast: ms(g.Last), RTTMin: ms(g.Min), RTTMean: ms(g.Mean), RTTMax: ms(g.Max),
		Recent: make([]float64, len(g.Recent)),
	}
	for i, d := range g.Recent {
		if e.Recent[i] = ms(d); d < 0 {
			e.Recent[i] = -1
		}
	}
	return e
}

// linkCounters names the counters of the automata that are not zero.
func linkCounters(c *pppfsm.Counters) map[string]uint64 {
	all := map[string]uint64{}
	for _, n := range []struct {
		name  string
		count uint32
	}{
		{"frames_in", c.FramesIn},
		{"frames_out", c.FramesOut},
		{"malformed", c.Malformed},
		{"discarded", c.Discarded},
		{"ignored", c.Ignored},
		{"illegal", c.Illegal},
		{"overflows", c.Overflows},
		{"protocol_rejects_in", c.ProtocolRejectsIn},
		{"protocol_rejects_out", c.ProtocolRejectsOut},
		{"code_rejects_in", c.CodeRejectsIn},
		{"code_rejects_out", c.CodeRejectsOut},
		{"echo_requests_in", c.EchoRequestsIn},
		{"echo_requests_out", c.EchoRequestsOut},
		{"echo_replies_in", c.EchoRepliesIn},
		{"loops", c.Loops},
		{"identifications", c.Identifications},
	} {
		if n.count > 0 {
			all[n.name] = uint64(n.count)
		}
	}
	return all
}
