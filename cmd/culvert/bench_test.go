package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"culvert/bench/load"
)

func TestBenchUsage(t *testing.T) {
	tests := []struct {
		args []string
		err  string
	}{
		{nil, "a command is missing"},
		{[]string{"snik"}, `unknown command "snik", did you mean sink?`},
		{[]string{"generate"}, `required flag(s) "to" not set`},
		{[]string{"generate", "--to", "127.0.0.1", "--rate", "fast"}, "--rate must be a number up to 1e9, max or search"},
		{[]string{"generate", "--to", "127.0.0.1", "--rate", "-1"}, "--rate must be a number up to 1e9, max or search"},
		{[]string{"generate", "--to", "127.0.0.1", "--rate", "NaN"}, "--rate must be a number up to 1e9, max or search"},
		{[]string{"generate", "--to", "127.0.0.1", "--size", "63"}, "packet size must be 64 to 9000 bytes, not 63"},
		{[]string{"generate", "--to", "127.0.0.1", "--imix", "--mtu", "500"}, "IMIX needs an MTU of 594 to 9000, not 500"},
		{[]string{"generate", "--to", "127.0.0.1", "--loss", "1"}, "--loss must be 0 to below 1, --precision above 0 to 1"},
		{[]string{"generate", "--to", "127.0.0.1:x"}, `port "x" of "127.0.0.1:x" is not a number from 1 to 65534`},
		{[]string{"sink", "--listen", "127.0.0.1:65535"}, `port "65535" of "127.0.0.1:65535" is not a number from 1 to 65534`},
		{[]string{"ping"}, `required flag(s) "to" not set`},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			r := culvert(append([]string{"bench"}, tt.args...)...)
			if r.status != exitUsage || !strings.HasPrefix(r.stderr, "culvert: "+tt.err+"\n") {
				t.Errorf("status %d, stderr %q", r.status, r.stderr)
			}
		})
	}
}

// freePort is a port of the loopback device that nobody has for TCP right now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return min(l.Addr().(*net.TCPAddr).Port, 65000)
}

// TestBench runs all three commands over the loopback device.
func TestBench(t *testing.T) {
	to := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	done := make(chan int)
	go func() { done <- execute(ctx, []string{"bench", "sink", "--json", "--listen", to}, &out, &out) }()
	defer func() {
		cancel()
		if status := <-done; status != exitOK {
			t.Errorf("sink: status %d, %s", status, out.String())
		}
		var r load.Report
		if line, _, _ := strings.Cut(out.String(), "\n"); json.Unmarshal([]byte(line), &r) != nil || r.Received == 0 {
			t.Errorf("sink printed %q", out.String())
		}
	}()
	for range 100 { // until it listens
		if conn, err := net.Dial("tcp", to); err == nil {
			_ = conn.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	var sent load.Result
	r := culvert("bench", "generate", "--to", to, "--rate", "5000", "--duration", "100ms", "--json", "--imix", "--flows", "3")
	if err := json.Unmarshal([]byte(r.stdout), &sent); err != nil || sent.Received == 0 || sent.Flows != 3 {
		t.Errorf("generate: %+v, %v", r, err)
	}
	r = culvert("bench", "generate", "--to", to, "--duration", "50ms", "--size", "1000", "--loss", "0.9")
	if r.status != exitOK || !strings.Contains(r.stdout, "highest rate with at most 90 % lost") {
		t.Errorf("search: %+v", r)
	}
	r = culvert("bench", "ping", "--to", to, "--duration", "5s", "--count", "10")
	if r.status != exitOK || !strings.Contains(r.stdout, "of 10 answered") {
		t.Errorf("ping: %+v", r)
	}
	r = culvert("bench", "ping", "--to", to, "--count", "2", "--json")
	var l load.Latency
	if err := json.Unmarshal([]byte(r.stdout), &l); err != nil || l.Sent != 2 {
		t.Errorf("ping --json: %+v, %v", r, err)
	}
}
