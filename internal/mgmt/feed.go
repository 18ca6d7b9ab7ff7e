package mgmt

import (
	"sync"
	"sync/atomic"
	"time"
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
