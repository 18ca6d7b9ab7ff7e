package ipv6link

import (
	"bytes"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

const (
	// A link's DHCPv6 answers: five a second, ten at once.
	answerCost  = 200 * time.Millisecond
	answerBurst = 10
	// Bounds of a DUID, RFC 8415 section 11.1: a type of two bytes and 1 to 128 more.
	minDUID, maxDUID = 3, 130
	// maxIAs is how many identity associations of a message are looked at.
	maxIAs = 8
)

// exchange is a message under way: what it says, and what is answered.
type exchange struct {
	*dhcpv6.Message
	client string
	reply  *dhcpv6.Message
	// given: an IA_PD of this message has got the prefix.
	given bool
}

// demand is what a message must have of an option.
type demand uint8

const (
	optional demand = iota
	required
	forbidden
)

// rule is RFC 8415 section 16 for one type of message.
type rule struct {
	client, server, ia demand
	// answer fills in the reply; false: there is none.
	answer func(l *Link, r *exchange) bool
}

// rules has the messages that servers take (RFC 8415 section 16.2 to 16.12); all others are dropped.
var rules = map[dhcpv6.MessageType]rule{
	dhcpv6.MessageTypeSolicit:            {client: required, server: forbidden, answer: (*Link).solicit},
	dhcpv6.MessageTypeRequest:            {client: required, server: required, answer: (*Link).request},
	dhcpv6.MessageTypeConfirm:            {client: required, server: forbidden, answer: (*Link).confirm},
	dhcpv6.MessageTypeRenew:              {client: required, server: required, answer: (*Link).renew},
	dhcpv6.MessageTypeRebind:             {client: required, server: forbidden, answer: (*Link).rebind},
	dhcpv6.MessageTypeRelease:            {client: required, server: required, answer: (*Link).release},
	dhcpv6.MessageTypeDecline:            {client: required, server: required, answer: (*Link).decline},
	dhcpv6.MessageTypeInformationRequest: {client: optional, server: optional, ia: forbidden, answer: (*Link).inform},
}

// serve answers a DHCPv6 message, if it is to be answered.
func (l *Link) serve(p inbound) {
	if l.busy.Sub(l.now) >= answerBurst*answerCost {
		l.count.Limited++
		return
	}
	m, err := dhcpv6.MessageFromBytes(p.message)
	if err != nil {
		l.count.Malformed++
		return
	}
	l.count.Requests++
	r := &exchange{Message: m}
	law, known := rules[m.MessageType]
	if !known || !l.meets(r, law) {
		l.count.Ignored++
		return
	}
	r.reply = &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: m.TransactionID}
	r.reply.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionServerID, OptionData: l.o.Server})
	if r.client != "" {
		r.reply.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionClientID, OptionData: []byte(r.client)})
	}
	if !law.answer(l, r) {
		l.count.Ignored++
		return
	}
	if len(l.o.DNS) > 0 && r.IsOptionRequested(dhcpv6.OptionDNSRecursiveNameServer) {
		r.reply.AddOption(l.o.dnsOption())
	}
	packet := datagram(l.state.Local, p.source, r.reply.ToBytes())
	if len(packet) > l.state.MTU { // as large as the request, and some more
		l.count.Ignored++
		return
	}
	if l.busy.Before(l.now) {
		l.busy = l.now
	}
	l.busy = l.busy.Add(answerCost)
	l.count.Replies++
	l.emit(Send{packet})
}

// meets tells whether a message has what it must, is for us, and has nothing that it must not.
func (l *Link) meets(r *exchange, law rule) bool {
	id := r.Options.ClientID()
	if id != nil {
		r.client = string(id.ToBytes())
		if len(r.client) < minDUID || len(r.client) > maxDUID {
			return false
		}
	} else if law.client == required {
		return false
	}
	switch id := r.Options.ServerID(); {
	case id == nil && law.server == required, id != nil && law.server == forbidden:
		return false
	case id != nil && !bytes.Equal(id.ToBytes(), l.o.Server):
		return false // for another server
	}
	o := &r.Options
	return law.ia != forbidden || len(o.IAPD())+len(o.IANA())+len(o.IATA()) == 0
}

// dnsOption is RFC 3646 section 3.
func (c *Config) dnsOption() dhcpv6.Option {
	data := make([]byte, 0, 16*len(c.DNS))
	for _, a := range c.DNS {
		data = append(data, a.AsSlice()...)
	}
	return &dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionDNSRecursiveNameServer, OptionData: data}
}
