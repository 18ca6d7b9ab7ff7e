package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// stopWait is how long culvert has to end after SIGTERM.
const stopWait = 10 * time.Second

// node is one culvert: its namespace, its process and what it was told.
type node struct {
	name   string
	ns     *namespace
	cfg    *config.Config
	file   string // its configuration
	client *mgmt.Client

	cmd    *exec.Cmd
	log    tail
	exited chan struct{} // closed when the process has ended
	err    error         // why, after exited
}

// newNode writes the configuration below dir and makes the namespace.
func newNode(dir, name string, example []byte) (*node, error) {
	socket := filepath.Join(dir, name+".sock")
	text, err := withSocket(example, socket)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", name, err)
	}
	n := &node{name: name, file: filepath.Join(dir, name+".toml"), client: mgmt.NewClient(socket)}
	if err = os.WriteFile(n.file, text, 0o600); err != nil {
		return nil, err
	}
	if n.cfg, err = config.Load(n.file); err != nil {
		return nil, err
	}
	if n.ns, err = newNamespace(); err != nil {
		return nil, err
	}
	return n, nil
}

// start runs exe in the namespace. The process dies with the namespace's thread.
func (n *node) start(exe string) error {
	n.cmd = exec.Command(exe, "run", "--config", n.file)
	n.cmd.Args[0] = "culvert"
	n.cmd.Stdout, n.cmd.Stderr = &n.log, &n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.ns.do(n.cmd.Start); err != nil {
		return fmt.Errorf("start culvert %s: %w", n.name, err)
	}
	n.exited = make(chan struct{})
	go func() {
		n.err = n.cmd.Wait()
		close(n.exited)
	}()
	return nil
}

// died returns an error with the end of its log when the process has ended, else nil.
func (n *node) died() error {
	select {
	case <-n.exited:
		return &diedError{node: n.name, err: n.err, log: n.log.String()}
	default:
		return nil
	}
}

// diedError is a culvert that ended before it was told to; err is nil when it called that a success.
type diedError struct {
	node string
	err  error
	log  string
}

func (e *diedError) Error() string {
	why := "by itself"
	if e.err != nil {
		why = e.err.Error()
	}
	return fmt.Sprintf("culvert %s ended (%s):\n%s", e.node, why, e.log)
}

func (e *diedError) Unwrap() error { return e.err }

// stop ends the process and checks that it took its devices with it.
func (n *node) stop() error {
	if n.exited == nil {
		return nil
	}
	if err := n.died(); err != nil {
		return err
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.exited:
	case <-time.After(stopWait):
		_ = n.cmd.Process.Kill()
		<-n.exited
		return fmt.Errorf("culvert %s did not stop within %v:\n%s", n.name, stopWait, n.log.String())
	}
	if n.err != nil {
		return fmt.Errorf("culvert %s stopped badly (%w):\n%s", n.name, n.err, n.log.String())
	}
	for _, t := range n.cfg.Tunnels {
		for _, s := range t.Sessions {
			if _, left := n.ns.index(s.InterfaceName); left {
				return fmt.Errorf("culvert %s left device %s behind", n.name, s.InterfaceName)
			}
		}
	}
	return nil
}

// kill ends the process without ceremony; for what stop has not reached.
func (n *node) kill() {
	if n.exited != nil {
		_ = n.cmd.Process.Kill()
		<-n.exited
	}
	n.ns.close()
}

// sessions asks for all sessions by full name.
func (n *node) sessions(ctx context.Context) (map[string]mgmt.Session, error) {
	list, err := mgmt.Get(ctx, n.client, mgmt.QuerySessions(mgmt.Filter{}))
	if err != nil {
		return nil, err
	}
	sessions := make(map[string]mgmt.Session, len(list))
	for _, s := range list {
		sessions[s.Tunnel+"/"+s.Name] = s
	}
	return sessions, nil
}

// up tells whether every session of the configuration carries traffic.
func (n *node) up(ctx context.Context) (bool, error) {
	sessions, err := n.sessions(ctx)
	if errors.Is(err, mgmt.ErrUnreachable) {
		return false, n.died() // not listening yet
	}
	if err != nil {
		return false, err
	}
	for _, t := range n.cfg.Tunnels {
		for _, c := range t.Sessions {
			s, ok := sessions[t.Name+"/"+c.Name]
			if !ok || s.State != "up" || (c.PPP != nil && !pppUp(c.PPP, s.PPP)) {
				return false, n.died()
			}
		}
	}
	return true, nil
}

// pppUp tells whether every network protocol that was asked for is open.
func pppUp(c *config.PPP, s *mgmt.PPP) bool {
	return s != nil && (!c.Link.IPv4 || s.PeerAddress != "") && (!c.Link.IPv6 || s.PeerID != "")
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailLen = 8 << 10

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
	return string(t.b)
}
