// Package encap knows the wire formats of culvert's packet path: the L2TPv3 data
// header, what it carries (PPP and Ethernet frames), and as much of IP, TCP, UDP
// and ICMP as a tunnel endpoint has to look at.
package encap
