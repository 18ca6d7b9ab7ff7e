// Package forwarder moves frames between L2TPv3 pseudowires and network devices.
//
// # Shape
//
// A Forwarder has workers. Each worker is two loops, one a direction, each a goroutine that never leaves its OS
// thread, with an epoll instance, buffers and counters of its own:
//
//	inbound:   UDP and IP-115 sockets -> header, session, source, cookie, sequence -> PPP or Ethernet -> device
//	outbound:  devices -> PPP or Ethernet -> sequence, cookie, header -> UDP and IP-115 sockets
//
// A session belongs to the worker that its Session ID names (id modulo workers). The kernel steers by the same rule
// (package netio), so the two loops of that worker are the only ones that ever see the session's packets, and its
// order is kept without a lock.
//
// # Ownership
//
// Session tables, sequence state and reorder queues belong to the inbound loop, device tokens and send queues to the
// outbound loop. Others change them by commands, which a loop runs between two batches; that is the only lock a loop
// takes, and it takes it only when it was woken for it. What both loops and the control side read (MTU, link state,
// path MTU) are atomics. On the way of a packet there is no allocation, no lock, no channel, no log and no call for
// the time.
//
// # Annexes
//
// RLIMIT_NOFILE counts by descriptor table. Devices that the process' own table has no room for are in those of annexes,
// threads that read them for the outbound loops and write what the inbound loops have; see annex.
//
// # Super-packets
//
// Devices with offloads hand out packets of up to 64 KB that stand for many (package offload). They are cut into one
// buffer, each packet with its tunnel headers, and leave as one message that the kernel cuts (UDP_SEGMENT); where it
// can't (IP 115, no UDP checksum, or it refused once) as one message a packet. What arrives joined (UDP_GRO) is taken
// apart and checked packet by packet; packets of a flow are joined again for the device within a batch.
//
// # Shared devices
//
// A TUN that many PPP sessions have in common routes (Shared.Claim, package lpm), a TAP of Ethernet sessions bridges (package
// bridge). Any worker reads any frame from such a device and sends it itself, but for sessions whose packets are numbered.
//
// # Control side
//
// PPP frames that are not IP data are copied and punted through a bounded channel (Events); frames of the control
// side come back through Session.Inject and Flush. When either queue is full the frame is counted and dropped: a control side
// that is busy never slows down data.
//
// # Path MTU
//
// A tunnel with DF knows its path MTU, from the kernel at first, then from EMSGSIZE and from ICMP errors on its
// sockets. A frame that does not fit is answered with "fragmentation needed" or "packet too big" towards its sender.
// Where the inner packet may not be refused (IPv4 without DF, IPv6 of up to 1280 bytes, non-IP Ethernet, PPP control)
// it leaves through a socket that lets the kernel fragment the outer packet.
//
// # Supported standards
//
//   - RFC 3931 sections 4.1 (headers over IP and UDP), 4.5 (demultiplexing, cookies), 4.6 and Appendix C (Default
//     L2-Specific Sublayer, sequencing), 4.1.4 (fragmentation and MTU)
//   - RFC 4719 Ethernet pseudowires: port mode, where tags pass as they are, and VLAN mode
//   - PPP pseudowires (type 0x0007, de facto), framing after RFC 1661 and RFC 2661 section 5.3
//   - RFC 1191, RFC 8201 path MTU discovery for what is inside; MSS clamping as in RFC 4459 section 3.2
package forwarder
