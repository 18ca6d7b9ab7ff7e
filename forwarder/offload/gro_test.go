package offload

import (
	"bytes"

	"culvert/encap"
)

// naiveGRO is the rules of doc.go over descriptions instead of bytes: what must be delivered, in which order, as lists
// of the numbers of packets.
type naiveGRO struct {
	limit int
	open  []*naiveFlow
	out   [][]int
}

type naiveFlow struct {
	target  int
	packets []spec
	numbers []int
}

func (s spec) hidden() bool {
	return !s.ipv6 && (len(s.ipOpts) > 0 || s.mf || s.evil || s.offset != 0) || s.ipv6 && len(s.ext) > 0
}

func (s spec) never() bool {
	if s.padding > 0 || len(s.payload) == 0 || s.noSum {
		return true
	}
	return s.tcp && s.flags&(encap.TCPSyn|encap.TCPRst|encap.TCPUrg) != 0
}

func (s spec) bad() bool { return s.badSum || s.badIP && !s.ipv6 }

func (s spec) merge() Merge {
	switch {
	case s.tcp && s.ipv6:
		return MergeTCP6
	case s.tcp:
		return MergeTCP4
	case s.ipv6:
		return MergeUDP6
	}
	return MergeUDP4
}

func (s spec) samePair(t spec) bool { return s.ipv6 == t.ipv6 && s.src == t.src && s.dst == t.dst }

func (s spec) sameFlow(t spec) bool {
	return s.samePair(t) && s.tcp == t.tcp && s.sport == t.sport && s.dport == t.dport
}

func (g *naiveGRO) add(target int, m Merge, s spec, number int) {
	hiddenV6 := s.ipv6 && s.hidden() && m&(MergeTCP6|MergeUDP6) != 0
	switch {
	case m&s.merge() == 0 && !hiddenV6:
		g.out = append(g.out, []int{number})
		return
	case s.hidden():
		g.flush(func(f *naiveFlow) bool { return f.target == target && f.packets[0].samePair(s) })
		g.out = append(g.out, []int{number})
		return
	}
	var f *naiveFlow
	for _, o := range g.open {
		if o.target == target && o.packets[0].sameFlow(s) {
			f = o
		}
	}
	same := func(o *naiveFlow) bool { return o == f }
	if s.never() {
		g.flush(same)
		g.out = append(g.out, []int{number})
		return
	}
	if f != nil && f.fits(s) {
		headBad := len(f.packets) == 1 && f.packets[0].bad()
		switch {
		case headBad:
			g.flush(same)
		case s.bad():
			g.flush(same)
			g.out = append(g.out, []int{number})
			return
		default:
			f.packets, f.numbers = append(f.packets, s), append(f.numbers, number)
			if f.ends(s) {
				g.flush(same)
			}
			return
		}
	} else if f != nil {
		g.flush(same)
	}
	if s.tcp && s.flags&(encap.TCPPsh|encap.TCPFin) != 0 {
		g.out = append(g.out, []int{number})
		return
	}
	if len(g.open) == g.limit {
		oldest := g.open[0]
		g.flush(func(o *naiveFlow) bool { return o == oldest })
	}
	g.open = append(g.open, &naiveFlow{target: target, packets: []spec{s}, numbers: []int{number}})
}

func (f *naiveFlow) total() (n int) {
	n = f.packets[0].headers() - len(f.packets[0].link)
	for _, p := range f.packets {
		n += len(p.payload)
	}
	return n
}

func (f *naiveFlow) ends(s spec) bool {
	return len(s.payload) < len(f.packets[0].payload) || s.tcp && s.flags&(encap.TCPPsh|encap.TCPFin) != 0 ||
		!s.tcp && len(f.packets) == 64
}

func (f *naiveFlow) fits(s spec) bool {
	h := f.packets[0]
	if len(s.payload) > len(h.payload) || f.total()+len(s.payload) > 65535 || !bytes.Equal(s.link, h.link) ||
		s.tos != h.tos || s.ttl != h.ttl {
		return false
	}
	if s.ipv6 {
		if s.label != h.label {
			return false
		}
	} else {
		if s.df != h.df {
			return false
		}
		counting := s.id == h.id+uint16(len(f.packets))
		still := s.id == h.id && s.df
		for i, p := range f.packets {
			counting = counting && p.id == h.id+uint16(i)
			still = still && p.id == h.id
		}
		if !counting && !still {
			return false
		}
	}
	if !s.tcp {
		return true
	}
	seq := h.seq
	for _, p := range f.packets {
		seq += uint32(len(p.payload))
	}
	const free = encap.TCPFin | encap.TCPPsh | encap.TCPCwr
	return s.seq == seq && s.ack == h.ack && s.window == h.window && s.urgent == h.urgent && bytes.Equal(s.opts, h.opts) &&
		s.flags&^free == h.flags&^free && s.flags&encap.TCPCwr == 0
}

func (g *naiveGRO) flush(which func(*naiveFlow) bool) {
	var keep []*naiveFlow
	for _, f := range g.open {
		if which(f) {
			g.out = append(g.out, f.numbers)
		} else {
			keep = append(keep, f)
		}
	}
	g.open = keep
}
