package pppfsm

import (
	"net/netip"

	"culvert/encap"
)

// Phase is a phase of the link (RFC 1661 §3.2).
type Phase uint8

// Phases of RFC 1661 §3.3 to §3.7.
const (
	PhaseDead Phase = iota
	PhaseEstablish
	PhaseAuthenticate
	PhaseNetwork
	PhaseTerminate
)

// String returns the RFC's name of the phase.
func (p Phase) String() string {
	switch p {
	case PhaseDead:
		return "Dead"
	case PhaseEstablish:
		return "Establish"
	case PhaseAuthenticate:
		return "Authenticate"
	case PhaseNetwork:
		return "Network"
	case PhaseTerminate:
		return "Terminate"
	}
	return "invalid"
}

// Status is a copy of what can be said about a Link.
type Status struct {
	// Phase is where the link is; LCP, IPCP and IPv6CP are the automata.
	// A protocol that is not configured stays Initial.
	Phase             Phase
	LCP, IPCP, IPv6CP State
	// Reason, IPCPReason and IPv6CPReason say why the protocol last ended
	// or failed; empty when it never did.
	Reason, IPCPReason, IPv6CPReason string

	// LocalMRU is what we asked for, PeerMRU what the peer asked for, in
	// bytes; 1500 unless LCP is Opened and the option was negotiated.
	LocalMRU, PeerMRU int
	// LocalMagic and PeerMagic are the magic numbers, 0 without.
	LocalMagic, PeerMagic uint32
	// LocalACFC and LocalPFC say that the peer may use the compressions,
	// PeerACFC and PeerPFC that we may; all false unless LCP is Opened.
	LocalACFC, LocalPFC, PeerACFC, PeerPFC bool
	// Framing is what data frames use; meaningful in the Network phase.
	Framing encap.PPPFraming

	// PeerAuth is how the peer has proven itself, PeerName its name;
	// LocalAuth and LocalName are ours. AuthNone and empty while there is
	// no proof.
	PeerAuth, LocalAuth AuthMethod
	PeerName, LocalName string

	// LocalAddress, PeerAddress, DNS and NBNS are those of the last
	// IPv4Up; zero while IPv4 is down.
	LocalAddress, PeerAddress netip.Addr
	DNS, NBNS                 [2]netip.Addr
	// LocalID and PeerID are those of the last IPv6Up; zero while IPv6 is
	// down.
	LocalID, PeerID [8]byte

	Counters Counters
}

// Counters count frames and events since NewLink. They wrap around.
type Counters struct {
	// FramesIn and FramesOut count whole frames.
	FramesIn, FramesOut uint32
	// Malformed counts frames and packets with wrong lengths.
	Malformed uint32
	// Discarded counts frames of protocols the phase does not admit
	// (RFC 1661 §3), data frames among them.
	Discarded uint32
	// Ignored counts well-formed packets that were not valid answers:
	// wrong identifier, changed options, options never sent, wrong magic.
	Ignored uint32
	// Illegal counts events the automaton has no transition for.
	Illegal uint32
	// Overflows counts frames not sent, or not taken, because they were
	// longer than Config.MaxReply or because nobody called Take.
	Overflows uint32
	// ProtocolRejectsIn and ProtocolRejectsOut count LCP Protocol-Rejects,
	// CodeRejectsIn and CodeRejectsOut Code-Rejects of all protocols.
	ProtocolRejectsIn, ProtocolRejectsOut uint32
	CodeRejectsIn, CodeRejectsOut         uint32
	// EchoRequestsOut, EchoRepliesIn and EchoRequestsIn count LCP echoes.
	EchoRequestsOut, EchoRepliesIn, EchoRequestsIn uint32
	// Loops counts frames that carried our own magic number.
	Loops uint32
	// Identifications counts LCP Identification and Time-Remaining packets.
	Identifications uint32
}

// Status returns a copy of the link's state, counters included. It does not
// change the link.
func (l *Link) Status() Status {
	s := Status{
		Phase: l.phase, LCP: l.lcp.state, IPCP: l.ipcp.state, IPv6CP: l.ipv6cp.state,
		Reason: l.lcp.reason, IPCPReason: l.ipcp.reason, IPv6CPReason: l.ipv6cp.reason,
		LocalMRU: DefaultMRU, PeerMRU: l.lcp.peerMRU(),
		Counters: l.count,
	}
	if l.lcp.state == Opened {
		if l.lcp.mru != 0 {
			s.LocalMRU = int(l.lcp.mru)
		}
		s.LocalMagic, s.PeerMagic = l.lcp.magic, l.lcp.theirs.magic
		s.LocalACFC, s.LocalPFC = l.lcp.acfc, l.lcp.pfc
		s.PeerACFC, s.PeerPFC = l.lcp.theirs.acfc, l.lcp.theirs.pfc
		s.Framing = l.framing
	}
	if a := l.auth; a != nil {
		if a.server.proven {
			s.PeerAuth, s.PeerName = a.server.method, a.server.name
		}
		if a.client.proven {
			s.LocalAuth, s.LocalName = a.client.method, a.client.name
		}
	}
	if l.ipcp.announced {
		a := l.ipcp.upAction()
		s.LocalAddress, s.PeerAddress, s.DNS, s.NBNS = a.Local, a.Peer, a.DNS, a.NBNS
	}
	if l.ipv6cp.announced {
		a := l.ipv6cp.upAction()
		s.LocalID, s.PeerID = a.LocalID, a.PeerID
	}
	return s
}
