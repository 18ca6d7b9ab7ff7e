package ipv6link

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"culvert/encap"
)

var clientA, clientB = []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}, []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 2}

type option = dhcpv6.Option

func raw(code dhcpv6.OptionCode, data []byte) option {
	return &dhcpv6.OptionGeneric{OptionCode: code, OptionData: data}
}

func from(duid []byte) option { return raw(dhcpv6.OptionClientID, duid) }

var (
	toUs     = raw(dhcpv6.OptionServerID, serverID)
	toOther  = raw(dhcpv6.OptionServerID, []byte{0, 3, 0, 1, 9, 9, 9, 9, 9, 9})
	rapid    = raw(dhcpv6.OptionRapidCommit, nil)
	askDNS   = dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionInformationRefreshTime)
	prefix0  = "2001:db8:100::/56"
	prefix1  = "2001:db8:100:100::/56"
	elsewere = "2001:db8:9900::/56"
)

// pd is an IA_PD with prefixes that the client thinks it has.
func pd(id byte, prefixes ...string) option {
	ia := &dhcpv6.OptIAPD{IaId: [4]byte{3: id}}
	for _, p := range prefixes {
		ia.Options.Add(&dhcpv6.OptIAPrefix{PreferredLifetime: 1, ValidLifetime: 1, Prefix: ipNet(netip.MustParsePrefix(p))})
	}
	return ia
}

// na is an IA_NA with addresses.
func na(id byte, addresses ...string) option {
	ia := &dhcpv6.OptIANA{IaId: [4]byte{3: id}}
	for _, a := range addresses {
		ia.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(a)})
	}
	return ia
}

func ta(id byte) option { return &dhcpv6.OptIATA{IaId: [4]byte{3: id}} }

func message(kind dhcpv6.MessageType, options ...option) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: kind, TransactionID: dhcpv6.TransactionID{1, 2, 3}}
	for _, o := range options {
		m.AddOption(o)
	}
	return m
}

// query is the packet of a client's message.
func query(m []byte) []byte {
	b := append([]byte{2, 34, 2, 35, 0, byte((8 + len(m)) & 0xff), 0, 0}, m...)
	b[4] = byte((8 + len(m)) >> 8)
	return build(them, allServers, encap.ProtocolUDP, b, 6)
}

// ask sends a message and gives what is answered in words, "-" for nothing.
func (r *rig) ask(m *dhcpv6.Message) string {
	r.t.Helper()
	r.clear()
	r.in(query(m.ToBytes()))
	if len(r.sent) == 0 {
		return "-"
	}
	if len(r.sent) > 1 {
		r.t.Fatalf("%d answers", len(r.sent))
	}
	p := encap.IPv6(r.sent[0])
	u := encap.UDP(p.Payload())
	if p.Destination() != them || !u.Valid() || u.SourcePort() != 547 || u.DestinationPort() != 546 {
		r.t.Fatalf("answer % x", p)
	}
	a, err := dhcpv6.MessageFromBytes(u.Payload())
	if err != nil || a.TransactionID != m.TransactionID || !bytes.Equal(a.Options.ServerID().ToBytes(), serverID) {
		r.t.Fatalf("answer %v, %v", a, err)
	}
	if want := m.GetOneOption(dhcpv6.OptionClientID); want != nil && !bytes.Equal(a.Options.ClientID().ToBytes(), want.ToBytes()) {
		r.t.Fatalf("client %v, want %v", a.Options.ClientID(), want)
	}
	return words(a)
}

func words(a *dhcpv6.Message) string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	say("%s", strings.ToLower(a.MessageType.String()))
	for _, o := range a.Options.Options {
		switch o := o.(type) {
		case *dhcpv6.OptIAPD:
			id := o.IaId[3]
			if s := o.Options.Status(); s != nil {
				say("pd%d=%s", id, s.StatusCode)
			}
			for _, p := range o.Options.Prefixes() {
				if p.ValidLifetime == 0 {
					say("pd%d=%s,gone", id, p.Prefix)
					continue
				}
				say("pd%d=%s,%d/%d,%d/%d", id, p.Prefix, int64(o.T1.Seconds()), int64(o.T2.Seconds()),
					int64(p.PreferredLifetime.Seconds()), int64(p.ValidLifetime.Seconds()))
			}
		case *dhcpv6.OptIANA:
			say("na%d=%s", o.IaId[3], o.Options.Status().StatusCode)
		case *dhcpv6.OptIATA:
			say("ta%d=%s", o.IaId[3], o.Options.Status().StatusCode)
		case *dhcpv6.OptStatusCode:
			say("%s", o.StatusCode)
		default:
			switch o.Code() {
			case dhcpv6.OptionClientID, dhcpv6.OptionServerID:
			case dhcpv6.OptionDNSRecursiveNameServer:
				say("dns=%s", a.Options.DNS())
			case dhcpv6.OptionPreference:
				say("preference=%d", a.Options.Preference())
			case dhcpv6.OptionInformationRefreshTime:
				say("refresh=%v", a.Options.InformationRefreshTime(0))
			case dhcpv6.OptionRapidCommit:
				say("rapid")
			default:
				say("%v", o)
			}
		}
	}
	return strings.Join(out, " ")
}

const (
	leased  = "pd1=" + "2001:db8:100::/56,302400/483840,604800/2592000"
	solicit = dhcpv6.MessageTypeSolicit
	request = dhcpv6.MessageTypeRequest
	confirm = dhcpv6.MessageTypeConfirm
	renew   = dhcpv6.MessageTypeRenew
	rebind  = dhcpv6.MessageTypeRebind
	release = dhcpv6.MessageTypeRelease
	decline = dhcpv6.MessageTypeDecline
	inform  = dhcpv6.MessageTypeInformationRequest
)

// step is a message, its answer, and the prefix that is routed to the link afterwards.
type step struct {
	m      *dhcpv6.Message
	want   string
	routed string
	wait   time.Duration // before it
}

// TestExchanges plays whole exchanges (RFC 8415 section 18.3).
func TestExchanges(t *testing.T) {
	full := step{message(request, from(clientA), toUs, pd(1)), "reply " + leased, prefix0, 0}
	for _, tc := range []struct {
		name   string
		change func(*Options)
		steps  []step
	}{
		{"four messages", nil, []step{
			{message(solicit, from(clientA), pd(1), askDNS), "advertise " + leased + " preference=255 dns=[2001:db8::53]", "", 0},
			{message(request, from(clientA), toUs, pd(1, prefix0), askDNS), "reply " + leased + " dns=[2001:db8::53]", prefix0, 0},
			{message(request, from(clientA), toUs, pd(1, prefix0)), "reply " + leased, prefix0, 0}, // repeated: the answer was lost
			{message(renew, from(clientA), toUs, pd(1, prefix0)), "reply " + leased, prefix0, 302400 * time.Second},
			{message(rebind, from(clientA), pd(1, prefix0)), "reply " + leased, prefix0, 483840 * time.Second},
			{message(release, from(clientA), toUs, pd(1, prefix0)), "reply Success", "", time.Hour},
			{message(release, from(clientA), toUs, pd(1, prefix0)), "reply pd1=NoBinding Success", "", 0},
			{message(renew, from(clientA), toUs, pd(1, prefix0)), "reply pd1=NoBinding", "", 0},
		}},
		{"two messages", nil, []step{
			{message(solicit, from(clientA), pd(1), rapid), "reply " + leased + " rapid", prefix0, 0},
		}},
		{"Request without Solicit", nil, []step{full}},
		{"expiry", nil, []step{
			full,
			{message(confirm, from(clientA)), "-", prefix0, 2592000*time.Second - time.Second},
			{message(confirm, from(clientA)), "-", "", time.Second},
			{message(rebind, from(clientA), pd(1, prefix0)), "reply pd1=2001:db8:100::/56,gone", "", 0},
		}},
		{"for ever", func(o *Options) { o.Preferred, o.Valid = Infinite, Infinite }, []step{
			{message(request, from(clientA), toUs, pd(1)), "reply pd1=2001:db8:100::/56,4294967295/4294967295,4294967295/4294967295", prefix0, 0},
			{message(confirm, from(clientA)), "-", prefix0, 100 * 24 * time.Hour},
		}},
		{"none left", func(o *Options) { o.Delegate = func() (netip.Prefix, error) { return netip.Prefix{}, errNone } }, []step{
			{message(solicit, from(clientA), pd(1)), "advertise pd1=NoPrefixAvail preference=255", "", 0},
			{message(solicit, from(clientA), pd(1), rapid), "advertise pd1=NoPrefixAvail preference=255", "", 0},
			{message(request, from(clientA), toUs, pd(1)), "reply pd1=NoPrefixAvail", "", 0},
		}},
		{"no delegation", func(o *Options) { o.Delegate = nil }, []step{
			{message(solicit, from(clientA), pd(1), askDNS), "advertise pd1=NoPrefixAvail preference=255 dns=[2001:db8::53]", "", 0},
		}},
		{"two identity associations", nil, []step{
			{message(request, from(clientA), toUs, pd(1), pd(2)), "reply " + leased + " pd2=NoPrefixAvail", prefix0, 0},
			{message(renew, from(clientA), toUs, pd(1, prefix0), pd(2, prefix1)), "reply " + leased + " pd2=NoBinding", prefix0, 0},
			{message(release, from(clientA), toUs, pd(2)), "reply pd2=NoBinding Success", prefix0, 0},
		}},
		{"a new router takes over", nil, []step{
			full,
			{message(solicit, from(clientB), pd(1)), "advertise " + leased + " preference=255", prefix0, 0},
			{message(renew, from(clientA), toUs, pd(1, prefix0)), "reply " + leased, prefix0, 0}, // only offered to B so far
			{message(request, from(clientB), toUs, pd(1)), "reply " + leased, prefix0, 0},
			{message(renew, from(clientA), toUs, pd(1, prefix0)), "reply pd1=NoBinding", prefix0, 0},
			{message(release, from(clientA), toUs, pd(1, prefix0)), "reply pd1=NoBinding Success", prefix0, 0},
			{message(release, from(clientB), toUs, pd(1, prefix0)), "reply Success", "", 0},
		}},
		{"another IAID of the same client", nil, []step{
			full,
			{message(renew, from(clientA), toUs, pd(9, prefix0)), "reply pd9=NoBinding", prefix0, 0},
		}},
		{"prefixes that are not ours", nil, []step{
			full,
			{message(renew, from(clientA), toUs, pd(1, prefix0, elsewere)), "reply " + leased + " pd1=" + elsewere + ",gone", prefix0, 0},
			{message(rebind, from(clientA), pd(1, elsewere)), "reply " + leased + " pd1=" + elsewere + ",gone", prefix0, 0},
			{message(rebind, from(clientB), pd(1, elsewere)), "reply pd1=" + elsewere + ",gone", prefix0, 0},
			{message(rebind, from(clientB), pd(1)), "reply pd1=NoBinding", prefix0, 0},
		}},
		{"addresses", nil, []step{
			{message(solicit, from(clientA), na(1), ta(2)), "advertise na1=NoAddrsAvail ta2=NoAddrsAvail preference=255", "", 0},
			{message(solicit, from(clientA), na(1), pd(1), rapid), "reply " + leased + " na1=NoAddrsAvail rapid", prefix0, 0},
			{message(request, from(clientA), toUs, na(1)), "reply na1=NoAddrsAvail", prefix0, 0},
			{message(renew, from(clientA), toUs, na(1)), "reply na1=NoBinding", prefix0, 0},
			{message(rebind, from(clientA), na(1)), "reply na1=NoBinding", prefix0, 0},
			{message(decline, from(clientA), toUs, na(1)), "reply na1=NoBinding Success", prefix0, 0},
			{message(release, from(clientA), toUs, na(1)), "reply na1=NoBinding Success", prefix0, 0},
		}},
		{"Confirm", nil, []step{
			{message(confirm, from(clientA), na(1, "2001:db8:0:7::5")), "reply Success", "", 0},
			{message(confirm, from(clientA), na(1, "2001:db8:0:7::5", "2001:db8:0:8::5")), "reply NotOnLink", "", 0},
			{message(confirm, from(clientA), na(1)), "-", "", 0},
		}},
		{"Information-request", nil, []step{
			{message(inform, askDNS), "reply refresh=24h0m0s dns=[2001:db8::53]", "", 0},
			{message(inform, from(clientA), toUs), "reply", "", 0},
			{message(inform, toOther, askDNS), "-", "", 0},
			{message(inform, askDNS, pd(1)), "-", "", 0},
		}},
		{"no name servers", func(o *Options) { o.DNS = nil }, []step{{message(inform, askDNS), "reply refresh=24h0m0s", "", 0}}},
		// What must be there and what must not (section 16).
		{"not for servers, or not for us", nil, []step{
			{message(solicit, pd(1)), "-", "", 0},
			{message(solicit, from(clientA), toUs, pd(1)), "-", "", 0},
			{message(request, from(clientA), pd(1)), "-", "", 0},
			{message(request, toUs, pd(1)), "-", "", 0},
			{message(request, from(clientA), toOther, pd(1)), "-", "", 0},
			{message(confirm, from(clientA), toUs, na(1, "2001:db8:0:7::5")), "-", "", 0},
			{message(renew, from(clientA), pd(1)), "-", "", 0},
			{message(rebind, from(clientA), toUs, pd(1)), "-", "", 0},
			{message(release, from(clientA), pd(1)), "-", "", 0},
			{message(decline, from(clientA), na(1)), "-", "", 0},
			{message(dhcpv6.MessageTypeAdvertise, from(clientA), toUs), "-", "", 0},
			{message(dhcpv6.MessageTypeReply, from(clientA), toUs), "-", "", 0},
			{message(dhcpv6.MessageTypeReconfigure, from(clientA), toUs), "-", "", 0},
			{message(dhcpv6.MessageType(200), from(clientA)), "-", "", 0},
			{message(solicit, from([]byte{0, 3}), pd(1)), "-", "", 0},
			{message(solicit, from(make([]byte, 131)), pd(1)), "-", "", 0},
		}},
		{"longest identifier", nil, []step{{message(solicit, from(append([]byte{0, 99}, make([]byte, 128)...)), pd(1), rapid), "reply " + leased + " rapid", prefix0, 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.change).up()
			for i, s := range tc.steps {
				r.advance(max(s.wait, answerCost))
				if got := r.ask(s.m); got != s.want {
					t.Fatalf("step %d, %s:\ngot  %s\nwant %s", i+1, s.m.MessageType, got, s.want)
				}
				if got := shown(r.routes); got != s.routed {
					t.Fatalf("step %d, %s: routes %q, want %q", i+1, s.m.MessageType, got, s.routed)
				}
			}
		})
	}
}

func shown(routes []netip.Prefix) string {
	var all []string
	for _, p := range routes {
		all = append(all, p.String())
	}
	return strings.Join(all, " ")
}

// TestOfferLapses: an advertised prefix that nobody requests goes back after a minute.
func TestOfferLapses(t *testing.T) {
	r := newRig(t, nil).up()
	r.ask(message(solicit, from(clientA), pd(1)))
	r.advance(offerTime - time.Second)
	if len(r.lent) != 1 {
		t.Fatalf("lent %v", r.lent)
	}
	r.advance(time.Second)
	if len(r.lent) != 0 {
		t.Fatalf("lent %v", r.lent)
	}
	if got := r.ask(message(request, from(clientA), toUs, pd(1, prefix0))); !strings.Contains(got, prefix1) {
		t.Errorf("got %s", got)
	}
}

// TestLinkEnds: what was delegated or offered is taken back with the link.
func TestLinkEnds(t *testing.T) {
	for _, kind := range []dhcpv6.MessageType{solicit, request} {
		r := newRig(t, nil).up()
		options := []option{from(clientA), pd(1)}
		if kind == request {
			options = append(options, toUs)
		}
		r.ask(message(kind, options...))
		if len(r.lent) != 1 {
			t.Fatalf("lent %v", r.lent)
		}
		r.l.Down(r.now)
		r.drain()
		if len(r.lent) != 0 || len(r.routes) != 0 {
			t.Errorf("%s: lent %v, routes %v", kind, r.lent, r.routes)
		}
	}
}

// TestAnswersAreLimited: ten at once, five a second.
func TestAnswersAreLimited(t *testing.T) {
	r := newRig(t, nil).up()
	m := query(message(inform, askDNS).ToBytes())
	for range 1000 {
		r.in(m)
	}
	if c := r.l.Counters(); c.Replies != answerBurst || c.Limited != 1000-answerBurst {
		t.Errorf("%+v", c)
	}
	for range 100 {
		r.advance(100 * time.Millisecond)
		r.in(m)
	}
	if n := r.l.Counters().Replies; n < answerBurst+49 || n > answerBurst+51 {
		t.Errorf("%d replies", n)
	}
	// one that is not answered costs nothing
	r.advance(time.Minute)
	for range 1000 {
		r.in(query(message(solicit, pd(1)).ToBytes()))
	}
	if got := r.ask(message(inform, askDNS)); got == "-" {
		t.Error("no answer")
	}
}

// TestManyAssociations: however many a message has, the answer stays small.
func TestManyAssociations(t *testing.T) {
	r := newRig(t, nil).up()
	var many []option
	for i := range 60 {
		many = append(many, pd(byte(i), elsewere), na(byte(i)), ta(byte(i)))
	}
	for _, kind := range []dhcpv6.MessageType{solicit, request, renew, rebind, release, decline} {
		options := append([]option{from(clientA)}, many...)
		if rules[kind].server == required {
			options = append(options, toUs)
		}
		r.advance(time.Second)
		if got := r.ask(message(kind, options...)); got == "-" || strings.Contains(got, fmt.Sprintf("%d=", maxIAs)) {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
