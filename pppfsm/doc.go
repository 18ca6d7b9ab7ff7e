// Package pppfsm is one end of a PPP link: the option negotiation automaton of
// RFC 1661 and the protocols that run on it, LCP, IPCP and IPV6CP, with PAP,
// CHAP and MS-CHAPv2 between them.
//
// # How it is built
//
// The automaton is one table of [numEvents][numStates]cell (table.go), in the
// order of the rows and columns of RFC 1661 §4.1, and an interpreter that
// carries out a cell's actions in one fixed order (machine.go). A cell nobody
// filled in is not legal and not illegal but unset, which a test finds; another
// test compares all 160 cells with the RFC's printed table. Timer and counters
// are kept by the interpreter: scr, str and zrc start the Restart timer, a
// state outside Closing to Ack-Sent stops it.
//
// Options run outside the table and only produce events. receive.go checks
// that a packet is well formed and, for answers, that it belongs to the request
// under way; what is not never reaches the automaton. For a Configure-Request
// it asks the protocol about each option and puts the Ack, Nak or Reject
// together. lcp.go, ipcp.go and ipv6cp.go know the options, echo.go the
// keepalive and history.go what it found out, activity.go the timeouts that
// depend on the traffic.
//
// phase.go is the phase machine (Dead, Establish, Authenticate, Network,
// Terminate): it says which protocols a phase admits, and answers what nobody
// speaks (CCP, ECP, IPXCP, MPLSCP, ...) with one LCP Protocol-Reject a frame,
// which disturbs no other protocol.
//
// # Authentication
//
// lcpauth.go negotiates the method of each direction, authphase.go is the
// Authenticate phase, authserver.go the authenticator's side of PAP and CHAP,
// authclient.go the other one, authpacket.go their packets. No secret and no
// arithmetic is in this package: it keeps to the standard library, and RADIUS
// may take the place of secrets. A peer's proof comes out of Take as an
// AuthRequest, whose answer goes to AuthResult, at once or minutes later; an
// answer to a link that moved on is ignored, one that does not come ends the
// link after Auth.Timeout. Our own proof comes from the function Auth.Prove.
//
// The state of it exists from LCP's Opened on where a method was negotiated,
// as long as LCP is Opened: a repeated Response or Authenticate-Request gets
// the old answer without another AuthRequest, and a Challenge may come at any
// time. There is one attempt a link: a refusal ends it, with the reason in the
// Terminate-Request. Delays, and limits on how often a link begins again, are
// the owner's.
//
// # Decisions the documents leave open
//
//   - A second answer to the same Configure-Request is ignored, as pppd does:
//     tunnels duplicate packets, and the table's crossed-connection cells would
//     take an Opened link down for it.
//   - After Max-Failure Naks of ours the option is rejected; after as many of
//     the peer's it is left out (pppd). A peer that goes on for 16 more is no
//     longer listened to, so that Max-Configure ends the negotiation.
//   - A request repeated under its old identifier is nak'd again without
//     counting for Max-Failure: on a lossy path the Naks of a working
//     assignment would turn into Rejects.
//   - A network protocol that gave up (Max-Configure) is opened again when data
//     of its protocol arrives, because the peer then has it Opened; of one
//     that we closed the peer is told again. The data is dropped all the same
//     (RFC 1661 §3.6).
//   - A Code-Reject of codes 1 to 7 is fatal to the protocol, of others not; of
//     a code that was never sent it is ignored.
//   - A repeated Open restarts a Stopped link (footnote r) and does nothing to
//     one that is open or opening. Passive is footnote p; Silent goes to
//     Stopped instead of Req-Sent.
//   - Ten requests or echoes in a row with our own magic number end the link.
//   - A method is demanded at most once in a negotiation: after a Nak comes
//     the suggested one, if we want it, else the next in our order; after a
//     Reject, or with none left, the link ends. A peer's demand that we cannot
//     meet is nak'd with our methods one after the other, and rejected when
//     there is none at all.
//   - A repeated Challenge is the same packet (pppd), so that a Response to
//     either is good: RFC 1994 §4.1 wants a new identifier and value with each
//     Challenge, which a slow path would turn into one that never ends.
//   - Our Response is repeated like an Authenticate-Request, because Success
//     may be lost and the peer's NCPs then wait in vain.
//   - A Challenge that is repeated gets the same Response while there is no
//     answer, and none after it: with MS-CHAPv2 a new Response would not fit
//     the Success of the old one.
//   - A Challenge with our own value or name ends the link as a reflected one.
//   - A peer that answers a later Challenge under another name is refused.
//   - MS-CHAPv2 Failures carry R=0; retries and Change-Password (RFC 2759 §7)
//     are not offered and not used.
//   - IPCP ends with a reason when either end has no address, or both have the
//     same: neither 0.0.0.0 nor an address left out is agreed on for good.
//   - A network protocol that ends leaves the link and the other one alone.
//   - FF 03 is taken with and without in every frame. See FramingMode for what
//     is sent; the compressions are never used in control packets.
//
// # Ownership and concurrency
//
// Bytes and the time go in, actions come out. A Link holds no socket, no
// goroutine, no lock and no clock; it is used by one goroutine at a time.
// Input keeps nothing of the frame it is given. What Take returns, frames
// included, belongs to the caller. The time given must not go backwards; only
// differences matter. After every call that takes the time, call Take, carry
// the actions out in order, and ask Deadline when Tick is due.
//
// Memory is bounded: a Link holds no frame and no list between calls, and at
// most 64 actions (plus those of the call under way) while nobody calls Take.
//
// # Supported standards
//
//   - RFC 1661: all of it but Quality-Protocol (§6.3), which is rejected.
//   - RFC 1334 §2: PAP. RFC 1994: CHAP with MD5. RFC 2759: MS-CHAPv2 but for
//     Change-Password; no MPPE. Other methods are nak'd.
//   - RFC 1662: Async-Control-Character-Map is acknowledged and means nothing.
//   - RFC 1570: Identification and Time-Remaining are taken and ignored; its
//     options are rejected.
//   - RFC 1332: IP-Address. IP-Addresses and IP-Compression-Protocol are
//     rejected.
//   - RFC 1877: DNS and NBNS servers, both ways.
//   - RFC 5072: Interface-Identifier. Compression is rejected.
//   - RFC 1962, RFC 1968 and all other control protocols: Protocol-Reject.
package pppfsm
