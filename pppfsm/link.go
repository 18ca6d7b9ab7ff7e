package pppfsm

import (
	"io"
	"time"
)

// Link is one end of a PPP link.
type Link struct {
	cfg Config
	rnd io.Reader
	out []Action
}

// NewLink returns a link in the Dead phase.
func NewLink(cfg Config, rnd io.Reader) *Link { return &Link{cfg: cfg.normal(), rnd: rnd} }

// Open allows the link to come up.
func (l *Link) Open(now time.Time) {}

// Close ends the link.
func (l *Link) Close(now time.Time, reason string) {}

// Up says that the lower layer is ready.
func (l *Link) Up(now time.Time) {}

// Down says that the lower layer is gone.
func (l *Link) Down(now time.Time) {}

// Input takes one PPP frame.
func (l *Link) Input(now time.Time, frame []byte) {}

// Tick runs the timers that are due.
func (l *Link) Tick(now time.Time) {}

// Deadline returns when Tick is due.
func (l *Link) Deadline() time.Time { return time.Time{} }

// Take drains the actions.
func (l *Link) Take() []Action { a := l.out; l.out = nil; return a }

// Status returns a copy of the state.
func (l *Link) Status() Status { return Status{} }
