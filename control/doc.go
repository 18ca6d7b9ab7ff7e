// Package control is the control plane of L2TPv3, RFC 3931: control connections and their sessions, both roles, over UDP
// and IP. It has no socket, goroutine or clock: payloads and the time go in, actions come out.
//
// # How it is built
//
// Codec. registry.go is one table of all attributes: number, M, whether it may be hidden, and which messages must and may
// hold it. Its rows read, write and show a field of Message, and their order is the order in which AVPs are sent.
// header.go takes a message apart (Packet), digest.go verifies and signs it, decode.go and encode.go go between Packet
// and Message. Verification comes before decoding: nothing of a message that fails it is looked at, but the Nonce of an
// SCCRP, which is an input of the digest.
//
// Reliable delivery (reliable.go) is a sender and a receiver. The sender is a window of unacknowledged messages with
// slow start, congestion avoidance and one timer; after a timeout everything in flight counts as lost and goes again
// from the oldest on as the window opens. A message gets its number when it is sent, not when somebody wants to send
// it. What waits is not a queue of messages but sessions with something to say (list.go), in three ranks: the
// connection's own messages, answers and ends of sessions, new requests. So HELLO, StopCCN and CDN overtake a burst of
// set-ups, and what a message says is as fresh as it can be. One place of the peer's window is never used for sessions.
//
// Machines. tables.go has the tables of RFC 3931 sections 7.2 to 7.4 as rows in the RFC's order, compiled to
// [event][state] cells; testdata/rfc3931-7.txt has them as text, and a test compares the cells. Conn and Session
// interpret them and carry out actions in one order. Repeated messages never get there, their numbers give them away.
//
// Endpoint holds all connections and sessions of an LCCE. It finds the connection of a message by CCID, the session by
// id, decides about SCCRQs (request.go) and keeps the timers. All work for one message is O(1) in the number of
// sessions and O(log n) in that of connections.
//
// # Decisions the documents leave open
//
//   - Strangers. A refusal of an SCCRQ keeps no state: if it is lost the peer asks again. An SCCRP is not repeated by
//     a timer but when the SCCRQ is, until the initiator has acknowledged something: spoofed requests make us send
//     one message for each. To addresses Policy does not know, no answer is longer than its question, as far as that
//     depends on us: Vendor Name, then Receive Window Size are left out. SCCRQs are limited in total and for each
//     source prefix, connections that are not proven in number.
//   - The digest of a StopCCN that refuses an SCCRQ has an empty nonce of its sender. Who wants digests does not believe
//     one without.
//   - Digests of two secrets: the first of a message is that of the secret the peer used last, and AVPs are hidden with
//     that one. SCCRQ hides nothing, the peer may know only one of them.
//   - An AVP that must be there is only demanded where the message means nothing without it (Profile.Strict: always).
//     AVPs of RFC 2661, and others that only inform, are ignored even with M.
//   - Ties. The connection (or session) that lost becomes the answering one: its owner keeps it. A StopCCN "already
//     exists" that overtakes the winner's SCCRQ waits for that.
//   - A peer that dials again under its old CCID is told from a repeated SCCRQ by what it says. A new connection never
//     ends an older one to the same peer, it only has it asked at once (HELLO).
//   - A message from another address is taken only if a digest with a secret proves it and it is new; then data follows
//     too. The exception is the first answer to an SCCRQ, which may come from another port.
//   - A second ICRQ with a Remote End ID in use is refused; an empty Remote End ID names nothing.
//   - Refusals of calls that wait are bounded; more requests get no answer.
//   - Local Session IDs are unique over all connections, UDP or IP. The peer's are scoped by connection.
//   - Frames may arrive once ICRQ or ICRP is sent (SessionReady comes before the message), as data overtakes messages.
//
// # Ownership and concurrency
//
// An Endpoint with all its Conns and Sessions is used by one goroutine at a time. Times must come from one clock.
// After every call that takes the time: Take, carry the actions out in order, ask Deadline when Tick is due. Receive
// keeps nothing of its input; what Take returns belongs to the caller. Policy is called from within Receive.
//
// Memory: 430 bytes a session, a million of them (BenchmarkSessions); more with a Remote End ID. Messages in flight are bounded by the peer's window (at most 1024), early ones by
// ours, half-open connections, refusals and the sessions of a connection by configuration.
//
// # Supported standards
//
//   - RFC 3931: all of sections 3 to 7 that concerns control messages, except sending a version 2 SCCRQ (4.7.3).
//     Outgoing calls are there; a Policy that wants none refuses OCRQ.
//   - RFC 2661 section 5.1.1: Challenge and Challenge Response, where a profile allows them.
//   - RFC 4719, RFC 5641: Circuit Status. RFC 4951 and others: recognized and ignored.
package control
