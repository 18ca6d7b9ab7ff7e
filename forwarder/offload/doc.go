// Package offload cuts super-packets into the packets they stand for and joins packets into super-packets: what a
// network card does for a host, done for the devices of sessions. It is pure: bytes in, bytes out, no system call, no
// clock, no allocation after construction.
//
// # Out of a device: Parse, Complete, Append
//
// A device with offloads hands out packets with a virtio header (Header) that may lack their checksum (NeedsChecksum)
// or stand for up to 64 KB of TCP or UDP segments (GSO types). Parse validates header and packet against each other. A
// header that lies is an error, to be counted and dropped by the caller: nothing is guessed, with one exception: HdrLen
// is a hint (virtio 1.2 section 5.1.6.2) and is worked out anew. Complete then fills in a missing checksum in place, and
// Append writes segments one behind the other into one linear buffer, each with room in front for tunnel headers, so
// that equal segments and a shorter last one make a single UDP_SEGMENT send.
//
// Segments come out as tcp_gso_segment, __udp_gso_segment and inet_gso_segment of Linux make them: IPv4 IDs count up,
// sequence numbers advance, FIN and PSH stay on the last one, CWR on the first one, all else is as in the super-packet,
// IP options and IPv6 extension headers included.
//
// # Into a device: Coalescer
//
// A Coalescer joins packets that arrive within one batch as the kernel's own GRO would (tcp_gro_receive,
// udp_gro_receive_segment, inet_gro_receive, ipv6_gro_receive): same addresses, ports and link header; same TTL, TOS
// with ECN, DF, flow label; IPv4 IDs that count up, or stay the same with DF; same TCP flags but FIN and PSH, same
// acknowledgment, window and options; the next sequence number; sizes that are equal but for a shorter last one; 65,535
// bytes at most. PSH, FIN and a short segment end a super-packet; CWR can only begin one; SYN, RST, URG and empty
// segments are never part of one. Checksums of all packets joined are verified before; a packet with a wrong one is
// delivered alone and unchanged, so that the receiver sees it. Fragments, IPv4 options, IPv6 extension headers, padded
// packets, UDP without checksum and all other protocols pass untouched.
//
// It is stricter than the kernel in two points: the urgent pointer must be equal although URG is not set, and packets
// with IPv6 extension headers are not joined. So cutting what was joined gives back the same bytes, with one exception
// that the kernel has too: packets with DF and equal IPv4 IDs come out with IDs that count up, because a virtio header
// cannot say "fixed". Such IDs have no meaning (RFC 6864 section 4.1).
//
// Within a flow nothing is reordered: a packet that cannot be joined lets the flow's super-packet go first, and one
// that hides its ports (fragments, options, extension headers) lets all flows between its addresses go. Between flows
// the order may change, as it does with the kernel's.
//
// # Checksums
//
// Copying and summing is one pass (copySum): Go with 64-bit loads, and AVX2 on amd64 where the CPU has it.
//
// # Ownership and concurrency
//
// A Super refers to the packet given to Parse and is valid as long as that is unchanged. A Coalescer refers to packets
// given to Add until the next Flush, and writes at most HeaderLen bytes in front of each; frames it delivers are valid
// during the call only. Each value belongs to one goroutine at a time.
//
// # Supported standards
//
//   - virtio 1.2 section 5.1.6 (struct virtio_net_hdr, the legacy layout of 10 bytes), GSO types TCPV4, TCPV6, UDP_L4
//     and the ECN bit; UFO is left out (Linux has removed it)
//   - RFC 9293 section 3.1 (TCP), RFC 768 (UDP), RFC 791 and RFC 6864 (IPv4 and its ID), RFC 8200 (IPv6), RFC 3168
//     sections 5 and 6.1 (ECN, CWR), RFC 1071 and RFC 1624 (checksums)
//   - RFC 4719 section 3.1: Ethernet frames, with up to two VLAN tags (IEEE 802.1Q, 802.1ad)
package offload
