package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Changer carries out what the management interface changes. It is called from many goroutines at once, and only for who
// may change something. An operation that has begun goes on when the caller's context ends. Errors other than those below
// say what is wrong with a good request's content: a configuration file, a name.
type Changer interface {
	Reload(ctx context.Context, r ReloadRequest) (ReloadReport, error)
	Drain(ctx context.Context, r DrainRequest) (DrainReport, error)
	Disconnect(ctx context.Context, r DisconnectRequest) (DisconnectReport, error)
	Add(ctx context.Context, r AddRequest) (ReloadReport, error)
	Delete(ctx context.Context, r DeleteRequest) (ReloadReport, error)
	Debug(ctx context.Context, r DebugRequest) (LogLevel, error)
}

// What a Changer's errors may be, for the status of the answer.
var (
	// ErrNotFound: there is nothing of that name.
	ErrNotFound = errors.New("not found")
	// ErrStopping: culvert is about to end.
	ErrStopping = errors.New("culvert is stopping")
)

// WithChanges lets the interface change things; without it, it is read-only.
func WithChanges(c Changer) Option { return func(o *options) { o.changer = c } }

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// The paths of what changes something.
const (
	pathReload     = "/v1/reload"
	pathDrain      = "/v1/drain"
	pathDisconnect = "/v1/disconnect"
	pathAdd        = "/v1/add"
	pathDelete     = "/v1/delete"
	pathDebug      = "/v1/debug"
)

// paramDryRun tells what would be done.
const paramDryRun = "dry_run"

// change is a resource that is changed by POST.
type change struct {
	path   string
	params []string // the query parameters it knows
	do     func(ctx context.Context, c Changer, q url.Values, text []byte) (body, *statusError)
}

var changes = []change{
	{pathReload, []string{paramDryRun}, postReload},
	{pathDrain, nil, postDrain},
	{pathDisconnect, nil, postDisconnect},
	{pathAdd, nil, postAdd},
	{pathDelete, nil, postDelete},
	{pathDebug, nil, postDebug},
}

// findChange returns what the path changes, nil for nothing.
func findChange(path string) *change {
	for i := range changes {
		if changes[i].path == path {
			return &changes[i]
		}
	}
	return nil
}

// change checks the request and who makes it, then does it.
func (h *handler) change(c *change, w http.ResponseWriter, r *http.Request) (body, *statusError) {
	if r.Method != http.MethodPost {
		e := failf(http.StatusMethodNotAllowed, "method %s is not allowed here, only %s", r.Method, http.MethodPost)
		e.allow = http.MethodPost
		return nil, e
	}
	if h.changer == nil {
		return nil, failf(http.StatusForbidden, "nothing can be changed here")
	}
	if who, known := peerOf(r.Context()); !known || !h.may(who) {
		others := ""
		if h.admins != "" {
			others = fmt.Sprintf(", and members of the group %s,", h.admins)
		}
		return nil, failf(http.StatusForbidden, "only root and the user that culvert runs as%s may change anything", others)
	}
	q, bad := parseQuery(r.URL.RawQuery, c.params)
	if bad != nil {
		return nil, bad
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, failf(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxBody)
	case err != nil:
		return nil, failf(http.StatusBadRequest, "body: %v", err)
	}
	// It takes its time, which is none of the limits of a request.
	rc := http.NewResponseController(w)
	_, _ = rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})
	b, bad := c.do(r.Context(), h.changer, q, text)
	_ = rc.SetWriteDeadline(time.Now().Add(answerWait))
	return b, bad
}

// mayChange tells whether a user may change anything: root, and who culvert runs as.
func mayChange(who peer) bool { return who.uid == 0 || int64(who.uid) == int64(os.Geteuid()) }

// fields decodes a body: one JSON object without fields that T does not have. An empty body is the zero T.
func fields[T any](text []byte) (T, *statusError) {
	var v T
	if len(strings.TrimSpace(string(text))) == 0 {
		return v, nil
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	err := dec.Decode(&v)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return v, failf(http.StatusBadRequest, "body: %v", err)
	}
	return v, nil
}

// boolean reads a query parameter that is true or false, absent: false.
func boolean(q url.Values, param string) (bool, *statusError) {
	switch v := q.Get(param); {
	case v == "true":
		return true, nil
	case v == "false" || !q.Has(param):
		return false, nil
	default:
		return false, failf(http.StatusBadRequest, "query: parameter %q must be true or false, not %q", param, v)
	}
}

// answered is the answer with v, or the one that err deserves.
func answered[T any](v T, err error) (body, *statusError) {
	switch {
	case err == nil:
		return one(v), nil
	case errors.Is(err, ErrNotFound):
		return nil, failf(http.StatusNotFound, "%v", err)
	case errors.Is(err, ErrStopping), errors.Is(err, context.Canceled):
		return nil, failf(http.StatusServiceUnavailable, "%v", err)
	default:
		return nil, failf(http.StatusUnprocessableEntity, "%v", err)
	}
}

func postReload(ctx context.Context, c Changer, q url.Values, text []byte) (body, *statusError) {
	r, bad := fields[ReloadRequest](text)
	if bad != nil {
		return nil, bad
	}
	if r.DryRun, bad = boolean(q, paramDryRun); bad != nil {
		return nil, bad
	}
	switch {
	case r.File != "" && !r.DryRun:
		return nil, failf(http.StatusBadRequest, "body: file is only for %s=true: culvert reloads the file it was started with", paramDryRun)
	case r.File != "" && !strings.HasPrefix(r.File, "/"):
		return nil, failf(http.StatusBadRequest, "body: file must be an absolute path, not %q", r.File)
	}
	return answered(c.Reload(ctx, r))
}

func postDrain(ctx context.Context, c Changer, _ url.Values, text []byte) (body, *statusError) {
	r, bad := fields[DrainRequest](text)
	if bad != nil {
		return nil, bad
	}
	return answered(c.Drain(ctx, r))
}

func postDisconnect(ctx context.Context, c Changer, _ url.Values, text []byte) (body, *statusError) {
	r, bad := fields[DisconnectRequest](text)
	if bad != nil {
		return nil, bad
	}
	set := 0
	for _, v := range []string{r.Session, r.User, r.Address, r.Tunnel} {
		if v != "" {
			set++
		}
	}
	if set != 1 {
		return nil, failf(http.StatusBadRequest, "body: one of session, user, address and tunnel is needed, not %d", set)
	}
	if _, err := netip.ParseAddr(r.Address); r.Address != "" && err != nil {
		return nil, failf(http.StatusBadRequest, "body: address must be an IP address, not %q", r.Address)
	}
	return answered(c.Disconnect(ctx, r))
}

func postAdd(ctx context.Context, c Changer, _ url.Values, text []byte) (body, *statusError) {
	r, bad := fields[AddRequest](text)
	switch {
	case bad != nil:
		return nil, bad
	case r.Kind != KindTunnel && r.Kind != KindSession:
		return nil, failf(http.StatusBadRequest, "body: kind must be %q or %q, not %q", KindTunnel, KindSession, r.Kind)
	}
	return answered(c.Add(ctx, r))
}

func postDelete(ctx context.Context, c Changer, _ url.Values, text []byte) (body, *statusError) {
	r, bad := fields[DeleteRequest](text)
	if bad != nil {
		return nil, bad
	}
	tunnel, session, ok := strings.Cut(r.Session, "/")
	switch {
	case (r.Tunnel == "") == (r.Session == ""):
		return nil, failf(http.StatusBadRequest, "body: one of tunnel and session is needed")
	case r.Session != "" && (!ok || tunnel == "" || session == ""):
		return nil, failf(http.StatusBadRequest, "body: session name %q is not of the form tunnel/session", r.Session)
	}
	return answered(c.Delete(ctx, r))
}

func postDebug(ctx context.Context, c Changer, _ url.Values, text []byte) (body, *statusError) {
	r, bad := fields[DebugRequest](text)
	switch {
	case bad != nil:
		return nil, bad
	case r.Kind != LevelOfSubsystem && r.Kind != LevelOfTunnel:
		return nil, failf(http.StatusBadRequest, "body: kind must be %q or %q, not %q", LevelOfSubsystem, LevelOfTunnel, r.Kind)
	case r.Name == "":
		return nil, failf(http.StatusBadRequest, "body: name is missing")
	case !slices.Contains(debugLevels, r.Level):
		return nil, failf(http.StatusBadRequest, "body: level must be one of %s, not %q", strings.Join(debugLevels, ", "), r.Level)
	}
	return answered(c.Debug(ctx, r))
}

// debugLevels are what a DebugRequest may ask for.
var debugLevels = []string{"debug", "info", "warn", "error", LevelDefault}
