// Package metrics shows a daemon to Prometheus: workers, tunnels, pools and drop reasons at /metrics, and every session
// at /metrics/sessions for who asks for that. Names and units follow Prometheus' conventions: base units, "_total" for
// what only grows.
package metrics
