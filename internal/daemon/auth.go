package daemon

import (
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"culvert/internal/auth"
	"culvert/pppfsm"
)

// A refused peer waits for its answer, and longer each time: nobody tries many passwords in a short while.
const (
	penaltyFirst = time.Second
	penaltyMost  = 8 * time.Second
)

// login is what is going on between a session and its Authenticator: at most one request at a time. It exists from
// a request on until a peer was let in.
type login struct {
	// asking says that the Authenticator has a request.
	asking bool
	// waiting is the request that comes next: the link has begun again since the last one. nil: none.
	waiting *pppfsm.AuthRequest
	// refused is the answer held back until the penalty is over, for the request id; zero until: none is.
	until   time.Time
	id      uint32
	refused pppfsm.AuthAnswer
	// failures counts refusals in a row.
	failures int
}

// verdict is an answer on its way back to the control loop.
type verdict struct {
	s *session
	// id and name are those of the request.
	id   uint32
	name string
	v    auth.Verdict
}

// authenticate has the Authenticator judge a peer, now or when it is its turn.
func (d *daemon) authenticate(s *session, a pppfsm.AuthRequest) {
	p := s.ppp
	if p.login == nil {
		p.login = &login{}
	}
	l := p.login
	if l.asking || !l.until.IsZero() {
		l.waiting = &a
		return
	}
	l.asking, l.waiting = true, nil
	r := auth.Request{AuthRequest: a, Session: s.fullName()}
	var once sync.Once
	s.cfg.PPP.Authenticator.Authenticate(r, func(v auth.Verdict) {
		once.Do(func() { d.verdicts.put(verdict{s, a.ID, a.Name, v}) })
	})
}

// judged takes the answers that have come.
func (d *daemon) judged(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.verdicts.take() {
		d.judge(v, now)
	}
	d.due(now)
}

func (d *daemon) judge(j verdict, now time.Time) {
	s, l := j.s, j.s.ppp.login
	if s.gone {
		return
	}
	l.asking = false
	if !j.v.Accepted {
		d.noisyPPP.Warn("peer refused", zap.String("session", s.fullName()), zap.String("name", j.name),
			remedy("compare name and secret at both ends: secrets_file or peer_user and peer_password here, user and password there"))
		l.failures++
		l.id, l.refused = j.id, j.v.AuthAnswer
		l.until = now.Add(min(penaltyFirst<<min(l.failures-1, 10), penaltyMost))
		d.settle(s, now)
		return
	}
	if l.waiting != nil { // the link asks anew, and this answer is for nobody
		l.failures = 0
		d.nextLogin(s, now)
		return
	}
	s.ppp.login, s.ppp.allowed = nil, new(j.v.Addresses)
	if j.v.Addresses.Equal(auth.AnyAddress()) {
		s.ppp.allowed = nil
	}
	s.ppp.link.AuthResult(now, j.id, j.v.AuthAnswer)
	d.settle(s, now)
}

// nextLogin asks for the request that waits, and carries out what the link wants.
func (d *daemon) nextLogin(s *session, now time.Time) {
	if w := s.ppp.login.waiting; w != nil {
		d.authenticate(s, *w)
	}
	d.settle(s, now)
}

// tickLogin gives the refusal that is due.
func (d *daemon) tickLogin(s *session, now time.Time) {
	l := s.ppp.login
	if l == nil || l.until.IsZero() || now.Before(l.until) {
		return
	}
	l.until = time.Time{}
	s.ppp.link.AuthResult(now, l.id, l.refused)
	d.nextLogin(s, now)
}

// may tells whether the peer's secret allows it an address.
func (p *ppp) may(a netip.Addr) bool { return p.allowed == nil || p.allowed.Allows(a) }

// onlyAddress is the one address that the peer's secret allows it, if it is one.
func (p *ppp) onlyAddress() (netip.Addr, bool) {
	if p.allowed == nil {
		return netip.Addr{}, false
	}
	return p.allowed.Only()
}

// logOpened says who is at the other end.
func (d *daemon) logOpened(s *session) {
	st := s.ppp.link.Status()
	if st.PeerAuth != pppfsm.AuthNone {
		d.noisyPPP.Info("peer authenticated", zap.String("session", s.fullName()), zap.String("name", st.PeerName),
			zap.Stringer("method", st.PeerAuth))
	}
	if st.LocalAuth != pppfsm.AuthNone {
		d.noisyPPP.Info("authenticated to the peer", zap.String("session", s.fullName()), zap.String("name", st.LocalName),
			zap.Stringer("method", st.LocalAuth))
	}
}
