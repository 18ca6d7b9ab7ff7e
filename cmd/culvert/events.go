package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"culvert/internal/mgmt"
)

func newEvents() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "print what happens to tunnels and sessions as it happens",
		Long: "events prints a line of JSON whenever a tunnel or session of a running culvert comes up, goes down or fails, with " +
			"the reason, and for reloads and drains. It ends with an interrupt (SIGINT) or with culvert.",
		Example: "  culvert events | jq -r 'select(.type == \"session_down\") | \"\\(.user) \\(.reason)\"'",
		Args:    noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			ctx, release := untilSignal(cmd.Context(), zap.NewNop())
			defer release()
			return mgmt.NewClient(socket).Events(ctx, cmd.OutOrStdout(), func() {
				fmt.Fprintln(cmd.ErrOrStderr(), "listening, interrupt to end")
			})
		}),
	}
	cmd.Flags().StringVar(&socket, "socket", mgmt.DefaultSocket, "`path` of the management socket")
	return cmd
}
