package main

import (
	"maps"
	"math"
)

// metric is a figure that loads measure.
type metric struct {
	Key   string  `json:"key"`
	Title string  `json:"title"` // with unit
	Scale float64 `json:"-"`     // value times this is what people read
	Less  bool    `json:"less_is_better"`
}

// The metrics. Values are kept in base units under Key.
var (
	bitRate    = metric{Key: "bits_per_second", Title: "Gbit/s", Scale: 1e-9}
	packetRate = metric{Key: "packets_per_second", Title: "kpackets/s", Scale: 1e-3}
	median     = metric{Key: "p50_seconds", Title: "p50 us", Scale: 1e6, Less: true}
	tail99     = metric{Key: "p99_seconds", Title: "p99 us", Scale: 1e6, Less: true}
	hostGB     = metric{Key: "host_cpu_seconds_per_gb", Title: "host CPU s/GB", Scale: 1, Less: true}
	tunnelGB   = metric{Key: "tunnel_cpu_seconds_per_gb", Title: "tunnel CPU s/GB", Scale: 1, Less: true}
	hostMpkt   = metric{Key: "host_cpu_seconds_per_mpacket", Title: "host CPU s/Mpkt", Scale: 1, Less: true}
	tunnelMpkt = metric{Key: "tunnel_cpu_seconds_per_mpacket", Title: "tunnel CPU s/Mpkt", Scale: 1, Less: true}
	retransmit = metric{Key: "retransmits", Title: "retransmits", Scale: 1, Less: true}
	lossShare  = metric{Key: "loss", Title: "loss %", Scale: 100, Less: true}
)

// values are measured figures by metric key.
type values map[string]float64

// finite leaves out what JSON cannot say: a division by nothing that arrived.
func (v values) finite() values {
	maps.DeleteFunc(v, func(_ string, f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) })
	return v
}
