// Command count counts the instructions that steps of the packet path take in user space, and compares them with a
// baseline that is kept in the tree. It is what `make count` runs.
//
// Times differ from run to run and from machine to machine by more than a small mistake costs; numbers of instructions
// hardly do. Virtual machines seldom have the hardware counters that perf-stat(1) needs, so the counting is done by
// single steps (ptrace(2), PTRACE_SINGLESTEP): exact, and slow enough that only few iterations are counted.
//
// A step is an ordinary benchmark that uses testing.B.Loop and runs on one thread. The test binary runs under ptrace with
// breakpoints where Loop begins its first iteration and where it finds that there is no further one; what is executed
// between them is counted. All other threads are held meanwhile, so neither Go's monitor nor its collector can disturb.
// An instruction with a REP prefix counts once, as hardware counters have it, and so does a system call: the kernel's own
// instructions are not seen.
//
// What does not take part in the baseline: another architecture, another minor version of Go (other code is generated), a
// CPU without AVX2 (other routines run). Then the figures are printed and not compared. String instructions are switched
// off in the Go runtime (GODEBUG=cpu.erms=off), since not all CPUs that have AVX2 are told to use them.
package main
