package forwarder

import "culvert/forwarder/netio"

// EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	// EventFrame brings a PPP frame that is not IP data: LCP, an NCP, authentication, or a protocol nobody knows.
	EventFrame EventKind = iota + 1
	// EventRouter brings an IPv6 packet that asks for the link's router: a Router Solicitation, or DHCPv6.
	EventRouter
	// EventEarly carries a PPP frame of a session that is awaited, see Await.
	EventEarly
	// EventPathMTU says that a tunnel's path MTU changed.
	EventPathMTU
	// EventDeviceGone says that the device of a session, or a shared one, was removed by somebody else.
	EventDeviceGone
	// EventFailed says that a worker's loop ended by an error, which only a bug can cause.
	EventFailed
)

// Event is news for the control side.
type Event struct {
	Kind    EventKind
	Session *Session // EventFrame, EventRouter, EventDeviceGone
	Shared  *Shared  // EventDeviceGone of a shared device
	Early   *Early   // EventEarly
	Tunnel  *Tunnel  // EventPathMTU
	Frame   []byte   // EventFrame, EventRouter, EventEarly: valid until Release
	Err     error    // EventFailed
	pooled  *[]byte
}

const (
	// eventQueue bounds what waits for the control side.
	eventQueue = 4096
	// maxPunt is the largest PPP frame that is handed to the control side: more than any MRU one can negotiate for
	// control packets on an ordinary path. Larger ones are dropped as malformed would be.
	maxPunt = 2048
)

// Events is where the control side hears from the data plane. It must be read; when it is full, frames are dropped
// and counted, and other news is lost.
func (f *Forwarder) Events() <-chan Event { return f.events }

// Release gives an event's frame back.
func (f *Forwarder) Release(e Event) {
	if e.pooled != nil {
		f.frames.Put(e.pooled)
	}
}

// event tells the control side without waiting for it.
func (f *Forwarder) event(e Event) bool {
	select {
	case f.events <- e:
		return true
	default:
		return false
	}
}

// punt copies a PPP frame, or for EventRouter an IPv6 packet, for the control side; false when it has no room.
func (f *Forwarder) punt(kind EventKind, s *Session, frame []byte) bool {
	return f.copyFrame(Event{Kind: kind, Session: s}, frame)
}

// copyFrame sends an event with a copy of a frame; false when there is no room.
func (f *Forwarder) copyFrame(e Event, frame []byte) bool {
	if len(frame) > maxPunt || len(f.events) == cap(f.events) {
		return false
	}
	p := f.frames.Get().(*[]byte)
	e.Frame, e.pooled = (*p)[:copy(*p, frame)], p
	if !f.event(e) {
		f.frames.Put(p)
		return false
	}
	return true
}

// news takes in what a socket's error queue said.
func (f *Forwarder) news(l *listener, e netio.NetError) {
	for _, t := range l.news(e) {
		f.event(Event{Kind: EventPathMTU, Tunnel: t})
	}
}
