package daemon

import (
	"context"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"culvert/internal/config"
	"culvert/internal/script"
	"culvert/pppfsm"
)

// scriptFarewell is how long scripts have at the end, those that wait included.
const scriptFarewell = 5 * time.Second

// scriptSpeed is the speed that scripts are told: there is no serial line.
const scriptSpeed = "0"

// hook is what was done when something came up, kept for what undoes it.
type hook struct {
	down      string // program; empty: none
	args, env []string
}

// hookUp runs a script, and gives what hookDown needs. When it was refused there is nothing to undo either.
func (d *daemon) hookUp(s *session, up, down string, args, env []string) *hook {
	if up == "" && down == "" {
		return nil
	}
	d.net.Flush() // it finds all in place
	if up != "" && !d.runScript(s, up, args, env) {
		return nil
	}
	return &hook{down: down, args: args, env: env}
}

// hookDown runs the script that undoes h, once.
func (d *daemon) hookDown(s *session, h **hook, now time.Time) {
	if *h != nil && (*h).down != "" {
		d.net.Flush()
		env := append(slices.Clone((*h).env), s.ppp.statistics(s, now)...)
		d.runScript(s, (*h).down, (*h).args, env)
	}
	*h = nil
}

// runScript queues a program in the order of the session, and counts it when there is no room.
func (d *daemon) runScript(s *session, path string, args, env []string) bool {
	ok := d.scripts.Run(script.Job{Key: s.fullName(), Path: path, Args: args, Env: env, As: d.scriptsAs()})
	if !ok {
		s.ppp.scriptsRefused++
	}
	return ok
}

// scriptsOf are the session's scripts; without any their zero value.
func (s *session) scriptsOf() config.Scripts {
	if c := s.cfg.PPP.Scripts; c != nil {
		return *c
	}
	return config.Scripts{}
}

// fullName is the session's name in the API and in the scripts' order.
func (s *session) fullName() string { return s.tunnel.cfg.Name + "/" + s.cfg.Name }

// invoker is who runs us, for ORIG_UID and PPPLOGNAME.
var invoker = func() [2]string {
	uid := strconv.Itoa(os.Getuid())
	name := "root"
	if u, err := user.LookupId(uid); err == nil {
		name = u.Username
	}
	return [2]string{uid, name}
}()

// scriptEnv is the environment that all scripts of a session have (pppd(8), SCRIPTS), and more.
func (s *session) scriptEnv(more ...string) []string {
	env := []string{
		"DEVICE=" + s.fullName(), "IFNAME=" + s.cfg.InterfaceName, "SPEED=" + scriptSpeed,
		"ORIG_UID=" + invoker[0], "PPPLOGNAME=" + invoker[1],
	}
	if n := s.scriptsOf().LinkName; n != "" {
		env = append(env, "LINKNAME="+n)
	}
	if n := s.ppp.peerName; n != "" {
		env = append(env, "PEERNAME="+n)
	}
	return append(env, more...)
}

// statistics are the variables that scripts have when something is over.
func (p *ppp) statistics(s *session, now time.Time) []string {
	rx, tx, _ := s.fwd.Stats()
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{
		"CONNECT_TIME=" + number(uint64(now.Sub(p.opened)/time.Second)),
		"BYTES_SENT=" + number(tx.Bytes-p.sentBefore),
		"BYTES_RCVD=" + number(rx.Bytes-p.receivedBefore),
	}
}

// began notes what statistics count from.
func (p *ppp) began(s *session, now time.Time) {
	rx, tx, _ := s.fwd.Stats()
	p.opened, p.receivedBefore, p.sentBefore = now, rx.Bytes, tx.Bytes
}

// addressText is an address as an argument, empty where there is none.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// ipUp runs ip_up: interface, tty, speed, local and remote address, ipparam.
func (d *daemon) ipUp(s *session, a pppfsm.IPv4Up) {
	if s.cfg.PPP.Scripts == nil {
		return
	}
	c := s.scriptsOf()
	local, peer := addressText(a.Local), addressText(a.Peer)
	env := s.scriptEnv("IPLOCAL="+local, "IPREMOTE="+peer)
	for i, dns := range a.DNS {
		if dns.IsValid() {
			env = append(env, "DNS"+strconv.Itoa(i+1)+"="+dns.String())
		}
	}
	if s.cfg.PPP.Link.UsePeerDNS {
		env = append(env, "USEPEERDNS=1")
	}
	args := []string{s.cfg.InterfaceName, s.fullName(), scriptSpeed, local, peer, c.IPParam}
	s.ppp.ip = d.hookUp(s, c.IPUp, c.IPDown, args, env)
}

// ip6Up runs ipv6_up: the same with link-local addresses.
func (d *daemon) ip6Up(s *session, a pppfsm.IPv6Up) {
	if s.cfg.PPP.Scripts == nil {
		return
	}
	c := s.scriptsOf()
	local, peer := linkLocal(a.LocalID).String(), linkLocal(a.PeerID).String()
	args := []string{s.cfg.InterfaceName, s.fullName(), scriptSpeed, local, peer, c.IPParam}
	s.ppp.ip6 = d.hookUp(s, c.IPv6Up, c.IPv6Down, args, s.scriptEnv("LLLOCAL="+local, "LLREMOTE="+peer))
}

// authUp runs auth_up for a peer that has authenticated itself: interface, peer's name, user, tty, speed. auth_down
// follows when the link ends. The name is the peer's own choice: what cannot be printed in it becomes a question mark.
func (d *daemon) authUp(s *session, peerName string) {
	c := s.scriptsOf()
	s.ppp.peerName = plain(peerName)
	args := []string{s.cfg.InterfaceName, s.ppp.peerName, invoker[1], s.fullName(), scriptSpeed}
	s.ppp.auth = d.hookUp(s, c.AuthUp, c.AuthDown, args, s.scriptEnv())
}

// authDown undoes authUp.
func (d *daemon) authDown(s *session, now time.Time) {
	d.hookDown(s, &s.ppp.auth, now)
	s.ppp.peerName = ""
}

// endScripts waits for scripts, and gives up on them after a while.
func (d *daemon) endScripts() {
	ctx, cancel := context.WithTimeout(context.Background(), scriptFarewell)
	defer cancel()
	d.scripts.Close(ctx)
	if n := d.scripts.Stats(); n != (script.Stats{}) {
		d.log.Info("scripts", zap.Uint64("started", n.Started), zap.Uint64("failed", n.Failed), zap.Uint64("timed_out", n.TimedOut),
			zap.Uint64("refused", n.Refused), zap.Uint64("dropped", n.Dropped))
	}
}
