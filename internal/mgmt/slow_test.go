package mgmt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"culvert/client"
)

// soon gives a server limits that tests can wait for.
func soon(o *options) {
	o.headerWait, o.requestWait, o.answerWait, o.idleWait = 100*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond, 100*time.Millisecond
}

// cutOff waits until the server has closed a connection, and gives what came before.
func cutOff(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("it is not cut off")
	}
	return string(b)
}

// TestSlowClients: who sends nothing, half a header or half a body, or asks nothing more, is cut off, and so is who does not
// read his answer.
func TestSlowClients(t *testing.T) {
	src := newFake()
	for i := range 30_000 { // more than a socket holds
		src.sessions = append(src.sessions, Session{Name: fmt.Sprint("many", i), Tunnel: "t9"})
	}
	changer := &fakeChanger{}
	path, _ := serve(t, src, WithChanges(changer), soon)
	for name, sends := range map[string]string{
		"nothing":       "",
		"half a header": "GET /v1/drops HTTP/1.1\r\nHost: x\r\n",
		"half a body":   "POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
		"no more":       "GET /v1/drops HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, sends); err != nil {
			t.Error(err)
		}
		cutOff(t, c)
		_ = c.Close()
		if name == "half a body" && len(changer.drains) != 0 {
			t.Error("half a body is carried out")
		}
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n")
	// Writing fails once the server has gone, however much is left to read.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := io.WriteString(c, "x"); errors.Is(err, syscall.EPIPE) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("who does not read is not cut off")
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("the whole answer has come")
	}
}

// TestIdleConnections: a thousand connections that ask nothing hold no more of the server than the 32 that are served, and
// who asks has his answer when they have been cut off.
func TestIdleConnections(t *testing.T) {
	path, _ := serve(t, newFake(), soon)
	before := runtime.NumGoroutine()
	var held []net.Conn
	for range 1000 {
		c, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			break // no more wait in the kernel's queue
		}
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		defer func() { _ = c.Close() }()
	}
	if len(held) <= 2*maxConnections {
		t.Fatalf("only %d connections", len(held))
	}
	if n := runtime.NumGoroutine() - before; n > 2*maxConnections {
		t.Errorf("%d goroutines for %d connections", n, len(held))
	}
	cutOff(t, held[0])
	for _, c := range held[4*maxConnections:] {
		_ = c.Close()
	}
	if _, err := client.New(path).Drops(t.Context()); err != nil {
		t.Error(err)
	}
}
