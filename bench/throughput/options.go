package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// options of a run.
type options struct {
	rounds      int
	loads       []workload
	comparators []comparator
	trial       time.Duration // one trial of a search for the highest rate
	bulk        time.Duration // one TCP transfer
	ask         time.Duration // one series of requests
	timeout     time.Duration
	mtu         int
	rev         string // commit to build culvert from; empty: the tree as it is
	exe         string // culvert to measure instead
	against     string // a second culvert
	out         string
	quick       bool
}

func parseOptions(args []string) (options, error) {
	var o options
	var loadNames, comparatorNames string
	f := flag.NewFlagSet("throughput", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 5, "rounds; medians are over them")
	f.StringVar(&loadNames, "loads", "all", "comma-separated loads: "+strings.Join(names(allLoads()), ","))
	f.StringVar(&comparatorNames, "comparators", "all", "comma-separated comparators: "+strings.Join(names(allComparators()), ","))
	f.DurationVar(&o.trial, "trial", 500*time.Millisecond, "time of one trial in a search for the highest rate")
	f.DurationVar(&o.bulk, "bulk", 3*time.Second, "time of one TCP transfer")
	f.DurationVar(&o.ask, "ask", 2*time.Second, "time of one series of requests")
	f.DurationVar(&o.timeout, "timeout", 90*time.Minute, "end the run after this time, with what there is")
	f.IntVar(&o.mtu, "mtu", 1400, "MTU of every tunnel device; the veth has 1500")
	f.StringVar(&o.exe, "culvert", "", "culvert binary to measure; empty: build it")
	f.StringVar(&o.rev, "rev", "", "commit to build culvert from; empty: the tree as it is")
	f.StringVar(&o.against, "against", "", "second culvert binary, measured too (PPP over UDP): for comparing two builds")
	f.StringVar(&o.out, "out", "", "folder for the report; empty: docs/results/DATE-COMMIT, with -quick build/bench/quick")
	f.BoolVar(&o.quick, "quick", false, "one round of short loads, about 3 minutes: to see that everything works")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.quick {
		given := map[string]bool{}
		f.Visit(func(f *flag.Flag) { given[f.Name] = true })
		o.shorten(given)
	}
	if o.rounds < 1 || o.rounds > 1000 || o.trial < 50*time.Millisecond || o.bulk < time.Second || o.ask < 100*time.Millisecond {
		return o, fmt.Errorf("-rounds must be 1 to 1000, -trial at least 50ms, -bulk 1s, -ask 100ms")
	}
	if o.mtu < 1280 || o.mtu > 1420 {
		return o, fmt.Errorf("-mtu must be 1280 to 1420: more does not fit every tunnel")
	}
	var err error
	if o.loads, err = choose("load", allLoads(), loadNames); err != nil {
		return o, err
	}
	all := allComparators()
	if o.against != "" {
		all = append(all, secondCulvert)
	}
	o.comparators, err = choose("comparator", all, comparatorNames)
	return o, err
}

// shorten makes a quick run of what was not given.
func (o *options) shorten(given map[string]bool) {
	for name, set := range map[string]func(){
		"rounds": func() { o.rounds = 1 },
		"trial":  func() { o.trial = 150 * time.Millisecond },
		"bulk":   func() { o.bulk = time.Second },
		"ask":    func() { o.ask = 300 * time.Millisecond },
	} {
		if !given[name] {
			set()
		}
	}
}

// named is what can be chosen by name.
type named interface{ key() string }

func names[T named](all []T) []string {
	list := make([]string, 0, len(all))
	for _, x := range all {
		list = append(list, x.key())
	}
	return list
}

// choose picks by a comma-separated list, in the order of all.
func choose[T named](what string, all []T, list string) ([]T, error) {
	if list == "all" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	var chosen []T
	for _, x := range all {
		if i := slices.Index(wanted, x.key()); i >= 0 {
			chosen = append(chosen, x)
			wanted = slices.DeleteFunc(wanted, func(s string) bool { return s == x.key() })
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("no %s %q: there are %s", what, wanted[0], strings.Join(names(all), ", "))
	}
	return chosen, nil
}

// progress writes news to standard error.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
