package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// Limits of the server.
const (
	maxConnections = 16
	maxHeader      = 16 << 10 // bytes
	maxScrapes     = 4        // of /metrics at a time; each takes a snapshot
	headerWait     = 5 * time.Second
	answerWait     = time.Minute
	idleWait       = 2 * time.Minute // longer than the usual interval of scrapes
	stopWait       = time.Second
)

// textFormat is the content type of Prometheus' text format.
const textFormat = "text/plain; version=0.0.4; charset=utf-8"

// Handler answers GET /metrics and GET /metrics/sessions from src.
func Handler(src Source) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(src), promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		ErrorHandling:       promhttp.ContinueOnError, // names that peers bring about must not hide the rest
	}))
	busy := make(chan struct{}, 1) // one at a time: a snapshot of all sessions is large
	mux.HandleFunc("GET /metrics/sessions", func(w http.ResponseWriter, r *http.Request) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", textFormat)
		if writeSessions(w, slices.Collect(src.Sessions())) != nil {
			panic(http.ErrAbortHandler) // the status is out: cut the answer short
		}
	})
	return mux
}

// Listen opens the TCP address for scrapes.
func Listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return ln, nil
}

// Serve answers scrapes on ln, which it closes, until ctx is done. Faults are logged: the data plane goes on without
// metrics.
func Serve(ctx context.Context, ln net.Listener, src Source, log *zap.Logger) {
	srv := &http.Server{
		Handler:           Handler(src),
		ReadHeaderTimeout: headerWait,
		ReadTimeout:       headerWait,
		WriteTimeout:      answerWait,
		IdleTimeout:       idleWait,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          zap.NewStdLog(log),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(netutil.LimitListener(ln, maxConnections)) }()
	select {
	case err := <-served:
		log.Error("metrics", zap.Error(err))
		_ = srv.Close()
		return
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		log.Error("metrics", zap.Error(err))
	}
}
