package metrics

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"culvert/internal/mgmt"
)

var bySession = []string{"tunnel", "session", "interface"}

var sessionColumns = []column[mgmt.Session]{
	gauge("culvert_session_up", "1 when the session carries traffic.", bySession, func(s *mgmt.Session) float64 {
		if s.State == "up" {
			return 1
		}
		return 0
	}),
	counter("culvert_session_receive_packets_total", "Packets received from the pseudowire.", bySession, func(s *mgmt.Session) uint64 { return s.RxPackets }),
	counter("culvert_session_receive_bytes_total", "Bytes of inner frames received from the pseudowire.", bySession, func(s *mgmt.Session) uint64 { return s.RxBytes }),
	counter("culvert_session_transmit_packets_total", "Packets sent into the pseudowire.", bySession, func(s *mgmt.Session) uint64 { return s.TxPackets }),
	counter("culvert_session_transmit_bytes_total", "Bytes of inner frames sent into the pseudowire.", bySession, func(s *mgmt.Session) uint64 { return s.TxBytes }),
	counter("culvert_session_dropped_packets_total", "Packets of the session dropped, for whatever reason.", bySession, func(s *mgmt.Session) uint64 {
		sum := uint64(0)
		for _, n := range s.Drops {
			sum += n
		}
		return sum
	}),
}

// writeSessions writes all sessions in Prometheus' text format 0.0.4, a family after the other as that wants it. It
// streams, where the client library would hold every sample of every session at once.
func writeSessions(w io.Writer, all []mgmt.Session) error {
	labels := make([]string, len(all))
	for i := range all {
		s := &all[i]
		labels[i] = `{tunnel="` + escape(s.Tunnel) + `",session="` + escape(s.Name) + `",interface="` + escape(s.Interface) + `"} `
	}
	b := bufio.NewWriterSize(w, 64<<10)
	line := make([]byte, 0, 512)
	for _, c := range sessionColumns {
		kind := "gauge"
		if c.kind == prometheus.CounterValue {
			kind = "counter"
		}
		line = append(line[:0], "# HELP "+c.name+" "+c.help+"\n# TYPE "+c.name+" "+kind+"\n"...)
		if _, err := b.Write(line); err != nil {
			return err
		}
		for i := range all {
			line = append(append(line[:0], c.name...), labels[i]...)
			line = append(strconv.AppendFloat(line, c.value(&all[i]), 'f', -1, 64), '\n')
			if _, err := b.Write(line); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// escape makes a label's value of text.
func escape(s string) string { return escaper.Replace(valid(s)) }

// valid replaces what is not UTF-8, which label values must be.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
