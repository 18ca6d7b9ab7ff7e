package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"culvert/internal/demo"
)

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "two instances in network namespaces, talking to each other",
		Long: `demo runs two culverts in two network namespaces of its own, with a PPP pseudowire over UDP and an Ethernet
pseudowire over IP protocol 115 between them, pings and moves TCP through both, prints a table and leaves nothing
behind. It needs root, or user namespaces and a /dev/net/tun that may be opened.`,
		Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if o.Duration < 100*time.Millisecond || o.Duration > time.Hour {
				return usagef("--duration must be between 100ms and 1h")
			}
			ctx, release := untilSignal(cmd.Context(), zap.NewNop())
			defer release()
			err := demo.Run(ctx, cmd.OutOrStdout(), o)
			if ctx.Err() != nil {
				return errors.New("interrupted; everything is cleaned up")
			}
			return err
		}),
	}
	cmd.Flags().DurationVar(&o.Duration, "duration", 2*time.Second, "`time` of each of the four TCP transfers")
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	return cmd
}
