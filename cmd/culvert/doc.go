// Command culvert is an L2TPv3 and PPP endpoint in user space: the daemon, and the command line that asks it.
//
//	culvert run --config FILE          run the tunnels of FILE until SIGINT or SIGTERM
//	culvert check --config FILE        say what FILE would make, or all that is wrong with it
//	culvert show tunnels|sessions|session NAME|workers|drops
//	culvert demo                       two instances in network namespaces, talking to each other
//	culvert version
//
// The package is wiring: flags, exit status and the text of tables. What is shown comes from internal/mgmt over the
// Unix socket, and what runs is internal/daemon.
//
// # Exit status
//
// 0 on success, 1 when the work failed, 2 when the command line was wrong. Errors go to standard error, one on a line
// and each with "culvert: " in front. `run` ends with 128 plus the signal's number when a second signal does not let
// it finish stopping (130 for SIGINT, 143 for SIGTERM), as a shell reports a killed process.
package main
