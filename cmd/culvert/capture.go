package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"culvert/client"
)

// captureFlags are the flags of capture.
type captureFlags struct {
	socket, file, peer string
	req                client.CaptureRequest
}

func newCapture() *cobra.Command {
	var f captureFlags
	cmd := &cobra.Command{
		Use:   "capture (--tunnel NAME | --session TUNNEL/SESSION | --peer ADDRESS) --write FILE",
		Short: "write the packets of a tunnel, session or peer to a file",
		Long: "capture writes packets as pcapng, which Wireshark and tshark read: those of the underlay, control messages " +
			"included, and the frames inside them, on interfaces of their own. It ends with an interrupt (SIGINT) or when there is enough.",
		Example: "  culvert capture --tunnel t1 -w t1.pcapng --duration 10s\n  culvert capture --session t1/s1 --inner -w - | tshark -r -",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			return f.check()
		},
		RunE: work(func(cmd *cobra.Command, _ []string) error { return capture(cmd, f) }),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.socket, "socket", client.DefaultSocket, "`path` of the management socket")
	fl.StringVarP(&f.file, "write", "w", "", "`file` to write, - for standard output")
	fl.StringVar(&f.req.Tunnel, "tunnel", "", "packets of the tunnel `name`")
	fl.StringVar(&f.req.Session, "session", "", "packets of the session `tunnel/session`")
	fl.StringVar(&f.peer, "peer", "", "packets exchanged with an `address`")
	fl.BoolVar(&f.req.Outer, "outer", false, "packets of the underlay only")
	fl.BoolVar(&f.req.Inner, "inner", false, "frames of the pseudowires only")
	fl.Uint64Var(&f.req.Count, "count", 0, "end after so many `packets`")
	fl.DurationVar(&f.req.Duration, "duration", 0, "end after this `time`, such as 10s")
	fl.Uint64Var(&f.req.Size, "size", 0, "end before the file has more `bytes` (default 1 GiB)")
	fl.IntVar(&f.req.SnapLen, "snaplen", 0, "keep so many `bytes` of each packet (default all)")
	return cmd
}

// check finds what is wrong with the command line.
func (f *captureFlags) check() error {
	given := 0
	for _, s := range []string{f.req.Tunnel, f.req.Session, f.peer} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return usagef("one of --tunnel, --session and --peer is needed")
	case f.file == "":
		return usagef("--write is needed: a file, or - for standard output")
	case f.req.SnapLen < 0:
		return usagef("--snaplen %d is below 0", f.req.SnapLen)
	case f.req.Duration < 0:
		return usagef("--duration %v is below 0", f.req.Duration)
	}
	if f.peer == "" {
		return nil
	}
	a, err := netip.ParseAddr(f.peer)
	if err != nil {
		return usagef("--peer %q is not an address", f.peer)
	}
	f.req.Peer = a
	return nil
}

// capture writes the capture. The file is made when culvert has taken the request, so that a wrong name costs no file.
func capture(cmd *cobra.Command, f captureFlags) error {
	ctx, release := untilSignal(cmd.Context(), zap.NewNop())
	defer release()
	out := &lateFile{path: f.file, stdout: cmd.OutOrStdout()}
	began := time.Now()
	res, err := client.New(f.socket).Capture(ctx, f.req, out, func() {
		fmt.Fprintf(cmd.ErrOrStderr(), "capturing to %s, interrupt to end\n", printable(f.file))
	})
	if e := out.close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d packets captured, %d dropped, in %.1f s\n", res.Captured, res.Dropped, time.Since(began).Seconds())
	return nil
}

// lateFile is a file that is made by its first write; "-" is standard output.
type lateFile struct {
	path   string
	stdout io.Writer
	f      *os.File
}

// Write implements io.Writer.
func (l *lateFile) Write(b []byte) (n int, err error) {
	if l.path == "-" {
		return l.stdout.Write(b)
	}
	if l.f == nil {
		// What passes a tunnel is nobody else's business.
		if l.f, err = os.OpenFile(l.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
			return 0, err
		}
	}
	return l.f.Write(b)
}

func (l *lateFile) close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}
