package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"culvert/forwarder"
	"culvert/forwarder/tuntap"
	"culvert/internal/config"
	"culvert/internal/levels"
	"culvert/internal/mgmt"
	"culvert/internal/pool"
	"culvert/internal/script"
	"culvert/internal/version"
	"culvert/pppfsm"
)

// Options of Run.
type Options struct {
	Log *zap.Logger
	// Socket overrides the configured path of the management socket.
	Socket string
	// Resolver resolves peers' names; nil: as the system does.
	Resolver config.Resolver
	// Takeover has the state, sockets and devices of the culvert that runs on that management socket come over.
	Takeover bool
	// Ready is called when everything is set up; it may be nil.
	Ready func()
	// MainPID is called with the process that goes on when another one takes over; it may be nil.
	MainPID func(pid int)
	// Reload has the configuration file read again for each value; it may be nil.
	Reload <-chan os.Signal
	// SetLogLevel follows log_level of a configuration that was read again; it may be nil.
	SetLogLevel func(level string)
	// Levels say what of Log, which gets all of it, is let through; nil: all.
	Levels *levels.Levels
}

// daemon is one running instance.
type daemon struct {
	cfg *config.Config
	log *zap.Logger
	// noisy is for what a peer can provoke: sampled, so that nobody can fill a disk from outside.
	noisy *zap.Logger
	// noisyControl and noisyPPP are that for subsystems.
	noisyControl, noisyPPP *zap.Logger
	levels                 *levels.Levels
	fwd                    *forwarder.Forwarder
	began                  time.Time
	// verdicts come from Authenticators, lookups from the resolver of peers' names.
	verdicts *answers[verdict]
	lookups  *lookups
	// scripts runs what users hooked to the links.
	scripts *script.Runner
	changer
	// links watches devices.
	links *tuntap.Watcher
	// feed is for who listens to events.
	feed mgmt.Feed
	// mainPID tells who supervises us which process goes on.
	mainPID func(pid int)

	mu          sync.Mutex // guards everything below
	plane       *plane
	tunnels     []*tunnel
	sessions    []*session
	byFwd       map[*forwarder.Session]*session
	byTunnel    map[*forwarder.Tunnel]*tunnel
	byDevice    map[*tuntap.Device]*session // of those that are watched
	shared      map[string]*shared          // by name
	timers      timers
	net         tuntap.Batch               // what is to be done to devices
	news        []mgmt.Event               // to be published behind it
	refused     uint64                     // sessions that had no device
	annexes     int                        // of the data plane
	ended       []*session                 // to be removed together
	tuned       bool                       // the garbage collector is set for many sessions
	growth      int                        // and was so before, in percent
	linkConfigs map[linkKey]*pppfsm.Config // that sessions share
	pools       map[string]*pool.Pool
	inUse       addressBook
	namespaces  map[string]int32 // numbers of network namespaces in it
	duid        []byte           // ours as a DHCPv6 server
	probeAt     time.Time        // when path MTUs are asked for next
	handedOver  bool             // another process goes on
}

// Run brings up what cfg describes and keeps it running until ctx is done; then it tells the peers, removes our
// devices and returns nil. When something cannot be brought up, or a part of the data plane fails, it undoes
// everything and returns why; errors that have a place in the configuration name it.
func Run(ctx context.Context, cfg *config.Config, o Options) (err error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Levels == nil {
		o.Levels = levels.New(zap.DebugLevel, Subsystems()...)
	}
	log := o.Log.WithOptions(zap.WrapCore(o.Levels.Wrap))
	if err = checkHooks(cfg); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		log.Warn("configuration", zap.String("warning", w.Error()))
	}
	path := o.Socket
	if path == "" {
		path = cfg.API.Socket
	}
	begin := startAt
	if o.Takeover {
		begin = takeAll
	}
	d, l, err := begin(cfg, o, path)
	if err != nil {
		return err
	}
	apiCtx, stopAPI := context.WithCancel(context.WithoutCancel(ctx))
	defer d.serveMetrics(apiCtx, l.scrapes)()
	served := make(chan error, 1)
	d.setLogLevel = o.SetLogLevel
	go func() {
		options := []mgmt.Option{mgmt.WithLog(log), mgmt.WithChanges(source{d})}
		if cfg.API.AdminGroup != "" {
			options = append(options, mgmt.WithAdmins(cfg.API.AdminGroup, cfg.API.AdminGID))
		}
		served <- mgmt.Serve(apiCtx, l.api, source{d}, options...)
	}()
	hangups, offers := d.reloadOn(o.Reload), d.offerTakeover(l)
	log.Info("running", zap.String("version", version.Version), zap.Int("workers", d.fwd.Workers()),
		zap.Int("tunnels", len(d.tunnels)), zap.Int("sessions", len(d.sessions)), zap.String("socket", path))
	if o.Ready != nil {
		o.Ready()
	}
	err = d.control(ctx)
	close(d.ending)
	if errors.Is(err, errHandedOver) {
		err = nil
		l.leave()
		d.leave()
	} else {
		d.stop()
	}
	<-hangups
	stopAPI()
	if l.takeover != nil {
		_ = l.takeover.Close()
	}
	offers()
	if apiErr := <-served; err == nil {
		err = apiErr
	}
	log.Info("stopped")
	return err
}

// startAt opens the process' own sockets and brings up what the configuration says.
func startAt(cfg *config.Config, o Options, path string) (d *daemon, l *listeners, err error) {
	l = &listeners{}
	if l.api, err = mgmt.Listen(path); err != nil {
		return nil, nil, err
	}
	if l.scrapes, err = listenMetrics(cfg); err == nil {
		d, err = start(cfg, o)
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	l.takeover = listenTakeover(path, d.log)
	return d, l, nil
}

// start makes tunnels, devices and sessions. What it made before an error is undone.
func start(cfg *config.Config, o Options) (*daemon, error) {
	d, err := prepare(cfg, o, cfg.Workers)
	if err != nil {
		return nil, err
	}
	for i := range cfg.Tunnels {
		if err := d.addTunnel(&cfg.Tunnels[i]); err != nil {
			d.teardown()
			return nil, err
		}
	}
	if err := d.listen(); err != nil {
		d.teardown()
		return nil, err
	}
	d.begin(time.Now())
	return d, nil
}

// prepare makes a daemon without tunnels; 0 workers: one per core.
func prepare(cfg *config.Config, o Options, workers int) (*daemon, error) {
	if o.Levels == nil {
		o.Levels = levels.New(zap.DebugLevel, Subsystems()...)
	}
	log := o.Log.WithOptions(zap.WrapCore(o.Levels.Wrap))
	noisy := o.Log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return o.Levels.Wrap(sampled(c)) }))
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	fwd, err := forwarder.New(forwarder.Options{
		Workers: workers, NoOffload: !cfg.Offload, Log: log.Named("forwarder"),
	})
	if err != nil {
		return nil, err
	}
	d := &daemon{
		cfg:    cfg,
		log:    log,
		noisy:  noisy,
		levels: o.Levels,
		fwd:    fwd,
		began:  time.Now(),

		noisyControl: noisy.Named(logControl),
		noisyPPP:     noisy.Named(logPPP),

		byFwd:       make(map[*forwarder.Session]*session),
		byTunnel:    make(map[*forwarder.Tunnel]*tunnel),
		byDevice:    make(map[*tuntap.Device]*session),
		links:       tuntap.NewWatcher(),
		verdicts:    newAnswers[verdict](),
		lookups:     newLookups(o.Resolver),
		changer:     newChanger(),
		inUse:       make(addressBook),
		namespaces:  make(map[string]int32),
		linkConfigs: make(map[linkKey]*pppfsm.Config),
		duid:        serverDUID(),
		mainPID:     o.MainPID,
	}
	if d.mainPID == nil {
		d.mainPID = func(int) {}
	}
	d.setProcessors()
	d.scripts = script.New(script.Options{Log: d.noisy.Named(logScript)})
	if err := d.addPools(); err != nil {
		d.teardown()
		return nil, err
	}
	if err := d.addShared(); err != nil {
		d.teardown()
		return nil, err
	}
	d.plane = newPlane(d)
	return d, nil
}

// setProcessors has Go use enough processors. Each worker has two threads that stay in Go code and raw system calls while
// packets come, and each annex one. With fewer processors of Go's than threads they would take turns in slices of 10 ms,
// and the control side would wait for them.
func (d *daemon) setProcessors() {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 2*d.fwd.Workers()+d.annexes+2))
}

// begin opens everything, after all of it could be made.
func (d *daemon) begin(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.probeAt = now.Add(pathProbe)
	for _, s := range d.sessions {
		if s.ppp == nil {
			d.openEthernet(s)
			continue
		}
		d.openPPP(s, now)
	}
	for _, t := range d.tunnels {
		d.tellStatic(mgmt.EventTunnelUp, t, "")
	}
	for _, l := range d.plane.dialers {
		l.tick(d, now)
	}
	d.settlePlane(now)
	d.net.Flush()
	d.fwd.Flush()
	d.publish()
}

func (d *daemon) openPPP(s *session, now time.Time) {
	s.ppp.link.Open(now)
	s.ppp.link.Up(now)
	d.settle(s, now)
}

// farewell is how long peers have to answer that we go.
const (
	farewell     = 1500 * time.Millisecond // of PPP
	stopFarewell = time.Second             // of control connections
)

// stop says goodbye to all PPP peers and then on all control connections, waits a little for the answers and for scripts,
// and takes everything away.
func (d *daemon) stop() {
	d.mu.Lock()
	now := time.Now()
	d.plane.closing = true
	for _, s := range d.sessions {
		if s.ppp != nil {
			s.ppp.closing = true
			s.ppp.link.Close(now, shuttingDown)
			d.settle(s, now)
		}
	}
	d.net.Flush()
	d.fwd.Flush()
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	d.waitFor(ctx, d.leaving)
	d.hangUp(time.Now())
	ctx, cancelStop := context.WithTimeout(context.Background(), stopFarewell)
	defer cancelStop()
	d.waitFor(ctx, d.parting)
	d.teardown()
}

// waitFor lets the control loop go on for as long as somebody is leaving.
func (d *daemon) waitFor(ctx context.Context, leaving func() bool) {
	for leaving() && ctx.Err() == nil {
		if err := d.step(ctx); err != nil {
			return
		}
	}
}

// leaving tells whether a peer still owes us an answer.
func (d *daemon) leaving() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if s.ppp != nil && !s.ppp.finished && (s.circuit == nil || s.circuit.up) {
			return true
		}
	}
	return false
}

// teardown waits for scripts, which may need the devices, and removes sessions, then devices, then tunnels, then workers.
func (d *daemon) teardown() {
	d.tellEnd()
	d.endScripts()
	d.lookups.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removeSessions(slices.Clone(d.sessions))
	for _, t := range slices.Clone(d.tunnels) {
		d.removeTunnel(t)
	}
	for _, sh := range d.shared {
		d.closeShared(sh)
	}
	d.publish()
	if d.plane != nil {
		d.plane.closeSockets()
	}
	d.fwd.Close()
}

// fault ties err to a key of the configuration.
func (d *daemon) fault(line int, key string, err error) error {
	return config.At(d.cfg.File, line, key, err)
}

func tunnelKey(t *config.Tunnel, key string) string { return fmt.Sprintf("tunnel.%s.%s", t.Name, key) }

func sessionKey(t *config.Tunnel, s *config.Session, key string) string {
	return fmt.Sprintf("tunnel.%s.session.%s.%s", t.Name, s.Name, key)
}
