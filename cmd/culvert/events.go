package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"culvert/client"
)

func newEvents() *cobra.Command {
	var socket string
	var filter client.EventFilter
	cmd := &cobra.Command{
		Use:   "events",
		Short: "print what happens to tunnels and sessions as it happens",
		Long: "events prints a line of JSON whenever a tunnel or session of a running culvert comes up, goes down or fails, with " +
			"the reason, and for reloads and drains. It ends with an interrupt (SIGINT) or with culvert.",
		Example: "  culvert events --type session_down --tunnel access\n  culvert events | jq -r 'select(.type == \"session_down\") | \"\\(.user) \\(.reason)\"'",
		Args:    noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			ctx, release := untilSignal(cmd.Context(), zap.NewNop())
			defer release()
			lines, err := client.New(socket).Raw(ctx, filter.Path())
			if err != nil {
				return err
			}
			defer func() { _ = lines.Close() }()
			fmt.Fprintln(cmd.ErrOrStderr(), "listening, interrupt to end")
			if _, err := io.Copy(cmd.OutOrStdout(), lines); ctx.Err() == nil {
				return err
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&filter.Type, "type", "", "only events of this `type` (tunnel_up, session_down, ...)")
	cmd.Flags().StringVar(&filter.Tunnel, "tunnel", "", "only events of the tunnel `name` and its sessions")
	cmd.Flags().StringVar(&filter.Session, "session", "", "only events of the session `TUNNEL/SESSION`")
	cmd.Flags().StringVar(&socket, "socket", client.DefaultSocket, "`path` of the management socket")
	return cmd
}
