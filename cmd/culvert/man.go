package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"culvert/internal/version"
)

// epoch dates pages that are made without a date, so that the same source makes the same pages.
var epoch = time.Unix(0, 0).UTC()

// newMan makes the manual pages; it is for who packages culvert.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "write the manual pages, one a command, into a directory",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("a directory is needed")
			}
			return nil
		},
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{
				Section: "1",
				Date:    &epoch,
				Source:  "culvert " + strings.TrimPrefix(version.Version, "v"),
				Manual:  "culvert",
			}, args[0])
		}),
	}
}
