package mgmt

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	eventsType   = "application/x-ndjson"
	eventsBuffer = 16 << 10
)

// events answers with what happens from now on, a line of JSON each, until the client goes or culvert ends.
func (h *handler) events(w http.ResponseWriter, r *http.Request, q url.Values) {
	if bad := checkEvents(q); bad != nil {
		writeError(w, bad)
		return
	}
	feed := h.src.Events()
	l := feed.listen()
	if l == nil {
		writeError(w, failf(http.StatusConflict, "%d clients listen to events already, which is the most", maxListeners))
		return
	}
	defer feed.forget(l)
	w.Header().Set("Content-Type", eventsType)
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Time{}) != nil || control.Flush() != nil { // the client knows that it listens
		panic(http.ErrAbortHandler)
	}
	out := bufio.NewWriterSize(&stream{w, control}, eventsBuffer)
	lines := json.NewEncoder(out)
	for last := false; !last; {
		select {
		case <-r.Context().Done():
			last = true
		case <-l.wake:
		}
		for _, e := range l.take() {
			if chosen(q, &e) && lines.Encode(e) != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if out.Flush() != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// paramType is a query parameter of pathEvents.
const paramType = "type"

var eventTypes = []string{
	EventTunnelUp, EventTunnelDown, EventTunnelFailed, EventSessionUp, EventSessionChanged, EventSessionDown, EventSessionFailed,
	EventReload, EventReloadRefused, EventDrain, EventDrainEnd, EventLost,
}

// checkEvents tells what is wrong with the parameters.
func checkEvents(q url.Values) *statusError {
	if v := q.Get(paramType); q.Has(paramType) && !slices.Contains(eventTypes, v) {
		return failf(http.StatusBadRequest, "query: type=%q is none of %s", v, strings.Join(eventTypes, ", "))
	}
	tunnel, session, _ := strings.Cut(q.Get(paramSession), "/")
	if q.Has(paramSession) && (tunnel == "" || session == "") {
		return failf(http.StatusBadRequest, "session name %q is not of the form tunnel/session", q.Get(paramSession))
	}
	return nil
}

// chosen tells whether an event passes all filters. That some are lost is told to everybody.
func chosen(q url.Values, e *Event) bool {
	return e.Type == EventLost ||
		wanted(q, paramType, e.Type) && wanted(q, paramTunnel, e.Tunnel) && wanted(q, paramSession, e.Tunnel+"/"+e.Session)
}
