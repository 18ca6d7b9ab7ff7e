package ipv6link

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// offerTime is how long a prefix that was advertised is kept for a client's Request.
const offerTime = time.Minute

// refreshTime is Information Refresh Time's default (RFC 8415 section 21.23).
const refreshTime = 24 * time.Hour

// delegation is the prefix for networks behind the peer.
type delegation struct {
	prefix  netip.Prefix // zero: none reserved
	bound   bool         // to client and iaid; else it was only offered
	client  string       // DUID
	iaid    [4]byte
	expires time.Time // zero: never
}

// reserve makes sure that there is a prefix to offer.
func (l *Link) reserve() bool {
	if l.delegation.prefix.IsValid() {
		return true
	}
	if l.o.Delegate == nil {
		return false
	}
	p, err := l.o.Delegate()
	if err != nil {
		return false
	}
	l.delegation = delegation{prefix: p, expires: l.now.Add(offerTime)}
	return true
}

// bind delegates the reserved prefix, for its whole lifetime from now on.
func (l *Link) bind(client string, iaid [4]byte) {
	if !l.bound {
		l.emit(AddRoute{l.delegation.prefix})
	}
	l.bound, l.client, l.iaid = true, client, iaid
	l.expires = time.Time{}
	if l.o.Valid < Infinite {
		l.expires = l.now.Add(l.o.Valid)
	}
}

// giveBack ends delegation and reservation.
func (l *Link) giveBack() {
	if p := l.delegation.prefix; p.IsValid() {
		if l.bound {
			l.emit(RemoveRoute{p})
		}
		l.emit(Return{p})
	}
	l.delegation = delegation{}
}

func (l *Link) tickDelegation() {
	if !l.expires.IsZero() && !l.now.Before(l.expires) {
		l.giveBack()
	}
}

// has tells whether the prefix is delegated to this identity association.
func (l *Link) has(r *exchange, ia *dhcpv6.OptIAPD) bool {
	return l.bound && l.client == r.client && l.iaid == ia.IaId
}

// solicit is RFC 8415 section 18.3.1 and 18.3.9.
func (l *Link) solicit(r *exchange) bool {
	rapid := r.GetOneOption(dhcpv6.OptionRapidCommit) != nil
	for _, ia := range first(r.Options.IAPD()) {
		l.give(r, ia, rapid)
	}
	l.noAddresses(r, iana.StatusNoAddrsAvail)
	if rapid && r.given {
		r.reply.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
		return true
	}
	r.reply.MessageType = dhcpv6.MessageTypeAdvertise
	r.reply.AddOption(dhcpv6.OptPreference(255))
	return true
}

// request is RFC 8415 section 18.3.2.
func (l *Link) request(r *exchange) bool {
	for _, ia := range first(r.Options.IAPD()) {
		l.give(r, ia, true)
	}
	l.noAddresses(r, iana.StatusNoAddrsAvail)
	return true
}

// give answers an IA_PD with the prefix, which it binds if commit is set, or with NoPrefixAvail.
func (l *Link) give(r *exchange, ia *dhcpv6.OptIAPD, commit bool) {
	if r.given || !l.reserve() {
		r.reply.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: pdStatus(iana.StatusNoPrefixAvail)})
		return
	}
	r.given = true
	if commit {
		l.bind(r.client, ia.IaId)
	}
	r.reply.AddOption(l.granted(ia, false))
}

// confirm is RFC 8415 section 18.3.3: whether the client's addresses are of this link. There is no answer to one without
// addresses.
func (l *Link) confirm(r *exchange) bool {
	status, any := iana.StatusSuccess, false
	check := func(addresses []*dhcpv6.OptIAAddress) {
		for _, a := range addresses {
			any = true
			if ip, ok := netip.AddrFromSlice(a.IPv6Addr); !ok || !l.state.Prefix.IsValid() || !l.state.Prefix.Contains(ip) {
				status = iana.StatusNotOnLink
			}
		}
	}
	for _, ia := range r.Options.IANA() {
		check(ia.Options.Addresses())
	}
	for _, ia := range r.Options.IATA() {
		check(ia.Options.Addresses())
	}
	r.reply.AddOption(&dhcpv6.OptStatusCode{StatusCode: status})
	return any
}

// renew is RFC 8415 section 18.3.4.
func (l *Link) renew(r *exchange) bool {
	for _, ia := range first(r.Options.IAPD()) {
		if l.has(r, ia) {
			l.bind(r.client, ia.IaId)
			r.reply.AddOption(l.granted(ia, true))
			continue
		}
		r.reply.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: pdStatus(iana.StatusNoBinding)})
	}
	l.noAddresses(r, iana.StatusNoBinding)
	return true
}

// rebind is RFC 8415 section 18.3.5: prefixes that are not delegated here have come to their end.
func (l *Link) rebind(r *exchange) bool {
	for _, ia := range first(r.Options.IAPD()) {
		switch {
		case l.has(r, ia):
			l.bind(r.client, ia.IaId)
			r.reply.AddOption(l.granted(ia, true))
		case len(ia.Options.Prefixes()) > 0:
			r.reply.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: dhcpv6.PDOptions{Options: l.ended(ia, nil)}})
		default:
			r.reply.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: pdStatus(iana.StatusNoBinding)})
		}
	}
	l.noAddresses(r, iana.StatusNoBinding)
	return true
}

// release is RFC 8415 section 18.3.7.
func (l *Link) release(r *exchange) bool {
	for _, ia := range first(r.Options.IAPD()) {
		if l.has(r, ia) {
			l.giveBack()
			continue
		}
		r.reply.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: pdStatus(iana.StatusNoBinding)})
	}
	l.noAddresses(r, iana.StatusNoBinding)
	r.reply.AddOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusSuccess})
	return true
}

// decline is RFC 8415 section 18.3.8: it is about addresses, of which we have given none.
func (l *Link) decline(r *exchange) bool {
	l.noAddresses(r, iana.StatusNoBinding)
	r.reply.AddOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusSuccess})
	return true
}

// inform is RFC 8415 section 18.3.6.
func (l *Link) inform(r *exchange) bool {
	if r.IsOptionRequested(dhcpv6.OptionInformationRefreshTime) {
		r.reply.AddOption(dhcpv6.OptInformationRefreshTime(refreshTime))
	}
	return true
}

// noAddresses answers identity associations for addresses, which we don't give.
func (l *Link) noAddresses(r *exchange, status iana.StatusCode) {
	for _, ia := range first(r.Options.IANA()) {
		r.reply.AddOption(&dhcpv6.OptIANA{IaId: ia.IaId, Options: dhcpv6.IdentityOptions{
			Options: dhcpv6.Options{&dhcpv6.OptStatusCode{StatusCode: status}},
		}})
	}
	for _, ia := range first(r.Options.IATA()) {
		r.reply.AddOption(&dhcpv6.OptIATA{IaId: ia.IaId, Options: dhcpv6.IdentityOptions{
			Options: dhcpv6.Options{&dhcpv6.OptStatusCode{StatusCode: status}},
		}})
	}
}

// granted is an IA_PD with the prefix; told says that the client's other prefixes are told to have ended.
func (l *Link) granted(ia *dhcpv6.OptIAPD, told bool) *dhcpv6.OptIAPD {
	options := dhcpv6.Options{&dhcpv6.OptIAPrefix{
		PreferredLifetime: l.o.Preferred, ValidLifetime: l.o.Valid, Prefix: ipNet(l.delegation.prefix),
	}}
	if told {
		options = append(options, l.ended(ia, options[0].(*dhcpv6.OptIAPrefix).Prefix)...)
	}
	// RFC 8415 section 21.21: half and four fifths of the preferred lifetime
	t1, t2 := Infinite, Infinite
	if l.o.Preferred < Infinite {
		t1, t2 = (l.o.Preferred / 2).Truncate(time.Second), (l.o.Preferred * 4 / 5).Truncate(time.Second)
	}
	return &dhcpv6.OptIAPD{IaId: ia.IaId, T1: t1, T2: t2, Options: dhcpv6.PDOptions{Options: options}}
}

// ended lists the prefixes of a client's IA_PD other than good, with lifetimes of zero.
func (l *Link) ended(ia *dhcpv6.OptIAPD, good *net.IPNet) (options dhcpv6.Options) {
	for _, p := range first(ia.Options.Prefixes()) {
		if p.Prefix != nil && (good == nil || p.Prefix.String() != good.String()) {
			options = append(options, &dhcpv6.OptIAPrefix{Prefix: p.Prefix})
		}
	}
	return options
}

func pdStatus(s iana.StatusCode) dhcpv6.PDOptions {
	return dhcpv6.PDOptions{Options: dhcpv6.Options{&dhcpv6.OptStatusCode{StatusCode: s}}}
}

// ipNet is p in the library's terms.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// first bounds what is looked at.
func first[T any](all []T) []T { return all[:min(len(all), maxIAs)] }
