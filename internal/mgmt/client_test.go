package mgmt

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"culvert/client"
	"culvert/internal/version"
)

// check compares what a method has found.
func check[T any](t *testing.T, want T) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestClient(t *testing.T) {
	src := newFake()
	path, _ := serve(t, src)
	fds := openFiles(t)
	c, ctx := client.New(path), t.Context()
	check(t, []Tunnel{src.tunnels[1], src.tunnels[0]})(c.Tunnels(ctx))
	check(t, src.tunnels[1])(c.Tunnel(ctx, "t1"))
	check(t, src.messages["t1"])(c.Messages(ctx, "t1"))
	check(t, []Worker{src.workers[1], src.workers[0]})(c.Workers(ctx))
	check(t, []Pool{src.pools[1], src.pools[0]})(c.Pools(ctx))
	check(t, []Shared{src.shared[1], src.shared[0]})(c.Shared(ctx))
	check(t, []MAC{src.macs[1], src.macs[0]})(c.MACs(ctx, "a/b"))
	check(t, []Drop{src.drops[1], src.drops[0]})(c.Drops(ctx))
	check(t, []Session{src.sessions[1]})(client.Collect(c.Sessions(ctx, client.Filter{Tunnel: "t1", State: "establish", Interface: "sub2"})))
	for _, s := range src.sessions {
		check(t, s)(c.Session(ctx, s.FullName())) // names that paths would trip over among them
	}
	info := version.Get()
	info.Version = "1.2.3-fake"
	check(t, info)(c.Version(ctx))
	time.Sleep(10 * time.Millisecond) // the server's side closes after ours
	if n := openFiles(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
}

func TestClientRefused(t *testing.T) {
	path, _ := serve(t, newFake())
	_, err := client.New(path).Session(context.Background(), "t1/none")
	if _, err := client.New(path).Messages(context.Background(), "t2"); err == nil || err.Error() != `no tunnel "t2" with a control connection` {
		t.Errorf("got %v", err)
	}
	var ae *client.APIError
	if !errors.As(err, &ae) || ae.Status != http.StatusNotFound || err.Error() != `no session "t1/none"` {
		t.Errorf("got %v", err)
	}
}

// TestClientStreams: sessions come one after the other, to the end or until the loop is left, and as they are.
func TestClientStreams(t *testing.T) {
	src := newFake()
	path, _ := serve(t, src)
	c, ctx := client.New(path), t.Context()
	all, err := client.Collect(c.Sessions(ctx, client.Filter{}))
	if err != nil || len(all) != len(src.sessions) {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	seen := 0
	for s, err := range c.Sessions(ctx, client.Filter{}) {
		if err != nil || !reflect.DeepEqual(s, all[seen]) {
			t.Errorf("%+v, %v", s, err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	answer, err := c.Raw(ctx, client.Filter{Interface: "sub1"}.Path())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer)
	_ = answer.Close()
	if string(text) != "[\n"+s1JSON+"\n]\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if none, err := client.Collect(c.Sessions(ctx, client.Filter{Tunnel: "none"})); len(none) != 0 || err != nil {
		t.Errorf("%v, %v", none, err)
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
