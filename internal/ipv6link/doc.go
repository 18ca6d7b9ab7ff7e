// Package ipv6link is the router's side of IPv6 on one point-to-point link: router advertisements, and a DHCPv6 server
// that delegates one prefix and tells name servers.
//
// # How it works
//
// A Link is told when the link's IPv6 comes and goes, which prefix it has, and gets the packets of the peer that are
// for its router: Router Solicitations to ff02::2 and DHCPv6 to ff02::1:2. What it wants done comes out as actions:
// packets to send, and routes to set and remove. There is one peer, so there is one prefix of the link, and at most
// one delegated one.
//
// advert.go sends an advertisement when the link comes up, three in short order, and then one from time to time; a
// solicitation is answered to its sender, or to all when it has no address yet. dhcp.go judges DHCPv6 messages by a
// table of what each type must and must not hold, server.go answers them.
//
// # Decisions the documents leave open
//
//   - The delegated prefix belongs to the link, its client to whoever asked last: a new router behind the same line
//     (another DUID or IAID) takes the prefix over when it requests it, and the old one is told NoBinding.
//   - A prefix that was advertised is reserved for 60 seconds, in which the client has to request it.
//   - The first IA_PD of a message gets the prefix, others NoPrefixAvail; more than eight are not looked at.
//   - A Rebind for what is not delegated here is answered with lifetimes of zero: nothing else can be right on a link
//     with one prefix.
//   - Advertise carries preference 255: there is no other server to wait for.
//   - No Reconfigure, no single addresses, no unicast, no relays, no authentication.
//   - When the link goes there are no last advertisements: the peer's interface goes with it.
//
// Peers can make a Link hold one DUID (130 bytes) and nothing else; solicitations are answered at most once in half a
// second on average, DHCPv6 five times a second with a burst of ten.
//
// # Supported standards
//
//   - RFC 4861 section 4.1, 4.2, 6.1.1, 6.2: routers
//   - RFC 4862 section 5.5.3: what hosts do with the prefix
//   - RFC 8106 section 5.1: recursive DNS server option
//   - RFC 8415: servers, of IA_PD and for stateless DHCPv6
//   - RFC 3646 section 3: DNS recursive name server option
//
// # Ownership and concurrency
//
// Bytes and the time go in, actions come out: no socket, goroutine, lock or clock. A Link is used by one goroutine at a
// time. Input keeps nothing of the packet. What Take returns belongs to the caller. After every call that takes the
// time, call Take, carry the actions out in order, and ask Deadline when Tick is due.
package ipv6link
