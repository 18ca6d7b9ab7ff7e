package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"culvert/internal/doctor"
)

func newDoctor() *cobra.Command {
	sessions, asJSON := int64(1), false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look at this host and say what stands in the way, and what to do about it",
		Long: "doctor looks at this host, as it is for who runs it, in the network namespace it runs in: capabilities, devices, limits,\n" +
			"settings, and programs that listen for new links. It changes nothing. What hurts with as many sessions as --sessions\n" +
			"says makes it fail; what hurts from more on is a \"limit\".",
		Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if sessions < 1 {
				return usagef("--sessions must be 1 or more, not %d", sessions)
			}
			return report(cmd.OutOrStdout(), doctor.Look(doctor.System()), sessions, asJSON)
		}),
	}
	cmd.Flags().Int64Var(&sessions, "sessions", sessions, "how many `sessions` with devices of their own this host shall carry")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
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
