package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// lastWait is for the rest of a capture that is to end.
const lastWait = 2 * time.Second

// CaptureRequest says what to capture, and when it is enough. One of Tunnel, Session and Peer is set.
type CaptureRequest struct {
	Tunnel  string
	Session string // "tunnel/session"
	Peer    netip.Addr
	// Outer packets and Inner frames; neither: both.
	Outer, Inner bool
	SnapLen      int           // bytes kept of each packet; 0: all
	Count        uint64        // packets; 0: without end
	Size         uint64        // bytes of the answer; 0: 1 GiB
	Duration     time.Duration // 0: without end
}

// CaptureResult says how a capture went.
type CaptureResult struct {
	Captured uint64 // packets
	Dropped  uint64 // packets there was no room for
}

// path returns the request's path.
func (r *CaptureRequest) path() string {
	q := url.Values{}
	set := func(param, value string, given bool) {
		if given {
			q.Set(param, value)
		}
	}
	set("tunnel", r.Tunnel, r.Tunnel != "")
	set("session", r.Session, r.Session != "")
	set("peer", r.Peer.String(), r.Peer.IsValid())
	set("layer", "outer", r.Outer && !r.Inner)
	set("layer", "inner", r.Inner && !r.Outer)
	set("snaplen", strconv.Itoa(r.SnapLen), r.SnapLen != 0)
	set("count", strconv.FormatUint(r.Count, 10), r.Count != 0)
	set("size", strconv.FormatUint(r.Size, 10), r.Size != 0)
	set("duration", r.Duration.String(), r.Duration != 0)
	return "/v1/capture?" + q.Encode()
}

// Capture writes what a capture gives to w, as pcapng, until ctx is done or there is enough. begun is called when culvert
// has taken the request, and may be nil.
func (c *Client) Capture(ctx context.Context, r CaptureRequest, w io.Writer, begun func()) (CaptureResult, error) {
	var conn *net.UnixConn
	one := &Client{socket: c.socket, http: c.http}
	one.http.Transport = transport(func(ctx context.Context) (net.Conn, error) {
		n, err := c.dial(ctx)
		conn, _ = n.(*net.UnixConn)
		return n, err
	})
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	resp, err := one.do(hard, http.MethodGet, r.path(), http.NoBody)
	if err != nil {
		return CaptureResult{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if begun != nil {
		begun()
	}
	// Half of the connection is closed for the end, so that the last packets and the numbers still come.
	undo := context.AfterFunc(ctx, func() {
		_ = conn.CloseWrite()
		time.AfterFunc(lastWait, cancel)
	})
	defer undo()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return CaptureResult{}, c.broken(err)
	}
	return c.captured(resp.Trailer)
}

// captured reads the numbers behind a capture.
func (c *Client) captured(trailer http.Header) (res CaptureResult, err error) {
	var e1, e2 error
	res.Captured, e1 = strconv.ParseUint(trailer.Get("Culvert-Captured"), 10, 64)
	res.Dropped, e2 = strconv.ParseUint(trailer.Get("Culvert-Dropped"), 10, 64)
	if err := errors.Join(e1, e2); err != nil {
		return res, c.broken(fmt.Errorf("the capture broke off: %w", err))
	}
	return res, nil
}
