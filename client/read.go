package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/url"
	"time"

	"culvert/internal/version"
)

// Version is what a running culvert was made from.
type Version = version.Info

// Filter chooses sessions; an empty field chooses all.
type Filter struct {
	Tunnel, State, Interface, User, Address string
}

// Path is the path of the API that lists the sessions.
func (f Filter) Path() string {
	return "/v1/sessions" + query(map[string]string{
		"tunnel": f.Tunnel, "state": f.State, "interface": f.Interface, "user": f.User, "address": f.Address,
	})
}

// query is the query part of a path with those values that are not empty, with its question mark.
func query(values map[string]string) string {
	q := url.Values{}
	for name, v := range values {
		if v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// TunnelPath is the path of the API of a tunnel.
func TunnelPath(name string) string { return "/v1/tunnels/" + url.PathEscape(name) }

// MessagesPath is that of its messages.
func MessagesPath(tunnel string) string { return TunnelPath(tunnel) + "/messages" }

// SessionPath is the path of the API of a session with the full name "tunnel/session".
func SessionPath(name string) string { return "/v1/sessions/" + url.PathEscape(name) }

// Tunnels lists all tunnels by name.
func (c *Client) Tunnels(ctx context.Context) ([]Tunnel, error) {
	return one[[]Tunnel](ctx, c, "/v1/tunnels")
}

// Tunnel has everything about the tunnel of that name.
func (c *Client) Tunnel(ctx context.Context, name string) (Tunnel, error) {
	return one[Tunnel](ctx, c, TunnelPath(name))
}

// Messages are the last control messages of a dynamic tunnel, the oldest first.
func (c *Client) Messages(ctx context.Context, tunnel string) ([]Message, error) {
	return one[[]Message](ctx, c, MessagesPath(tunnel))
}

// Session has everything about the session of the full name "tunnel/session".
func (c *Client) Session(ctx context.Context, name string) (Session, error) {
	return one[Session](ctx, c, SessionPath(name))
}

// Workers lists all workers.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	return one[[]Worker](ctx, c, "/v1/workers")
}

// Drops lists all reasons for which packets are dropped.
func (c *Client) Drops(ctx context.Context) ([]Drop, error) { return one[[]Drop](ctx, c, "/v1/drops") }

// Diagnose has culvert watch a tunnel for a while, at most 30 s, and say what is wrong with it.
func (c *Client) Diagnose(ctx context.Context, tunnel string, wait time.Duration) ([]Finding, error) {
	return one[[]Finding](ctx, c, TunnelPath(tunnel)+"/doctor"+query(map[string]string{"wait": wait.String()}))
}

// Levels lists what is logged: the subsystems' levels, then those of tunnels.
func (c *Client) Levels(ctx context.Context) ([]LogLevel, error) {
	return one[[]LogLevel](ctx, c, "/v1/levels")
}

// Pools lists all pools.
func (c *Client) Pools(ctx context.Context) ([]Pool, error) { return one[[]Pool](ctx, c, "/v1/pools") }

// Shared lists the devices that many sessions have in common.
func (c *Client) Shared(ctx context.Context) ([]Shared, error) {
	return one[[]Shared](ctx, c, "/v1/shared")
}

// MACsPath is the path of the API of the Ethernet addresses of a shared TAP.
func MACsPath(shared string) string { return "/v1/shared/" + url.PathEscape(shared) + "/macs" }

// MACs lists the Ethernet addresses that a shared TAP has learnt.
func (c *Client) MACs(ctx context.Context, shared string) ([]MAC, error) {
	return one[[]MAC](ctx, c, MACsPath(shared))
}

// Profiles lists PPP and session profiles.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	return one[[]Profile](ctx, c, "/v1/profiles")
}

// Config is the configuration that runs.
func (c *Client) Config(ctx context.Context) (Config, error) {
	return one[Config](ctx, c, "/v1/config")
}

// Version says what culvert was made from.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return one[Version](ctx, c, "/v1/version")
}

// errLeft ends an answer whose reader has left the loop.
var errLeft = errors.New("left")

// Sessions gives the sessions that pass the filter one after the other, by tunnel and name.
func (c *Client) Sessions(ctx context.Context, f Filter) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		err := c.get(ctx, f.Path(), func(r io.Reader) error { return each(r, yield) })
		if err != nil && !errors.Is(err, errLeft) {
			yield(Session{}, err)
		}
	}
}

// each decodes a list and yields its elements.
func each[T any](r io.Reader, yield func(T, error) bool) error {
	dec := json.NewDecoder(r)
	if tok, err := dec.Token(); err != nil {
		return err
	} else if tok != json.Delim('[') {
		return errors.New("not a list")
	}
	for dec.More() {
		var v T
		if err := dec.Decode(&v); err != nil {
			return err
		}
		if !yield(v, nil) {
			return errLeft
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket: an answer cut off is not taken for a whole one
		return err
	}
	return atEnd(dec)
}

// Collect makes a list of a stream, up to its end or first error.
func Collect[T any](stream iter.Seq2[T, error]) (all []T, err error) {
	for v, e := range stream {
		if e != nil {
			return all, e
		}
		all = append(all, v)
	}
	return all, nil
}
