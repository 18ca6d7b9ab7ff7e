package main

import (
	"bufio"
	"context"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"culvert/internal/mgmt"
)

// showFlags are common to all show commands.
type showFlags struct {
	socket string
	json   bool
}

// add makes the flags those of a command.
func (f *showFlags) add(to *pflag.FlagSet) {
	to.StringVar(&f.socket, "socket", mgmt.DefaultSocket, "`path` of the management socket")
	to.BoolVar(&f.json, "json", false, "print the API's JSON")
}

func newShow() *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "show what a running culvert does",
		Long:  "show asks a running culvert over its Unix socket and prints a table, or with --json the API's own answer.",
	}
	onlySubcommands(cmd)
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(
		&cobra.Command{
			Use: "tunnels", Short: "tunnels with their counters", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryTunnels(), tunnelTable)
			}),
		},
		newShowTunnel(&flags),
		newShowSessions(&flags),
		&cobra.Command{
			Use: "session TUNNEL/SESSION", Short: "everything about one session", Args: sessionName,
			RunE: work(func(cmd *cobra.Command, args []string) error {
				return show(cmd, flags, mgmt.QuerySession(args[0]), sessionDetail)
			}),
		},
		&cobra.Command{
			Use: "workers", Short: "workers with their counters", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryWorkers(), workerTable)
			}),
		},
		&cobra.Command{
			Use: "pools", Short: "pools of addresses and prefixes, and what is left in them", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryPools(), poolTable)
			}),
		},
		&cobra.Command{
			Use: "shared", Short: "devices that many sessions have in common", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryShared(), sharedTable)
			}),
		},
		&cobra.Command{
			Use: "macs SHARED", Short: "Ethernet addresses that a shared TAP has learnt", Args: sharedName,
			RunE: work(func(cmd *cobra.Command, args []string) error {
				return show(cmd, flags, mgmt.QueryMACs(args[0]), macTable)
			}),
		},
		&cobra.Command{
			Use: "profiles", Short: "PPP and session profiles, and how many sessions have each", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryProfiles(), profileTable)
			}),
		},
		&cobra.Command{
			Use: "config", Short: "the configuration that runs, secrets hidden", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryConfig(), configText)
			}),
		},
		&cobra.Command{
			Use: "drops", Short: "why packets were dropped, and how many", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, mgmt.QueryDrops(), dropTable)
			}),
		},
	)
	return cmd
}

func newShowTunnel(flags *showFlags) *cobra.Command {
	var messages bool
	cmd := &cobra.Command{
		Use: "tunnel NAME", Short: "everything about one tunnel", Args: tunnelName,
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if messages {
				return show(cmd, *flags, mgmt.QueryMessages(args[0]), messageList)
			}
			return show(cmd, *flags, mgmt.QueryTunnel(args[0]), tunnelDetail)
		}),
	}
	cmd.Flags().BoolVar(&messages, "messages", false, "its last control messages, decoded")
	return cmd
}

func newShowSessions(flags *showFlags) *cobra.Command {
	var filter mgmt.Filter
	cmd := &cobra.Command{
		Use: "sessions", Short: "sessions with their counters", Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			return show(cmd, *flags, mgmt.QuerySessions(filter), sessionTable)
		}),
	}
	cmd.Flags().StringVar(&filter.Tunnel, "tunnel", "", "only sessions of the tunnel `name`")
	cmd.Flags().StringVar(&filter.State, "state", "", "only sessions in this `state` (up, down, establish, ...)")
	cmd.Flags().StringVar(&filter.User, "user", "", "only sessions whose PPP peer has proven this `name`")
	cmd.Flags().StringVar(&filter.Address, "address", "", "only sessions whose PPP peer has this IPv4 `address`")
	cmd.Flags().StringVar(&filter.Interface, "interface", "", "only the session of the interface `name`")
	return cmd
}

func tunnelName(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("one tunnel name is needed, not %d", len(args))
	}
	return nil
}

func sharedName(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("the name of one shared device is needed, not %d", len(args))
	}
	return nil
}

func sessionName(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("one session name TUNNEL/SESSION is needed, not %d", len(args))
	}
	return nil
}

// show asks q and prints the answer as it is or as the table's text.
func show[T any](cmd *cobra.Command, flags showFlags, q mgmt.Query[T], table func(io.Writer, T) error) error {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	client := mgmt.NewClient(flags.socket)
	out := bufio.NewWriter(cmd.OutOrStdout())
	if flags.json {
		if err := mgmt.Copy(ctx, client, q, out); err != nil {
			return err
		}
		return out.Flush()
	}
	v, err := mgmt.Get(ctx, client, q)
	if err != nil {
		return err
	}
	if err := table(out, v); err != nil {
		return err
	}
	return out.Flush()
}
