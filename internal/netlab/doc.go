// Package netlab makes network namespaces and processes inside them, for the demo, benchmarks
// and tests.
//
// A Namespace has no name. One OS thread of ours lives in it and does whatever has to happen inside; a process that is
// started by it is born there and dies with it (PR_SET_PDEATHSIG, prctl(2)). So when this process ends, however it
// does, nothing is left: no process, no device, no namespace.
//
// # Ownership and concurrency
//
// All methods may be called from any goroutine. Close a namespace last, after its processes have stopped.
package netlab
