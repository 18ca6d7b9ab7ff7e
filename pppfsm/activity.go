package pppfsm

import "time"

// What the peer is told in the Terminate-Request, in pppd's words.
const (
	idleReason    = "Link inactive"
	sessionReason = "Connect time expired"
)

// idleLooks is how often idleness is looked at within Config.IdleTimeout.
const idleLooks = 16

// activity follows the data that passes a link: nobody tells a Link about
// packets, but its owner about their number. It is nil where the configuration
// asks for nothing that needs it.
type activity struct {
	// received and passed are the data packets from the peer, and those in
	// both directions, as Traffic told last.
	received, passed uint64
	// echoSeen is received when an Echo-Request was due last, idleSeen is
	// passed when idleness was looked at last.
	echoSeen, idleSeen uint64
	// idleSince is when a look found new data last, idleAt when the next
	// is due, endAt when the session timeout is; zero: not running.
	idleSince, idleAt, endAt moment
	// idle says that the link ends for idleness.
	idle bool
}

// Traffic tells how many data packets the data path has received from the peer
// and sent to it so far; only whether the numbers grow matters. Call it
// before Tick when Config.EchoAdaptive or Config.IdleTimeout are set.
func (l *Link) Traffic(received, sent uint64) {
	if l.activity != nil {
		l.received, l.passed = received, received+sent
	}
}

func newActivity(c *Config) *activity {
	if !c.EchoAdaptive && c.IdleTimeout <= 0 && c.SessionTimeout <= 0 {
		return nil
	}
	return &activity{}
}

// watch starts the timeouts when the first network protocol comes up.
func (l *Link) watch() {
	if t := l.cfg.SessionTimeout; t > 0 && l.endAt.IsZero() {
		l.endAt = l.now.Add(t)
	}
	if l.cfg.IdleTimeout > 0 && l.idleAt.IsZero() {
		l.busy()
	}
}

// busy says that data passed just now.
func (l *Link) busy() {
	l.idleSeen, l.idleSince = l.passed, l.now
	l.look()
}

// look sets when to look at the traffic next: soon, but not after the timeout.
func (l *Link) look() {
	t := l.cfg.IdleTimeout
	end := l.idleSince.Add(t)
	if l.idleAt = l.now.Add(max(t/idleLooks, time.Second)); l.idleAt.After(end) {
		l.idleAt = end
	}
}

// stop ends the timeouts with the Network phase.
func (a *activity) stop() {
	if a != nil {
		a.idleAt, a.endAt = 0, 0
	}
}

// quiet says whether the peer sent no data since it was asked last.
func (a *activity) quiet() bool {
	quiet := a.received <= a.echoSeen
	a.echoSeen = max(a.received, a.echoSeen)
	return quiet
}

// tickActivity looks at the traffic when that is due, and ends a link that was
// idle or up for too long.
func (l *Link) tickActivity() {
	switch {
	case l.activity == nil:
	case !l.endAt.IsZero() && !l.now.Before(l.endAt):
		l.lcp.closeFor(sessionReason)
	case l.idleAt.IsZero() || l.now.Before(l.idleAt):
	case l.passed > l.idleSeen:
		l.busy()
	case l.now.Sub(l.idleSince) >= l.cfg.IdleTimeout:
		l.activity.idle = true
		l.lcp.closeFor(idleReason)
	default:
		l.look()
	}
}
