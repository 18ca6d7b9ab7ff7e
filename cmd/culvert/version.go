package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"culvert/internal/version"
)

func newVersion() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "print version, commit, Go version and platform of this binary",
		Args:  noArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(version.Get())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version.Get())
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as GET /v1/version of the API")
	return cmd
}
