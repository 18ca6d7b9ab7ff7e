// Package examples holds the example configurations, as files for people and as bytes for `culvert demo`: the two
// ends of one PPP pseudowire over UDP and one Ethernet pseudowire over IP protocol 115.
package examples

import _ "embed"

// The two ends; whoever changes one has to change the other.
var (
	// LAC is lac.toml.
	//
	//go:embed lac.toml
	LAC []byte
	// LNS is lns.toml.
	//
	//go:embed lns.toml
	LNS []byte
)
