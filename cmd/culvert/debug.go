package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"culvert/client"
)

func newDebug() *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use:   "debug [SUBSYSTEM LEVEL | tunnel NAME on|off]",
		Short: "show what a running culvert logs, or change it",
		Long: "debug lists the log levels of a running culvert: those of its subsystems, and those of tunnels that have their own. With a\n" +
			"subsystem and a level (debug, info, warn, error, or default for that of the configuration) it changes that one. `debug tunnel\n" +
			"NAME on` has all logged that is about a tunnel, its control messages and PPP frames included, until `off`. Levels that were\n" +
			"set so are forgotten when culvert ends; a reload leaves them as they are.",
		Args: func(_ *cobra.Command, args []string) error {
			_, err := debugRequest(args)
			return err
		},
		RunE: work(func(cmd *cobra.Command, args []string) error {
			r, err := debugRequest(args)
			if err != nil {
				return err
			}
			c := client.New(flags.socket)
			var all []client.LogLevel
			if r == nil {
				all, err = c.Levels(cmd.Context())
			} else {
				all = make([]client.LogLevel, 1)
				all[0], err = c.Debug(cmd.Context(), *r)
			}
			if err != nil {
				return err
			}
			if flags.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			}
			t := newTable(cmd.OutOrStdout(), "KIND", "NAME", "LEVEL", "SET")
			for _, l := range all {
				own := "-"
				if l.Own {
					own = "here"
				}
				t.row(l.Kind, l.Name, l.Level, own)
			}
			return t.flush()
		}),
	}
	flags.add(cmd.Flags())
	return cmd
}

// debugRequest is what the arguments ask for, nil: the list.
func debugRequest(args []string) (*client.DebugRequest, error) {
	const usage = "nothing, SUBSYSTEM LEVEL, or tunnel NAME on|off is expected"
	switch {
	case len(args) == 0:
		return nil, nil //nolint:nilnil // the list
	case len(args) == 3 && args[0] == "tunnel":
		r := &client.DebugRequest{Kind: client.LevelOfTunnel, Name: args[1], Level: args[2]}
		switch args[2] {
		case "on":
			r.Level = "debug"
		case "off":
			r.Level = client.LevelDefault
		default:
			if !isLevel(args[2]) {
				return nil, usagef("%q is neither on nor off nor a level", args[2])
			}
		}
		return r, nil
	case len(args) != 2 || args[0] == "tunnel":
		return nil, usagef(usage)
	case !isLevel(args[1]):
		return nil, usagef("unknown level %q, only debug, info, warn, error, default", args[1])
	}
	return &client.DebugRequest{Kind: client.LevelOfSubsystem, Name: args[0], Level: args[1]}, nil
}

func isLevel(s string) bool {
	_, ok := logLevels[s]
	return ok || s == client.LevelDefault
}
