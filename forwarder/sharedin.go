package forwarder

import (
	"encoding/binary"

	"culvert/encap"
)

// permits tells whether the peer of a session on a shared device may send an IP packet of this version: whether its
// source is the session's own. If not, it is dropped and counted. Most packets have the address that IPCP gave and are
// known by one comparison; all others cost a look-up.
func (in *inbound) permits(s *Session, ip []byte, need uint32) bool {
	if need == linkIPv4 {
		if len(ip) < encap.IPv4Len {
			in.drop(s, DropMalformed)
			return false
		}
		src := binary.BigEndian.Uint32(ip[12:16])
		if src != 0 && src == s.source4.Load() || s.shared.routes.Lookup4(ip[12:16]) == s {
			return true
		}
		in.drop(s, DropSpoofed)
		return false
	}
	switch {
	case len(ip) < encap.IPv6Len:
		in.drop(s, DropMalformed)
	case oneLink(ip[8:24]):
		in.drop(s, DropLinkLocal)
	case s.shared.routes.Lookup6(ip[8:24]) != s:
		in.drop(s, DropSpoofed)
	default:
		return true
	}
	return false
}
