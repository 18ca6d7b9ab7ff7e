package mgmt

import (
	"sync"
	"sync/atomic"
	"time"
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

// Bounds of a Feed.
const (
	maxListeners = 16
	maxWaiting   = 4096 // events for each of them
)

// Feed hands events to those who listen. Its zero value is ready for use, from any goroutine.
type Feed struct {
	heard     atomic.Bool
	mu        sync.Mutex
	listeners []*listening
}

// Heard tells whether anybody listens: an event need not be made for nobody.
func (f *Feed) Heard() bool { return f.heard.Load() }

// Publish gives an event to all who listen, and never waits for them. An event without a time gets the present one.
func (f *Feed) Publish(e Event) {
	if !f.Heard() {
		return
	}
	if e.Time == "" {
		e.Time = eventTime(time.Now())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.add(e)
	}
}

func eventTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// listen begins to listen; nil when there are too many already. forget ends it.
func (f *Feed) listen() *listening {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.listeners) >= maxListeners {
		return nil
	}
	l := &listening{wake: make(chan struct{}, 1)}
	f.listeners = append(f.listeners, l)
	f.heard.Store(true)
	return l
}

func (f *Feed) forget(l *listening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.listeners {
		if f.listeners[i] == l {
			f.listeners = append(f.listeners[:i:i], f.listeners[i+1:]...)
			break
		}
	}
	f.heard.Store(len(f.listeners) > 0)
}

// listening is one who listens, with the events that wait for him.
type listening struct {
	wake chan struct{} // has a value when something waits

	mu      sync.Mutex
	waiting []Event
	lost    uint64
}

func (l *listening) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) < maxWaiting {
		l.waiting = append(l.waiting, e)
	} else {
		l.lost++
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take gives what waits, and behind it the number of those events that came later and found no room.
func (l *listening) take() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.waiting
	if l.lost > 0 {
		all = append(all, Event{Time: eventTime(time.Now()), Type: EventLost, Lost: l.lost})
	}
	l.waiting, l.lost = nil, 0
	return all
}
