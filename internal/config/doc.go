// Package config reads culvert's configuration file: TOML, a superset of the ql2tpd.toml and kl2tpd.toml of go-l2tp,
// whose files load unchanged and mean the same, milliseconds included. docs/configuration.md lists every key.
//
// # How it works
//
// go-toml's AST parser judges syntax. From what it finds a tree is made in which every key has its place in the file,
// and keys and tables that are there twice are noticed. Each kind of table has one map from key to the function that
// reads it (fileKeys, tunnelKeys, sessionKeys, pppKeys, ...), which is also the list of what is known: strictness,
// the suggestions in "unknown key" errors and the test of the documentation come from it. Profiles ([ppp.NAME]) are
// read first, then tunnels with their sessions, then come the checks that need all of them: ids and interface names
// that are there twice.
//
// Nothing stops at the first error. All that is wrong is reported together, in file order, each with file, line,
// column and full key; only a document that is no TOML gives the one error at which the parser stopped. A value that
// was reported as malformed is then treated as absent where that avoids errors that only follow from it. Cookies and
// what may be a password never appear in errors.
//
// # What go-l2tp can say and we cannot do
//
// version = "l2tpv2", pseudowire = "pppac" and kl2tpd's pppd_args each give one error, and nothing else in the table
// that has it is judged (pppd_args: everything else is). pppoe_session_id and pppoe_peer_mac are checked for their
// type and otherwise ignored, as go-l2tp does for pseudowires other than pppac. seqnum without l2spec_type = "default"
// is an error: such a session cannot have worked with go-l2tp either, since the kernel, asked by it for sequence
// numbers in both directions, drops every packet that comes without (l2tp_recv_common in net/l2tp/l2tp_core.c).
// A port is let pass with encap = "ip", because go-l2tp demands one there.
//
// # Supported standards
//
// TOML 1.0 as go-toml reads it. RFC 3931 section 4.1 (ids, cookies) and 4.6 (sublayer) for the ranges of values, with
// section 4.1.2.1's UDP port 1701 as default; RFC 4719 for Ethernet pseudowires; RFC 1661, 1332, 1877 and 5072 for
// profiles. Options of pppd are those of pppd(8) 2.4.9 and 2.5.
//
// # Ownership and concurrency
//
// Load and Parse may be called from any goroutine. A Config shares nothing with the package or the text; each session
// has its own copy of its profile. Nothing here changes a Config afterwards. Parse depends on nothing but the text,
// unless local or peer is a host or service name, which are resolved once, within 20 seconds for all of the file; and
// but for the secrets files that profiles name, and this host's name, with which we call ourselves to peers.
package config
