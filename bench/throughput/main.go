package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends at once; the kernel cleans up then
	if len(os.Args) > 1 && os.Args[1] == toolArg {
		exit(tool(ctx, os.Stdout, os.Args[2:]))
	}
	o, err := parseOptions(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "throughput:", err)
		os.Exit(2)
	}
	exit(run(ctx, o))
}

// exit ends the process, with status 1 and a message when err is not nil.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "throughput:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
