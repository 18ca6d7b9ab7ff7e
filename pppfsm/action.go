package pppfsm

import (
	"net/netip"

	"culvert/encap"
)

// Action is something a Link wants done by its owner. Actions come out of
// Link.Take in the order in which they must be carried out.
type Action interface{ action() }

// SendFrame asks for a PPP frame to be sent to the peer.
type SendFrame struct {
	// Frame is the whole PPP frame as it goes into the pseudowire: FF 03
	// if used, protocol, information. It belongs to the receiver of the
	// action and is never looked at again.
	Frame []byte
}

// LinkOpened says that LCP is Opened and authentication, where demanded, is
// done: the Network phase begins (RFC 1661 §3.6).
type LinkOpened struct {
	// PeerMRU is the largest information field the peer takes, in bytes.
	PeerMRU int
	// Framing is what data frames to the peer use.
	Framing encap.PPPFraming
	// PeerName is the name under which the peer has authenticated itself,
	// up to 255 bytes of any value; empty when it need not.
	PeerName string
}

// LinkClosed says that LCP left Opened after a LinkOpened. IPv4Down and
// IPv6Down come before it.
type LinkClosed struct{}

// IPv4Up says that IPCP is Opened: IPv4 packets may flow (RFC 1332 §2).
type IPv4Up struct {
	// Local is our address, Peer the peer's. Both are valid and differ.
	Local, Peer netip.Addr
	// DNS and NBNS are the servers the peer told us, the zero Addr where
	// it told none (RFC 1877). Only asked for with Config.UsePeerDNS and
	// Config.UsePeerNBNS.
	DNS, NBNS [2]netip.Addr
}

// IPv4Down says that IPCP left Opened after an IPv4Up.
type IPv4Down struct{}

// IPv6Up says that IPV6CP is Opened: IPv6 packets may flow (RFC 5072 §2).
type IPv6Up struct {
	// LocalID and PeerID are the interface identifiers; PeerID is zero
	// when the peer named none.
	LocalID, PeerID [8]byte
}

// IPv6Down says that IPV6CP left Opened after an IPv6Up.
type IPv6Down struct{}

// Finished says that LCP no longer needs the lower layer (This-Layer-Finished,
// RFC 1661 §4.4): the pseudowire may go.
type Finished struct {
	// Reason says why in words for people.
	Reason string
	// Idle says that Config.IdleTimeout was the reason.
	Idle bool
}

func (SendFrame) action()  {}
func (LinkOpened) action() {}
func (LinkClosed) action() {}
func (IPv4Up) action()     {}
func (IPv4Down) action()   {}
func (IPv6Up) action()     {}
func (IPv6Down) action()   {}
func (Finished) action()   {}
