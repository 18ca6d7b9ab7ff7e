// Command testsum reads the output of `go test -json` and prints what a person wants to see of it: one line a
// package, everything a failed test wrote, the names and reasons of skipped tests, and a sum. It exits with 1 when a
// test or a build failed, when the stream ended before a package did, when no test ran at all, and with -no-skip
// also when one was skipped: a test that did not run has proven nothing.
package main
