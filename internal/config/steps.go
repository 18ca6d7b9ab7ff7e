package config

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"

	"culvert/internal/pool"
)

// Step says how an address of a template's session grows with its number: 0, not at all; else the number counts units of
// 1<<(Step-1) addresses.
type Step uint8

// Steps are those of a template's addresses.
type Steps struct {
	LocalAddress, PeerAddress Step // of PPP.Link
	MAC                       bool // HardwareAddr grows by 1
	Addresses, Routes, Vias   []Step
}

// at gives the address of number n. The numbers of a template were checked.
func (s Step) at(a netip.Addr, n int) netip.Addr {
	if s == 0 || n < 0 {
		return a
	}
	to, _ := pool.Nth(a, uint64(n), int(s)-1)
	return to
}

func (s Step) prefixAt(a netip.Prefix, n int) netip.Prefix {
	return netip.PrefixFrom(s.at(a.Addr(), n), a.Bits())
}

// apply gives the session of a template its addresses.
func (t *Steps) apply(s *Session, n int) {
	if t.LocalAddress|t.PeerAddress != 0 {
		ppp := *s.PPP
		ppp.Link.LocalAddress = t.LocalAddress.at(ppp.Link.LocalAddress, n)
		ppp.Link.PeerAddress = t.PeerAddress.at(ppp.Link.PeerAddress, n)
		s.PPP = &ppp
	}
	if t.MAC {
		s.HardwareAddr = macAt(s.HardwareAddr, n)
	}
	s.Addresses, s.Routes = slices.Clone(s.Addresses), slices.Clone(s.Routes)
	for i, step := range t.Addresses {
		s.Addresses[i] = step.prefixAt(s.Addresses[i], n)
	}
	for i, step := range t.Routes {
		s.Routes[i].To = step.prefixAt(s.Routes[i].To, n)
		s.Routes[i].Via = t.Vias[i].at(s.Routes[i].Via, n)
	}
}

// macAt is the Ethernet address n behind m; those behind the last one begin anew.
func macAt(m net.HardwareAddr, n int) net.HardwareAddr {
	var b [8]byte
	copy(b[2:], m)
	binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])+uint64(n))
	return b[2:]
}

// plusNumber is how an address says that it grows with the number.
const plusNumber = "+" + numberMark

// cutNumber takes "+{n}" off an address ("10.64.0.0+{n}"), out of an address with a prefix length ("10.64.0.0+{n}/24"), or
// off its end ("10.64.0.0/24+{n}"), where the number counts networks of that length.
func cutNumber(text string) (plain string, step func(bits, of int) Step) {
	one := func(int, int) Step { return 1 }
	if front, ok := strings.CutSuffix(text, plusNumber); ok {
		if !strings.Contains(front, "/") {
			return front, one
		}
		return front, func(bits, of int) Step { return Step(of - bits + 1) }
	}
	if front, length, ok := strings.Cut(text, plusNumber+"/"); ok {
		return front + "/" + length, one
	}
	return text, func(int, int) Step { return 0 }
}

// numbered is an address of a session that may grow with its number.
type numbered struct {
	at   *node
	addr netip.Addr
	step Step
	kind addressKind
}

// addressKind says what an address must be good for.
type addressKind uint8

const (
	kindOwn    addressKind = iota // of the device
	kindVia                       // of a router
	kindPrefix                    // of networks
	kindLocal                     // our end of a PPP link
	kindPeer                      // the peer's
)

// note keeps an address for checkNumbered.
func (s *session) note(at *node, a netip.Addr, step Step, k addressKind) Step {
	if step != 0 {
		s.numbered = append(s.numbered, numbered{at, a, step, k})
	}
	return step
}

// pppAddress reads an address of a PPP session, which goes before that of its profile.
func (p *parser) pppAddress(v *node, s *session, to *netip.Addr, k addressKind) Step {
	if v.kind != kindString || !strings.HasSuffix(v.text, plusNumber) {
		p.ipv4OrAsk(v, to)
		return 0
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(v.text, plusNumber))
	if err != nil || !a.Is4() {
		p.fail(v, "must be like \"10.64.0.0%s\", not %q", plusNumber, v.text)
		return 0
	}
	*to = a
	return s.note(v, a, 1, k)
}

// ownAddresses puts local_address and peer_address of a PPP session in the place of its profile's.
func (p *parser) ownAddresses(s *session) {
	l := &s.PPP.Link
	local, peer := s.n.get("local_address"), s.n.get("peer_address")
	if local != nil {
		l.LocalAddress = s.localAddress
	}
	if peer != nil {
		if l.PeerAddress = s.peerAddress; s.peerAddress.IsValid() {
			s.PPP.Pool = ""
		}
	}
	at := peer
	if at == nil {
		at = local
	}
	switch {
	case at == nil:
	case !l.IPv4:
		p.fail(at, "IPv4 is off in the profile")
	case l.LocalAddress.IsValid() && l.LocalAddress == l.PeerAddress && s.steps.LocalAddress == s.steps.PeerAddress:
		p.fail(at, "%s is the address of both ends", l.LocalAddress)
	}
	if local != nil && s.steps.LocalAddress == 0 {
		p.inPool(local, s.localAddress)
	}
	if peer != nil && s.steps.PeerAddress == 0 {
		p.inPool(peer, s.peerAddress)
	}
}

// refuseNumbers reports what only a template may have.
func (p *parser) refuseNumbers(s *session) {
	for _, a := range s.numbered {
		p.fail(a.at, "%s is only for a template, a table with n", plusNumber)
	}
	if s.steps.MAC {
		p.fail(s.n.get("mac"), "%s is only for a template, a table with n", plusNumber)
	}
}
