package mgmt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

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
