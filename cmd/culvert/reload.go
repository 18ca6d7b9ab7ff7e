package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"culvert/client"
)

// shownNames is how many names of one kind a line lists.
const shownNames = 10

func newReload() *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "have a running culvert read its configuration file again",
		Long: "reload has a running culvert read its configuration file again and change what differs, without touching the rest. " +
			"A file with an error changes nothing. It prints what was done; what could not be brought up makes it fail.",
		Args: noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			return reload(cmd, flags, client.ReloadRequest{})
		}),
	}
	flags.add(cmd.Flags())
	return cmd
}

// checkDiff prints what a reload with another file would do.
func checkDiff(cmd *cobra.Command, flags showFlags, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return reload(cmd, flags, client.ReloadRequest{File: abs, DryRun: true})
}

func reload(cmd *cobra.Command, flags showFlags, r client.ReloadRequest) error {
	return amend(cmd, flags, func(c *client.Client, ctx context.Context) (client.ReloadReport, error) { return c.Reload(ctx, r) })
}

// amend changes what runs, and prints what has become of it.
func amend(cmd *cobra.Command, flags showFlags, change asking[client.ReloadReport]) error {
	report, err := change(client.New(flags.socket), cmd.Context())
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "culvert: warning: %s\n", printable(w))
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if flags.json {
		err = json.NewEncoder(out).Encode(report)
	} else {
		printReload(out, &report)
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if len(report.Failed) > 0 {
		return errors.New(strings.Join(report.Failed, "\n"))
	}
	return nil
}

// printReload prints a line for each outcome, with figures and the first names.
func printReload(w io.Writer, r *client.ReloadReport) {
	for _, o := range []struct {
		word  string
		names func(c *client.Change) []string
	}{
		{"added", func(c *client.Change) []string { return c.Added }},
		{"removed", func(c *client.Change) []string { return c.Removed }},
		{"changed", func(c *client.Change) []string { return c.Changed }},
		{"updated", func(c *client.Change) []string { return c.Updated }},
	} {
		var parts []string
		for i := range r.Changes {
			if names := o.names(&r.Changes[i]); len(names) > 0 {
				parts = append(parts, fmt.Sprintf("%s (%s)", plural(len(names), r.Changes[i].Kind), firstOf(names)))
			}
		}
		printOutcome(w, o.word, parts)
	}
	var kept []string
	for i := range r.Changes {
		if c := &r.Changes[i]; c.Kept > 0 {
			kept = append(kept, plural(c.Kept, c.Kind))
		}
	}
	printOutcome(w, "kept", kept)
	if r.LogLevel != "" {
		printOutcome(w, "log level", []string{r.LogLevel})
	}
	if len(r.Restart) > 0 {
		printOutcome(w, "needs a restart", r.Restart)
	}
}

func printOutcome(w io.Writer, word string, parts []string) {
	if len(parts) == 0 {
		parts = []string{"nothing"}
	}
	fmt.Fprintf(w, "%s: %s\n", word, strings.Join(parts, ", "))
}

// firstOf lists names, not too many.
func firstOf(names []string) string {
	shown := make([]string, 0, shownNames)
	for _, n := range names[:min(len(names), shownNames)] {
		shown = append(shown, printable(n))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	return strings.Join(shown, ", ")
}
