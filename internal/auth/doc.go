// Package auth knows who peers are and who we are: secrets, the arithmetic of PAP, CHAP and MS-CHAPv2, and the
// interface through which somebody else, such as a RADIUS server, may judge peers.
//
// # How it is built
//
// Package pppfsm speaks the protocols and knows no secret. It asks in both directions: an AuthRequest wants to know
// whether a peer's response is right, which an Authenticator answers, at once or later; a Challenge wants our own
// proof, which a Prover computes. Local is the Authenticator of a secrets file and of the one peer a profile names.
// Arithmetic is layeh.com/radius/rfc2759's for MS-CHAPv2 and the standard library's else. It is kept out of pppfsm,
// which uses the standard library alone.
//
// Secrets are of the type Secret, which no way of printing shows. What a peer sent is compared with what it should
// have sent in constant time, and an unknown name costs what a known one does.
//
// # Secrets files
//
// A secrets file has the format of pppd's chap-secrets and pap-secrets: client, server, secret, addresses (pppd(8),
// AUTHENTICATION). Words are quoted as there: in double quotes or single ones, with a backslash before a special
// character, # begins a comment, and a backslash at its end continues a line. As in pppd the best match counts, an
// exact server before an exact client before *. Load takes only a file that its owner alone can read, and that is
// ours or root's. What pppd can say and we do not do is an error: a secret in another file (@), options behind --,
// addresses that depend on the unit number (+), host and network names, an empty secret (which pppd's login option
// uses). Encrypted passwords (papcrypt) are not recognized as such.
//
// # Supported standards
//
//   - RFC 1334 section 2: PAP
//   - RFC 1994 section 4.1: CHAP with MD5
//   - RFC 2759 sections 4, 5, 8: MS-CHAPv2, without change of password (section 7) and without MPPE's keys (RFC 3079)
//
// # Ownership and concurrency
//
// A Table, a Local and a Prover do not change once made and may be used from any goroutine.
package auth
