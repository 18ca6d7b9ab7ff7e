package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// order has culvert change something and decodes its report, however long that takes.
func order[T any](ctx context.Context, c *Client, path string, request any) (report T, err error) {
	text, err := json.Marshal(request)
	if err != nil {
		return report, fmt.Errorf("management request: %w", err)
	}
	err = c.exchange(ctx, http.MethodPost, path, bytes.NewReader(text), decodeInto(&report))
	return report, err
}

// Reload has the configuration file read again.
func (c *Client) Reload(ctx context.Context, r ReloadRequest) (ReloadReport, error) {
	path := "/v1/reload"
	if r.DryRun {
		path += "?dry_run=true"
	}
	return order[ReloadReport](ctx, c, path, r)
}

// Drain lets what there is run out: no new connections and sessions, until it is ended.
func (c *Client) Drain(ctx context.Context, r DrainRequest) (DrainReport, error) {
	return order[DrainReport](ctx, c, "/v1/drain", r)
}

// Disconnect ends sessions.
func (c *Client) Disconnect(ctx context.Context, r DisconnectRequest) (DisconnectReport, error) {
	return order[DisconnectReport](ctx, c, "/v1/disconnect", r)
}

// Add adds tunnels or sessions, until the next reload.
func (c *Client) Add(ctx context.Context, r AddRequest) (ReloadReport, error) {
	return order[ReloadReport](ctx, c, "/v1/add", r)
}

// Delete removes a tunnel or a session, until the next reload.
func (c *Client) Delete(ctx context.Context, r DeleteRequest) (ReloadReport, error) {
	return order[ReloadReport](ctx, c, "/v1/delete", r)
}

// Debug sets from where on something is logged, until culvert ends.
func (c *Client) Debug(ctx context.Context, r DebugRequest) (LogLevel, error) {
	return order[LogLevel](ctx, c, "/v1/debug", r)
}
