package top

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"culvert/client"
	"culvert/internal/human"
)

// detail is one session that is looked at.
type detail struct {
	name     string
	items    []item // the session's, with its rates: one after the first answer
	session  client.Session
	at       time.Time
	err      error
	offset   int // first line on the screen
	underway bool
}

func (d *detail) take(msg detailMsg) {
	d.underway = false
	if d.err = msg.err; msg.err != nil {
		return
	}
	now := []item{sessionItem(&msg.session)}
	if !d.at.IsZero() {
		join(d.items, now, msg.at.Sub(d.at), throughput)
	}
	d.items, d.session, d.at = now, msg.session, msg.at
}

// detailLines are those on the screen.
func (m *Model) detailLines() []string {
	d := m.detail
	lines := []string{bold + "Session " + human.Printable(d.name) + plain}
	if d.err != nil {
		lines = append(lines, reverse+human.Printable(d.err.Error())+plain)
	}
	if len(d.items) == 0 {
		return lines
	}
	all := d.lines(m.blocks)
	d.offset = max(0, min(d.offset, len(all)-m.rows()))
	return append(lines, all[d.offset:]...)
}

// lines are all there is to say; texts of peers are made printable here, once.
func (d *detail) lines(blocks string) []string {
	var lines []string
	add := func(name, value string) {
		lines = append(lines, fmt.Sprintf("%-12s %s", name, cmp.Or(human.Printable(value), "-")))
	}
	s, v := &d.session, &d.items[0]
	add("State", s.State)
	if s.Reason != "" {
		add("Ended", s.Reason)
	}
	add("Type", s.Pseudowire)
	add("Interface", fmt.Sprintf("%s, MTU %d, worker %d", s.Interface, s.MTU, s.Worker))
	add("Session ID", fmt.Sprintf("%d, peer's %d", s.SID, s.PSID))
	add("Received", d.direction(s.RxBytes, s.RxPackets, rxBytes, rxPackets))
	add("Sent", d.direction(s.TxBytes, s.TxPackets, txBytes, txPackets))
	add("RX+TX", strings.TrimSpace(sparkline(v.hist[:], len(v.hist), blocks)))
	for _, reason := range slices.Sorted(maps.Keys(s.Drops)) {
		add("Dropped", fmt.Sprintf("%d %s", s.Drops[reason], reason))
	}
	if s.PPP != nil {
		pppLines(add, s.PPP)
	}
	if s.Link != nil {
		linkLines(add, s.Link)
	}
	return lines
}

func (d *detail) direction(bytes, packets uint64, b, p int) string {
	totals := fmt.Sprintf("%d packets, %d bytes", packets, bytes)
	v := &d.items[0]
	if !v.known {
		return totals
	}
	return fmt.Sprintf("%6sbit/s %6spkt/s   %s", bits(float64(v.rate[b])), number(float64(v.rate[p])), totals)
}

func pppLines(add func(name, value string), p *client.PPP) {
	add("User", p.PeerName)
	add("LCP", fmt.Sprintf("%s, MRU %d, peer's %d", p.LCP, p.LocalMRU, p.PeerMRU))
	add("IPCP", fmt.Sprintf("%s, %s, peer %s", p.IPCP, cmp.Or(p.LocalAddress, "-"), cmp.Or(p.PeerAddress, "-")))
	add("IPV6CP", fmt.Sprintf("%s, %s, peer %s", p.IPv6CP, cmp.Or(p.LocalID, "-"), cmp.Or(p.PeerID, "-")))
	for _, r := range []string{p.Reason, p.IPCPReason, p.IPv6CPReason} {
		if r != "" {
			add("Ended", r)
		}
	}
}

func linkLines(add func(name, value string), l *client.Link) {
	add("Phase", fmt.Sprintf("%s, connected %v, %d failed attempts", l.Phase, time.Duration(l.Seconds)*time.Second, l.Failures))
	if e := l.Echo; e != nil {
		add("Echo", fmt.Sprintf("%d sent, %d lost; ms: last %.3f  min %.3f  mean %.3f  max %.3f",
			e.Sent, e.Lost, e.RTTLast, e.RTTMin, e.RTTMean, e.RTTMax))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Counters)) {
		add("Counter", fmt.Sprintf("%d %s", l.Counters[name], name))
	}
}
