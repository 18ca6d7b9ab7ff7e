package mgmt

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"culvert/client"
)

// TestFeedSlow: a listener that takes nothing gets the first events and the number of the others; the next ones come again.
func TestFeedSlow(t *testing.T) {
	var f Feed
	f.Publish(Event{Type: EventDrain}) // for nobody
	slow, quick := f.listen(), f.listen()
	for i := range maxWaiting + 7 {
		f.Publish(Event{Type: EventReload, Session: string(rune('a' + i%26))})
		if n := len(quick.take()); n != 1 {
			t.Fatalf("event %d: %d", i, n)
		}
	}
	all := slow.take()
	if len(all) != maxWaiting+1 || all[0].Session != "a" || all[0].Time == "" {
		t.Fatalf("%d events, %+v", len(all), all[0])
	}
	if last := all[maxWaiting]; last.Type != EventLost || last.Lost != 7 || last.Time == "" {
		t.Errorf("%+v", last)
	}
	f.Publish(Event{Type: EventDrainEnd})
	if all = slow.take(); len(all) != 1 || all[0].Type != EventDrainEnd {
		t.Errorf("%+v", all)
	}
	f.forget(slow)
	f.forget(quick)
	if f.Heard() || len(f.listeners) != 0 {
		t.Error("somebody listens")
	}
}

func TestFeedCostsNothing(t *testing.T) {
	var f Feed
	if n := testing.AllocsPerRun(100, func() { f.Publish(Event{Type: EventDrain}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEvents: events come at once, in order, until either end ends it.
func TestEvents(t *testing.T) {
	src := newFake()
	path, stop := serve(t, src)
	listen := func(ctx context.Context) (<-chan Event, <-chan error) {
		stream, err := client.New(path).Events(ctx, client.EventFilter{})
		if err != nil {
			t.Fatal(err)
		}
		c, done := make(chan Event), make(chan error, 1)
		go func() {
			defer close(done)
			for e, err := range stream {
				if err != nil {
					done <- err
					return
				}
				c <- e
			}
		}()
		return c, done
	}
	ctx, cancel := context.WithCancel(context.Background())
	first, firstDone := listen(ctx)
	second, secondDone := listen(context.Background())
	src.feed.Publish(Event{Type: EventSessionUp, Session: "s\n\"1\""})
	for _, c := range []<-chan Event{first, second} {
		if e := <-c; e.Type != EventSessionUp || e.Session != "s\n\"1\"" || e.Time == "" {
			t.Errorf("%+v", e)
		}
	}
	cancel()
	if err := <-firstDone; err != nil {
		t.Error(err)
	}
	src.feed.Publish(Event{Type: EventDrain}) // is still told
	if err := stop(); err != nil {
		t.Error(err)
	}
	if e := <-second; e.Type != EventDrain {
		t.Errorf("%+v", e)
	}
	if err := <-secondDone; err != nil {
		t.Error(err)
	}
	if src.feed.Heard() {
		t.Error("somebody listens")
	}
}

// TestEventsMost: one too many is refused, and finds a place when another one goes.
func TestEventsMost(t *testing.T) {
	src := newFake()
	path, _ := serve(t, src)
	var all []*listening
	for range maxListeners {
		all = append(all, src.feed.listen())
	}
	var ae *client.APIError
	if _, err := client.New(path).Events(t.Context(), client.EventFilter{}); !errors.As(err, &ae) || ae.Status != http.StatusConflict {
		t.Errorf("%v", err)
	}
	src.feed.forget(all[3])
	stream, err := client.New(path).Events(t.Context(), client.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	src.feed.Publish(Event{Type: EventDrain})
	for e, err := range stream {
		if err != nil || e.Type != EventDrain {
			t.Errorf("%+v, %v", e, err)
		}
		break // ends it
	}
	for _, l := range all {
		src.feed.forget(l)
	}
}

// TestEventFilters: only what passes all of them is told, and that something was lost.
func TestEventFilters(t *testing.T) {
	all := []Event{
		{Type: EventTunnelUp, Tunnel: "t1"},
		{Type: EventSessionUp, Tunnel: "t1", Session: "s1"},
		{Type: EventSessionUp, Tunnel: "t2", Session: "s1"},
		{Type: EventSessionDown, Tunnel: "t1", Session: "s1"},
		{Type: EventLost, Lost: 3},
	}
	for _, tt := range []struct {
		filter client.EventFilter
		want   string
	}{
		{client.EventFilter{}, "0 1 2 3 4"},
		{client.EventFilter{Type: EventSessionUp}, "1 2 4"},
		{client.EventFilter{Tunnel: "t1"}, "0 1 3 4"},
		{client.EventFilter{Session: "t1/s1"}, "1 3 4"},
		{client.EventFilter{Type: EventSessionUp, Tunnel: "t1", Session: "t1/s1"}, "1 4"},
		{client.EventFilter{Session: "t1"}, ""},
		{client.EventFilter{Type: "session"}, ""},
	} {
		src := newFake()
		path, stop := serve(t, src)
		stream, err := client.New(path).Events(t.Context(), tt.filter)
		if tt.want == "" {
			var refused *client.APIError
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
				t.Errorf("%+v: %v", tt.filter, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			e := all[i]
			e.Reason = strconv.Itoa(i)
			src.feed.Publish(e)
		}
		_ = stop() // ends the stream once all has been told
		var got []string
		for e, err := range stream {
			if err != nil {
				t.Error(err)
			}
			got = append(got, e.Reason)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%+v: %s, want %s", tt.filter, s, tt.want)
		}
	}
	path, _ := serve(t, newFake())
	if resp, body := request(t, path, "GET", "/v1/events?type=session"); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "session_up") {
		t.Errorf("%s %s", resp.Status, body)
	}
}
