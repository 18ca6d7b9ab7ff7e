package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	o := options{}
	flag.StringVar(&o.out, "out", "build/count.json", "file for the figures")
	flag.StringVar(&o.baseline, "baseline", "bench/count/baseline.json", "file to compare with")
	flag.BoolVar(&o.update, "update", false, "write the figures into the baseline instead of comparing")
	flag.Float64Var(&o.tolerance, "tolerance", 5, "percent by which a step may grow")
	flag.StringVar(&o.sum, "sum", "", "file for the one-line result")
	flag.Parse()
	err := run(o)
	if errors.Is(err, errGrown) {
		fmt.Fprintf(os.Stderr, "count: %v. If that is the price of something: make count-update, and say so in the commit\n", err)
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "count:", err)
		os.Exit(1)
	}
}

type options struct {
	out, baseline, sum string
	update             bool
	tolerance          float64
}

// run counts everything in the module of the working directory.
func run(o options) error {
	figures, err := countAll(suites)
	if err != nil {
		return err
	}
	if o.update {
		figures.print(os.Stdout, nil)
		return figures.write(o.baseline)
	}
	base, err := read(o.baseline)
	if err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	text, err := figures.compare(base, o.tolerance)
	if errors.Is(err, errGrown) { // what disturbs, disturbs once: a thread that was about to be preempted, say
		again, countErr := countAll(suites)
		if countErr != nil {
			return countErr
		}
		figures.least(again)
		text, err = figures.compare(base, o.tolerance)
	}
	if err := figures.write(o.out); err != nil {
		return err
	}
	figures.print(os.Stdout, base)
	fmt.Fprintln(os.Stdout, "count:", text)
	if o.sum != "" {
		if err := os.WriteFile(o.sum, []byte(text+"\n"), 0o644); err != nil {
			return err
		}
	}
	return err
}
