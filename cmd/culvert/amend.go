package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"culvert/client"
)

func newAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add",
		Short: "add a tunnel or session to a running culvert, until the next reload",
		Long: "add brings up what a text in the configuration file's syntax describes, and checks it as if it stood at the end of the " +
			"file. No file is written: a reload or restart goes back to what the file says.",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(
		newAddKind(client.KindTunnel, "add tunnels with their sessions: tables [tunnel.NAME] and [tunnel.NAME.session.NAME]"),
		newAddKind(client.KindSession, "add sessions to tunnels that are there: tables [tunnel.NAME.session.NAME]"),
	)
	return cmd
}

// maxSnippet is more than the daemon takes.
const maxSnippet = 2 << 20

func newAddKind(kind, short string) *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use: kind + " FILE", Short: short, Long: short + ", from FILE or, with -, from standard input.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("one file is needed, or - for standard input, not %d", len(args))
			}
			return nil
		},
		RunE: work(func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				in = f
			}
			text, err := io.ReadAll(io.LimitReader(in, maxSnippet))
			if err != nil {
				return fmt.Errorf("read %s: %w", args[0], err)
			}
			return amend(cmd, flags, func(c *client.Client, ctx context.Context) (client.ReloadReport, error) {
				return c.Add(ctx, client.AddRequest{Kind: kind, Text: string(text)})
			})
		}),
	}
	flags.add(cmd.Flags())
	return cmd
}

func newDel() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "del",
		Short: "remove a tunnel or session from a running culvert, until the next reload",
		Long: "del ends a tunnel with its sessions, or one session, tells the peers, and removes it from what runs. No file is " +
			"written: a reload or restart goes back to what the file says.",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(
		newDelKind("tunnel NAME", "remove a tunnel and its sessions", tunnelName, func(name string) client.DeleteRequest {
			return client.DeleteRequest{Tunnel: name}
		}),
		newDelKind("session TUNNEL/SESSION", "remove a session", sessionName, func(name string) client.DeleteRequest {
			return client.DeleteRequest{Session: name}
		}),
	)
	return cmd
}

func newDelKind(use, short string, args cobra.PositionalArgs, request func(name string) client.DeleteRequest) *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: work(func(cmd *cobra.Command, args []string) error {
			return amend(cmd, flags, func(c *client.Client, ctx context.Context) (client.ReloadReport, error) {
				return c.Delete(ctx, request(args[0]))
			})
		}),
	}
	flags.add(cmd.Flags())
	return cmd
}
