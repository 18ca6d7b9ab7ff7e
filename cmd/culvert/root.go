package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"culvert/internal/version"
)

// Exit statuses, sysexits-free as most tools have them.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// failure is an error of a command's work; every other error that comes out of cobra is a wrong command line.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// usageError is a wrong command line that only the command itself can see.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// action is what a command does.
type action func(cmd *cobra.Command, args []string) error

// work marks what fn returns as failure, unless it is a usageError.
func work(fn action) action {
	return func(cmd *cobra.Command, args []string) error {
		err := fn(cmd, args)
		var usage usageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		return failure{err}
	}
}

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	printError(stderr, err)
	var f failure
	if errors.As(err, &f) {
		return exitFailure
	}
	fmt.Fprintf(stderr, "See `%s --help`.\n", cmd.CommandPath())
	return exitUsage
}

// printError writes each line of err, which may be many errors joined, as a message of its own.
func printError(w io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line != "" {
			fmt.Fprintf(w, "culvert: %s\n", printable(line))
		}
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "culvert",
		Short:         "L2TPv3 and PPP in user space",
		Long:          "culvert carries PPP and Ethernet over L2TPv3 (RFC 3931) in user space, one named interface per session.",
		Version:       version.Get().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	onlySubcommands(root)
	root.AddCommand(commands()...)
	return root
}

// onlySubcommands makes cmd, which does nothing by itself, refuse missing and unknown subcommands as wrong usage;
// cobra would print help and succeed.
func onlySubcommands(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("a command is missing")
		}
		hint := ""
		if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
			hint = ", did you mean " + strings.Join(s, " or ") + "?"
		}
		return usagef("unknown command %q%s", args[0], hint)
	}
	cmd.RunE = func(*cobra.Command, []string) error { return nil } // Args always fails first
}

// noArgs refuses positional arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// configFlag adds --config, which must be given.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration `file` (TOML)")
	// Both fail only for a flag that does not exist.
	_ = cmd.MarkFlagRequired("config")
	_ = cmd.MarkFlagFilename("config", "toml")
}
