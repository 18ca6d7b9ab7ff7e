package pppfsm

// State is a state of the option negotiation automaton (RFC 1661 §4.2). The
// numbers are those of the state transition table in §4.1.
type State uint8

// States of RFC 1661 §4.2.
const (
	Initial State = iota
	Starting
	Closed
	Stopped
	Closing
	Stopping
	ReqSent
	AckRcvd
	AckSent
	Opened

	numStates = 10
)

// String returns the RFC's name of the state.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "invalid"
}

var stateNames = [numStates]string{
	"Initial", "Starting", "Closed", "Stopped", "Closing", "Stopping",
	"Req-Sent", "Ack-Rcvd", "Ack-Sent", "Opened",
}

// negotiating says that Configure-Requests of ours are under way.
func (s State) negotiating() bool { return s >= ReqSent && s <= AckSent }

// timed says that the Restart timer runs in s (RFC 1661 §4.2).
func (s State) timed() bool { return s >= Closing && s <= AckSent }

// event is an event of the automaton (RFC 1661 §4.3).
type event uint8

// Events in the order of the table's rows.
const (
	evUp       event = iota // lower layer is up
	evDown                  // lower layer is down
	evOpen                  // administrative open
	evClose                 // administrative close
	evTOPlus                // timeout with counter > 0
	evTOMinus               // timeout with counter expired
	evRCRPlus               // acceptable Configure-Request
	evRCRMinus              // Configure-Request to be nak'd or rejected
	evRCA                   // Configure-Ack
	evRCN                   // Configure-Nak or -Reject
	evRTR                   // Terminate-Request
	evRTA                   // Terminate-Ack
	evRUC                   // unknown code
	evRXJPlus               // Code- or Protocol-Reject that can be lived with
	evRXJMinus              // Code- or Protocol-Reject that cannot
	evRXR                   // Echo-Request, Echo-Reply, Discard-Request

	numEvents = 16
)

// actions is a set of actions of the automaton (RFC 1661 §4.4). They are
// carried out in the order of the bits, see machine.run.
type actions uint16

// Actions of RFC 1661 §4.4.
const (
	tld actions = 1 << iota // This-Layer-Down
	irc                     // Initialize-Restart-Count
	zrc                     // Zero-Restart-Count
	scr                     // Send-Configure-Request
	sca                     // Send-Configure-Ack
	scn                     // Send-Configure-Nak or -Reject
	str                     // Send-Terminate-Request
	sta                     // Send-Terminate-Ack
	scj                     // Send-Code-Reject
	ser                     // Send-Echo-Reply
	tls                     // This-Layer-Started
	tlf                     // This-Layer-Finished
	tlu                     // This-Layer-Up
)

// footnote is the letter behind a state in the table.
type footnote uint8

const (
	restart footnote = 'r' // a repeated Open may act as Down and Up
	passive footnote = 'p' // may wait for the peer instead of finishing
	crossed footnote = 'x' // crossed connections
)

// cell is one entry of the table. The zero cell is none: a test looks for it.
type cell struct {
	do   actions
	next State
	kind cellKind
	note footnote
}

type cellKind uint8

const (
	unset cellKind = iota
	legal
	illegal
)

// to is a transition without actions.
func to(s State) cell { return cell{next: s, kind: legal} }

// with is a transition with actions.
func with(a actions, s State) cell { return cell{do: a, next: s, kind: legal} }

// noted adds a footnote.
func (c cell) noted(n footnote) cell { c.note = n; return c }

// none is the table's dash: the event cannot happen in the state.
var none = cell{kind: illegal}

// table is RFC 1661 §4.1. testdata/rfc1661-4.1.txt is the printed form, and a
// test compares all 160 cells.
var table = [numEvents][numStates]cell{
	evUp: {
		to(Closed), with(irc|scr, ReqSent), none, none, none, none,
		none, none, none, none,
	},
	evDown: {
		none, none, to(Initial), with(tls, Starting), to(Initial), to(Starting),
		to(Starting), to(Starting), to(Starting), with(tld, Starting),
	},
	evOpen: {
		with(tls, Starting), to(Starting), with(irc|scr, ReqSent), to(Stopped).noted(restart),
		to(Stopping).noted(restart), to(Stopping).noted(restart),
		to(ReqSent), to(AckRcvd), to(AckSent), to(Opened).noted(restart),
	},
	evClose: {
		to(Initial), with(tlf, Initial), to(Closed), to(Closed), to(Closing), to(Closing),
		with(irc|str, Closing), with(irc|str, Closing), with(irc|str, Closing), with(tld|irc|str, Closing),
	},
	evTOPlus: {
		none, none, none, none, with(str, Closing), with(str, Stopping),
		with(scr, ReqSent), with(scr, ReqSent), with(scr, AckSent), none,
	},
	evTOMinus: {
		none, none, none, none, with(tlf, Closed), with(tlf, Stopped),
		with(tlf, Stopped).noted(passive), with(tlf, Stopped).noted(passive),
		with(tlf, Stopped).noted(passive), none,
	},
	evRCRPlus: {
		none, none, with(sta, Closed), with(irc|scr|sca, AckSent), to(Closing), to(Stopping),
		with(sca, AckSent), with(sca|tlu, Opened), with(sca, AckSent), with(tld|scr|sca, AckSent),
	},
	evRCRMinus: {
		none, none, with(sta, Closed), with(irc|scr|scn, ReqSent), to(Closing), to(Stopping),
		with(scn, ReqSent), with(scn, AckRcvd), with(scn, ReqSent), with(tld|scr|scn, ReqSent),
	},
	evRCA: {
		none, none, with(sta, Closed), with(sta, Stopped), to(Closing), to(Stopping),
		with(irc, AckRcvd), with(scr, ReqSent).noted(crossed), with(irc|tlu, Opened),
		with(tld|scr, ReqSent).noted(crossed),
	},
	evRCN: {
		none, none, with(sta, Closed), with(sta, Stopped), to(Closing), to(Stopping),
		with(irc|scr, ReqSent), with(scr, ReqSent).noted(crossed), with(irc|scr, AckSent),
		with(tld|scr, ReqSent).noted(crossed),
	},
	evRTR: {
		none, none, with(sta, Closed), with(sta, Stopped), with(sta, Closing), with(sta, Stopping),
		with(sta, ReqSent), with(sta, ReqSent), with(sta, ReqSent), with(tld|zrc|sta, Stopping),
	},
	evRTA: {
		none, none, to(Closed), to(Stopped), with(tlf, Closed), with(tlf, Stopped),
		to(ReqSent), to(ReqSent), to(AckSent), with(tld|scr, ReqSent),
	},
	evRUC: {
		none, none, with(scj, Closed), with(scj, Stopped), with(scj, Closing), with(scj, Stopping),
		with(scj, ReqSent), with(scj, AckRcvd), with(scj, AckSent), with(scj, Opened),
	},
	evRXJPlus: {
		none, none, to(Closed), to(Stopped), to(Closing), to(Stopping),
		to(ReqSent), to(ReqSent), to(AckSent), to(Opened),
	},
	evRXJMinus: {
		none, none, with(tlf, Closed), with(tlf, Stopped), with(tlf, Closed), with(tlf, Stopped),
		with(tlf, Stopped), with(tlf, Stopped), with(tlf, Stopped), with(tld|irc|str, Stopping),
	},
	evRXR: {
		none, none, to(Closed), to(Stopped), to(Closing), to(Stopping),
		to(ReqSent), to(AckRcvd), to(AckSent), with(ser, Opened),
	},
}
