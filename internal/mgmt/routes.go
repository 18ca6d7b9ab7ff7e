package mgmt

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"culvert/docs"
	"culvert/internal/version"
)

// The API's paths.
const (
	pathTunnels  = "/v1/tunnels"
	pathTunnel   = "/v1/tunnels/" // a name follows
	messagesOf   = "/messages"    // behind a tunnel's name
	doctorOf     = "/doctor"      // likewise
	pathSessions = "/v1/sessions"
	pathSession  = "/v1/sessions/" // a full session name follows
	pathWorkers  = "/v1/workers"
	pathDrops    = "/v1/drops"
	pathPools    = "/v1/pools"
	pathShared   = "/v1/shared"
	pathSharedOf = "/v1/shared/" // a name follows
	macsOf       = "/macs"       // behind that
	pathProfiles = "/v1/profiles"
	pathConfig   = "/v1/config"
	pathLevels   = "/v1/levels"
	pathVersion  = "/v1/version"
	pathCapture  = "/v1/capture"
	pathEvents   = "/v1/events"
	pathOpenAPI  = "/openapi.json"
)

// paramWait is for how long a doctor watches; within these.
const (
	paramWait = "wait"
	waitUsual = 4 * time.Second // PPP says something every three
	waitMost  = 30 * time.Second
)

// Query parameters of pathSessions.
const (
	paramTunnel    = "tunnel"
	paramState     = "state"
	paramInterface = "interface"
	paramUser      = "user"
	paramAddress   = "address"
)

// route is one resource of the API.
type route struct {
	path   string   // with a slash at the end: a name follows
	suffix string   // behind the name
	params []string // the query parameters it knows
	// answer is nil where slow, which waits before it answers, or stream, which goes on for as long as somebody reads, takes its place.
	answer func(src Source, name string, q url.Values) (body, *statusError)
	slow   func(ctx context.Context, src Source, name string, q url.Values) (body, *statusError)
	stream func(h *handler, w http.ResponseWriter, r *http.Request, q url.Values)
}

var routes = []route{
	{path: pathTunnels, answer: getTunnels},
	{path: pathTunnel, suffix: messagesOf, answer: getMessages}, // also of one whose name ends like this
	{path: pathTunnel, suffix: doctorOf, params: []string{paramWait}, slow: getDoctor},
	{path: pathTunnel, answer: getTunnel},
	{path: pathSessions, params: []string{paramTunnel, paramState, paramInterface, paramUser, paramAddress}, answer: getSessions},
	{path: pathSession, answer: getSession},
	{path: pathWorkers, answer: getWorkers},
	{path: pathDrops, answer: getDrops},
	{path: pathPools, answer: getPools},
	{path: pathShared, answer: getShared},
	{path: pathSharedOf, suffix: macsOf, answer: getMACs},
	{path: pathProfiles, answer: getProfiles},
	{path: pathConfig, answer: getConfig},
	{path: pathLevels, answer: getLevels},
	{path: pathVersion, answer: getVersion},
	{path: pathCapture, params: captureParams, stream: (*handler).capture},
	{path: pathEvents, params: []string{paramType, paramTunnel, paramSession}, stream: (*handler).events},
	{path: pathOpenAPI, answer: getOpenAPI},
}

// find returns the route of a decoded path and the name behind it.
func find(path string) (rt *route, name string, ok bool) {
	for i := range routes {
		rt := &routes[i]
		if path == rt.path && !strings.HasSuffix(rt.path, "/") {
			return rt, "", true
		}
		name, ok := strings.CutPrefix(path, rt.path)
		if ok && strings.HasSuffix(rt.path, "/") && strings.HasSuffix(name, rt.suffix) {
			return rt, strings.TrimSuffix(name, rt.suffix), true
		}
	}
	return nil, "", false
}

func getTunnels(src Source, _ string, _ url.Values) (body, *statusError) {
	ts := src.Tunnels()
	slices.SortFunc(ts, func(a, b Tunnel) int { return cmp.Compare(a.Name, b.Name) })
	return list(ts), nil
}

func getTunnel(src Source, name string, _ url.Values) (body, *statusError) {
	t, ok := src.Tunnel(name)
	if !ok {
		return nil, failf(http.StatusNotFound, "no tunnel %q", name)
	}
	return one(t), nil
}

func getMessages(src Source, name string, _ url.Values) (body, *statusError) {
	ms, ok := src.Messages(name)
	if !ok {
		return nil, failf(http.StatusNotFound, "no tunnel %q with a control connection", name)
	}
	return list(ms), nil
}

func getSessions(src Source, _ string, q url.Values) (body, *statusError) {
	return sequence(func(yield func(Session) bool) {
		for s := range src.Sessions() {
			ppp := cmp.Or(s.PPP, &PPP{})
			if wanted(q, paramUser, ppp.PeerName) && wanted(q, paramAddress, ppp.PeerAddress) && wanted(q, paramTunnel, s.Tunnel) &&
				wanted(q, paramState, s.State) && wanted(q, paramInterface, s.Interface) && !yield(s) {
				return
			}
		}
	}), nil
}

// wanted tells whether value passes the filter named param, which is absent or must be equal.
func wanted(q url.Values, param, value string) bool {
	v, ok := q[param]
	return !ok || v[0] == value
}

func getSession(src Source, name string, _ url.Values) (body, *statusError) {
	tunnel, session, ok := strings.Cut(name, "/")
	if !ok || tunnel == "" || session == "" {
		return nil, failf(http.StatusBadRequest, "session name %q is not of the form tunnel/session", name)
	}
	s, ok := src.Session(tunnel, session)
	if !ok {
		return nil, failf(http.StatusNotFound, "no session %q", name)
	}
	return one(s), nil
}

func getWorkers(src Source, _ string, _ url.Values) (body, *statusError) {
	ws := src.Workers()
	slices.SortFunc(ws, func(a, b Worker) int { return cmp.Compare(a.ID, b.ID) })
	return list(ws), nil
}

func getDrops(src Source, _ string, _ url.Values) (body, *statusError) {
	ds := src.Drops()
	slices.SortFunc(ds, func(a, b Drop) int { return cmp.Compare(a.Reason, b.Reason) })
	return list(ds), nil
}

func getPools(src Source, _ string, _ url.Values) (body, *statusError) {
	ps := src.Pools()
	slices.SortFunc(ps, func(a, b Pool) int { return cmp.Compare(a.Name, b.Name) })
	return list(ps), nil
}

func getShared(src Source, _ string, _ url.Values) (body, *statusError) {
	all := src.Shared()
	slices.SortFunc(all, func(a, b Shared) int { return cmp.Compare(a.Name, b.Name) })
	return list(all), nil
}

func getMACs(src Source, name string, _ url.Values) (body, *statusError) {
	all, ok := src.MACs(name)
	if !ok {
		return nil, failf(http.StatusNotFound, "no shared device %q for Ethernet sessions", name)
	}
	slices.SortFunc(all, func(a, b MAC) int { return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.VLAN, b.VLAN)) })
	return list(all), nil
}

func getProfiles(src Source, _ string, _ url.Values) (body, *statusError) {
	all := src.Profiles()
	slices.SortFunc(all, func(a, b Profile) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return list(all), nil
}

func getConfig(src Source, _ string, _ url.Values) (body, *statusError) {
	c, err := src.Config()
	if err != nil {
		return nil, failf(http.StatusInternalServerError, "%v", err)
	}
	return one(c), nil
}

func getDoctor(ctx context.Context, src Source, name string, q url.Values) (body, *statusError) {
	wait := waitUsual
	if q.Has(paramWait) {
		d, err := time.ParseDuration(q.Get(paramWait))
		if err != nil || d < 0 || d > waitMost {
			return nil, failf(http.StatusBadRequest, "query: %s must be a time up to %s, such as 4s, not %q", paramWait, waitMost, q.Get(paramWait))
		}
		wait = d
	}
	all, err := src.Diagnose(ctx, name, wait)
	if err != nil {
		var refused *statusError
		if !errors.As(err, &refused) {
			refused = failf(http.StatusInternalServerError, "%v", err)
		}
		return nil, refused
	}
	return list(all), nil
}

func getLevels(src Source, _ string, _ url.Values) (body, *statusError) {
	return list(src.Levels()), nil
}

func getVersion(src Source, _ string, _ url.Values) (body, *statusError) {
	info := version.Get()
	info.Version = src.Version()
	return one(info), nil
}

func getOpenAPI(Source, string, url.Values) (body, *statusError) {
	return func(w io.Writer) error {
		_, err := w.Write(docs.OpenAPI)
		return err
	}, nil
}
