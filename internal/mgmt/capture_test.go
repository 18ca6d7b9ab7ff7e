package mgmt

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"culvert/client"
)

// TestCapture: what is asked for arrives as it was meant, and so do the packets and numbers.
func TestCapture(t *testing.T) {
	src := newFake()
	path, _ := serve(t, src)
	c := client.New(path)
	for _, r := range []CaptureRequest{
		{Tunnel: "a b/&", Count: 3, Outer: true, Inner: true, SnapLen: 96, Size: 1000, Duration: time.Second},
		{Session: "t/s/x", Count: 3, Outer: true, SnapLen: 1, Size: 1},
		{Peer: netip.MustParseAddr("2001:db8::1"), Count: 3, Inner: true, SnapLen: maxSnapLen, Size: 2},
	} {
		var b bytes.Buffer
		begun := 0
		res, err := c.Capture(context.Background(), r, &b, func() { begun++ })
		if err != nil || res != (CaptureResult{Captured: 3, Dropped: 7}) || b.String() != "packet\npacket\npacket\nend\n" || begun != 1 {
			t.Errorf("%+v: %+v, %v, %q", r, res, err, b.String())
		}
		if src.asked != r {
			t.Errorf("asked %+v, arrived %+v", r, src.asked)
		}
	}
	if n := src.closed.Load(); n != 3 {
		t.Errorf("closed %d captures of 3", n)
	}
	var b bytes.Buffer
	if _, err := c.Capture(context.Background(), CaptureRequest{Tunnel: "x", Count: 1}, &b, nil); err != nil ||
		src.asked != (CaptureRequest{Tunnel: "x", Count: 1, Outer: true, Inner: true, SnapLen: maxSnapLen, Size: defaultCaptureSize}) {
		t.Errorf("defaults: %v %+v", err, src.asked)
	}
}

// TestCaptureEnds: a client that has enough still gets the last packets and the numbers; a server that stops gives them too.
func TestCaptureEnds(t *testing.T) {
	for name, end := range map[string]func(cancel func(), stop func() error){
		"client": func(cancel func(), _ func() error) { cancel() },
		"server": func(_ func(), stop func() error) { _ = stop() },
	} {
		t.Run(name, func(t *testing.T) {
			src := newFake()
			path, stop := serve(t, src)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			seen := make(chan struct{}, 1)
			w := writerFunc(func(b []byte) (int, error) {
				select {
				case seen <- struct{}{}:
				default:
				}
				return len(b), nil
			})
			done := make(chan error, 1)
			var res CaptureResult
			go func() {
				var err error
				res, err = client.New(path).Capture(ctx, CaptureRequest{Tunnel: "t"}, w, nil)
				done <- err
			}()
			<-seen
			end(cancel, stop)
			if err := <-done; err != nil || res.Captured == 0 || res.Dropped != 7 {
				t.Errorf("%+v, %v", res, err)
			}
			if src.closed.Load() != 1 {
				t.Error("not closed")
			}
		})
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestCaptureRefused(t *testing.T) {
	src := newFake()
	path, _ := serve(t, src)
	c := client.New(path)
	for r, want := range map[CaptureRequest]string{
		{}:                          "one of tunnel, session and peer is needed",
		{Tunnel: "a", Session: "b"}: "one of tunnel, session and peer is needed",
		{Session: "b"}:              "is not of the form",
		{Tunnel: "busy"}:            "another capture is running",
		{Tunnel: "broken"}:          "out of order",
	} {
		var ae *client.APIError
		if _, err := c.Capture(context.Background(), r, &bytes.Buffer{}, nil); !errors.As(err, &ae) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", r, err, want)
		}
	}
	for _, query := range []string{"tunnel=a&count=-1", "tunnel=a&count=x", "peer=host", "tunnel=a&layer=middle", "tunnel=a&duration=5", "tunnel=a&snaplen=1e3"} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, bad := parseCapture(q); bad == nil || bad.status != http.StatusBadRequest {
			t.Errorf("%s: %v", query, bad)
		}
	}
	// A client that breaks off ends the capture as well.
	full := writerFunc(func([]byte) (int, error) { return 0, errors.New("disk full") })
	if _, err := c.Capture(context.Background(), CaptureRequest{Tunnel: "t"}, full, nil); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("%v", err)
	}
	for end := time.Now().Add(10 * time.Second); src.closed.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on")
		}
	}
}
