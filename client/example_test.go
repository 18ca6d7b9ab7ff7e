package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"culvert/client"
	"culvert/internal/mgmt"
)

// source is a culvert with two sessions.
type source struct{ mgmt.Source }

func (source) Sessions() iter.Seq[client.Session] {
	return slices.Values([]client.Session{
		{Tunnel: "access", Name: "line1", Interface: "sub1", State: "up"},
		{Tunnel: "access", Name: "line2", Interface: "sub2", State: "authenticate"},
	})
}

func (source) Session(string, string) (client.Session, bool) { return client.Session{}, false }

// serve runs an API like that of culvert.
func serve() (socket string, stop func()) {
	dir, err := os.MkdirTemp("", "cv")
	if err != nil {
		panic(err)
	}
	socket = filepath.Join(dir, "culvert.sock")
	ln, err := mgmt.Listen(socket)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgmt.Serve(ctx, ln, source{}) }()
	return socket, func() {
		cancel()
		<-done
		_ = os.RemoveAll(dir)
	}
}

// Example lists sessions that are up, and asks for one that there is not.
func Example() {
	socket, stop := serve()
	defer stop()
	ctx := context.Background()
	c := client.New(socket)
	for s, err := range c.Sessions(ctx, client.Filter{State: "up"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.FullName(), s.Interface)
	}
	_, err := c.Session(ctx, "access/line9")
	var refused *client.APIError
	fmt.Println(errors.As(err, &refused), refused.Status, err)
	// Output:
	// access/line1 sub1
	// true 404 no session "access/line9"
}
