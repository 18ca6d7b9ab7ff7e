package mgmt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

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

// Capture is a capture that can begin.
type Capture interface {
	// Run writes pcapng to w until ctx is done or there is enough. It flushes w so that a reader sees packets soon. It is
	// called at most once; Close ends a capture that is not run as well.
	Run(ctx context.Context, w *bufio.Writer) (CaptureResult, error)
	Close()
}

// Bounds of a capture.
const (
	defaultCaptureSize = 1 << 30
	maxSnapLen         = 1 << 17 // more than any packet has
)

// Query parameters and what surrounds the answer.
const (
	paramSession  = "session"
	paramPeer     = "peer"
	paramLayer    = "layer"
	paramSnapLen  = "snaplen"
	paramCount    = "count"
	paramSize     = "size"
	paramDuration = "duration"

	layerOuter = "outer"
	layerInner = "inner"

	captureType     = "application/x-pcapng"
	trailerCaptured = "Culvert-Captured"
	trailerDropped  = "Culvert-Dropped"
	captureBuffer   = 64 << 10
)

var captureParams = []string{
	paramTunnel, paramSession, paramPeer, paramLayer, paramSnapLen, paramCount, paramSize, paramDuration,
}

// Refuse returns an error of a Source that becomes an answer with that HTTP status.
func Refuse(status int, format string, args ...any) error { return failf(status, format, args...) }

// parseCapture reads the parameters of a capture.
func parseCapture(q url.Values) (r CaptureRequest, err *statusError) {
	number := func(param string, most uint64) (n uint64) {
		v := q.Get(param)
		if v == "" {
			return 0
		}
		n, e := strconv.ParseUint(v, 10, 64)
		if (e != nil || n > most) && err == nil {
			err = failf(http.StatusBadRequest, "query: %s=%q is not a number up to %d", param, v, most)
		}
		return n
	}
	r.Tunnel, r.Session = q.Get(paramTunnel), q.Get(paramSession)
	r.SnapLen = int(min(number(paramSnapLen, 1<<31), maxSnapLen))
	r.Count, r.Size = number(paramCount, 1<<62), number(paramSize, 1<<62)
	given := 0
	for _, param := range []string{paramTunnel, paramSession, paramPeer} {
		if q.Get(param) != "" {
			given++
		}
	}
	if given != 1 {
		return r, failf(http.StatusBadRequest, "query: one of tunnel, session and peer is needed")
	}
	if v := q.Get(paramPeer); v != "" {
		var e error
		if r.Peer, e = netip.ParseAddr(v); e != nil {
			return r, failf(http.StatusBadRequest, "query: peer=%q is not an address", v)
		}
	}
	if tunnel, session, ok := strings.Cut(r.Session, "/"); r.Session != "" && (!ok || tunnel == "" || session == "") {
		return r, failf(http.StatusBadRequest, "session name %q is not of the form tunnel/session", r.Session)
	}
	switch v := q.Get(paramLayer); v {
	case "":
		r.Outer, r.Inner = true, true
	case layerOuter:
		r.Outer = true
	case layerInner:
		r.Inner = true
	default:
		return r, failf(http.StatusBadRequest, "query: layer=%q is neither outer nor inner", v)
	}
	if v := q.Get(paramDuration); v != "" {
		var e error
		if r.Duration, e = time.ParseDuration(v); e != nil || r.Duration <= 0 {
			return r, failf(http.StatusBadRequest, "query: duration=%q is not a time such as 10s", v)
		}
	}
	if r.SnapLen == 0 {
		r.SnapLen = maxSnapLen
	}
	if r.Size == 0 {
		r.Size = defaultCaptureSize
	}
	return r, err
}

// capture answers a request for a capture: a stream that ends when the client goes, or closes its half of the connection,
// with the numbers as trailers.
func (h *handler) capture(w http.ResponseWriter, r *http.Request, q url.Values) {
	req, bad := parseCapture(q)
	if bad != nil {
		writeError(w, bad)
		return
	}
	c, err := h.src.Capture(req)
	if err != nil {
		if !errors.As(err, &bad) {
			bad = failf(http.StatusInternalServerError, "%v", err)
		}
		writeError(w, bad)
		return
	}
	defer c.Close()
	w.Header().Set("Content-Type", captureType)
	w.Header().Set("Trailer", trailerCaptured+", "+trailerDropped)
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil { // the request is here; its end ends the capture
		panic(http.ErrAbortHandler)
	}
	res, err := c.Run(r.Context(), bufio.NewWriterSize(&stream{w, control}, captureBuffer))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(trailerCaptured, strconv.FormatUint(res.Captured, 10))
	w.Header().Set(trailerDropped, strconv.FormatUint(res.Dropped, 10))
}

// stream is an answer that lasts: each part has the time of an answer, and leaves at once.
type stream struct {
	w       io.Writer
	control *http.ResponseController
}

// Write implements io.Writer.
func (s *stream) Write(b []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(answerWait)); err != nil {
		return 0, err
	}
	n, err := s.w.Write(b)
	if err == nil {
		err = s.control.Flush()
	}
	return n, err
}

// query returns the request's path.
func (r *CaptureRequest) query() string {
	q := url.Values{}
	set := func(param, value string, given bool) {
		if given {
			q.Set(param, value)
		}
	}
	set(paramTunnel, r.Tunnel, r.Tunnel != "")
	set(paramSession, r.Session, r.Session != "")
	set(paramPeer, r.Peer.String(), r.Peer.IsValid())
	set(paramLayer, layerOuter, r.Outer && !r.Inner)
	set(paramLayer, layerInner, r.Inner && !r.Outer)
	set(paramSnapLen, strconv.Itoa(r.SnapLen), r.SnapLen != 0)
	set(paramCount, strconv.FormatUint(r.Count, 10), r.Count != 0)
	set(paramSize, strconv.FormatUint(r.Size, 10), r.Size != 0)
	set(paramDuration, r.Duration.String(), r.Duration != 0)
	return pathCapture + "?" + q.Encode()
}

// Capture writes what a capture gives to w, as pcapng, until ctx is done or there is enough. begun is called when culvert
// has taken the request, and may be nil.
func (c *Client) Capture(ctx context.Context, r CaptureRequest, w io.Writer, begun func()) (res CaptureResult, err error) {
	var conn *net.UnixConn
	long := c.http
	long.Timeout = 0
	long.Transport = &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, ResponseHeaderTimeout: exchangeWait,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: dialWait}
			n, e := d.DialContext(ctx, "unix", c.socket)
			conn, _ = n.(*net.UnixConn)
			return n, e
		},
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	patient := &Client{socket: c.socket, http: long}
	err = patient.get(hard, r.query(), func(resp *http.Response) error {
		if begun != nil {
			begun()
		}
		// Half of the connection is closed for the end, so that the last packets and the numbers still come.
		undo := context.AfterFunc(ctx, func() {
			_ = conn.CloseWrite()
			time.AfterFunc(stopWait, cancel)
		})
		defer undo()
		if _, e := io.Copy(w, resp.Body); e != nil {
			return e
		}
		var e1, e2 error
		res.Captured, e1 = strconv.ParseUint(resp.Trailer.Get(trailerCaptured), 10, 64)
		res.Dropped, e2 = strconv.ParseUint(resp.Trailer.Get(trailerDropped), 10, 64)
		if e := errors.Join(e1, e2); e != nil {
			return fmt.Errorf("the capture broke off: %w", e)
		}
		return nil
	})
	return res, err
}
