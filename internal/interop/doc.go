// Package interop proves culvert against an implementation that shares nothing with it: a stock Linux kernel with
// iproute2's `ip l2tp` and pppd, booted in QEMU by scripts/kernelpeer. The tests carry the build tag interop, since
// they need root, network namespaces and QEMU:
//
//	go test -tags interop ./internal/interop -v -timeout 15m
//
// CULVERT_BIN names the binary under test; without it one is built. CULVERT_REQUIRE_NETNS=1 turns a skip into a
// failure. CULVERT_INTEROP_PCAP names a folder that gets a capture of everything on the underlay.
// CULVERT_INTEROP_REPORT names a file that gets the matrix as Markdown.
//
// # How a case runs
//
// One network namespace of ours ("the host") is joined by a tap to the guest ("the peer"), which is booted once and
// driven live over its standard input for all cases. A case writes a TOML file, starts the real binary in the host
// namespace, waits for its API, makes the kernel's end, sends traffic both ways, compares culvert's counters with
// the kernel's, stops culvert with SIGTERM, and asserts exit status 0 and that no device of ours is left.
//
// # What is covered
//
//   - RFC 3931 sections 4.1.1.1 and 4.1.2.1 (data headers over IP and UDP, either IP version), 4.5 (session id and
//     cookie), 4.6 and 4.6.1 (sublayer, sequence numbers), 4.1.4 (fragmentation)
//   - RFC 4719 section 3.1 (Ethernet frames of every size, tagged ones included)
//   - offloads: large transfers with the kernel's own tunnel, and culvert on a kernel with fewer of them
//   - RFC 1661, 1332, 5072 against pppd (LCP, IPCP, IPV6CP), 1962 (CCP is refused without harm)
//   - RFC 1334, 1994, 2759 against pppd (PAP, CHAP with MD5, MS-CHAPv2), as authenticator and as peer
//   - RFC 4303, 4106: L2TP in ESP transport mode, between namespaces of the guest
//
// docs/interop.md has the matrix and what the kernel itself can not do.
//
// # Concurrency
//
// Cases run one after the other: they share the peer, which has one CPU and is emulated.
package interop
