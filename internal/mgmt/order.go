package mgmt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Order asks culvert to change something; the answer decodes into a T.
type Order[T any] struct {
	path string
	body any // nil: none
}

// OrderReload asks for the configuration file to be read again.
func OrderReload(r ReloadRequest) Order[ReloadReport] {
	o := Order[ReloadReport]{path: pathReload}
	if r.DryRun {
		o.path += "?" + paramDryRun + "=true"
	}
	if r.File != "" {
		o.body = r
	}
	return o
}

// OrderDrain asks for no new connections and sessions, or for them to be taken again.
func OrderDrain(r DrainRequest) Order[DrainReport] {
	return Order[DrainReport]{path: pathDrain, body: r}
}

// OrderDisconnect asks for sessions to be ended.
func OrderDisconnect(r DisconnectRequest) Order[DisconnectReport] {
	return Order[DisconnectReport]{pathDisconnect, r}
}

// OrderAdd asks for tunnels or sessions to be added.
func OrderAdd(r AddRequest) Order[ReloadReport] { return Order[ReloadReport]{pathAdd, r} }

// OrderDelete asks for a tunnel or a session to be removed.
func OrderDelete(r DeleteRequest) Order[ReloadReport] { return Order[ReloadReport]{pathDelete, r} }

// OrderDebug asks for another log level.
func OrderDebug(r DebugRequest) Order[LogLevel] { return Order[LogLevel]{pathDebug, r} }

// Do gives an order, waits for it to be carried out, however long that takes, and decodes the answer.
func Do[T any](ctx context.Context, c *Client, o Order[T]) (T, error) {
	var v T
	var text []byte
	if o.body != nil {
		var err error
		if text, err = json.Marshal(o.body); err != nil {
			return v, fmt.Errorf("management request: %w", err)
		}
	}
	patient := Client{socket: c.socket, http: c.http}
	patient.http.Timeout = 0
	err := patient.do(ctx, http.MethodPost, o.path, bytes.NewReader(text), decodeInto(&v))
	return v, err
}
