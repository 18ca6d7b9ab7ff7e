package mgmt

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

	"culvert/internal/version"
)

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

// Filter chooses sessions; an empty field chooses all.
type Filter struct {
	Tunnel, State, Interface, User, Address string
}

// Client asks a running culvert. Every request has its own connection, so there is nothing to close.
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client of the culvert listening at the Unix socket path; empty: DefaultSocket.
func NewClient(path string) *Client {
	if path == "" {
		path = DefaultSocket
	}
	c := &Client{socket: path}
	dialer := net.Dialer{Timeout: dialWait}
	c.http = http.Client{
		Timeout: exchangeWait,
		Transport: &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", path)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Query is a request for one resource whose answer decodes into a T. The two ways to use an answer, as it is and
// decoded, belong to Copy and Get.
type Query[T any] struct{ path string }

// QueryTunnels asks for all tunnels.
func QueryTunnels() Query[[]Tunnel] { return Query[[]Tunnel]{pathTunnels} }

// QueryTunnel asks for the tunnel of that name.
func QueryTunnel(name string) Query[Tunnel] { return Query[Tunnel]{pathTunnel + url.PathEscape(name)} }

// QueryMessages asks for the last control messages of the tunnel of that name.
func QueryMessages(name string) Query[[]Message] {
	return Query[[]Message]{pathTunnel + url.PathEscape(name) + messagesOf}
}

// QuerySessions asks for the sessions that pass the filter.
func QuerySessions(f Filter) Query[[]Session] {
	q := url.Values{}
	for param, value := range map[string]string{
		paramTunnel: f.Tunnel, paramState: f.State, paramInterface: f.Interface, paramUser: f.User, paramAddress: f.Address,
	} {
		if value != "" {
			q.Set(param, value)
		}
	}
	if len(q) == 0 {
		return Query[[]Session]{pathSessions}
	}
	return Query[[]Session]{pathSessions + "?" + q.Encode()}
}

// QuerySession asks for the session of the full name "tunnel/session".
func QuerySession(name string) Query[Session] {
	return Query[Session]{pathSession + url.PathEscape(name)}
}

// QueryWorkers asks for all workers.
func QueryWorkers() Query[[]Worker] { return Query[[]Worker]{pathWorkers} }

// QueryDrops asks for all drop reasons.
func QueryDrops() Query[[]Drop] { return Query[[]Drop]{pathDrops} }

// QueryPools asks for all pools.
func QueryPools() Query[[]Pool] { return Query[[]Pool]{pathPools} }

// QueryShared asks for all shared devices.
func QueryShared() Query[[]Shared] { return Query[[]Shared]{pathShared} }

// QueryProfiles asks for all PPP and session profiles.
func QueryProfiles() Query[[]Profile] { return Query[[]Profile]{pathProfiles} }

// QueryConfig asks for the configuration that runs.
func QueryConfig() Query[Config] { return Query[Config]{pathConfig} }

// QueryLevels asks what is logged.
func QueryLevels() Query[[]LogLevel] { return Query[[]LogLevel]{pathLevels} }

// QueryVersion asks what the daemon was made from.
func QueryVersion() Query[version.Info] { return Query[version.Info]{pathVersion} }

// Get asks q and decodes the answer.
func Get[T any](ctx context.Context, c *Client, q Query[T]) (T, error) {
	var v T
	err := c.do(ctx, http.MethodGet, q.path, http.NoBody, decodeInto(&v))
	return v, err
}

// decodeInto reads one JSON value.
func decodeInto[T any](v *T) func(io.Reader) error {
	return func(r io.Reader) error {
		dec := json.NewDecoder(r)
		if err := dec.Decode(v); err != nil {
			return err
		}
		_, err := dec.Token() // to the end, so that an answer cut off is not taken for a whole one
		if errors.Is(err, io.EOF) {
			return nil
		}
		return errors.Join(err, errors.New("more than one value"))
	}
}

// Copy asks q and writes the answer's JSON to w as it came.
func Copy[T any](ctx context.Context, c *Client, q Query[T], w io.Writer) error {
	return c.do(ctx, http.MethodGet, q.path, http.NoBody, func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// do makes a request and hands the body of a good answer to use.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, use func(io.Reader) error) error {
	return c.ask(ctx, method, path, body, func(resp *http.Response) error { return use(resp.Body) })
}

// get asks for path and hands a good answer to use.
func (c *Client) get(ctx context.Context, path string, use func(*http.Response) error) error {
	return c.ask(ctx, http.MethodGet, path, http.NoBody, use)
}

func (c *Client) ask(ctx context.Context, method, path string, body io.Reader, use func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+hostName+path, body)
	if err != nil {
		return fmt.Errorf("management request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp)
	}
	if err := use(resp); err != nil {
		return fmt.Errorf("answer of culvert at %s: %w", c.socket, err)
	}
	return nil
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
	var e errorBody
	err := json.NewDecoder(io.LimitReader(resp.Body, maxError)).Decode(&e)
	if err != nil || e.Error == "" {
		return fmt.Errorf("%w of %s: %s", ErrAnswer, c.socket, resp.Status)
	}
	return &APIError{Status: resp.StatusCode, Msg: e.Error}
}
