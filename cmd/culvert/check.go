package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"culvert/client"
	"culvert/encap"
	"culvert/internal/config"
)

// Figures of `check`.
const (
	assumedPathMTU = 1500 // bytes, Ethernet's, where the kernel is asked at run time
	shownSessions  = 20   // without --all
)

func newCheck() *cobra.Command {
	path, all, diff := "", false, false
	var flags showFlags
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "say what a configuration file would make, or all that is wrong with it",
		Long: "check prints what FILE would make. What is wrong with it, and what in it has no effect or may not be meant so " +
			"(\"warning\"), goes to standard error; only the former makes it fail.",
		Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			if diff {
				return checkDiff(cmd, flags, path)
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "culvert: warning: %s\n", printable(w.Error()))
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := summary(out, path, cfg, all); err != nil {
				return err
			}
			return out.Flush()
		}),
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&diff, "diff", false, "ask the running culvert what a reload with FILE would change")
	cmd.Flags().StringVar(&flags.socket, "socket", client.DefaultSocket, "`path` of its management socket, for --diff")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print the API's JSON, with --diff")
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("list every session, not only the first %d", shownSessions))
	return cmd
}

// summary prints what cfg would make.
func summary(w io.Writer, name string, cfg *config.Config, all bool) error {
	sessions := 0
	for i := range cfg.Tunnels {
		sessions += len(cfg.Tunnels[i].Sessions)
	}
	workers := "one worker per core"
	if cfg.Workers > 0 {
		workers = plural(cfg.Workers, "worker")
	}
	fmt.Fprintf(w, "%s: good: %s, %s, %s, socket %s\n\n",
		printable(name), plural(len(cfg.Tunnels), "tunnel"), plural(sessions, "session"), workers, cfg.API.Socket)
	tunnels := slices.SortedFunc(slices.Values(cfg.Tunnels), func(a, b config.Tunnel) int { return cmp.Compare(a.Name, b.Name) })
	assumed, err := plannedTunnels(w, tunnels)
	if err != nil {
		return err
	}
	if err := plannedListens(w, cfg); err != nil {
		return err
	}
	limit := shownSessions
	if all {
		limit = sessions
	}
	if sessions > 0 {
		fmt.Fprintln(w)
		if err := plannedSessions(w, tunnels, limit); err != nil {
			return err
		}
	}
	if more := sessions - limit; more > 0 {
		fmt.Fprintf(w, "... and %s (--all shows them)\n", plural(more, "more session"))
	}
	if assumed {
		fmt.Fprintf(w, "\n* the kernel is asked for the path MTU; %d assumed here\n", assumedPathMTU)
	}
	return nil
}

// plannedListens prints where peers may connect, if anywhere.
func plannedListens(w io.Writer, cfg *config.Config) error {
	if len(cfg.Listens) == 0 {
		return nil
	}
	if len(cfg.Tunnels) > 0 {
		fmt.Fprintln(w)
	}
	t := newTable(w, "LISTEN", "ENCAP", "LOCAL")
	for i := range cfg.Listens {
		l := &cfg.Listens[i].Tunnel
		t.row(l.Name, l.Transport, endpoint(l, l.Local))
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "for %s, with %s\n", plural(len(cfg.Peers), "peer"), plural(len(cfg.Profiles), "session profile"))
	return nil
}

// plannedTunnels prints the tunnels and tells whether a path MTU among them was assumed.
func plannedTunnels(w io.Writer, tunnels []config.Tunnel) (assumed bool, err error) {
	if len(tunnels) == 0 {
		return false, nil
	}
	t := newTable(w, "TUNNEL", "ENCAP", "LOCAL", "PEER", "TID", "PTID", "PATH-MTU", "SESSIONS")
	for i := range tunnels {
		v := &tunnels[i]
		mtu, known := pathMTU(v)
		mark := ""
		if !known {
			assumed, mark = true, "*"
		}
		t.row(v.Name, v.Transport, endpoint(v, v.Local), peerOf(v), assigned(v.TID), assigned(v.PTID),
			strconv.Itoa(mtu)+mark, len(v.Sessions))
	}
	return assumed, t.flush()
}

// plannedSessions prints the first sessions by name.
func plannedSessions(w io.Writer, tunnels []config.Tunnel, limit int) error {
	t := newTable(w, "SESSION", "TYPE", "INTERFACE", "SID", "PSID", "MTU")
	for i := range tunnels {
		v := &tunnels[i]
		byName := slices.SortedFunc(slices.Values(v.Sessions), func(a, b config.Session) int { return cmp.Compare(a.Name, b.Name) })
		for j := range byName[:min(limit, len(byName))] {
			s := &byName[j]
			t.row(v.Name+"/"+s.Name, s.Pseudowire.String(), s.InterfaceName, assigned(s.SID), assigned(s.PSID), sessionMTU(v, s))
		}
		limit -= min(limit, len(byName))
	}
	return t.flush()
}

// assigned prints an id, nothing where control messages assign it.
func assigned[T ~uint32](id T) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(id), 10)
}

// pathMTU is the outer packet's limit in bytes, assumed where only the running system knows it.
func pathMTU(t *config.Tunnel) (mtu int, known bool) {
	if t.PathMTU == 0 {
		return assumedPathMTU, false
	}
	return t.PathMTU, true
}

// sessionMTU is the MTU of the session's device: what the file says, else what fits into one outer packet.
func sessionMTU(t *config.Tunnel, s *config.Session) int {
	if s.MTU != 0 {
		return s.MTU
	}
	path, _ := pathMTU(t)
	cookie := s.Cookie
	if t.Control != nil { // what the peer assigns is not known; ours will do
		cookie, _ = encap.NewCookie(make([]byte, s.CookieSize))
	}
	header := encap.DataHeader{Transport: t.Transport, SessionID: s.PSID, Cookie: cookie, Sublayer: s.Sublayer}
	return s.Pseudowire.MTU(path-t.UnderlayOverhead, header, t.Local.Addr().Unmap().Is6())
}

// plural counts things in English.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// peerOf is the tunnel's peer, by name where it has one.
func peerOf(t *config.Tunnel) string {
	switch {
	case t.PeerName == "":
		return endpoint(t, t.Peer)
	case t.Transport == encap.TransportIP:
		return t.PeerName
	}
	return net.JoinHostPort(t.PeerName, strconv.Itoa(int(t.Peer.Port())))
}

// endpoint prints an address of t, without the port where the transport has none.
func endpoint(t *config.Tunnel, a netip.AddrPort) string {
	if t.Transport == encap.TransportIP {
		return a.Addr().String()
	}
	return a.String()
}
