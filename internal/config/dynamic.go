package config

import (
	"math"
	"os"
	"slices"

	"culvert/control"
	"culvert/encap"
)

const (
	// minSecret is the length in bytes under which a shared secret is worth a warning.
	minSecret = 8
	// maxAVPText is the longest text of an AVP that we send.
	maxAVPText = 255
	// fallbackHostName is sent where this host has no name: the Host Name AVP must not be empty (RFC 3931 section 5.4.3).
	fallbackHostName = "culvert"
)

// peering is what the keys of the control protocol say, in [tunnel.NAME] and [peer.NAME].
type peering struct {
	profile control.Profile
	digest  *node // the key, nil: not there
	empty   *node // secret = "", nil: there is another one or none

	pseudowires []Pseudowire           // that may be asked for; nil: all
	pppType     control.PseudowireType // number of PPP
}

var digests = map[string]control.DigestMode{
	"auto": control.DigestAuto, "off": control.DigestOff, "md5": control.DigestModeMD5, "sha1": control.DigestModeSHA1,
}

// sharedSecrets reads one secret, which may be empty, or two of which one replaces the other. Their values stay out of
// errors.
func (p *parser) sharedSecrets(v *node, c *peering) {
	all := []*node{v}
	if v.kind == kindArray {
		all = nil
		p.each(v, kindString, func(e *node) { all = append(all, e) })
	} else if !p.is(v, kindString) {
		return
	}
	if v.kind == kindString && v.text == "" {
		c.empty = v // see checkSecrets
		return
	}
	if len(all) == 0 || len(all) > 2 {
		p.fail(v, "must be one secret or two, not %d", len(all))
		return
	}
	for _, e := range all {
		switch {
		case e.text == "":
			p.fail(v, "must not be empty")
			return
		case len(e.text) < minSecret:
			p.warn(v, "a secret of less than %d bytes can be guessed", minSecret)
		}
		c.profile.Secrets = append(c.profile.Secrets, []byte(e.text))
	}
}

func (p *parser) hostName(v *node, to *string) {
	if p.text(v, to) && len(*to) > maxAVPText {
		p.fail(v, "must have at most %d bytes", maxAVPText)
		*to = ""
	}
}

// checkPeering fills in defaults, and reports what contradicts itself at the table n.
func (p *parser) checkPeering(n *node, c *peering) {
	f := &c.profile
	c.offer()
	if f.HostName == "" {
		f.HostName = ourHostName()
	}
	if p.checkSecrets(n, c) {
		if err := f.Check(); err != nil {
			p.fail(n, "%v", err)
		}
	}
}

// ourHostName is this host's name, as far as an AVP takes it.
func ourHostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" || len(name) > maxAVPText {
		return fallbackHostName
	}
	return name
}

func (t *tunnel) isDynamic() bool { return t.n.get("tid") == nil && t.n.get("ptid") == nil }

// dynamicTunnel completes a tunnel without tid and ptid, and refuses what only such a one has in others.
func (p *parser) dynamicTunnel(t *tunnel) {
	t.dynamic = t.isDynamic()
	if !t.dynamic {
		for _, name := range []string{"tid", "ptid"} {
			if t.n.get(name) == nil {
				p.missing(t.n, name)
			}
		}
		p.refuse(t.n, onlyDynamic, "only for a dynamic tunnel, one without tid and ptid")
		return
	}
	f := &t.peering.profile
	f.HostName, f.HelloTimeout, f.RetryTimeout, f.MaxRetries = t.HostName, t.HelloTimeout, t.RetryTimeout, t.MaxRetries
	f.WindowSize = uint16(min(t.WindowSize, math.MaxUint16))
	p.checkPeering(t.n, &t.peering)
	if v := t.n.get("local"); v != nil && t.Local.IsValid() && t.Local.Addr().IsUnspecified() {
		p.fail(v, "must be one address of this host in a dynamic tunnel, not %s", t.Local.Addr())
	}
	t.Control, t.PPPType = &t.peering.profile, t.pppType
}

// refuse reports keys that mean nothing here.
func (p *parser) refuse(n *node, names []string, why string) {
	for _, name := range names {
		if v := n.get(name); v != nil {
			p.fail(v, "%s", why)
		}
	}
}

// dynamicSession completes a session that is placed by control messages.
func dynamicSession(s *session) {
	if s.RemoteEndID == "" {
		s.RemoteEndID = s.Name
	}
	if s.n.get("cookie_size") == nil {
		s.CookieSize = encap.MaxCookieLen
	}
}

func (p *parser) remoteEndID(v *node, s *session) {
	switch {
	case !p.text(v, &s.RemoteEndID):
	case s.RemoteEndID == "" || len(s.RemoteEndID) > maxAVPText:
		p.fail(v, "must have 1 to %d bytes", maxAVPText)
	}
}

func (p *parser) cookieSize(v *node, s *session) {
	if integer(p, v, &s.CookieSize, 0, encap.MaxCookieLen) && !slices.Contains([]int{0, 4, 8}, s.CookieSize) {
		p.fail(v, "must be 0, 4 or 8, not %d", s.CookieSize)
	}
}
