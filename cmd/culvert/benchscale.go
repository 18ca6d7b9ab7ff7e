package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"culvert/bench/scale"
)

// budgets are the values of --memory, in bytes.
var budgets = map[string]int64{"": 0, "1g": 1 << 30, "4g": 4 << 30, "8g": 8 << 30}

func newBenchScale() *cobra.Command {
	var memory, out string
	c := scale.Config{Packets: 20000}
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "how many sessions two culverts carry here, and at what cost",
		Long: `scale runs two culverts in two network namespaces and sets up many PPP sessions over one dynamic tunnel, each with a
device of its own; sends traffic through every one of them; and reports memory, rates, CPU time and teardown. It needs
root and a machine that does nothing else.`,
		Args: noArgs,
		RunE: benchWork(func(ctx context.Context, w io.Writer) error {
			limit, ok := budgets[memory]
			if !ok {
				return usagef("--memory must be 1g, 4g or 8g")
			}
			if c.Sessions < 1 || c.Sessions > 1<<20 || c.Packets < 1 || c.Packets > 1e7 || c.Echo < 0 || c.Echo > time.Hour {
				return usagef("--sessions must be 1 to 1048576, --packets 1 to 10000000, --echo 0 to 1h")
			}
			if c.Descriptors != 0 && (c.Descriptors < 128 || c.Descriptors > 1<<30) {
				return usagef("--descriptors must be 0 or at least 128")
			}
			var err error
			if c.Binary, err = os.Executable(); err != nil {
				return err
			}
			c.Memory = limit
			c.Log = func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
			return benchScale(ctx, w, c, out)
		}),
	}
	f := cmd.Flags()
	f.IntVar(&c.Sessions, "sessions", 10000, "how `many` sessions")
	f.StringVar(&memory, "memory", "", "stop when one end uses so `much`: 1g, 4g or 8g")
	f.IntVar(&c.Packets, "packets", c.Packets, "`packets` to find the CPU time of one")
	f.IntVar(&c.Descriptors, "descriptors", 0, "`limit` of open files of both ends; 0: as it is")
	f.DurationVar(&c.Echo, "echo", 30*time.Second, "`time` to watch the LCP echoes")
	f.StringVar(&out, "out", "", "`directory` for scale.json, scale.md and scale.svg")
	return cmd
}

// benchScale runs it and writes down what came out.
func benchScale(ctx context.Context, w io.Writer, c scale.Config, out string) error {
	r, err := scale.Run(ctx, c)
	if err != nil {
		return failure{err}
	}
	text := r.Markdown()
	if _, err := fmt.Fprintln(w, text); err != nil || out == "" {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return failure{err}
	}
	for name, b := range map[string]string{"scale.json": string(data) + "\n", "scale.md": text, "scale.svg": r.SVG()} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(b), 0o644); err != nil {
			return failure{err}
		}
	}
	return nil
}
