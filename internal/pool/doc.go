// Package pool hands out IPv4 addresses and IPv6 prefixes.
//
// # How it works
//
// A pool is a set of units of one size: addresses (IPv4), or prefixes of one length up to 64 (IPv6). A unit is a
// number of 64 bits, its address without the bits behind the prefix length, and the pool a sorted list of spans of
// such numbers, exclusions taken out. Units that were never given out are not stored anywhere: one counter walks over
// the spans. So 2001:db8::/32 cut into 2^32 prefixes costs what a pool of ten does, and memory follows the most
// units that were in use at the same time, plus at most 65,536 that are remembered.
//
// Allocate and Free take constant time. Who comes back under the same key (user name, session name) gets the unit it
// had, as long as that is remembered: unused units are kept in the order in which they became free, new ones are
// preferred to them while fewer than 65,536 are remembered, and then the one that has been free for the longest is
// given away. Two leases at the same time under one key are two units; the key stands for the first.
//
// A unit in use is never given to anybody else. Nothing survives the process.
//
// # Supported standards
//
// None of its own; RFC 1332 section 3.3 (IPv4 addresses), RFC 4862 and RFC 8415 (prefixes) are what it is for. That
// 0/8, 127/8 and 224/3 are nobody's address is RFC 1122 section 3.2.1.3; what IPv6 can't delegate is RFC 4291
// section 2.4.
//
// # Ownership and concurrency
//
// No goroutine, lock, clock or socket; one goroutine at a time. A Lease belongs to the pool it came from.
package pool
