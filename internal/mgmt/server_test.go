package mgmt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"culvert/client"
)

// exchange sends raw bytes over a connection of its own and parses the answer, as any client might do it.
func exchange(t *testing.T, path, method, raw string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func request(t *testing.T, path, method, target string) (*http.Response, string) {
	t.Helper()
	return exchange(t, path, method, method+" "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

func TestAnswers(t *testing.T) {
	path, _ := serve(t, newFake())
	tests := []struct{ target, want string }{
		{"/v1/drops", "[\n" + `{"reason":"cookie","help":"wrong cookie","count":5}` + ",\n" + `{"reason":"unknown_session","help":"no such session","count":2}` + "\n]\n"},
		{"/v1/pools", "[\n" + `{"name":"v4","kind":"ipv4","prefix_length":32,"size":3,"used":2,"free":1,"exhausted":4}` + ",\n" + `{"name":"v6","kind":"ipv6","prefix_length":56,"size":2305843009213693952,"used":0,"free":2305843009213693952,"exhausted":0}` + "\n]\n"},
		{"/v1/tunnels", "[\n" +
			`{"name":"t1","transport":"udp","local":"192.0.2.1:1701","peer":"192.0.2.2:1701","tid":1,"ptid":2,"state":"up","path_mtu":1500,"sessions":2,"rx_packets":1,"rx_bytes":2,"tx_packets":3,"tx_bytes":4}` + ",\n" +
			`{"name":"t2","transport":"ip","local":"192.0.2.1","peer":"192.0.2.9","tid":3,"ptid":4,"state":"up","path_mtu":1400,"sessions":0,"rx_packets":0,"rx_bytes":0,"tx_packets":0,"tx_bytes":0}` + "\n]\n"},
		{"/v1/sessions?tunnel=nobody", "[]\n"},
		{"/v1/sessions?interface=sub1", "[\n" + s1JSON + "\n]\n"},
		{"/v1/sessions/t1/s1", s1JSON + "\n"},
		{"/v1/sessions/t1%2Fs1", s1JSON + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.target, func(t *testing.T) {
			resp, got := request(t, path, "GET", tt.target)
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s, %v", resp.Status, resp.Header)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			resp, got = request(t, path, "HEAD", tt.target)
			if resp.StatusCode != http.StatusOK || got != "" {
				t.Errorf("HEAD: %s %q", resp.Status, got)
			}
		})
	}
}

const s1JSON = `{"name":"s1","tunnel":"t1","pseudowire":"ppp","sid":1001,"psid":2002,"interface":"sub1","worker":0,"state":"up","mtu":0,"rx_packets":0,"rx_bytes":0,"tx_packets":0,"tx_bytes":0,"drops":{"cookie":5}}`

func TestFilters(t *testing.T) {
	path, _ := serve(t, newFake())
	tests := []struct{ query, want string }{
		{"", "t1/.. t1/a b/%2F?#\u00e9 t1/s1 t1/s2 t2/a"},
		{"?tunnel=t1&state=up", "t1/s1"},
		{"?state=up", "t1/s1 t2/a"},
		{"?interface=sub2", "t1/s2"},
		{"?interface=", "t1/.. t1/a b/%2F?#\u00e9"}, // sessions without a device
		{"?state=UP", ""},
		{"?user=joe", "t1/s2"},
		{"?address=10.0.0.7&tunnel=t1", "t1/s2"},
		{"?address=10.0.0.8", ""},
	}
	for _, tt := range tests {
		_, body := request(t, path, "GET", "/v1/sessions"+tt.query)
		var ss []Session
		if err := json.Unmarshal([]byte(body), &ss); err != nil {
			t.Fatalf("%s: %v", tt.query, err)
		}
		names := make([]string, 0, len(ss))
		for i := range ss {
			names = append(names, ss[i].FullName())
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.query, got, tt.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	src := newFake()
	src.enter = func() { t.Error("the source was asked for a request that is wrong") }
	path, _ := serve(t, src)
	tests := []struct {
		method, target string
		status         int
		msg            string
	}{
		{"GET", "/", 404, "no such resource: /"},
		{"GET", "/v1/tunnels/", 404, `no tunnel ""`},
		{"GET", "//v1/tunnels", 404, "no such resource: //v1/tunnels"},
		{"GET", "/v1/../v1/tunnels", 404, "no such resource: /v1/../v1/tunnels"},
		{"GET", "/v2/tunnels", 404, "no such resource: /v2/tunnels"},
		{"OPTIONS", "*", 404, "no such resource: *"},
		{"POST", "/v1/tunnels", 405, "method POST is not allowed here, only GET, HEAD"},
		{"DELETE", "/v1/sessions/t1/s1", 405, "method DELETE is not allowed here, only GET, HEAD"},
		{"GET", "/v1/tunnels?x=1", 400, `query: unknown parameter "x", there are none here`},
		{"GET", "/v1/sessions?b=1&a=1", 400, `query: unknown parameter "a", only tunnel, state, interface, user, address`},
		{"GET", "/v1/sessions?state=up&state=down", 400, `query: parameter "state" given more than once`},
		{"GET", "/v1/sessions?state=%zz", 400, `query: invalid URL escape "%zz"`},
		{"GET", "/v1/sessions?a;b", 400, "query: invalid semicolon separator in query"},
		{"GET", "/v1/sessions/", 400, `session name "" is not of the form tunnel/session`},
		{"GET", "/v1/sessions/t1", 400, `session name "t1" is not of the form tunnel/session`},
		{"GET", "/v1/sessions/t1/", 400, `session name "t1/" is not of the form tunnel/session`},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			resp, body := request(t, path, tt.method, tt.target)
			var e map[string]string
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("%s: %q is not JSON: %v", resp.Status, body, err)
			}
			if resp.StatusCode != tt.status || len(e) != 1 || e["error"] != tt.msg {
				t.Errorf("%s %q, want %d %q", resp.Status, body, tt.status, tt.msg)
			}
			if allow := resp.Header.Get("Allow"); (allow != "") != (tt.status == 405) {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

func TestNoSuchSession(t *testing.T) {
	path, _ := serve(t, newFake())
	resp, body := request(t, path, "GET", "/v1/sessions/t1/s3")
	if resp.StatusCode != 404 || body != `{"error":"no session \"t1/s3\""}`+"\n" {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestNoSuchTunnel(t *testing.T) {
	path, _ := serve(t, newFake())
	resp, body := request(t, path, "GET", "/v1/tunnels/t%209")
	if resp.StatusCode != 404 || body != `{"error":"no tunnel \"t 9\""}`+"\n" {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestRequestLimits(t *testing.T) {
	path, _ := serve(t, newFake())
	resp, body := exchange(t, path, "GET", "GET /v1/drops HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	if resp.StatusCode != 413 || !resp.Close || body != `{"error":"a request has no body here"}`+"\n" {
		t.Errorf("body: %s %q", resp.Status, body)
	}
	resp, _ = exchange(t, path, "GET", "GET /v1/drops HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	if resp.StatusCode != 413 {
		t.Errorf("chunked body: %s", resp.Status)
	}
	// Exactly what the server reads: a byte more would turn its answer into a reset.
	long := "GET /v1/drops HTTP/1.1\r\nHost: x\r\nX: "
	resp, _ = exchange(t, path, "GET", long+strings.Repeat("y", maxHeader+4096-len(long)))
	if resp.StatusCode != 431 {
		t.Errorf("header: %s", resp.Status)
	}
}

func TestConnectionLimit(t *testing.T) {
	path, _ := serve(t, newFake())
	var held []net.Conn
	for range maxConnections {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	c, err := net.Dial("unix", path) // waits in the kernel's queue
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET /v1/drops HTTP/1.0\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one too many was served: %d bytes, %v", n, err)
	}
	for _, h := range held {
		_ = h.Close()
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("not served after the others went: %v", err)
	}
}

func TestStop(t *testing.T) {
	fds := openFiles(t)
	path, stop := serve(t, newFake())
	request(t, path, "GET", "/v1/drops")
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket file is still there")
	}
	if n := openFiles(t); n > fds+1 { // the first socket of a process opens the poller's
		t.Errorf("%d descriptors, %d before", n, fds)
	}
}

// TestStopWaits lets a request in progress finish, and only so long.
func TestStopWaits(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration // of the request
		wait  time.Duration // of the server
		ok    bool
	}{{"quick", 50 * time.Millisecond, 5 * time.Second, true}, {"slow", time.Second, 50 * time.Millisecond, false}} {
		t.Run(tt.name, func(t *testing.T) {
			src, entered := newFake(), make(chan struct{})
			src.enter = func() { close(entered); time.Sleep(tt.takes) }
			path, stop := serve(t, src, func(o *options) { o.stopWait = tt.wait })
			got := make(chan error, 1)
			go func() {
				_, err := client.Collect(client.New(path).Sessions(context.Background(), client.Filter{}))
				got <- err
			}()
			<-entered
			start := time.Now()
			if err := stop(); err != nil {
				t.Errorf("Serve: %v", err)
			}
			if d := time.Since(start); d > 800*time.Millisecond {
				t.Errorf("stopped after %v", d)
			}
			if err := <-got; (err == nil) != tt.ok {
				t.Errorf("request: %v", err)
			}
			time.Sleep(time.Until(start.Add(tt.takes))) // the source's own goroutine ends before the leak check
		})
	}
}

func TestStoppedBefore(t *testing.T) {
	path := socketPath(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Serve(ctx, listen(t, path), newFake()); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket file is still there")
	}
}

func TestBrokenListener(t *testing.T) {
	ln := listen(t, socketPath(t))
	_ = ln.Close()
	if err := Serve(context.Background(), ln, newFake()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// TestPanic keeps a broken Source from taking the daemon down, and tells the log.
func TestPanic(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	src := newFake()
	src.enter = func() { panic("broken source") }
	path, _ := serve(t, src, WithLog(zap.New(core)))
	c := client.New(path)
	if _, err := client.Collect(c.Sessions(context.Background(), client.Filter{})); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("panicking source: %v", err)
	}
	if _, err := c.Drops(context.Background()); err != nil {
		t.Errorf("after it: %v", err)
	}
	if logs.FilterMessageSnippet("broken source").Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
}

func TestManySessions(t *testing.T) {
	src := newFake()
	src.sessions = nil
	const n = 20000
	for i := range n {
		src.sessions = append(src.sessions, Session{Name: fmt.Sprintf("s%06d", n-i), Tunnel: "t"})
	}
	path, _ := serve(t, src)
	ss, err := client.Collect(client.New(path).Sessions(context.Background(), client.Filter{}))
	if err != nil || len(ss) != n || ss[0].Name != "s000001" {
		t.Errorf("%d sessions, %v", len(ss), err)
	}
}
