package mgmt

import (
	"context"
	"io"
	"reflect"
	"strings"
	"testing"
)

// TestEach: the elements are those that Get has, in order.
func TestEach(t *testing.T) {
	path, _ := serve(t, newFake())
	c := NewClient(path)
	want, err := Get(context.Background(), c, QuerySessions(Filter{}))
	if err != nil || len(want) < 2 {
		t.Fatalf("%d sessions, %v", len(want), err)
	}
	var got []Session
	if err := Each(context.Background(), c, QuerySessions(Filter{}), func(s *Session) { got = append(got, *s) }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := Each(context.Background(), c, QuerySessions(Filter{Tunnel: "none"}), func(*Session) { t.Error("an element of nothing") }); err != nil {
		t.Error(err)
	}
}

// TestEachBrokenAnswer: what is no whole list is an error.
func TestEachBrokenAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"{}": "not a list", "": "EOF", "[{}": "EOF", "[{},": "EOF", "[1]": "cannot unmarshal", "[] []": "more than one value",
	} {
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
			_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n"+answer)
			_ = c.Close()
		}()
		err := Each(context.Background(), NewClient(path), QueryDrops(), func(*Drop) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
		<-done
	}
}
