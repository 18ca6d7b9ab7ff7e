package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"culvert/internal/config"
	"culvert/internal/l2tpnl"
	"culvert/internal/migrate"
)

func newImport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "make a configuration file of what set tunnels up before",
		Long: "import prints a configuration file. The files of ql2tpd need none of it: culvert reads them as they are, and\n" +
			"`culvert check` says what it makes of them.",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(&cobra.Command{
		Use:   "iproute FILE",
		Short: "from `ip l2tp` commands, in a script or a file for `ip -batch`",
		Long: "iproute prints the configuration that does what the `ip l2tp add` commands in FILE do (- is standard input), and the\n" +
			"`ip link set`, `ip address add` and `ip route add` commands for their interfaces. Nothing is run or expanded. What cannot\n" +
			"be carried over is a comment at the head of the result, with its line.",
		Example: "  culvert import iproute /etc/rc.local > culvert.toml && culvert check -c culvert.toml",
		Args:    oneFile,
		RunE:    work(func(cmd *cobra.Command, args []string) error { return importFile(cmd, args[0], migrate.IPRoute) }),
	}, &cobra.Command{
		Use:     "kl2tpd FILE",
		Aliases: []string{"ql2tpd"},
		Short:   "from a file of go-l2tp's kl2tpd (ql2tpd's load as they are)",
		Long: "kl2tpd prints the configuration for a kl2tpd.toml (- is standard input): its tunnels become dynamic ones of L2TPv3, which the\n" +
			"other end must speak, too, and the files that pppd_args names become PPP profiles, with passwords if they have some. A\n" +
			"ql2tpd.toml means the same afterwards. Comments are lost. What cannot be carried over is listed at the head.",
		Example: "  culvert import kl2tpd /etc/kl2tpd/kl2tpd.toml > culvert.toml && culvert check -c culvert.toml",
		Args:    oneFile,
		RunE: work(func(cmd *cobra.Command, args []string) error {
			return importFile(cmd, args[0], func(name string, text []byte) ([]byte, error) {
				return migrate.GoL2TP(name, text, func(path string) ([]byte, error) { return readScript(nil, path) })
			})
		}),
	}, &cobra.Command{
		Use:   "kernel",
		Short: "from the tunnels that the kernel has now",
		Long: "kernel prints the configuration of the L2TPv3 tunnels and sessions that the kernel has in this network namespace, whoever\n" +
			"made them, with MTU, addresses, routes and bridge of their interfaces. Nothing is changed. Needs CAP_NET_ADMIN. What the\n" +
			"kernel does not tell, or culvert cannot have, is a comment at the head of the result.",
		Args:    noArgs,
		Example: "  culvert import kernel > culvert.toml && culvert check -c culvert.toml",
		RunE:    work(func(cmd *cobra.Command, _ []string) error { return importKernel(cmd) }),
	})
	return cmd
}

func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("one file is needed, not %d", len(args))
	}
	return nil
}

func importFile(cmd *cobra.Command, name string, convert func(name string, text []byte) ([]byte, error)) error {
	text, err := readScript(cmd.InOrStdin(), name)
	if err != nil {
		return err
	}
	out, err := convert(name, text)
	if err != nil {
		return err
	}
	return printImported(cmd, name, out)
}

func importKernel(cmd *cobra.Command) error {
	tunnels, err := l2tpnl.Read()
	if err != nil {
		return err
	}
	out, err := migrate.Kernel(tunnels)
	if err != nil {
		return err
	}
	return printImported(cmd, "kernel", out)
}

// printImported prints a configuration, and says when it is not all.
func printImported(cmd *cobra.Command, name string, out []byte) error {
	if n := bytes.Count(out, []byte("\n# not carried over: ")); n > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "culvert: warning: %s: %s not carried over, listed at the head of the result\n", printable(name), plural(n, "thing"))
	}
	_, err := cmd.OutOrStdout().Write(out)
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
