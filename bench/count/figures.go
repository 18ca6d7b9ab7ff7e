package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// figures are the result of one run, and what a baseline holds.
type figures struct {
	Environment environment `json:"environment"`
	Steps       []step      `json:"steps"`
}

// environment is what figures must have in common to be compared.
type environment struct {
	Go     string `json:"go"` // minor version
	GOARCH string `json:"goarch"`
	AVX2   bool   `json:"avx2"`
}

// step is what one iteration of a benchmark takes.
type step struct {
	Name         string            `json:"name"` // package.Benchmark
	Instructions uint64            `json:"instructions"`
	Functions    map[string]uint64 `json:"functions"` // those with one percent or more
}

// counted is one run of a benchmark's loop.
type counted struct {
	instructions uint64
	functions    map[string]uint64 // instructions by function
}

// without is what c took more than other.
func (c counted) without(other counted) counted {
	less := func(a, b uint64) uint64 { return a - min(a, b) }
	d := counted{instructions: less(c.instructions, other.instructions), functions: map[string]uint64{}}
	for f, n := range c.functions {
		d.functions[f] = less(n, other.functions[f])
	}
	return d
}

func newStep(name string, c counted) step {
	s := step{Name: name, Instructions: c.instructions, Functions: map[string]uint64{}}
	for f, n := range c.functions {
		if n*100 >= c.instructions && n > 0 {
			s.Functions[shortName(f)] += n
		}
	}
	return s
}

// shortName is a function's name without the path of its package.
func shortName(f string) string { return path.Base(f) }

func read(file string) (*figures, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f := &figures{}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return f, nil
}

func (f *figures) write(file string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

func (f *figures) find(name string) (step, bool) {
	i := slices.IndexFunc(f.Steps, func(s step) bool { return s.Name == name })
	if i < 0 {
		return step{}, false
	}
	return f.Steps[i], true
}

// least takes over the steps that took less when they were counted again.
func (f *figures) least(again *figures) {
	for i, s := range f.Steps {
		if a, ok := again.find(s.Name); ok && a.Instructions < s.Instructions {
			f.Steps[i] = a
		}
	}
}

// print writes a table, with the change against base where that is not nil.
func (f *figures) print(w io.Writer, base *figures) {
	fmt.Fprintf(w, "%-52s %12s %12s %8s\n", "step", "instructions", "baseline", "change")
	for _, s := range f.Steps {
		was, change := "-", "-"
		if base != nil {
			if b, ok := base.find(s.Name); ok {
				was, change = fmt.Sprint(b.Instructions), fmt.Sprintf("%+.1f %%", growth(b, s))
			}
		}
		fmt.Fprintf(w, "%-52s %12d %12s %8s\n", s.Name, s.Instructions, was, change)
	}
}

// growth is in percent.
func growth(was, is step) float64 {
	return (float64(is.Instructions)/float64(was.Instructions) - 1) * 100
}

// errGrown is the verdict on figures that do not agree with their baseline.
var errGrown = errors.New("steps differ from the baseline")

const (
	slack    = 2    // instructions that a short step may grow by, however little it takes
	rounding = 1e-9 // percent
)

// compare gives the result in one line; the error names each step that grew by more than tolerance percent, and those
// that only one side has.
func (f *figures) compare(base *figures, tolerance float64) (string, error) {
	if f.Environment != base.Environment {
		return fmt.Sprintf("%d steps, not compared: the baseline is of %v, this is %v", len(f.Steps), base.Environment, f.Environment), nil
	}
	var bad []string
	shrunk := 0
	for _, s := range f.Steps {
		b, ok := base.find(s.Name)
		switch {
		case !ok:
			bad = append(bad, s.Name+" is not in it")
		case s.Instructions > b.Instructions+slack && growth(b, s) > tolerance+rounding:
			bad = append(bad, fmt.Sprintf("%s grew by %.1f %% (%s)", s.Name, growth(b, s), grownFunctions(b, s)))
		case s.Instructions+slack < b.Instructions && growth(b, s) < -tolerance:
			shrunk++
		}
	}
	for _, b := range base.Steps {
		if _, ok := f.find(b.Name); !ok {
			bad = append(bad, b.Name+" was not counted")
		}
	}
	text := fmt.Sprintf("%d steps, %d differ from the baseline", len(f.Steps), len(bad))
	if shrunk > 0 {
		text += fmt.Sprintf(", %d take fewer instructions: make count-update", shrunk)
	}
	if len(bad) > 0 {
		return text, fmt.Errorf("%w: %s", errGrown, strings.Join(bad, "; "))
	}
	return text, nil
}

// String is for people.
func (e environment) String() string {
	if e.AVX2 {
		return e.Go + " " + e.GOARCH + " with AVX2"
	}
	return e.Go + " " + e.GOARCH + " without AVX2"
}

// grownFunctions names the functions that take more instructions than they did, the worst first.
func grownFunctions(was, is step) string {
	more := func(f string) int64 { return int64(is.Functions[f]) - int64(was.Functions[f]) }
	var names []string
	for f := range is.Functions {
		if more(f) > 0 {
			names = append(names, f)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := more(b) - more(a); d != 0 {
			return int(d)
		}
		return strings.Compare(a, b)
	})
	text := make([]string, 0, 3)
	for _, f := range names[:min(3, len(names))] {
		text = append(text, fmt.Sprintf("%s %+d", f, more(f)))
	}
	return strings.Join(text, ", ")
}
