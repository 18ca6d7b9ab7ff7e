package config

// maxTemplate bounds the sessions of one template of a dynamic tunnel: unlike those of a session profile, which come when a
// peer asks, all of them exist from the start.
const maxTemplate = 1 << 20

// readSessions reads one table of a tunnel's sessions: a session, or with n one for each number.
func readSessions(p *parser, n *node, t *tunnel) []*session {
	s := readSession(p, n, t)
	v := n.get("n")
	if s.foreign {
		return []*session{s}
	}
	all := &sessionProfile{session: *s, dials: true}
	if v == nil {
		p.checkMarks(all)
		return []*session{s}
	}
	p.numbers(v, all)
	switch {
	case !all.template: // that was reported
		return nil
	case !t.dynamic:
		p.fail(v, "only for a dynamic tunnel, one without tid and ptid")
		return nil
	case all.last-all.first >= maxTemplate:
		p.fail(v, "stands for %d sessions, at most %d are possible", all.last-all.first+1, maxTemplate)
		return nil
	}
	before := len(p.found)
	p.checkMarks(all)
	p.checkNumbered(all)
	if len(p.found) > before {
		return nil
	}
	return all.expand()
}

// expand gives the sessions of a template.
func (s *sessionProfile) expand() []*session {
	t := SessionProfile{Session: s.Session, Template: true, First: s.first, Last: s.last, Steps: s.steps}
	all := make([]*session, 0, s.last-s.first+1)
	for n := s.first; n <= s.last; n++ {
		all = append(all, &session{Session: t.At(n), n: s.n, profile: s.profile, device: s.device})
	}
	return all
}
