package script

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Defaults of Options.
const (
	DefaultParallel = 16
	DefaultTimeout  = time.Minute
	DefaultQueue    = 8192
)

// Options of a Runner; zero values mean the defaults.
type Options struct {
	Log      *zap.Logger   // where results go; nil: nowhere
	Parallel int           // jobs that run at a time
	Timeout  time.Duration // of one job
	Queue    int           // jobs that wait, over all keys
}

// Job is one run of a program.
type Job struct {
	Key  string   // jobs of one key run in order: a tunnel's name, or TUNNEL/SESSION
	Path string   // the program, absolute
	Args []string // without the program's name
	Env  []string // "NAME=value", all there is
	As   *As      // nil: ourselves, without capabilities
}

// Stats counts jobs since New.
type Stats struct {
	Started  uint64 // programs that were started, or could not be
	Failed   uint64 // of these, could not be started or ended otherwise than with status 0
	TimedOut uint64 // of these, were killed for the time they took
	Refused  uint64 // not taken because the queue was full or the Runner closed
	Dropped  uint64 // taken, but never started because the Runner was closed
}

// Runner runs jobs. Its methods may be called by any goroutine.
type Runner struct {
	o    Options
	ctx  context.Context // done: running programs are killed
	kill context.CancelFunc

	mu      sync.Mutex
	queues  map[string]*queue
	ready   []string // keys with a job that may start, in order
	waiting int      // jobs that have not started
	running int      // goroutines
	closed  bool
	full    bool          // refusing has been logged, and the queue was not half empty since
	idle    chan struct{} // closed when the last goroutine ends after Close
	stats   Stats
}

// queue holds the jobs of one key.
type queue struct {
	jobs []Job
	busy bool // one of them runs, or the key is in ready
}

// New makes a Runner, which must be closed.
func New(o Options) *Runner {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	r := &Runner{o: o, queues: map[string]*queue{}, idle: make(chan struct{})}
	r.ctx, r.kill = context.WithCancel(context.Background())
	return r
}

// Run takes a job, or refuses it (false) because too many wait. It does not block.
func (r *Runner) Run(j Job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.waiting >= r.o.Queue {
		r.stats.Refused++
		if !r.full {
			r.full = true
			r.o.Log.Error("script refused: too many wait, or this is the end; further ones are counted, not logged",
				zap.String("script", j.Path), j.about(), zap.Uint64("refused", r.stats.Refused))
		}
		return false
	}
	r.full = r.full && r.waiting >= r.o.Queue/2
	q := r.queues[j.Key]
	if q == nil {
		q = &queue{}
		r.queues[j.Key] = q
	}
	q.jobs = append(q.jobs, j)
	r.waiting++
	if !q.busy {
		q.busy = true
		r.ready = append(r.ready, j.Key)
		if r.running < r.o.Parallel {
			r.running++
			go r.work()
		}
	}
	return true
}

// Stats returns the counters.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// work runs jobs until none may start.
func (r *Runner) work() {
	for {
		j, ok := r.next()
		if !ok {
			return
		}
		res := run(r.ctx, j, r.o.Timeout)
		r.report(j, res)
		r.done(j.Key, res)
	}
}

// next takes the job out that may start first; without one the goroutine ends.
func (r *Runner) next() (Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ready) == 0 {
		r.running--
		if r.closed && r.running == 0 {
			close(r.idle)
		}
		return Job{}, false
	}
	key := r.ready[0]
	r.ready = r.ready[1:]
	q := r.queues[key]
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	r.waiting--
	r.stats.Started++
	return j, true
}

// done counts a result and lets the next job of the key start.
func (r *Runner) done(key string, res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if res.err != nil {
		r.stats.Failed++
	}
	if res.timedOut {
		r.stats.TimedOut++
	}
	if q := r.queues[key]; len(q.jobs) > 0 {
		r.ready = append(r.ready, key)
		return
	}
	delete(r.queues, key)
}

// Close refuses further jobs and waits for all that were taken. When ctx is done first, those that wait are dropped and
// counted, and those that run are killed.
func (r *Runner) Close(ctx context.Context) {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	if first && r.running == 0 {
		close(r.idle)
	}
	r.mu.Unlock()
	select {
	case <-r.idle:
	case <-ctx.Done():
		r.abandon()
		r.kill()
		<-r.idle
	}
	r.kill()
}

// abandon drops all jobs that have not started.
func (r *Runner) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == 0 {
		return
	}
	r.o.Log.Error("scripts dropped at the end: no time left", zap.Int("scripts", r.waiting))
	r.stats.Dropped += uint64(r.waiting)
	r.waiting, r.ready = 0, nil
	for _, q := range r.queues {
		q.jobs = nil
	}
}
