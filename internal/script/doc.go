// Package script runs the programs that users hook to events, such as pppd's ip-up, away from whoever has the event.
//
// Run puts a job into a queue and returns at once. A bounded number of jobs runs at a time, each with a bounded time,
// after which its whole process group is killed. Jobs of one key run one after the other in the order of Run: what
// undoes something never overtakes what does it. The queue is bounded; a job that finds no room is refused and counted,
// and the first of them in a row is logged. A program's environment is what the job says and nothing else, its input is
// empty, its output goes to the log, cut to a few kilobytes.
//
// A program has none of our capabilities but those that its job names, gets none by what it starts (no_new_privs), and
// runs as another user where the job says so. Its start costs a thread, which ends with that.
//
// There is a goroutine for each job that runs, and none when nothing does.
package script
