// Package daemon puts culvert together: it turns a configuration into tunnels, devices and sessions, runs the PPP
// links, keeps devices and data plane in step with them, and takes everything away again.
//
// # Control loop
//
// One goroutine, the control loop, owns all PPP links and all changes of devices after the start. It waits for frames
// and news of the data plane, for the earliest timer of any link, and for the end. The links themselves (package
// pppfsm) know neither clock nor socket: the loop gives them frames and the time and carries out the actions that
// come back. What the management interface reads is guarded by daemon.mu, which the loop holds while it works.
//
// Peers are judged by the Authenticator of their session's profile, which answers when it likes: verdicts wait in a
// queue of their own that the loop empties. A refusal is held back for a while, and so is the next attempt.
//
// # Changes
//
// reload.go compares what runs with the file as it is now. replace.go puts the new configuration into the place of the old
// one and sorts out what goes, add.go brings up what is new, repool.go moves leases to new pools. All of it is done by the
// control loop in short pieces (command.go).
//
// # Order of things
//
// A session's device is created up and without carrier. When its pseudowire becomes usable, addresses and routes are
// set first, then the data plane lets packets pass, then carrier goes on; it is taken away in the opposite order. A
// start that fails undoes what it did, last thing first. At the end peers are told (LCP Terminate-Request), for a
// bounded time, before sessions and devices go.
//
// # Life of a link
//
// A link that has finished opens again after a while (persist, holdoff), unless it failed too often (maxfail). Programs
// that users hooked to its networks run in package script; the control loop only queues them.
//
// # Control connections
//
// One control.Endpoint (plane.go) has all control connections; the loop gives it messages and the time as it does with
// links. dial.go opens connections and asks for sessions, respond.go decides about those of peers, circuit.go turns
// sessions of either kind into the same devices and data plane sessions that static ones have (setup.go). What belongs
// to a connection or session hangs on its Data, so nothing is searched for.
//
// # Addresses
//
// What a session takes from pools it has from LinkOpened to LinkClosed (address.go). addressBook knows which IPv4
// addresses are in use on PPP links. Where we are the IPv6 router on a link (router.go), an ipv6link.Link hangs on the
// session beside the pppfsm.Link, gets what the data plane takes out for it, and shares the session's timer.
//
// # Supported standards
//
//   - RFC 3931: control connections by package control
//   - RFC 1661 section 3.7 and RFC 1332 section 3: addresses exist while IPCP is open
//   - RFC 5072 section 4.1 and 5: the link-local address is made of the negotiated interface identifier
package daemon
