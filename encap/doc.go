// Package encap knows the wire formats of culvert's packet path: the L2TPv3 data
// header, the PPP and Ethernet frames that it carries, and as much of IP, TCP, UDP
// and ICMP as a tunnel endpoint has to look at.
//
// # A packet
//
// Outer IP and UDP headers are the kernel's. What a socket delivers is, in UDP
// mode and in IP mode,
//
//	0003 0000 | Session ID | Cookie 0/4/8 | Sublayer 0/4 | frame     UDPData
//	            Session ID | Cookie 0/4/8 | Sublayer 0/4 | frame     IPData
//
// Nothing in it says how long the cookie is, whether there is a sublayer or what
// the frame is: the receiver chose the Session ID, so the ID leads to its own
// state, a DataHeader, and that knows. Hence two steps: a view (UDPData, IPData)
// gives Session ID and body, then DataHeader.Split of the session found checks the
// cookie and gives sublayer and frame. ControlUDP and ControlIP say what is not
// data at all. The frame is PPP (ParsePPP) or Ethernet; the packet inside it is an
// IPv4 or IPv6 view.
//
// The other way, DataHeader.AppendTo and AppendPPPHeader write what precedes the
// inner packet. Both are constant for a session but for the sequence number, so a
// sender keeps the bytes and calls PutSeq on a copy. Their lengths are known
// before (Len, PPPHeaderLen, MaxDataHeaderLen), so that headroom can be left.
//
// Around this path: MTU says what fits, ClampMSS tells TCP, AppendTooBig tells
// everybody else, Checksum and UpdateChecksum serve all of them.
//
// # Trust
//
// Every view has Valid, which must be true before another method may be called;
// after that no method reads out of bounds whatever the bytes are. Functions that
// take a packet (ParsePPP, Split, ClampMSS, AppendTooBig, ...) check it themselves.
// Lengths inside a packet are never believed beyond the bytes that are there.
// Reserved bits are ignored on receipt and zero when sent. Fields that only the
// peer's machine can judge (Protocol-Reject, sequence windows) are reported, not
// acted on.
//
// # Ownership and concurrency
//
// Views share the memory of the slice that they were made of and so live as long
// as it does; setters, PutSeq and ClampMSS write into it. Append functions grow
// their first argument as append does and keep nothing. Cookie, DataHeader and
// PPPFraming are values. The package has no state, starts no goroutine, takes no
// lock and allocates nothing but what an append needs (a test holds it to that), so
// everything may be called from anywhere as long as callers do not share a buffer.
//
// # Supported standards
//
//   - RFC 3931: sections 3.2.1 and 4.1.2.1, first 16 bits and data over UDP; 4.1.1,
//     data over IP; 4.1, Session ID and Cookie; 4.6 and appendix C, sublayer and
//     sequence arithmetic (window and reordering belong to the forwarder); 4.1.4,
//     MTU. Of control messages only that they are such.
//   - RFC 1661 sections 2, 6.5 and 6.6, RFC 1662 section 3.1: PPP header, with and
//     without ACFC and PFC. No flags, FCS, stuffing or padding removal.
//   - RFC 4719 section 3.1: Ethernet frames with up to two VLAN tags. The VLAN
//     pseudowire's rewriting of tags is not done.
//   - RFC 791 section 3.1, RFC 8200 sections 3 and 4: header views, extension headers
//     are walked. No reassembly, no jumbograms (RFC 2675).
//   - RFC 9293 sections 3.1, 3.2 and 3.7.1: TCP header and MSS option. RFC 768.
//   - RFC 792, RFC 1191 section 4, RFC 1812 section 4.3.2, RFC 1122 section 3.2.2,
//     RFC 4443 sections 2.4 and 3.2: the two too-big messages and when not to send
//     them.
//   - RFC 1071, RFC 1624: checksum, computed and updated.
package encap
