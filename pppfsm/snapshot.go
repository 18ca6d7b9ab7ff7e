package pppfsm

import (
	"culvert/snapshot"
)

// Snapshot walks over all that the link is but its Config, to write it or to
// read it into a link of the same Config that NewLinkOf has just made. It holds
// whatever phase the link is in; nothing may be waiting for Take. A verdict
// that the owner still owed is asked for anew: the peer has to repeat itself.
// With PAP under way the password is part of it.
func (l *Link) Snapshot(c *snapshot.Codec) {
	if c.Reading() {
		l.now = momentOf(c.Now())
	}
	l.lcp.snapshot(c)
	l.ipcp.snapshot(c)
	l.ipv6cp.snapshot(c)
	l.snapshotAuth(c)
	snapshot.Int(c, &l.asked)
	if l.activity != nil { // by the configuration
		l.activity.snapshot(c)
	}
	snapshot.Limited(c, &l.phase, PhaseTerminate, "a phase")
	c.Bools(&l.bare, &l.framing.NoAddressControl, &l.framing.CompressProtocol)
	l.count.snapshot(c)
	if c.Reading() && l.auth != nil && (l.cfg.Auth == nil || l.auth.client.state == clientSent && l.auth.client.proof == nil) {
		c.Failf("authentication that cannot be under way")
	}
}

func (m *machine) snapshot(c *snapshot.Codec) {
	snapshot.Limited(c, &m.state, Opened, "a state")
	c.Bools(&m.silent, &m.passive, &m.asked, &m.pending, &m.gaveUp)
	c.Fixed(m.sent[:])
	snapshot.Limited(c, &m.sentLen, maxRequest, "the length of a request")
	for _, p := range []*uint8{&m.lastID, &m.reqID, &m.termID, &m.nakID} {
		snapshot.Int(c, p)
	}
	for _, p := range []*uint16{&m.sentCodes, &m.counter, &m.failures, &m.naks} {
		snapshot.Int(c, p)
	}
	when(c, &m.deadline)
	c.String(&m.reason)
}

func (c *lcp) snapshot(s *snapshot.Codec) {
	c.machine.snapshot(s)
	snapshot.Int(s, &c.magic)
	snapshot.Int(s, &c.mru)
	s.Bools(&c.acfc, &c.pfc, &c.unwilling, &c.theirs.acfc, &c.theirs.pfc)
	snapshot.Limited(s, &c.auth, AuthMSCHAPv2, "a method")
	snapshot.Int(s, &c.tried)
	snapshot.Int(s, &c.nakMagic)
	snapshot.Int(s, &c.collisions)
	snapshot.Int(s, &c.theirs.magic)
	snapshot.Int(s, &c.theirs.mru)
	snapshot.Limited(s, &c.theirs.auth, AuthMSCHAPv2, "a method")
	when(s, &c.echoAt)
	when(s, &c.echoSent)
	snapshot.Int(s, &c.echoID)
	snapshot.Int(s, &c.echoMissed)
	for i := range c.history {
		snapshot.Int(s, &c.history[i])
	}
}

func (c *ipcp) snapshot(s *snapshot.Codec) {
	c.machine.snapshot(s)
	s.Fixed(c.local[:])
	s.Fixed(c.peer[:])
	s.Fixed(c.assigned[:])
	for i := range c.servers {
		s.Fixed(c.servers[i][:])
	}
	snapshot.Int(s, &c.want)
	s.Bools(&c.sendAddress, &c.refused, &c.announced)
}

func (c *ipv6cp) snapshot(s *snapshot.Codec) {
	c.machine.snapshot(s)
	s.Fixed(c.id[:])
	s.Fixed(c.peer[:])
	s.Fixed(c.nakID[:])
	s.Bools(&c.sendID, &c.announced)
}

// snapshotAuth leaves out that the owner is asked for a verdict: who reads it
// waits for the peer.
func (l *Link) snapshotAuth(c *snapshot.Codec) {
	a := l.auth
	if a != nil && a.server.state == serverAsking {
		waits := *a
		a, waits.server.state, waits.server.deadline = &waits, serverWaiting, momentOf(c.Now()).Add(l.cfg.Auth.chapRestart())
		if waits.server.method == AuthPAP {
			waits.server.deadline = momentOf(c.Now()).Add(l.cfg.Auth.papTimeout())
		}
	}
	snapshot.Maybe(c, &a, func(a *auth) { a.snapshot(c) })
	if c.Reading() {
		l.auth = a
	}
}

func (a *auth) snapshot(c *snapshot.Codec) {
	s := &a.server
	snapshot.Limited(c, &s.method, AuthMSCHAPv2, "a method")
	snapshot.Limited(c, &s.state, serverDone, "a state of authentication")
	if s.state == serverAsking {
		c.Failf("a verdict is under way")
	}
	c.Bools(&s.proven, &s.told)
	snapshot.Int(c, &s.id)
	snapshot.Int(c, &s.sends)
	snapshot.Int(c, &s.request)
	when(c, &s.deadline)
	c.Fixed(s.value[:])
	c.String(&s.name)
	c.String(&s.message)
	p := &a.client
	snapshot.Limited(c, &p.method, AuthMSCHAPv2, "a method")
	snapshot.Limited(c, &p.state, clientDone, "a state of authentication")
	c.Bool(&p.proven)
	snapshot.Int(c, &p.id)
	snapshot.Int(c, &p.first)
	snapshot.Int(c, &p.sends)
	when(c, &p.deadline)
	c.String(&p.name)
	snapshot.Int(c, &p.seen)
	snapshot.Maybe(c, &p.proof, func(x *sentProof) {
		c.Blob(&x.data)
		c.String(&x.verify)
	})
}

func (a *activity) snapshot(c *snapshot.Codec) {
	for _, p := range []*uint64{&a.received, &a.passed, &a.echoSeen, &a.idleSeen} {
		snapshot.Int(c, p)
	}
	when(c, &a.idleSince)
	when(c, &a.idleAt)
	when(c, &a.endAt)
	c.Bool(&a.idle)
}

func (n *Counters) snapshot(c *snapshot.Codec) {
	for _, p := range []*uint32{
		&n.FramesIn, &n.FramesOut, &n.Malformed, &n.Discarded, &n.Ignored, &n.Illegal, &n.Overflows,
		&n.ProtocolRejectsIn, &n.ProtocolRejectsOut, &n.CodeRejectsIn, &n.CodeRejectsOut,
		&n.EchoRequestsOut, &n.EchoRepliesIn, &n.EchoRequestsIn, &n.Loops, &n.Identifications,
	} {
		snapshot.Int(c, p)
	}
}

func when(c *snapshot.Codec, p *moment) {
	t := p.Time()
	c.Time(&t)
	if !c.Reading() || c.Err() != nil {
		return
	}
	if *p = momentOf(t); !p.Time().Equal(t) {
		c.Failf("a time is out of range")
	}
}
