package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// ErrEnded says that a process that should run has ended.
var ErrEnded = errors.New("ended")

// stopWait is how long a process has to end after SIGTERM: hundreds of sessions take their time on a busy machine.
const stopWait = 30 * time.Second

// Process is a process that runs in a namespace until it is stopped.
type Process struct {
	Name   string
	cmd    *exec.Cmd
	log    tail
	exited chan struct{}
}

// prepare binds a command's life to the namespace's thread.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Start runs a program in the namespace, with input on its standard input.
func (n *Namespace) Start(name string, input []byte, argv ...string) (*Process, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(input)
	return n.StartCommand(name, cmd)
}

// StartCommand runs a command in the namespace. Its output and process attributes are ours.
func (n *Namespace) StartCommand(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Name: name, cmd: cmd, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	prepare(p.cmd)
	if err := n.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // the process state tells
		close(p.exited)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the end of the output so far.
func (p *Process) Log() string { return p.log.String() }

// Check returns ErrEnded and the end of the output when the process has ended.
func (p *Process) Check() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s %w (%s):\n%s", p.Name, ErrEnded, p.cmd.ProcessState, p.Log())
	default:
		return nil
	}
}

// Stop ends the process: SIGTERM, and SIGKILL if that does not help. The error says that it did not, or that the
// process has not ended with success.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopWait):
		p.Kill()
		return fmt.Errorf("%s did not stop within %v:\n%s", p.Name, stopWait, p.Log())
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s stopped badly (%s):\n%s", p.Name, p.cmd.ProcessState, p.Log())
	}
	return nil
}

// Kill ends the process without ceremony.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Run runs a program in the namespace to its end, or kills it with ctx, and returns its standard output.
func (n *Namespace) Run(ctx context.Context, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out bytes.Buffer
	var log tail
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.WaitDelay = time.Second
	prepare(cmd)
	err := n.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return out.Bytes(), fmt.Errorf("%s: %w: %s", argv[0], err, log.String())
	}
	return out.Bytes(), nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailLen = 8 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailLen {
		t.b = append(t.b[:0], t.b[len(t.b)-tailLen:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
