package metrics

import (
	"iter"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"culvert/internal/mgmt"
)

// family is one metric: its name and help, and what tells its samples apart.
type family struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
}

func (f family) desc() *prometheus.Desc {
	return prometheus.NewDesc(f.name, f.help, f.labels, nil)
}

// column is a metric that each T has once.
type column[T any] struct {
	family
	value func(*T) float64
}

// counters and gauges of a T, told apart by labels.
func counter[T any](name, help string, labels []string, value func(*T) uint64) column[T] {
	return column[T]{family{name, help, prometheus.CounterValue, labels}, func(v *T) float64 { return float64(value(v)) }}
}

func seconds[T any](name, help string, labels []string, value func(*T) float64) column[T] {
	return column[T]{family{name, help, prometheus.CounterValue, labels}, value}
}

func gauge[T any](name, help string, labels []string, value func(*T) float64) column[T] {
	return column[T]{family{name, help, prometheus.GaugeValue, labels}, value}
}

var (
	byWorker = []string{"worker"}
	byTunnel = []string{"tunnel"}
	byPool   = []string{"pool"}
	byShared = []string{"shared"}
	byReason = []string{"reason"}
)

var workerColumns = []column[mgmt.Worker]{
	gauge("culvert_worker_sessions", "Sessions that the worker carries.", byWorker, func(w *mgmt.Worker) float64 { return float64(w.Sessions) }),
	counter("culvert_worker_receive_packets_total", "Packets received from pseudowires.", byWorker, func(w *mgmt.Worker) uint64 { return w.RxPackets }),
	counter("culvert_worker_receive_bytes_total", "Bytes of inner frames received from pseudowires.", byWorker, func(w *mgmt.Worker) uint64 { return w.RxBytes }),
	counter("culvert_worker_transmit_packets_total", "Packets sent into pseudowires.", byWorker, func(w *mgmt.Worker) uint64 { return w.TxPackets }),
	counter("culvert_worker_transmit_bytes_total", "Bytes of inner frames sent into pseudowires.", byWorker, func(w *mgmt.Worker) uint64 { return w.TxBytes }),
	counter("culvert_worker_receive_batches_total", "Reads from sockets.", byWorker, func(w *mgmt.Worker) uint64 { return w.RxBatches }),
	counter("culvert_worker_transmit_batches_total", "Writes to sockets.", byWorker, func(w *mgmt.Worker) uint64 { return w.TxBatches }),
	seconds("culvert_worker_receive_cpu_seconds_total", "CPU time of the thread from sockets to devices.", byWorker, func(w *mgmt.Worker) float64 { return w.RxCPU }),
	seconds("culvert_worker_transmit_cpu_seconds_total", "CPU time of the thread from devices to sockets.", byWorker, func(w *mgmt.Worker) float64 { return w.TxCPU }),
	counter("culvert_worker_punted_frames_total", "Frames handed to the control side.", byWorker, func(w *mgmt.Worker) uint64 { return w.Punted }),
	counter("culvert_worker_injected_frames_total", "Frames taken from the control side.", byWorker, func(w *mgmt.Worker) uint64 { return w.Injected }),
	counter("culvert_worker_dropped_packets_total", "Packets dropped, for whatever reason.", byWorker, func(w *mgmt.Worker) uint64 { return w.Dropped }),
}

var tunnelColumns = []column[mgmt.Tunnel]{
	gauge("culvert_tunnel_up", "1 when the tunnel carries sessions: always for a static one, while its control connection is established for a dynamic one.", byTunnel, up),
	gauge("culvert_tunnel_sessions", "Sessions in the tunnel.", byTunnel, func(t *mgmt.Tunnel) float64 { return float64(t.Sessions) }),
	gauge("culvert_tunnel_path_mtu_bytes", "Size of the largest outer packet.", byTunnel, func(t *mgmt.Tunnel) float64 { return float64(t.PathMTU) }),
	counter("culvert_tunnel_receive_packets_total", "Packets received by the sessions there are now.", byTunnel, func(t *mgmt.Tunnel) uint64 { return t.RxPackets }),
	counter("culvert_tunnel_receive_bytes_total", "Bytes of inner frames received by the sessions there are now.", byTunnel, func(t *mgmt.Tunnel) uint64 { return t.RxBytes }),
	counter("culvert_tunnel_transmit_packets_total", "Packets sent by the sessions there are now.", byTunnel, func(t *mgmt.Tunnel) uint64 { return t.TxPackets }),
	counter("culvert_tunnel_transmit_bytes_total", "Bytes of inner frames sent by the sessions there are now.", byTunnel, func(t *mgmt.Tunnel) uint64 { return t.TxBytes }),
}

// up: a static tunnel's state is "up", that of a dynamic one RFC 3931's.
func up(t *mgmt.Tunnel) float64 {
	if t.State == "up" || t.State == "established" {
		return 1
	}
	return 0
}

var poolColumns = []column[mgmt.Pool]{
	gauge("culvert_pool_size", "Addresses or prefixes of the pool.", byPool, func(p *mgmt.Pool) float64 { return float64(p.Size) }),
	gauge("culvert_pool_used", "Addresses or prefixes given out.", byPool, func(p *mgmt.Pool) float64 { return float64(p.Used) }),
	counter("culvert_pool_exhausted_total", "Requests that found nothing left.", byPool, func(p *mgmt.Pool) uint64 { return p.Exhausted }),
}

var sharedColumns = []column[mgmt.Shared]{
	gauge("culvert_shared_sessions", "Sessions on the device.", byShared, func(s *mgmt.Shared) float64 { return float64(s.Sessions) }),
	gauge("culvert_shared_destinations", "Addresses and prefixes that sessions on a TUN have.", byShared, func(s *mgmt.Shared) float64 { return float64(s.Destinations) }),
	gauge("culvert_shared_macs", "Ethernet addresses that a TAP has learnt.", byShared, func(s *mgmt.Shared) float64 { return float64(s.MACs) }),
	counter("culvert_shared_macs_refused_total", "Times that an Ethernet address was not learnt for want of room.", byShared, func(s *mgmt.Shared) uint64 { return s.MACsRefused }),
	counter("culvert_shared_macs_moved_total", "Times that an Ethernet address has shown somewhere else.", byShared, func(s *mgmt.Shared) uint64 { return s.MACsMoved }),
	counter("culvert_shared_flooded_frames_total", "Ethernet frames that went to all ports.", byShared, func(s *mgmt.Shared) uint64 { return s.Flooded }),
}

var dropColumns = []column[mgmt.Drop]{
	counter("culvert_dropped_packets_total", "Packets dropped by reason.", byReason, func(d *mgmt.Drop) uint64 { return d.Count }),
}

var (
	buildInfo  = family{"culvert_build_info", "Always 1; the label is the release.", prometheus.GaugeValue, []string{"version"}}
	tunnelInfo = family{"culvert_tunnel_info", "Always 1; the labels say what the tunnel is.", prometheus.GaugeValue, []string{"tunnel", "transport", "local", "peer"}}
)

// Source is the part of mgmt.Source that is shown here.
type Source interface {
	Tunnels() []mgmt.Tunnel
	Sessions() iter.Seq[mgmt.Session]
	Workers() []mgmt.Worker
	Drops() []mgmt.Drop
	Pools() []mgmt.Pool
	Shared() []mgmt.Shared
	Version() string
}

// collector asks the source at each scrape.
type collector struct{ src Source }

// Describe sends nothing: tunnels come and go, and so do the families' samples.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(buildInfo.desc(), buildInfo.kind, 1, c.src.Version())
	collect(to, c.src.Workers(), workerColumns, func(w *mgmt.Worker) string { return strconv.Itoa(w.ID) })
	tunnels := c.src.Tunnels()
	collect(to, tunnels, tunnelColumns, func(t *mgmt.Tunnel) string { return t.Name })
	info := tunnelInfo.desc()
	for i := range tunnels {
		t := &tunnels[i]
		to <- prometheus.MustNewConstMetric(info, tunnelInfo.kind, 1, valid(t.Name), t.Transport, valid(t.Local), valid(t.Peer))
	}
	collect(to, c.src.Pools(), poolColumns, func(p *mgmt.Pool) string { return p.Name })
	collect(to, c.src.Shared(), sharedColumns, func(s *mgmt.Shared) string { return s.Name })
	collect(to, c.src.Drops(), dropColumns, func(d *mgmt.Drop) string { return d.Reason })
}

func collect[T any](to chan<- prometheus.Metric, all []T, columns []column[T], name func(*T) string) {
	for _, c := range columns {
		d := c.desc()
		for i := range all {
			to <- prometheus.MustNewConstMetric(d, c.kind, c.value(&all[i]), valid(name(&all[i])))
		}
	}
}

func registry(src Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{src}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
