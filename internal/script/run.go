package script

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	// maxOutput is what is kept of a program's output, in bytes.
	maxOutput = 4096
	// lingering is how long a program that has ended may leave its output open to children.
	lingering = 200 * time.Millisecond
)

// result is what became of a job.
type result struct {
	err      error
	timedOut bool
	took     time.Duration
	output   string
}

// run runs one job to its end. When its time is over, or ctx is done, its process group is killed.
func run(ctx context.Context, j Job, timeout time.Duration) (res result) {
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := &head{}
	cmd := exec.CommandContext(limit, j.Path, j.Args...)
	cmd.Env = append([]string{}, j.Env...) // nil would mean ours
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	as := j.As
	if as == nil {
		as = &As{}
	}
	cmd.SysProcAttr = as.attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lingering
	begin := time.Now()
	if res.err = start(cmd, as); res.err == nil {
		res.err = cmd.Wait()
	}
	if errors.Is(res.err, exec.ErrWaitDelay) { // what it started may go on, unheard
		res.err = nil
	}
	res.took = time.Since(begin)
	res.timedOut = ctx.Err() == nil && errors.Is(limit.Err(), context.DeadlineExceeded) && res.err != nil
	res.output = out.String()
	return res
}

// report logs a result.
func (r *Runner) report(j Job, res result) {
	fields := []zap.Field{zap.String("script", j.Path), j.about(), zap.Duration("took", res.took)}
	if res.output != "" {
		fields = append(fields, zap.String("output", res.output))
	}
	var exit *exec.ExitError
	if errors.As(res.err, &exit) && exit.Exited() {
		fields = append(fields, zap.Int("status", exit.ExitCode()))
	}
	switch {
	case res.timedOut:
		r.o.Log.Warn("script killed: it took too long", fields...)
	case res.err != nil:
		r.o.Log.Warn("script failed", append(fields, zap.Error(res.err))...)
	case res.output != "":
		r.o.Log.Info("script", fields...)
	default:
		r.o.Log.Debug("script", fields...)
	}
}

// about says what the job is for, as other logs do.
func (j *Job) about() zap.Field {
	if strings.Contains(j.Key, "/") {
		return zap.String("session", j.Key)
	}
	return zap.String("tunnel", j.Key)
}

// head is an io.Writer that keeps what comes first. exec calls it from one goroutine at a time, for it is both standard
// output and error.
type head struct {
	b    []byte
	more bool
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), maxOutput-len(h.b))
	h.b = append(h.b, p[:n]...)
	h.more = h.more || n < len(p)
	return len(p), nil
}

func (h *head) String() string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(h.b), "?"))
	if h.more {
		s += " ..."
	}
	return s
}
