// Package l2tpnl reads which L2TP tunnels the kernel has: generic netlink family "l2tp" (linux/l2tp.h), what rtnetlink knows
// of the interfaces of their sessions, and, where debugfs is mounted, what netlink does not tell.
//
// # How it works
//
// Read asks for all tunnels, for all sessions, and for each interface. Attributes are parsed by parseTunnel and parseSession,
// which take bytes and nothing else (attributes.go). Only the network namespace of the calling process is looked at.
//
// # Supported standards
//
// linux/l2tp.h as of Linux 6.1. The kernel tells a session's cookies as `ip l2tp` takes them: cookie is sent, peer_cookie
// expected. It does not tell the L2-Specific Sublayer (RFC 3931 section 4.6): that is in debugfs' l2tp/tunnels.
//
// # Ownership and concurrency
//
// Read keeps nothing and changes nothing. Memory is in proportion to the sessions that there are.
package l2tpnl
