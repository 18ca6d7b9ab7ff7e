// Package migrate makes a configuration of culvert out of what set up L2TPv3 before: the commands of ip-l2tp(8) and, for
// the interfaces of its sessions, of ip-link(8), ip-address(8) and ip-route(8); or the tunnels that the kernel has, as
// internal/l2tpnl reads them (kernel.go); or a file of go-l2tp's kl2tpd (gol2tp.go).
//
// # How it works
//
// A script, or a file for `ip -batch`, is cut into commands as a shell would (words.go), without expanding anything. Those
// that add tunnels and sessions must be understood to the last word (l2tp.go); those that set interfaces up are taken whole
// or not at all (device.go). The result is written with every value explicit, and read by config.Parse before anybody gets
// it; errors of that are given the line of the command they come from (render.go).
//
// What cannot be carried over becomes a comment with file and line at the head of the result. Only what would make
// the tunnels or sessions themselves differ is an error.
//
// # Supported standards
//
// iproute2 6.1: encapsulation is UDP unless said otherwise, and sessions have the Default L2-Specific Sublayer (RFC 3931
// section 4.6) unless they have l2spec_type none. cookie is sent and peer_cookie expected, as in our file.
//
// # Ownership and concurrency
//
// IPRoute, Kernel and GoL2TP are functions of their arguments; they keep nothing and ask nobody, but for host names in a
// file of go-l2tp. Memory is in proportion to the text, which may have config.MaxSize bytes.
package migrate
