package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"culvert/internal/config"
	"culvert/internal/migrate"
)

// newImport has one kind of file only: those of ql2tpd and kl2tpd load as they are.
func newImport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "make a configuration file of what set tunnels up before",
		Long: "import prints a configuration file. The files of go-l2tp (ql2tpd.toml) need none of it: culvert reads them as they are,\n" +
			"and `culvert check` says what it makes of them.",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(&cobra.Command{
		Use:   "iproute FILE",
		Short: "from `ip l2tp` commands, in a script or a file for `ip -batch`",
		Long: "iproute prints the configuration that does what the `ip l2tp add` commands in FILE do (- is standard input), and the\n" +
			"`ip link set`, `ip address add` and `ip route add` commands for their interfaces. Nothing is run or expanded. What cannot\n" +
			"be carried over is a comment at the head of the result, with its line.",
		Example: "  culvert import iproute /etc/rc.local > culvert.toml && culvert check -c culvert.toml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("one file is needed, not %d", len(args))
			}
			return nil
		},
		RunE: work(func(cmd *cobra.Command, args []string) error { return importIPRoute(cmd, args[0]) }),
	})
	return cmd
}

func importIPRoute(cmd *cobra.Command, name string) error {
	text, err := readScript(cmd.InOrStdin(), name)
	if err != nil {
		return err
	}
	out, err := migrate.IPRoute(name, text)
	if err != nil {
		return err
	}
	if n := bytes.Count(out, []byte("\n# not carried over: ")); n > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "culvert: warning: %s: %s not carried over, listed at the head of the result\n", printable(name), plural(n, "thing"))
	}
	_, err = cmd.OutOrStdout().Write(out)
	return err
}

// readScript reads no more than a configuration file may have, and a byte.
func readScript(stdin io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		stdin = f
	}
	return io.ReadAll(io.LimitReader(stdin, config.MaxSize+1))
}
