package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"culvert/client"
)

func newDisconnect() *cobra.Command {
	var flags showFlags
	var r client.DisconnectRequest
	cmd := &cobra.Command{
		Use:   "disconnect [TUNNEL/SESSION]",
		Short: "end sessions of a running culvert",
		Long: "disconnect ends the session of that name, or those of a user, an address or a tunnel, and tells the peers. What culvert " +
			"dials comes back, as does a PPP session with persist.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("one session name TUNNEL/SESSION is enough, not %d", len(args))
			}
			return nil
		},
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.Session = args[0]
			}
			return disconnect(cmd, flags, r)
		}),
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&r.User, "user", "", "sessions whose PPP peer has proven this `name`")
	cmd.Flags().StringVar(&r.Address, "address", "", "the session whose PPP peer has this IP `address`")
	cmd.Flags().StringVar(&r.Tunnel, "tunnel", "", "all sessions of the tunnel `name`, and its control connection")
	return cmd
}

func disconnect(cmd *cobra.Command, flags showFlags, r client.DisconnectRequest) error {
	report, err := client.New(flags.socket).Disconnect(cmd.Context(), r)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if flags.json {
		return json.NewEncoder(out).Encode(report)
	}
	if report.Tunnel != "" {
		fmt.Fprintf(out, "ended control connection of tunnel %s\n", printable(report.Tunnel))
	}
	for _, name := range report.Sessions {
		fmt.Fprintf(out, "ended session %s\n", printable(name))
	}
	return nil
}
