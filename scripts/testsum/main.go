package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// summary is what has been seen so far.
type summary struct {
	w       io.Writer
	verbose bool
	output  map[string]*strings.Builder // package and test -> what it wrote
	open    map[string]*counts          // packages that have begun and not ended

	total    counts
	packages int
	broken   int // packages that failed
	builds   int // failed builds
}

type counts struct{ passed, failed, skipped int }

func main() {
	name := flag.String("name", "tests", "what the sum is called")
	sum := flag.String("sum", "", "file the sum is also written to")
	noSkip := flag.Bool("no-skip", false, "a skipped test is a failure")
	verbose := flag.Bool("v", false, "print all output as it comes")
	flag.Parse()

	s := newSummary(os.Stdout, *verbose)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	text, ok := s.finish(*noSkip)
	fmt.Fprintf(os.Stdout, "%s: %s\n", *name, text)
	if *sum != "" {
		if err := os.WriteFile(*sum, []byte(text+"\n"), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(1)
		}
	}
	if !ok {
		os.Exit(1)
	}
}

func newSummary(w io.Writer, verbose bool) *summary {
	return &summary{w: w, verbose: verbose, output: map[string]*strings.Builder{}, open: map[string]*counts{}}
}

func (s *summary) read(r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), 16<<20)
	for sc.Scan() {
		var e event
		if json.Unmarshal(sc.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(s.w, sc.Text()) // go's own messages are not always JSON
			continue
		}
		s.add(e)
	}
	return sc.Err()
}

func (s *summary) add(e event) {
	switch {
	case e.Action == "build-output":
		fmt.Fprint(s.w, e.Output)
	case e.Action == "build-fail":
		s.builds++
	case e.Action == "start":
		s.open[e.Package] = &counts{}
	case e.Action == "output":
		s.keep(e)
	case e.Test != "":
		s.endTest(e)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		s.endPackage(e)
	}
}

func (s *summary) keep(e event) {
	if s.verbose {
		fmt.Fprint(s.w, e.Output)
	}
	key := e.Package + " " + e.Test
	if s.output[key] == nil {
		s.output[key] = &strings.Builder{}
	}
	s.output[key].WriteString(e.Output)
}

func (s *summary) endTest(e event) {
	c, ok := s.open[e.Package]
	if !ok {
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		c.passed++
	case "skip":
		c.skipped++
		s.print(key, "SKIP  "+e.Package+" "+e.Test)
	case "fail":
		c.failed++
		s.print(key, "FAIL  "+e.Package+" "+e.Test)
	default: // run, pause, cont, bench
		return
	}
	delete(s.output, key)
}

// print writes what a test wrote under a title; in verbose mode it is on the screen already.
func (s *summary) print(key, title string) {
	fmt.Fprintln(s.w, title)
	if out := s.output[key]; out != nil && !s.verbose {
		fmt.Fprint(s.w, out.String())
	}
}

func (s *summary) endPackage(e event) {
	c := s.open[e.Package]
	delete(s.open, e.Package)
	key := e.Package + " "
	defer delete(s.output, key)
	if c == nil || (e.Action == "skip" && *c == counts{}) {
		return // no test files
	}
	s.packages++
	s.total.passed += c.passed
	s.total.failed += c.failed
	s.total.skipped += c.skipped
	verdict := "ok  "
	if e.Action == "fail" {
		verdict = "FAIL"
		s.broken++
		s.print(key, "FAIL  "+e.Package)
	}
	fmt.Fprintf(s.w, "%s  %-32s %7.2f s  %s\n", verdict, e.Package, e.Elapsed, c)
}

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// finish returns the sum and whether it is good.
func (s *summary) finish(noSkip bool) (string, bool) {
	text := fmt.Sprintf("%s in %d packages", s.total, s.packages)
	ok := s.total.failed == 0 && s.broken == 0 && s.builds == 0
	if s.builds > 0 {
		text += fmt.Sprintf(", %d failed builds", s.builds)
	}
	for pkg := range s.open {
		text += ", " + pkg + " did not end"
		ok = false
	}
	if s.total.passed == 0 {
		text += ", no test ran"
		ok = false
	}
	if noSkip && s.total.skipped > 0 {
		text += ", skips are not allowed here"
		ok = false
	}
	return text, ok
}
