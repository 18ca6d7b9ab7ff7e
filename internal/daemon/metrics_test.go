package daemon

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestMetrics scrapes a daemon with a session.
func TestMetrics(t *testing.T) {
	ns := newNS(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	text, _ := twoEnds(ns, ns, freePorts(t, 2))
	d := run(t, fmt.Sprintf("[api]\nmetrics = %q\n", address)+text)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]string{
		"/metrics":          "\nculvert_tunnel_sessions{tunnel=\"t\"} ",
		"/metrics/sessions": "\nculvert_session_up{tunnel=\"t\",session=\"wire\",interface=\"wire\"} ",
	} {
		r, err := client.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, %v, no %q in\n%.2000s", path, r.Status, err, want, b)
		}
	}
	d.stop()
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("metrics are still served")
	}
}
