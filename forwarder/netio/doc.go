// Package netio is the underlay side of the forwarder: the UDP and IP-protocol-115 sockets that L2TPv3 travels on,
// read and written in batches without allocating, and the poller a worker sleeps in. It is Linux only and, together
// with tuntap, the only package of the packet path that makes system calls.
//
// # One group of sockets per local address
//
// Group holds everything that is open on one local address (and UDP port): one data socket per worker, one control
// socket, and send-only sockets for tunnels whose socket-wide options differ (Variant). All peers share them: no
// socket belongs to a tunnel. The kernel decides which worker sees a packet, by session id modulo workers:
//
//   - UDP: the sockets form one SO_REUSEPORT group in the order worker 0..W-1, control, send-only ones. A classic BPF
//     program (SO_ATTACH_REUSEPORT_CBPF, socket(7)) sees the UDP payload and returns an index into that order. Control
//     messages (T bit), other versions than 3 and payloads too short for a data header go to the control socket, so
//     nothing that is not a data packet ever reaches a worker.
//   - IP 115: the kernel hands every raw socket of the protocol a copy of every packet, so each one has a socket filter
//     (SO_ATTACH_FILTER) that lets through only its own session ids; id 0 is control, and so are payloads shorter than
//     four bytes, so that they are counted.
//
// While a group is being built every socket carries a filter that drops everything, so no packet can be queued on a
// socket that is not its own; send-only sockets carry that filter for ever. While it is being closed the same filter
// comes back, because closing one member of a reuseport group renumbers the others.
//
// The first UDP socket is bound without SO_REUSEPORT: a port that anybody else holds, another culvert of the same user
// included, is therefore EADDRINUSE and never silently shared. Raw sockets have no such exclusion (raw(7)): a second
// program on the same address sees the same packets and cannot be detected. A program that asks for SO_REUSEPORT
// itself, has our user id and does not look, can still join the port after us; it gets no packets, because the steering
// program never returns its index.
//
// # Packet layout
//
// RxBatch.Packet starts at the first L2TP byte whatever the socket: an IPv4 raw socket delivers the IP header as well
// (raw(7)), which is cut off here; an IPv6 raw socket does not (RFC 3542 section 3). In front of a packet there are
// always at least the headroom bytes asked for, and they may be overwritten.
//
// # Many datagrams in one call
//
// TxBatch.Add with a segment size makes the kernel cut one payload into datagrams (UDP_SEGMENT, udp(7)), up to
// Socket.MaxSegments and MaxSegmentBytes; with GroupConfig.GRO the kernel joins datagrams of one sender and size into
// one packet with a RxBatch.SegmentSize (UDP_GRO). What is joined may be of different sessions, and the whole arrives at
// the worker of its first datagram; so a send must never hold more than one session, and a receiver looks at the session
// of every segment. The kernel may refuse a segmented send that it took a moment ago, because the route has changed:
// SegmentRefused tells.
//
// # Errors from the network
//
// IP_RECVERR and IPV6_RECVERR are on (ip(7), ipv6(7)), so ICMP errors queue up on the sockets and make them EPOLLERR;
// Socket.ReadErrors drains them. Three things are not obvious:
//
//   - The kernel chooses the UDP socket for an ICMP error by a hash of the addresses and not by the steering program:
//     an error may arrive on any member of the group, the control socket and send-only ones included. Every socket of
//     Group.Sockets must be watched.
//   - For IP 115 every socket gets a copy of every ICMP error. Only the control socket reports them; the others report
//     what concerns their own sending (Local) and drop the copies, so each error is seen once.
//   - A pending ICMP error also fails the next receive or send, whoever that is addressed to. ReadBatch and Send
//     therefore try again when an error may be such a leftover; an error Send returns belongs to the message at the
//     batch's cursor.
//
// # Ownership and concurrency
//
// A Group, a Socket and a Dest may be used from any goroutine, an RxBatch, a TxBatch and Poller.Wait from one at a
// time. Close must come after the last use of the sockets: it makes later calls fail with EBADF but cannot stop one
// that is already in the kernel. OpenGroup, NewDest with a zone and PathMTU act in the network namespace of the calling
// thread.
//
// ReadBatch, Send and the first two steps of Poller.Wait enter the kernel with RawSyscall: the Go scheduler does not
// notice. That is safe only because none of them can block for longer than a millisecond.
//
// # Supported standards
//
//   - RFC 3931 section 4.1.1 (L2TPv3 over IP), 4.1.2 (over UDP), 4.1.2.3 (checksums), 4.1.4 (fragmentation: path MTU
//     and DF handling)
//   - RFC 6935, RFC 6936 (zero UDP checksum over IPv6: sending as a Variant, accepting as an option of the group)
//   - RFC 1191, RFC 8201 (path MTU from ICMP, through the kernel's route cache)
//
// Not here: multicast or broadcast peers (RFC 3931 has none).
package netio
