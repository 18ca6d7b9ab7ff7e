package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// socketPath is short enough for sun_path whatever the test is called.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv") //nolint:usetesting // t.TempDir has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// answering is a client of a server that answers its only request with that text.
func answering(t *testing.T, text string) *Client {
	t.Helper()
	path := socketPath(t)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return New(path)
}

func TestUnreachable(t *testing.T) {
	path := socketPath(t)
	ask := func() error { _, err := New(path).Drops(t.Context()); return err }
	want := "cannot reach culvert at " + path + ": is `culvert run` active?"
	if err := ask(); !errors.Is(err, ErrUnreachable) || err.Error() != want {
		t.Errorf("no file: %v", err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	if err := ask(); !errors.Is(err, ErrUnreachable) || err.Error() != want {
		t.Errorf("stale socket: %v", err)
	}
	if _, err := New(path).Events(t.Context(), EventFilter{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("events: %v", err)
	}
	if got := (&Client{socket: "/s"}).explain(&net.OpError{Op: "dial", Err: os.ErrPermission}).Error(); got != "cannot reach culvert at /s: permission denied, only the socket's owner and group may" {
		t.Errorf("no permission: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(path).Drops(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if c := New(""); c.socket != "/run/culvert/culvert.sock" {
		t.Errorf("default socket %s", c.socket)
	}
}

// TestOddServers talks to listeners that are not culvert or break off.
func TestOddServers(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "cannot reach culvert at "},
		{"no answer", "", "cannot reach culvert at "},
		{"other service", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n", "404 Not Found"},
		{"redirect", "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "301 Moved"},
		{"not JSON", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", "invalid character '<'"},
		{"cut off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[]\n\r\n", "unexpected EOF"},
		{"two values", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[][]", "more than one value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := answering(t, tt.answer)
			_, err := c.Drops(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), c.socket) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestBrokenStreams: what is no whole list is an error, and so are events that are not.
func TestBrokenStreams(t *testing.T) {
	const head = "HTTP/1.0 200 OK\r\n\r\n"
	for answer, want := range map[string]string{
		"{}": "not a list", "": "EOF", "[{}": "EOF", "[{},": "EOF", "[1]": "cannot unmarshal", "[] []": "more than one value",
	} {
		_, err := Collect(answering(t, head+answer).Sessions(t.Context(), Filter{}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
	}
	for answer, want := range map[string]string{
		`{"type":"drain"}`:    "",
		`{"type":"drain"} {`:  "unexpected EOF",
		`{"type":"drain"} []`: "cannot unmarshal",
	} {
		stream, err := answering(t, head+answer).Events(t.Context(), EventFilter{})
		if err != nil {
			t.Fatal(err)
		}
		all, err := Collect(stream)
		if len(all) != 1 || all[0].Type != EventDrain || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", answer, all, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	c := answering(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 14\r\n\r\n{\"error\":\"no\"}")
	_, err := c.Drain(t.Context(), DrainRequest{})
	var refused *APIError
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || refused.Error() != "no" {
		t.Errorf("%v", err)
	}
}
