package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"culvert/client"
	"culvert/internal/mgmt/mgmttest"
)

// answersAsDescribed asks a daemon for all there is to read, and holds the answers against docs/openapi.json.
func answersAsDescribed(t *testing.T, socket string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	targets := []string{"/openapi.json", "/v1/workers", "/v1/drops", "/v1/pools", "/v1/shared", "/v1/profiles", "/v1/config", "/v1/version", "/v1/tunnels", "/v1/sessions"}
	for _, tunnel := range tunnelsOf(t, socket) {
		name := url.PathEscape(tunnel.Name)
		targets = append(targets, "/v1/tunnels/"+name, "/v1/tunnels/"+name+"/messages")
	}
	all, err := client.Collect(client.New(socket).Sessions(t.Context(), client.Filter{}))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	for i := range all {
		targets = append(targets, "/v1/sessions/"+url.PathEscape(all[i].FullName()))
	}
	contract := mgmttest.New(t)
	for _, target := range targets {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://culvert"+target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil {
			err = contract.Check(http.MethodGet, target, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", target, resp.Status, err)
		}
	}
}
