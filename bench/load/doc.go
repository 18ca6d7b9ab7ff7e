// Package load makes and counts UDP traffic: the paced generator, the sink and the request/response client behind
// `culvert bench generate`, `sink` and `ping`. It knows nothing of tunnels, so it measures any of them, and plain
// links too.
//
// # How it works
//
// A Sink listens on one port P: UDP packets to count, and TCP connections of generators that announce a trial, end it
// and ask what arrived. On port P+1 it answers requests. One trial runs at a time. Every packet carries a header of 16
// bytes (type header): which trial, which flow, which number in that flow. From these the sink knows, per flow, what
// was lost, what came twice and what was overtaken.
//
// A Generator sends at a rate in packets per second, in bursts of at most a few hundred microseconds, with
// sendmmsg(2), or as fast as the path takes packets. Sizes are lengths of IP packets, headers included: 64 means
// 20 + 8 + 36 bytes over IPv4. With GSO it hands the kernel many packets of one size at once (UDP_SEGMENT, udp(7)); with
// GRO the sink takes them so (UDP_GRO).
//
// Search finds the highest rate at which at most a given share is lost, by bisection, in the manner of RFC 2544
// section 26.1, but with short trials, each of which may fail a second time before it counts (compare RFC 9004 and
// MLRsearch): on a shared machine one badly timed pause would decide otherwise.
//
// # Ownership and concurrency
//
// A Sink may be used by many generators, one after the other; Serve runs until its context ends and gives back every
// socket and goroutine. A Generator and a Pinger belong to one goroutine each. They lock their thread while they send
// and wait in plain system calls, since Go's own timers are too coarse for pacing.
package load
