package control

import (
	"fmt"
	"time"

	"culvert/encap"
)

// Drop is why a control message was not taken.
type Drop uint8

// Drop reasons. Their names are part of the API: they label counters.
const (
	dropNothing   Drop = iota
	DropMalformed      // header or Message Type AVP (RFC 3931 section 7.1)
	DropVersion        // of another version of L2TP
	DropUnknown        // for no connection of ours
	DropRate           // too many requests
	DropHalfOpen       // too many half-open connections
	DropSource         // from another address than the connection's
	DropDigest         // digest wrong or missing
	DropNr             // acknowledges what was never sent
	DropWindow         // beyond the window we advertised
	DropDuplicate      // taken before; it is acknowledged again
	DropClosed         // the connection is closing
	DropSession        // for no session of the connection, or with another id than the session's
	DropRefusals       // a request that there is no room to refuse

	numDrops = 14
)

var dropNames = [numDrops]struct{ name, help string }{
	dropNothing:   {"none", "taken"},
	DropMalformed: {"malformed", "control message whose header or Message Type cannot be read"},
	DropVersion:   {"version", "control message of another version of L2TP than 3"},
	DropUnknown:   {"unknown_connection", "control message for no control connection of ours"},
	DropRate:      {"rate", "SCCRQs of one source prefix, or of strangers in all, faster than they are looked at"},
	DropHalfOpen:  {"half_open", "SCCRQ while too many others have not proven that they hear our answers"},
	DropSource:    {"source", "control message from another address or port than its connection's peer"},
	DropDigest:    {"digest", "control message whose Message Digest is wrong or missing: forged, or another secret"},
	DropNr:        {"nr", "control message that acknowledges what was never sent"},
	DropWindow:    {"window", "control message beyond the receive window that we advertise"},
	DropDuplicate: {"duplicate", "control message that came again, by retransmission or replay"},
	DropClosed:    {"closed", "control message of a control connection that is closing"},
	DropSession:   {"unknown_session", "control message for no session of its control connection"},
	DropRefusals:  {"refusals", "request for a session while too many refusals still wait to be sent"},
}

// String returns the reason as metrics name it.
func (d Drop) String() string {
	if d < numDrops {
		return dropNames[d].name
	}
	return "invalid"
}

// Help is one line for people about the reason.
func (d Drop) Help() string {
	if d < numDrops {
		return dropNames[d].help
	}
	return ""
}

// DropReasons lists all reasons in their order.
func DropReasons() []Drop {
	all := make([]Drop, 0, numDrops-1)
	for d := dropNothing + 1; d < numDrops; d++ {
		all = append(all, d)
	}
	return all
}

// Counters of an Endpoint since it was made.
type Counters struct {
	Drops   [numDrops]uint64 // by Drop
	Refused uint64           // SCCRQs that Policy or a tie refused
	// IgnoredAVPs counts AVPs that were skipped, Tolerated messages that were not quite right and taken all the same.
	IgnoredAVPs, Tolerated uint64
}

// Counters returns the counters.
func (e *Endpoint) Counters() Counters { return e.count }

// HalfOpen returns how many connections wait for their initiator to prove that it receives our answers.
func (e *Endpoint) HalfOpen() int { return e.halfOpen }

func (e *Endpoint) drop(d Drop) { e.count.Drops[d]++ }

// Peer is what the peer said about itself (SCCRQ, SCCRP).
type Peer struct {
	HostName, VendorName string
	RouterID             uint32
	Pseudowires          []PseudowireType
	// Authenticated says that its messages carry digests under a shared secret, or that it answered our challenge.
	Authenticated bool
}

// ConnStatus is a control connection at one moment.
type ConnStatus struct {
	State         State
	Initiator     bool
	Local, Remote CCID
	Path          Path
	Peer          Peer
	// Ns is of our next message, Nr the peer's next.
	Ns, Nr Seq
	// Window is the peer's Receive Window Size, CongestionWindow what we use of it; InFlight messages are unacknowledged.
	Window, CongestionWindow, InFlight int
	// RTT is the smoothed round trip of control messages, 0 before the first; RTTVar its variation.
	RTT, RTTVar time.Duration
	Sender      SenderCounters
	// Received counts messages that were taken, Duplicates repeated ones, Early those that came before their turn.
	Received, Duplicates, Early uint64
	// Sessions exist, of which Waiting have not been asked for yet and Settling are being set up.
	Sessions, Waiting, Settling int
	// LastHeard is when the peer was last heard of: by any message that was verified, one that repeats or only
	// acknowledges too, or by Conn.Heard. Zero: never.
	LastHeard time.Time
}

// Status returns what there is to know.
func (c *Conn) Status() ConnStatus {
	return ConnStatus{
		State: c.state, Initiator: c.initiator, Local: c.local, Remote: c.remote, Path: c.path, Peer: c.peer,
		Ns: c.send.next, Nr: c.recv.next,
		Window: c.send.peer, CongestionWindow: c.send.cwnd, InFlight: len(c.send.flight),
		RTT: c.send.srtt, RTTVar: c.send.rttvar, Sender: c.send.count,
		Received: c.received, Duplicates: c.duplicates, Early: c.early,
		Sessions: c.sessions(), Waiting: c.requests.n, Settling: c.settling.n,
		LastHeard: c.heard,
	}
}

// DataParams is what the data of a session looks like in both directions.
type DataParams struct {
	PseudowireType PseudowireType
	// Local is what arrives here, Remote what we send; Remote's Session ID is 0 while the peer has not told it.
	Local, Remote encap.DataHeader
	// LocalSequencing is what we asked the peer to do, RemoteSequencing what it asked of us.
	LocalSequencing, RemoteSequencing Sequencing
}

// Describe returns a control message as it is on the wire for people, on one line and without secrets; hidden AVPs are
// left out.
func Describe(t encap.Transport, payload []byte) string {
	p, _, err := ParsePacket(t, payload)
	if err != nil {
		return err.Error()
	}
	m, err := p.Decode(Decoder{})
	s := fmt.Sprintf("ccid %d Ns %d Nr %d: %s", p.CCID, p.Ns, p.Nr, m.String())
	if err != nil {
		s += " (" + err.Error() + ")"
	}
	return s
}
