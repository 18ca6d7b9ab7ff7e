package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"culvert/client"
)

func newDrain() *cobra.Command {
	var flags showFlags
	var off bool
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "have a running culvert begin no dynamic tunnels and sessions any more, while the old ones run out",
		Long: "drain has a running culvert refuse new control connections and sessions of peers, and not ask for any itself, while those " +
			"there are go on until they end. It prints how many are left. Static tunnels are not touched. --off ends it.",
		Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			r, err := client.New(flags.socket).Drain(cmd.Context(), client.DrainRequest{Off: off})
			if err != nil {
				return err
			}
			if flags.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			state := "draining"
			if !r.Draining {
				state = "not draining"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s\n", state, plural(r.Tunnels, "dynamic tunnel"), plural(r.Sessions, "session"))
			return err
		}),
	}
	flags.add(cmd.Flags())
	cmd.Flags().BoolVar(&off, "off", false, "begin new ones again")
	return cmd
}
