package pppfsm

// demand is the method the peer must prove itself with: the suggested one if
// we know and want it, else the first of Config.Auth.Require that the peer has
// not refused; AuthNone when there is none left.
func (c *lcp) demand(suggested AuthMethod) AuthMethod {
	if c.link.cfg.Auth == nil {
		return AuthNone
	}
	first := AuthNone
	for _, m := range c.link.cfg.Auth.Require {
		switch {
		case c.tried.has(m):
		case m == suggested:
			return m
		case first == AuthNone:
			first = m
		}
	}
	return first
}

// nakedAuth goes on to another method (RFC 1661 §6.2). Each is tried once, so
// that the negotiation ends.
func (c *lcp) nakedAuth(suggested AuthMethod) {
	c.tried |= 1 << c.auth
	if next := c.demand(suggested); next != AuthNone {
		c.auth = next
		return
	}
	c.unwilling = true
}

// unwillingReason ends a link whose peer does not prove itself with any method
// we take.
const unwillingReason = "peer refuses to authenticate itself"

// offerAuth judges the peer's demand that we prove ourselves. A method that is
// not for us is nak'd with one that is: with the first in our order, and with
// the next when the peer insists (RFC 1661 §6.2). Without any it is rejected,
// and the peer decides whether that matters.
func (c *lcp) offerAuth(o option, b []byte) ([]byte, verdict) {
	if c.link.cfg.Auth == nil || len(c.link.cfg.Auth.Accept) == 0 {
		return b, verdictReject
	}
	accept := c.link.cfg.Auth.Accept
	if m := authOf(o); m != AuthNone {
		for _, a := range accept {
			if a == m {
				c.theirs.auth = m
				return b, verdictAck
			}
		}
	}
	return appendAuth(b, accept[int(c.failures)%len(accept)]), verdictNak
}
