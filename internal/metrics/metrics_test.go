package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"culvert/internal/mgmt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fake struct{ sessions []mgmt.Session }

func (fake) Version() string { return "1.2.3" }

func (fake) Workers() []mgmt.Worker {
	return []mgmt.Worker{{ID: 0, Sessions: 2, RxCPU: 1.5, Traffic: mgmt.Traffic{RxPackets: 7}}, {ID: 1}}
}

func (fake) Tunnels() []mgmt.Tunnel {
	return []mgmt.Tunnel{
		{Name: "t1", Transport: "udp", Local: "192.0.2.1:1701", Peer: "192.0.2.2:1701", State: "up", Sessions: 2},
		{Name: "a\xff\"b\\\n", Transport: "ip", State: "wait-ctl-reply"},
		{Name: "p:1", State: "established"},
	}
}

func (f fake) Sessions() iter.Seq[mgmt.Session] { return slices.Values(f.sessions) }

func (fake) Drops() []mgmt.Drop { return []mgmt.Drop{{Reason: "cookie", Help: "wrong", Count: 5}} }

func (fake) Pools() []mgmt.Pool {
	return []mgmt.Pool{{Name: "v4", Size: 10, Used: 3, Exhausted: 1}}
}

func (fake) Shared() []mgmt.Shared {
	return []mgmt.Shared{{Name: "tap", Sessions: 3, MACs: 17, MACsRefused: 2, MACsMoved: 1, Flooded: 5}}
}

// odd is a session with all that text can have.
var odd = mgmt.Session{
	Tunnel: "a\xff\"b\\\n", Name: "s 1", Interface: "", State: "up", Traffic: mgmt.Traffic{RxPackets: 1, RxBytes: 1 << 60, TxPackets: 3, TxBytes: 4},
	Drops: map[string]uint64{"cookie": 2, "mtu": 3},
}

func get(t *testing.T, src Source, path string) (int, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(src).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.Bytes()
}

func families(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	all, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}

func TestMetrics(t *testing.T) {
	status, text := get(t, fake{}, "/metrics")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	if p, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(p) > 0 {
		t.Errorf("%v %v", p, err)
	}
	families(t, text)
	for _, want := range []string{
		`culvert_build_info{version="1.2.3"} 1`,
		`culvert_worker_sessions{worker="0"} 2`,
		`culvert_worker_receive_cpu_seconds_total{worker="0"} 1.5`,
		`culvert_tunnel_up{tunnel="t1"} 1`,
		`culvert_tunnel_up{tunnel="p:1"} 1`,
		`culvert_tunnel_up{tunnel="a` + "\uFFFD" + `\"b\\\n"} 0`,
		`culvert_tunnel_info{local="192.0.2.1:1701",peer="192.0.2.2:1701",transport="udp",tunnel="t1"} 1`,
		`culvert_dropped_packets_total{reason="cookie"} 5`,
		`culvert_pool_used{pool="v4"} 3`,
		`culvert_shared_macs{shared="tap"} 17`,
		`culvert_shared_flooded_frames_total{shared="tap"} 5`,
		`go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(string(text), "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// TestSessions compares what is written by hand with what Prometheus' own parser makes of it.
func TestSessions(t *testing.T) {
	_, text := get(t, fake{[]mgmt.Session{odd, {Tunnel: "t", Name: "s2", Interface: "sub2", State: "down"}}}, "/metrics/sessions")
	if p, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(p) > 0 {
		t.Errorf("%v %v", p, err)
	}
	all := families(t, text)
	if len(all) != len(sessionColumns) {
		t.Fatalf("%d families, want %d", len(all), len(sessionColumns))
	}
	want := map[string]float64{
		"culvert_session_up": 1, "culvert_session_receive_packets_total": 1, "culvert_session_receive_bytes_total": 1 << 60,
		"culvert_session_transmit_packets_total": 3, "culvert_session_transmit_bytes_total": 4, "culvert_session_dropped_packets_total": 5,
	}
	for name, f := range all {
		if len(f.Metric) != 2 {
			t.Fatalf("%s: %v", name, f.Metric)
		}
		m := f.Metric[0]
		if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got != want[name] {
			t.Errorf("%s: %v, want %v", name, got, want[name])
		}
		labels := map[string]string{}
		for _, l := range m.Label {
			labels[l.GetName()] = l.GetValue()
		}
		if w := map[string]string{"tunnel": "a\uFFFD\"b\\\n", "session": "s 1", "interface": ""}; !maps.Equal(labels, w) {
			t.Errorf("%s: labels %q", name, labels)
		}
	}
	if _, text := get(t, fake{}, "/metrics/sessions"); len(families(t, text)) != 0 && bytes.Contains(text, []byte("}")) {
		t.Errorf("without sessions:\n%s", text)
	}
}

func TestLint(t *testing.T) {
	if p, err := testutil.GatherAndLint(registry(fake{})); err != nil || len(p) > 0 {
		t.Errorf("%v %v", p, err)
	}
}

func TestOtherRequests(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/metrics/sessions", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/metrics/other", http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		Handler(fake{}).ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}

func TestServe(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(ln.Addr().String()); err == nil {
		t.Error("an address can be had twice")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { Serve(ctx, ln, fake{}, zaptest.NewLogger(t)); close(done) }()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + ln.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("does not stop")
	}
}

// TestPackaged: dashboard and alerts use metrics that exist.
func TestPackaged(t *testing.T) {
	_, text := get(t, fake{}, "/metrics")
	_, more := get(t, fake{[]mgmt.Session{odd}}, "/metrics/sessions")
	known := families(t, append(text, more...))
	for _, file := range []string{"grafana/culvert.json", "prometheus/culvert.rules.yml"} {
		b, err := os.ReadFile(filepath.Join("../../packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(b) {
			t.Errorf("%s is not JSON", file)
		}
		used := regexp.MustCompile(`\b(culvert|process|go)_[a-z_]+`).FindAllString(string(b), -1)
		if len(used) == 0 {
			t.Errorf("%s uses no metric", file)
		}
		for _, name := range used {
			if known[name] == nil {
				t.Errorf("%s: no such metric: %s", file, name)
			}
		}
	}
}

// TestDocumented: docs/metrics.md names every metric.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text := get(t, fake{}, "/metrics")
	_, more := get(t, fake{[]mgmt.Session{odd}}, "/metrics/sessions")
	for name := range families(t, append(text, more...)) {
		if strings.HasPrefix(name, "culvert_") && !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("%s is not in docs/metrics.md", name)
		}
	}
}

func BenchmarkSessions(b *testing.B) {
	all := make([]mgmt.Session, 50_000)
	for i := range all {
		all[i] = mgmt.Session{Tunnel: "access:1", Name: fmt.Sprintf("sreid_%d", i), Interface: fmt.Sprintf("sub%d", i), State: "up"}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := writeSessions(io.Discard, all); err != nil {
			b.Fatal(err)
		}
	}
}
