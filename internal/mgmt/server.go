package mgmt

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// Source is what the management interface shows. Each method takes a snapshot, is called from many goroutines at once
// and gives the slice, and what it refers to, to the caller.
type Source interface {
	Tunnels() []Tunnel
	// Tunnel gives one tunnel with all that is known of it.
	Tunnel(name string) (Tunnel, bool)
	// Messages gives the last control messages of a dynamic tunnel, the oldest first.
	Messages(tunnel string) ([]Message, bool)
	// Sessions gives all sessions by tunnel and name, one after the other: there may be a million.
	Sessions() iter.Seq[Session]
	// Session gives one session with all that is known of it.
	Session(tunnel, name string) (Session, bool)
	Workers() []Worker
	Drops() []Drop
	Pools() []Pool
	Shared() []Shared
	// MACs gives the Ethernet addresses that a shared TAP has learnt.
	MACs(shared string) ([]MAC, bool)
	Profiles() []Profile
	// Config gives the configuration that runs.
	Config() (Config, error)
	// Diagnose watches a tunnel for a while and says what is wrong with it. Errors are those of Refuse.
	Diagnose(ctx context.Context, tunnel string, wait time.Duration) ([]Finding, error)
	// Levels gives what is logged: the subsystems' levels, then those of tunnels.
	Levels() []LogLevel
	// Capture prepares a capture. Errors are those of Refuse.
	Capture(r CaptureRequest) (Capture, error)
	// Events is where what happens is published.
	Events() *Feed
	Version() string // the release, version.Version of the serving program
}

// Limits of the server: what one client and all together may hold, and for how long.
const (
	maxConnections = 32
	maxHeader      = 16 << 10         // bytes of request line and header fields; net/http adds 4 KiB of slack
	headerWait     = 5 * time.Second  // for a request's header
	requestWait    = 10 * time.Second // for a whole request
	answerWait     = time.Minute      // for a whole answer, read by the client at its own pace
	idleWait       = 30 * time.Second // for the next request of a kept connection
	stopWait       = 2 * time.Second  // for requests in progress when the server stops
)

type options struct {
	log      *zap.Logger
	stopWait time.Duration
	// the limits above of the same names
	headerWait, requestWait, answerWait, idleWait time.Duration
	changer                                       Changer             // nil: read-only
	may                                           func(who peer) bool // change anything
	admins                                        string              // group whose members may as well, empty: none
}

// Option changes how Serve works.
type Option func(*options)

// WithLog gives the server a logger for its own faults (a broken accept, a panicking Source). Without it they are not
// logged; what clients do wrong is only answered, never logged.
func WithLog(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithAdmins lets members of a group change things, as the kernel says who has connected.
func WithAdmins(name string, gid uint32) Option {
	return func(o *options) {
		o.admins = name
		o.may = func(who peer) bool { return mayChange(who) || who.in(gid) }
	}
}

// Serve answers requests on ln from src until ctx is done, then lets requests in progress finish for at most two
// seconds and returns nil. It owns ln and closes it, also when it fails.
func Serve(ctx context.Context, ln net.Listener, src Source, opts ...Option) error {
	o := options{
		log: zap.NewNop(), stopWait: stopWait, may: mayChange,
		headerWait: headerWait, requestWait: requestWait, answerWait: answerWait, idleWait: idleWait,
	}
	for _, opt := range opts {
		opt(&o)
	}
	srv := &http.Server{
		Handler:                      &handler{src: src, changer: o.changer, may: o.may, admins: o.admins},
		ConnContext:                  withPeer,
		BaseContext:                  func(net.Listener) context.Context { return ctx }, // captures end with it
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            o.headerWait,
		ReadTimeout:                  o.requestWait,
		WriteTimeout:                 o.answerWait,
		IdleTimeout:                  o.idleWait,
		MaxHeaderBytes:               maxHeader,
		ErrorLog:                     zap.NewStdLog(o.log.Named("mgmt")),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(netutil.LimitListener(identified{ln}, maxConnections)) }()
	select {
	case err := <-served:
		_ = srv.Close()
		return fmt.Errorf("management interface: %w", err)
	case <-ctx.Done():
	}
	// The caller's context is over; stopping has its own time.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.stopWait)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close() // cuts off who still reads or writes
	}
	if serveErr := <-served; err == nil && !errors.Is(serveErr, http.ErrServerClosed) {
		err = serveErr
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop management interface: %w", err)
	}
	return nil
}
