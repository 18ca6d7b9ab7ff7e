package main

import (
	"os"
	"path/filepath"
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
		Short:  "write the manual pages, one a command and one of the file, into a directory",
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
			source := "culvert " + strings.TrimPrefix(version.Version, "v")
			header := &doc.GenManHeader{Section: "1", Date: &epoch, Source: source, Manual: "culvert"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(args[0], "culvert.toml.5"), configPage(source), 0o644) //nolint:gosec // for everybody
		}),
	}
}
