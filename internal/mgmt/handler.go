package mgmt

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Header field values and texts of the API.
const (
	jsonType       = "application/json"
	allowedMethods = "GET, HEAD"
	bufferSize     = 32 << 10 // bytes of answer handed to net/http at a time
)

// statusError is an answer other than 200: its status and what {"error": ...} says.
type statusError struct {
	status int
	msg    string
	allow  string // with 405; empty: allowedMethods
}

func (e *statusError) Error() string { return e.msg }

func failf(status int, format string, args ...any) *statusError {
	return &statusError{status: status, msg: fmt.Sprintf(format, args...)}
}

// handler answers the API's requests. It routes by itself, because http.ServeMux redirects paths with dots and double
// slashes, which names may have, and reports errors as text.
type handler struct {
	src     Source
	changer Changer // nil: nothing can be changed
	may     func(who peer) bool
	admins  string // group whose members may, for the error
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("X-Content-Type-Options", "nosniff")
	if c := findChange(r.URL.Path); c != nil {
		b, err := h.change(c, w, r)
		writeAnswer(w, b, err)
		return
	}
	rt, name, params, err := h.route(r)
	if err == nil && rt.stream != nil {
		rt.stream(h, w, r, params)
		return
	}
	var b body
	switch {
	case err != nil:
	case rt.slow != nil:
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // else the context would end with it
		b, err = rt.slow(r.Context(), h.src, name, params)
	default:
		b, err = rt.answer(h.src, name, params)
	}
	writeAnswer(w, b, err)
}

// writeAnswer writes a whole answer, or the error instead of it.
func writeAnswer(w http.ResponseWriter, write body, err *statusError) {
	if err != nil {
		writeError(w, err)
		return
	}
	bw := bufio.NewWriterSize(w, bufferSize)
	if err := write(bw); err != nil {
		// The status is out. Cutting the connection is how HTTP says that an answer is not whole
		// (RFC 9112 section 8); http.ErrAbortHandler is net/http's documented way to do it.
		panic(http.ErrAbortHandler)
	}
	if err := bw.Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// route checks the request before the source is asked.
func (h *handler) route(r *http.Request) (rt *route, name string, params url.Values, err *statusError) {
	rt, name, ok := find(r.URL.Path)
	switch {
	case !ok:
		err = failf(http.StatusNotFound, "no such resource: %s", r.URL.Path)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		err = failf(http.StatusMethodNotAllowed, "method %s is not allowed here, only %s", r.Method, allowedMethods)
	case r.ContentLength != 0: // -1: chunked
		err = failf(http.StatusRequestEntityTooLarge, "a request has no body here")
	default:
		params, err = parseQuery(r.URL.RawQuery, rt.params)
	}
	return rt, name, params, err
}

func writeError(w http.ResponseWriter, e *statusError) {
	switch e.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", cmp.Or(e.allow, allowedMethods))
	case http.StatusRequestEntityTooLarge:
		w.Header().Set("Connection", "close") // rather than read the body
	}
	w.WriteHeader(e.status)
	// A client that is gone does not read its error either.
	_ = json.NewEncoder(w).Encode(errorBody{Error: e.msg})
}

// errorBody is the JSON of every error.
type errorBody struct {
	Error string `json:"error"`
}

// parseQuery returns the parameters of a query, each of which must be known and given once.
func parseQuery(raw string, known []string) (url.Values, *statusError) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, failf(http.StatusBadRequest, "query: %v", err)
	}
	keys := make([]string, 0, len(q))
	for k := range q {
		keys = append(keys, k)
	}
	slices.Sort(keys) // the same request gets the same error
	for _, k := range keys {
		switch {
		case len(known) == 0:
			return nil, failf(http.StatusBadRequest, "query: unknown parameter %q, there are none here", k)
		case !slices.Contains(known, k):
			return nil, failf(http.StatusBadRequest, "query: unknown parameter %q, only %s", k, strings.Join(known, ", "))
		case len(q[k]) > 1:
			return nil, failf(http.StatusBadRequest, "query: parameter %q given more than once", k)
		}
	}
	return q, nil
}

// body writes a whole answer.
type body func(w io.Writer) error

// one is a single value on a line.
func one[T any](v T) body {
	return func(w io.Writer) error { return json.NewEncoder(w).Encode(v) }
}

// list is an array with one element on a line.
func list[T any](vs []T) body { return sequence(slices.Values(vs)) }

// sequence is list for what comes one after the other.
func sequence[T any](vs iter.Seq[T]) body {
	return func(w io.Writer) error {
		sep := "["
		for v := range vs {
			b, err := json.Marshal(&v)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s\n%s", sep, b); err != nil {
				return err
			}
			sep = ","
		}
		if sep == "[" {
			_, err := io.WriteString(w, "[]\n")
			return err
		}
		_, err := io.WriteString(w, "\n]\n")
		return err
	}
}
