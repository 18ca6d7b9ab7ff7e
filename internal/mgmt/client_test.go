package mgmt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"culvert/internal/version"
)

// check asks q both ways and compares.
func check[T any](t *testing.T, c *Client, q Query[T], want T) {
	t.Helper()
	got, err := Get(context.Background(), c, q)
	if err != nil {
		t.Errorf("%s: %v", q.path, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", q.path, got, want)
	}
	var b bytes.Buffer
	if err := Copy(context.Background(), c, q, &b); err != nil || !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("%s: %q, %v", q.path, b.String(), err)
	}
}

func TestClient(t *testing.T) {
	src := newFake()
	path, _ := serve(t, src)
	fds := openFiles(t)
	c := NewClient(path)
	check(t, c, QueryTunnels(), []Tunnel{src.tunnels[1], src.tunnels[0]})
	check(t, c, QueryTunnel("t1"), src.tunnels[1])
	check(t, c, QueryMessages("t1"), src.messages["t1"])
	check(t, c, QueryWorkers(), []Worker{src.workers[1], src.workers[0]})
	check(t, c, QueryPools(), []Pool{src.pools[1], src.pools[0]})
	check(t, c, QueryShared(), []Shared{src.shared[1], src.shared[0]})
	check(t, c, QueryMACs("a/b"), []MAC{src.macs[1], src.macs[0]})
	check(t, c, QueryDrops(), []Drop{src.drops[1], src.drops[0]})
	check(t, c, QuerySessions(Filter{Tunnel: "t1", State: "establish", Interface: "sub2"}), []Session{src.sessions[1]})
	for _, s := range src.sessions {
		check(t, c, QuerySession(s.FullName()), s) // names that paths would trip over among them
	}
	info := version.Get()
	info.Version = "1.2.3-fake"
	check(t, c, QueryVersion(), info)
	time.Sleep(10 * time.Millisecond) // the server's side closes after ours
	if n := openFiles(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
}

func TestClientRefused(t *testing.T) {
	path, _ := serve(t, newFake())
	_, err := Get(context.Background(), NewClient(path), QuerySession("t1/none"))
	if _, err := Get(context.Background(), NewClient(path), QueryMessages("t2")); err == nil || err.Error() != `no tunnel "t2" with a control connection` {
		t.Errorf("got %v", err)
	}
	var ae *APIError
	if !errors.As(err, &ae) || ae.Status != http.StatusNotFound || err.Error() != `no session "t1/none"` {
		t.Errorf("got %v", err)
	}
}

func TestClientUnreachable(t *testing.T) {
	path := socketPath(t)
	mkdir(t, filepath.Dir(path))
	ask := func() error { _, err := Get(context.Background(), NewClient(path), QueryDrops()); return err }
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
	if got := (&Client{socket: "/s"}).explain(&net.OpError{Op: "dial", Err: os.ErrPermission}).Error(); got != "cannot reach culvert at /s: permission denied, only the socket's owner and group may" {
		t.Errorf("no permission: %s", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Get(ctx, NewClient(path), QueryDrops()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if c := NewClient(""); c.socket != "/run/culvert/culvert.sock" {
		t.Errorf("default socket %s", c.socket)
	}
}

// TestClientOddServers talks to listeners that are not culvert or break off.
func TestClientOddServers(t *testing.T) {
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
			path := socketPath(t)
			ln := listen(t, path)
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, tt.answer)
				_ = c.Close()
			}()
			_, err := Get(context.Background(), NewClient(path), QueryDrops())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			<-done
		})
	}
}

func FuzzFind(f *testing.F) {
	for _, r := range routes {
		f.Add(r.path, "tunnel=t1")
	}
	f.Add("/v1/sessions/t1/s1", "a=b&a=c;%zz")
	f.Fuzz(func(t *testing.T, path, query string) {
		rt, name, ok := find(path)
		if ok && rt.path+name+rt.suffix != path {
			t.Errorf("find(%q) = %q + %q + %q", path, rt.path, name, rt.suffix)
		}
		if !ok {
			return
		}
		params, err := parseQuery(query, rt.params)
		if rt.answer == nil {
			if r, err := parseCapture(params); err == nil && (r.SnapLen <= 0 || r.Size == 0 || !r.Outer && !r.Inner) {
				t.Errorf("%q is %+v", query, r)
			}
			return
		}
		if err != nil {
			if err.status != http.StatusBadRequest || params != nil {
				t.Errorf("parseQuery(%q) = %v, %v", query, params, err)
			}
			return
		}
		if len(params) > len(rt.params) {
			t.Errorf("parseQuery(%q) = %v", query, params)
		}
		if body, err := rt.answer(newFake(), name, params); (body == nil) == (err == nil) {
			t.Error("neither or both of answer and error")
		}
	})
}
