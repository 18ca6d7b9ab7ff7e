package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"culvert/client"
	"culvert/internal/doctor"
)

func newDoctor() *cobra.Command {
	sessions, asJSON := int64(1), false
	var flags showFlags
	tunnel, wait := "", 4*time.Second
	cmd := &cobra.Command{
		Use:   "doctor [TUNNEL]",
		Short: "look at this host, or at a tunnel of a running culvert, and say what is wrong and what to do about it",
		Long: "doctor looks at this host, as it is for who runs it, in the network namespace it runs in: capabilities, devices, limits,\n" +
			"settings, and programs that listen for new links. It changes nothing. What hurts with as many sessions as --sessions\n" +
			"says makes it fail; what hurts from more on is a \"limit\".\n\n" +
			"With the name of a TUNNEL the culvert that runs watches that one for as long as --wait says, counters and packets, and says\n" +
			"what is wrong: path MTU, silence, cookies, L2-Specific Sublayer, PPP framing, order, control messages. It works best while\n" +
			"there is traffic, and fails when something is bad.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && tunnel != "" {
				return usagef("one TUNNEL is enough")
			}
			return nil
		},
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				tunnel = args[0]
			}
			if tunnel != "" {
				all, err := client.New(flags.socket).Diagnose(cmd.Context(), tunnel, wait)
				if err != nil {
					return err
				}
				return reportTunnel(cmd.OutOrStdout(), all, flags.json)
			}
			asJSON = flags.json
			if sessions < 1 {
				return usagef("--sessions must be 1 or more, not %d", sessions)
			}
			return report(cmd.OutOrStdout(), doctor.Look(doctor.System()), sessions, asJSON)
		}),
	}
	cmd.Flags().Int64Var(&sessions, "sessions", sessions, "how many `sessions` with devices of their own this host shall carry")
	cmd.Flags().StringVar(&tunnel, "tunnel", "", "the tunnel `name`, as TUNNEL")
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to watch a tunnel, at most 30s")
	flags.add(cmd.Flags())
	return cmd
}

// report prints findings, and fails when one hurts.
func report(w io.Writer, all []doctor.Finding, sessions int64, asJSON bool) error {
	hurt := 0
	for i := range all {
		if all[i].Hurts(sessions) {
			hurt++
		}
	}
	if err := printFindings(w, all, asJSON); err != nil {
		return err
	}
	if hurt > 0 {
		return fmt.Errorf("%s in the way of %s", plural(hurt, "thing"), plural(int(sessions), "session"))
	}
	return nil
}

func printFindings(w io.Writer, all []doctor.Finding, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	t := newTable(w, "CHECK", "RESULT", "FROM", "FOUND")
	for i := range all {
		f := &all[i]
		from := ""
		if f.From > 0 {
			from = count(uint64(f.From))
		}
		t.row(f.Check, f.Level, from, f.Found)
	}
	if err := t.flush(); err != nil {
		return err
	}
	heading := "\nWhat to do:\n"
	for i := range all {
		if f := &all[i]; f.Remedy != "" {
			fmt.Fprintf(w, "%s  %s: %s\n", heading, f.Check, printable(f.Remedy))
			heading = ""
		}
	}
	return nil
}

// reportTunnel prints what was found out about a tunnel, and fails when something is bad.
func reportTunnel(w io.Writer, all []client.Finding, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	} else {
		for _, f := range all {
			about := f.Check
			if f.Session != "" {
				about += " of " + f.Session
			}
			fmt.Fprintf(w, "%-4s  %s: %s\n", f.Level, printable(about), printable(f.Found))
			for _, more := range []struct{ word, text string }{{"evidence", f.Evidence}, {"do", f.Remedy}} {
				if more.text != "" && (more.word != "do" || f.Level != doctorGood) {
					fmt.Fprintf(w, "      %s: %s\n", more.word, printable(more.text))
				}
			}
		}
	}
	bad := 0
	for _, f := range all {
		if f.Level == doctorBad {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%s wrong", plural(bad, "thing"))
	}
	return nil
}

// Levels of a finding about a tunnel.
const (
	doctorGood = "good"
	doctorBad  = "bad"
)
