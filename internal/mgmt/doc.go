// Package mgmt is culvert's management interface: HTTP with JSON on a Unix socket, its server; package client is the other
// end, and has the types. The command line shows nothing that is not here, so curl --unix-socket can do whatever it does.
//
// Reading is GET, and changing is POST. Every resource is a path under /v1 (docs/api.md lists them with all fields); an answer
// is one JSON value, an error {"error": "..."} with the fitting status. A list is written with one element on a line,
// sorted by name, element by element: a million sessions need no second copy in memory.
//
// What is shown comes from a [Source], a snapshot per request; what changes is done by a [Changer]. The server holds nothing between requests and never
// calls a Source before a request has been checked whole.
//
// # Who may connect
//
// The socket's mode is 0660 from the moment it exists, so root and its group decide. Changes are for root and the
// server's own user, and for a group if there is one ([WithAdmins]), as SO_PEERCRED and SO_PEERGROUPS name who has
// connected (unix(7)). There is no other authentication. Whoever may connect still cannot make us hold much: 32
// connections at a time, 16 KiB of request header, 1 MiB of body where there may be one, and time limits on each part of
// an exchange but a change itself.
//
// # The socket file
//
// [Listen] takes over a socket file nobody listens on (left by a crash), refuses when somebody answers, and never
// touches a file that is not a socket. Two instances starting at once are kept apart by a lock (flock(2)) on the
// directory while they look and bind. Closing the listener removes the file, unless it has become somebody else's.
//
// # Supported standards
//
//   - HTTP/1.1 (RFC 9110, RFC 9112) as net/http has it: GET, HEAD and POST; 405 with Allow for other methods (RFC 9110
//     section 15.5.6). No content negotiation, no caching, no ranges.
//   - JSON (RFC 8259). Counters are integers below 2^64; readers that keep numbers as binary64 lose the last digits
//     above 2^53 (RFC 8259 section 6).
//   - RFC 3986 section 2.1 percent-encoding in session names: "t1/s1" and "t1%2Fs1" are the same name.
//
// # Ownership and concurrency
//
// [Serve] owns the listener and closes it. A Source is called from many goroutines at once; what it returns belongs
// to the server, which sorts it in place.
package mgmt
