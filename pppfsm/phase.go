package pppfsm

import (
	"errors"
	"time"

	"culvert/encap"
)

// Input takes one PPP frame as it came out of the pseudowire. Frames with and
// without FF 03 and with both lengths of the protocol number are understood
// whatever was negotiated. The frame is not kept. One frame causes at most one
// frame in answer to it, apart from the Configure-Requests that begin the next
// step of a negotiation.
func (l *Link) Input(now time.Time, frame []byte) {
	l.now = momentOf(now)
	l.count.FramesIn++
	if len(l.out) >= maxPending {
		l.count.Overflows++
		return
	}
	proto, info, f, err := encap.ParsePPP(frame)
	if err != nil && !errors.Is(err, encap.ErrPPPProtocol) {
		l.count.Malformed++
		return
	}
	l.demultiplex(proto, info, f)
	l.settle()
}

// demultiplex applies the rules of RFC 1661 §3.4 to §3.7 on what each phase
// admits.
func (l *Link) demultiplex(proto encap.PPPProtocol, info []byte, f encap.PPPFraming) {
	switch {
	case proto == encap.ProtoLCP:
		l.follow(info, f)
		l.lcp.receive(info)
	case l.lcp.state == Opened && l.auth.speaks(proto):
		l.receiveAuth(proto, info)
	case l.phase != PhaseNetwork:
		l.count.Discarded++
	case proto == encap.ProtoIPCP && l.cfg.IPv4:
		l.auth.heardNCP()
		l.ipcp.receive(info)
	case proto == encap.ProtoIPv6CP && l.ipv6():
		l.auth.heardNCP()
		l.ipv6cp.receive(info)
	case proto == encap.ProtoIPv4 && l.cfg.IPv4:
		l.count.Discarded++ // the data path's own, or IPCP is not Opened
		l.ipcp.revive()
	case proto == encap.ProtoIPv6 && l.ipv6():
		l.count.Discarded++
		l.ipv6cp.revive()
	default:
		l.lcp.rejectProtocol(proto, info)
	}
}

// follow makes FramingAuto use the peer's framing. LCP packets always carry
// FF 03, so a peer that sends them without never uses it. Only configuration
// packets count: whatever follows LinkOpened does not change the framing.
func (l *Link) follow(info []byte, f encap.PPPFraming) {
	in, err := parsePacket(info)
	if l.cfg.Framing != FramingAuto || err != nil || l.lcp.state <= Starting {
		return
	}
	opened := l.lcp.state == Opened
	if in.code == CodeConfigureRequest || (!opened && in.code <= CodeConfigureReject) {
		l.bare = f.NoAddressControl
	}
}

// settle derives the phase from LCP's state where the protocols have not set
// it themselves (RFC 1661 §3.2). A link that finished stays in Terminate until
// the lower layer goes or LCP starts again.
func (l *Link) settle() {
	switch l.lcp.state {
	case Initial, Starting:
		l.phase = PhaseDead
	case Closing, Stopping:
		l.phase = PhaseTerminate
	case ReqSent, AckRcvd, AckSent:
		l.phase = PhaseEstablish
	case Closed, Stopped:
		if l.phase != PhaseTerminate {
			l.phase = PhaseEstablish
		}
	case Opened: // authenticate and network set it
	}
}

// network begins the Network phase (RFC 1661 §3.6).
func (l *Link) network() {
	l.phase = PhaseNetwork
	l.framing = l.dataFraming()
	opened := LinkOpened{PeerMRU: l.lcp.peerMRU(), Framing: l.framing}
	if l.auth != nil {
		opened.PeerName = l.auth.server.name
	}
	l.emit(opened)
	if l.cfg.IPv4 {
		l.ipcp.begun()
	}
	switch {
	case l.ipv6():
		l.ipv6cp.begun()
	case l.cfg.IPv6:
		l.ipv6cp.reason = narrowReason
	}
}

const (
	// minIPv6 is what IPv6 needs of an information field, in bytes
	// (RFC 5072 §2).
	minIPv6      = 1280
	narrowReason = "peer's MRU is below 1280"
)

// ipv6 says whether IPV6CP is spoken on the open link: not to a peer whose MRU
// is too small for IPv6.
func (l *Link) ipv6() bool { return l.cfg.IPv6 && l.lcp.peerMRU() >= minIPv6 }

// leaveNetwork takes the network protocols down before the link.
func (l *Link) leaveNetwork() {
	for _, m := range [...]*machine{&l.ipcp.machine, &l.ipv6cp.machine} {
		if m.state > Starting {
			m.step(evDown, packet{}, answer{})
		}
	}
	l.stop()
	if l.phase == PhaseNetwork {
		l.emit(LinkClosed{})
	}
	l.phase, l.auth = PhaseEstablish, nil
}

// begun opens a network control protocol and says that the link is up; one
// that was closed in an earlier Network phase gets a new chance.
func (m *machine) begun() {
	if m.state == Initial {
		m.step(evOpen, packet{}, answer{})
	}
	if m.state == Starting {
		m.step(evUp, packet{}, answer{})
	}
}

// dataFraming is what data frames to the peer look like. The compressions are
// used when the peer offered them and our configuration asks for them.
func (l *Link) dataFraming() encap.PPPFraming {
	t := &l.lcp.theirs
	return encap.PPPFraming{
		NoAddressControl: l.bare ||
			t.acfc && l.cfg.RequestACFC && l.cfg.Framing != FramingHDLC,
		CompressProtocol: t.pfc && l.cfg.RequestPFC,
	}
}
