package main

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"culvert/client"
)

// showFlags are common to all show commands.
type showFlags struct {
	socket string
	json   bool
	watch  time.Duration // of show only; 0: once
}

// add makes the flags those of a command.
func (f *showFlags) add(to *pflag.FlagSet) {
	to.StringVar(&f.socket, "socket", client.DefaultSocket, "`path` of the management socket")
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
	cmd.PersistentFlags().DurationVar(&flags.watch, "watch", 0, "show it again after each `interval`, 2s without one, until an interrupt; written --watch=INTERVAL")
	cmd.PersistentFlags().Lookup("watch").NoOptDefVal = defaultWatch.String()
	cmd.AddCommand(
		&cobra.Command{
			Use: "tunnels", Short: "tunnels with their counters", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/tunnels", (*client.Client).Tunnels, tunnelTable)
			}),
		},
		newShowTunnel(&flags),
		newShowSessions(&flags),
		&cobra.Command{
			Use: "session TUNNEL/SESSION", Short: "everything about one session", Args: sessionName,
			RunE: work(func(cmd *cobra.Command, args []string) error {
				return show(cmd, flags, client.SessionPath(args[0]), named((*client.Client).Session, args[0]), sessionDetail)
			}),
		},
		&cobra.Command{
			Use: "workers", Short: "workers with their counters", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/workers", (*client.Client).Workers, workerTable)
			}),
		},
		&cobra.Command{
			Use: "pools", Short: "pools of addresses and prefixes, and what is left in them", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/pools", (*client.Client).Pools, poolTable)
			}),
		},
		&cobra.Command{
			Use: "shared", Short: "devices that many sessions have in common", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/shared", (*client.Client).Shared, sharedTable)
			}),
		},
		&cobra.Command{
			Use: "macs SHARED", Short: "Ethernet addresses that a shared TAP has learnt", Args: sharedName,
			RunE: work(func(cmd *cobra.Command, args []string) error {
				return show(cmd, flags, client.MACsPath(args[0]), named((*client.Client).MACs, args[0]), macTable)
			}),
		},
		&cobra.Command{
			Use: "profiles", Short: "PPP and session profiles, and how many sessions have each", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/profiles", (*client.Client).Profiles, profileTable)
			}),
		},
		&cobra.Command{
			Use: "config", Short: "the configuration that runs, secrets hidden", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/config", (*client.Client).Config, configText)
			}),
		},
		&cobra.Command{
			Use: "drops", Short: "why packets were dropped, and how many", Args: noArgs,
			RunE: work(func(cmd *cobra.Command, _ []string) error {
				return show(cmd, flags, "/v1/drops", (*client.Client).Drops, dropTable)
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
				return show(cmd, *flags, client.MessagesPath(args[0]), named((*client.Client).Messages, args[0]), messageList)
			}
			return show(cmd, *flags, client.TunnelPath(args[0]), named((*client.Client).Tunnel, args[0]), tunnelDetail)
		}),
	}
	cmd.Flags().BoolVar(&messages, "messages", false, "its last control messages, decoded")
	return cmd
}

func newShowSessions(flags *showFlags) *cobra.Command {
	var filter client.Filter
	cmd := &cobra.Command{
		Use: "sessions", Short: "sessions with their counters", Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			return show(cmd, *flags, filter.Path(), func(c *client.Client, ctx context.Context) ([]client.Session, error) {
				return client.Collect(c.Sessions(ctx, filter))
			}, sessionTable)
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

// asking is a method of the client.
type asking[T any] = func(*client.Client, context.Context) (T, error)

// named gives such a method the name of what it asks for.
func named[T any](ask func(*client.Client, context.Context, string) (T, error), name string) asking[T] {
	return func(c *client.Client, ctx context.Context) (T, error) { return ask(c, ctx, name) }
}

// answerWait bounds the time for one answer.
const answerWait = 2 * time.Minute

// show prints the answer to a path as it is, or what is asked for as the table's text, once or again and again.
func show[T any](cmd *cobra.Command, flags showFlags, path string, ask asking[T], table func(io.Writer, T) error) error {
	c := client.New(flags.socket)
	once := func(ctx context.Context, out io.Writer) error {
		ctx, cancel := context.WithTimeout(ctx, answerWait)
		defer cancel()
		if !flags.json {
			v, err := ask(c, ctx)
			if err != nil {
				return err
			}
			return table(out, v)
		}
		answer, err := c.Raw(ctx, path)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Close() }()
		_, err = io.Copy(out, answer)
		return err
	}
	if cmd.Flags().Changed("watch") {
		return repeat(cmd, &flags, once)
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if err := once(cmd.Context(), out); err != nil {
		return err
	}
	return out.Flush()
}
