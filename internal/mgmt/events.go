package mgmt

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

const (
	eventsType   = "application/x-ndjson"
	eventsBuffer = 16 << 10
)

// events answers with what happens from now on, a line of JSON each, until the client goes or culvert ends.
func (h *handler) events(w http.ResponseWriter, r *http.Request, _ url.Values) {
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
			if lines.Encode(e) != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if out.Flush() != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
