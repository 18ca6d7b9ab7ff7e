package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"culvert/client"
	"culvert/internal/config"
	"culvert/internal/netlab"
)

// node is one culvert: its namespace, its process and what it was told.
type node struct {
	name    string
	ns      *netlab.Namespace
	cfg     *config.Config
	file    string // its configuration
	client  *client.Client
	process *netlab.Process // nil before start
}

// newNode writes the configuration below dir and makes the namespace.
func newNode(dir, name string, example []byte) (*node, error) {
	socket := filepath.Join(dir, name+".sock")
	text, err := withSocket(example, socket)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", name, err)
	}
	n := &node{name: name, file: filepath.Join(dir, name+".toml"), client: client.New(socket)}
	if err = os.WriteFile(n.file, text, 0o600); err != nil {
		return nil, err
	}
	if n.cfg, err = config.Load(n.file); err != nil {
		return nil, err
	}
	if n.ns, err = netlab.New(); err != nil {
		return nil, err
	}
	return n, nil
}

// start runs exe in the namespace. The process dies with the namespace's thread.
func (n *node) start(exe string) (err error) {
	cmd := exec.Command(exe, "run", "--config", n.file)
	cmd.Args[0] = "culvert"
	n.process, err = n.ns.StartCommand("culvert "+n.name, cmd)
	return err
}

// stop ends the process and checks that it took its devices with it.
func (n *node) stop() error {
	if n.process == nil {
		return nil
	}
	if err := n.process.Check(); err != nil {
		return err
	}
	if err := n.process.Stop(); err != nil {
		return err
	}
	for _, t := range n.cfg.Tunnels {
		for _, s := range t.Sessions {
			if _, left := n.ns.Index(s.InterfaceName); left {
				return fmt.Errorf("culvert %s left device %s behind", n.name, s.InterfaceName)
			}
		}
	}
	return nil
}

// kill ends the process without ceremony; for what stop has not reached.
func (n *node) kill() {
	if n.process != nil {
		n.process.Kill()
	}
	n.ns.Close()
}

// sessions asks for all sessions by full name.
func (n *node) sessions(ctx context.Context) (map[string]client.Session, error) {
	list, err := client.Collect(n.client.Sessions(ctx, client.Filter{}))
	if err != nil {
		return nil, err
	}
	sessions := make(map[string]client.Session, len(list))
	for _, s := range list {
		sessions[s.Tunnel+"/"+s.Name] = s
	}
	return sessions, nil
}

// up tells whether every session of the configuration carries traffic.
func (n *node) up(ctx context.Context) (bool, error) {
	sessions, err := n.sessions(ctx)
	if errors.Is(err, client.ErrUnreachable) {
		return false, n.process.Check() // not listening yet
	}
	if err != nil {
		return false, err
	}
	for _, t := range n.cfg.Tunnels {
		for _, c := range t.Sessions {
			s, ok := sessions[t.Name+"/"+c.Name]
			if !ok || s.State != "up" || (c.PPP != nil && !pppUp(c.PPP, s.PPP)) {
				return false, n.process.Check()
			}
		}
	}
	return true, nil
}

// pppUp tells whether every network protocol that was asked for is open.
func pppUp(c *config.PPP, s *client.PPP) bool {
	return s != nil && (!c.Link.IPv4 || s.PeerAddress != "") && (!c.Link.IPv6 || s.PeerID != "")
}
