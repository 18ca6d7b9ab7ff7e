package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/mgmt"
)

// happening has events to listen to.
type happening struct {
	source
	feed *mgmt.Feed
}

func (h happening) Events() *mgmt.Feed { return h.feed }

func TestEvents(t *testing.T) {
	h := happening{feed: new(mgmt.Feed)}
	socket := serve(t, h)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var stderr bytes.Buffer
	out := seen{text: "session_up", then: cancel}
	go func() {
		for ; !h.feed.Heard(); time.Sleep(time.Millisecond) { // until the command listens
		}
		h.feed.Publish(client.Event{Time: "now", Type: client.EventSessionDown, User: "ann"})
		h.feed.Publish(client.Event{Time: "now", Type: client.EventSessionUp, User: "joe"})
	}()
	if status := execute(ctx, []string{"events", "--type", "session_up", "--socket", socket}, &out, &stderr); status != exitOK {
		t.Errorf("status %d, %q", status, stderr.String())
	}
	if got := out.all.String(); got != `{"time":"now","type":"session_up","user":"joe"}`+"\n" || stderr.String() != "listening, interrupt to end\n" {
		t.Errorf("%q, %q", got, stderr.String())
	}
	wantFailure(t, culvert("events", "x"), exitUsage, `culvert: unexpected argument "x"`, "See `culvert events --help`.")
}

// seen does something when a text was written.
type seen struct {
	all  bytes.Buffer // not embedded: it would be read into, past Write
	text string
	then func()
}

func (s *seen) Write(b []byte) (int, error) {
	n, err := s.all.Write(b)
	if strings.Contains(s.all.String(), s.text) {
		s.then()
	}
	return n, err
}
