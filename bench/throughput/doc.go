// Command throughput measures culvert beside other tunnels on the machine it runs on: two network namespaces joined by
// one veth, all tunnels on that veth at the same time, all loads on all tunnels interleaved in one run. It writes
// medians, spread and ratios to VXLAN as a table, JSON, Markdown and SVG. `make bench-throughput` runs it;
// docs/benchmarks.md explains loads and figures.
//
// # How it works
//
// The lab (lab.go) holds the namespaces and every process in them; tunnels are described in comparator.go, one setup
// function each. A load (loads.go) runs programs in the namespaces (iperf3, `culvert bench`) and returns named values.
// The run (run.go) goes round by round, in every round load by load, in every load comparator by comparator, each
// round starting with another comparator, so that whatever else the machine does hits all of them alike. summary.go
// makes medians and ratios of the samples, and the report files and the table come from that summary.
package main
