package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// DefaultSocket is where culvert listens unless told otherwise.
const DefaultSocket = "/run/culvert/culvert.sock"

// Limits of the client.
const (
	dialWait     = 5 * time.Second
	exchangeWait = 2 * time.Minute // for a whole answer, larger than the server's own limit
	maxError     = 64 << 10        // bytes of an error answer read
	hostName     = "culvert"       // for the Host field only
)

// What a Client's errors are; errors.Is tells them apart.
var (
	// ErrUnreachable: nobody listens on the socket.
	ErrUnreachable = errors.New("cannot reach culvert")
	// ErrAnswer: who listens does not speak this API.
	ErrAnswer = errors.New("unexpected answer")
)

// APIError is a request that culvert refused.
type APIError struct {
	Status int    // HTTP status
	Msg    string // what {"error": ...} said
}

// Error is the server's own text.
func (e *APIError) Error() string { return e.Msg }

// Client asks a running culvert. Every request has its own connection, so there is nothing to close.
type Client struct {
	socket string
	http   http.Client
}

// New returns a client of the culvert listening at the Unix socket path; empty: DefaultSocket. It does not connect yet.
func New(socket string) *Client {
	if socket == "" {
		socket = DefaultSocket
	}
	c := &Client{socket: socket}
	c.http = http.Client{
		Transport:     transport(c.dial),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func transport(dial func(context.Context) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialWait}
	return d.DialContext(ctx, "unix", c.socket)
}

// Raw asks for a path of the API, such as "/v1/tunnels", and gives the answer as it comes, which the caller closes. Its end
// is that of ctx at the latest.
func (c *Client) Raw(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.do(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// get asks for path and hands a good answer to use.
func (c *Client) get(ctx context.Context, path string, use func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeWait)
	defer cancel()
	return c.exchange(ctx, http.MethodGet, path, http.NoBody, use)
}

func (c *Client) exchange(ctx context.Context, method, path string, body io.Reader, use func(io.Reader) error) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := use(resp.Body); err != nil {
		return c.broken(err)
	}
	return nil
}

// do makes a request and returns a good answer.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+hostName+path, body)
	if err != nil {
		return nil, fmt.Errorf("management request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, c.refused(resp)
	}
	return resp, nil
}

// one asks for path and decodes the answer.
func one[T any](ctx context.Context, c *Client, path string) (v T, err error) {
	err = c.get(ctx, path, decodeInto(&v))
	return v, err
}

// decodeInto reads one JSON value.
func decodeInto[T any](v *T) func(io.Reader) error {
	return func(r io.Reader) error {
		dec := json.NewDecoder(r)
		if err := dec.Decode(v); err != nil {
			return err
		}
		return atEnd(dec)
	}
}

// atEnd reads to the end, so that an answer cut off is not taken for a whole one.
func atEnd(dec *json.Decoder) error {
	_, err := dec.Token()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return errors.Join(err, errors.New("more than one value"))
}

// broken is the error of an answer that is not whole, or not what it should be.
func (c *Client) broken(err error) error {
	return fmt.Errorf("answer of culvert at %s: %w", c.socket, err)
}

// explain says in the operator's words why there was no answer.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s: is `culvert run` active?", ErrUnreachable, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w at %s: permission denied, only the socket's owner and group may", ErrUnreachable, c.socket)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // the URL of a Unix socket tells nobody anything
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.socket, err)
}

// refused turns an error answer into an APIError.
func (c *Client) refused(resp *http.Response) error {
	var e struct {
		Error string `json:"error"`
	}
	err := json.NewDecoder(io.LimitReader(resp.Body, maxError)).Decode(&e)
	if err != nil || e.Error == "" {
		return fmt.Errorf("%w of %s: %s", ErrAnswer, c.socket, resp.Status)
	}
	return &APIError{Status: resp.StatusCode, Msg: e.Error}
}
