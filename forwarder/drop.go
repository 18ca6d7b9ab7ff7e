package forwarder

import "fmt"

// DropReason says why a packet was not delivered. Every packet that culvert takes from a socket or a device and does
// not pass on is counted under exactly one reason.
type DropReason uint8

// The reasons, inbound first. Their names are part of the API: they label counters.
const (
	DropTruncated   DropReason = iota // shorter than its headers, or cut by the receive buffer
	DropVersion                       // UDP payload that is not L2TPv3
	DropControl                       // control message from somebody we exchange none with
	DropSession                       // unknown Session ID (RFC 3931 section 4.5)
	DropMixed                         // another worker's, or read by another thread for it, and its queue is full
	DropSource                        // outer source address or port is not the tunnel's peer
	DropCookie                        // wrong cookie (RFC 3931 sections 4.5 and 8.2)
	DropSequence                      // old or duplicate sequence number (RFC 3931 section 4.6.1)
	DropMalformed                     // inner frame that its pseudowire cannot carry
	DropPPPProtocol                   // PPP frame without a valid protocol field (RFC 1661 section 2)
	DropUntagged                      // frame without a VLAN tag in a VLAN pseudowire (RFC 4719 section 3.1)
	DropNotOpen                       // data before the pseudowire, or the NCP of its protocol, is open
	DropPunt                          // control side's queue full, or too much of one session or of strangers
	DropDevice                        // device refused the frame (down, or no memory)
	DropSpoofed                       // source that its session on a shared device does not have (RFC 2827)
	DropNoRoute                       // destination that no session on a shared device has
	DropSourceMAC                     // Ethernet source that no host has: a group, or zero (IEEE 802.1Q section 8.7)
	DropReserved                      // Ethernet group that bridges keep to one link (IEEE 802.1Q section 8.6.3)
	DropSamePort                      // Ethernet destination is where the frame came from (IEEE 802.1Q section 8.6.1)
	DropIsolated                      // Ethernet destination is at a session that exchanges no frames with this one
	DropFlood                         // more Ethernet frames for all than a shared device may copy
	DropLinkLocal                     // address of one link on a device that is shared by many (RFC 4291 section 2.5.6)
	DropTooBig                        // does not fit the path; its sender was told where that is possible
	DropSendFull                      // underlay socket stayed full, or its interface's queue
	DropSendError                     // underlay refused the packet (no route, unreachable, ...)
	DropInject                        // control side offered frames faster than they could be sent
	numDropReasons
)

var dropNames = [numDropReasons]struct{ name, help string }{
	DropTruncated:   {"truncated", "packet shorter than its headers, or larger than any receive buffer"},
	DropVersion:     {"version", "UDP datagram that is not L2TPv3"},
	DropControl:     {"control", "L2TP control message from an address with which there is no control connection"},
	DropSession:     {"session", "unknown session id"},
	DropMixed:       {"mixed", "belongs to another worker, whose queue is full"},
	DropSource:      {"source", "outer source is not the tunnel's peer"},
	DropCookie:      {"cookie", "wrong cookie"},
	DropSequence:    {"sequence", "old or duplicate sequence number"},
	DropMalformed:   {"malformed", "inner frame that the pseudowire cannot carry"},
	DropPPPProtocol: {"ppp_protocol", "PPP frame without a valid protocol field"},
	DropUntagged:    {"untagged", "frame without the tag that a VLAN pseudowire demands"},
	DropNotOpen:     {"not_open", "data before the pseudowire or its network protocol is open"},
	DropPunt:        {"punt", "control frames or messages faster than the control side takes them, or more than 100 a second of one session"},
	DropDevice:      {"device", "device refused the frame"},
	DropSpoofed:     {"spoofed", "source address that the session on a shared device does not have"},
	DropNoRoute:     {"no_route", "destination that no session on a shared device has"},
	DropSourceMAC:   {"source_mac", "Ethernet source address that no host has: a group, or zero"},
	DropReserved:    {"reserved_mac", "Ethernet destination 01-80-C2-00-00-0x, which a bridge does not forward"},
	DropSamePort:    {"same_port", "Ethernet destination that is where the frame came from"},
	DropIsolated:    {"isolated", "Ethernet destination at another isolated session of a shared device"},
	DropFlood:       {"flood", "Ethernet frame for all sessions of a shared device, which has copied too many"},
	DropLinkLocal:   {"link_local", "IPv6 link-local or multicast, which means nothing on a shared device"},
	DropTooBig:      {"too_big", "larger than the path allows"},
	DropSendFull:    {"send_full", "underlay socket or interface queue stayed full"},
	DropSendError:   {"send_error", "underlay refused the packet"},
	DropInject:      {"inject", "control side offered frames faster than they could be sent"},
}

// String gives the name that counters and the API use.
func (r DropReason) String() string {
	if r < numDropReasons {
		return dropNames[r].name
	}
	return fmt.Sprintf("DropReason(%d)", uint8(r))
}

// Help is one line for people about the reason.
func (r DropReason) Help() string {
	if r < numDropReasons {
		return dropNames[r].help
	}
	return ""
}

// DropReasons lists all reasons in their order.
func DropReasons() []DropReason {
	all := make([]DropReason, numDropReasons)
	for i := range all {
		all[i] = DropReason(i)
	}
	return all
}
