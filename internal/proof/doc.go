// Package proof holds the proofs of the control plane that take several real culverts: many sessions of many peers,
// floods, and what is seen on the wire. It is tests alone.
//
// Every culvert is a process of its own in a network namespace of its own (internal/netlab), from CULVERT_BIN or built
// for the occasion; under the race detector it is built with it. What takes longer has the build tag e2e and is run by `make e2e`.
package proof
