package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
)

// Event is something that has happened to a tunnel, a session or the whole of culvert.
type Event struct {
	Time      string            `json:"time"` // RFC 3339, UTC
	Type      string            `json:"type"` // one of the constants below
	Tunnel    string            `json:"tunnel,omitempty"`
	Session   string            `json:"session,omitempty"` // within its tunnel
	Interface string            `json:"interface,omitempty"`
	Reason    string            `json:"reason,omitempty"`        // why it went, failed or was refused
	Peer      string            `json:"peer,omitempty"`          // address of a tunnel's peer
	HostName  string            `json:"host_name,omitempty"`     // as the peer of a dynamic tunnel says
	User      string            `json:"user,omitempty"`          // that the PPP peer has proven to be
	Local     string            `json:"local_address,omitempty"` // of PPP
	Address   string            `json:"peer_address,omitempty"`  // of the PPP peer
	PeerID    string            `json:"peer_interface_id,omitempty"`
	Prefix    string            `json:"prefix,omitempty"`  // of the link, advertised to the peer
	Changes   map[string]string `json:"changes,omitempty"` // of a reload, by kind
	Lost      uint64            `json:"lost,omitempty"`    // events that found no room
}

// What happens.
const (
	EventTunnelUp       = "tunnel_up"
	EventTunnelDown     = "tunnel_down"
	EventTunnelFailed   = "tunnel_failed" // it never came up
	EventSessionUp      = "session_up"
	EventSessionChanged = "session_changed" // another network protocol or other addresses
	EventSessionDown    = "session_down"
	EventSessionFailed  = "session_failed" // it never came up
	EventReload         = "reload"
	EventReloadRefused  = "reload_refused"
	EventDrain          = "drain"
	EventDrainEnd       = "drain_end"
	EventLost           = "lost" // the reader is too slow
)

// EventFilter chooses events; an empty field chooses all.
type EventFilter struct {
	Type    string
	Tunnel  string // and its sessions
	Session string // full name
}

// Path is the path of the API that tells what happens.
func (f EventFilter) Path() string {
	return "/v1/events" + query(map[string]string{"type": f.Type, "tunnel": f.Tunnel, "session": f.Session})
}

// Events listens to what happens: of what happens after it has returned, nothing is missed. The stream has to be ranged
// over, once; it ends without an error when ctx is done or culvert ends.
func (c *Client) Events(ctx context.Context, f EventFilter) (iter.Seq2[Event, error], error) {
	body, err := c.Raw(ctx, f.Path())
	if err != nil {
		return nil, err
	}
	return func(yield func(Event, error) bool) {
		defer func() { _ = body.Close() }()
		for dec := json.NewDecoder(body); ; {
			var e Event
			err := dec.Decode(&e)
			switch {
			case err == nil && !yield(e, nil), errors.Is(err, io.EOF), err != nil && ctx.Err() != nil:
				return
			case err != nil:
				yield(Event{}, c.broken(err))
				return
			}
		}
	}, nil
}
