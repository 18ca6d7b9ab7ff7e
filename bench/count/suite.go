package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

// suite is benchmarks of one package, as go test's -bench takes them: an expression for each level of names.
type suite struct {
	pkg     string
	benches []string
}

// suites are the steps of the packet path, in the order of a packet that goes out and comes in.
var suites = []suite{
	{"encap", []string{`^Benchmark(Encapsulate|Decapsulate|ClampMSS)$`, `^BenchmarkChecksum$/^(20|1400)$`}},
	{"forwarder/offload", []string{`^Benchmark(Segments|Coalesce)$/^tcp6$`, `^BenchmarkAlone$`, `^BenchmarkCopySum$/^(best|go)$/^1348$`}},
	{"forwarder", []string{`^Benchmark(Inbound|InboundSessions|InboundJoined|Outbound)$`}},
	{"forwarder/netio", []string{`^BenchmarkLoopback$/^udp4$/^batch=64$/^size=64$`, `^BenchmarkPollerWait$`}},
	{"forwarder/tuntap", []string{`^BenchmarkPing$`}},
}

// childEnv makes a benchmark repeatable: one processor, no collector, no signals to preempt, and no string instructions,
// which the Go runtime otherwise uses on some CPUs and not on others. Nor may it execute itself again in a network namespace of its own
// (testenv.OwnNetNS): nobody would find its functions then.
var childEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1,cpu.erms=off", "CULVERT_TEST_NETNS=1"}

// countAll builds the test binaries of all suites and counts their steps.
func countAll(suites []suite) (*figures, error) {
	dir, err := os.MkdirTemp("", "count")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	f := &figures{Environment: thisEnvironment()}
	for _, s := range suites {
		bin := filepath.Join(dir, path.Base(s.pkg)+".test")
		if err := build(bin, "./"+s.pkg); err != nil {
			return nil, err
		}
		for _, bench := range s.benches {
			steps, err := countBenches(bin, s.pkg, bench)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.pkg, bench, err)
			}
			f.Steps = append(f.Steps, steps...)
		}
	}
	return f, nil
}

// build makes the test binary of a package, with symbols, which go test leaves out of what it runs itself.
func build(bin, pkg string) error {
	cmd := exec.Command("go", "test", "-c", "-o", bin, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func thisEnvironment() environment {
	version := strings.SplitN(runtime.Version(), ".", 3)
	return environment{Go: strings.Join(version[:min(2, len(version))], "."), GOARCH: runtime.GOARCH, AVX2: cpu.X86.HasAVX2}
}

// tries bounds how often benchmarks are counted anew because the first iteration of one took more than both of another
// run: what the Go runtime does now and then (it grows a stack, starts a thread) fell into it.
const tries = 4

// countBenches counts one iteration of each benchmark of a test binary that bench names, with dir as working directory. It
// is the second iteration, so that caches and lazy initialisation of the Go runtime don't count: a run of two less a run
// of one.
func countBenches(bin, dir, bench string) (steps []step, err error) {
	sym, err := readSymbols(bin)
	if err != nil {
		return nil, err
	}
	for range tries {
		if steps, err = countOnce(bin, dir, bench, sym); !errors.Is(err, errUneven) {
			return steps, err
		}
	}
	return nil, err
}

func countOnce(bin, dir, bench string, sym *symbols) ([]step, error) {
	one, err := countLoops(bin, dir, bench, 1, sym)
	if err != nil {
		return nil, err
	}
	two, err := countLoops(bin, dir, bench, 2, sym)
	if err != nil {
		return nil, err
	}
	return secondIterations(dir, one, two)
}

// errUneven says that a benchmark's first iteration took more than two.
var errUneven = errors.New("one iteration took more instructions than two")

// secondIterations is what two iterations took more than one, sorted by name.
func secondIterations(dir string, one, two map[string]counted) ([]step, error) {
	steps := make([]step, 0, len(two))
	for name, c := range two {
		first, ok := one[name]
		if !ok {
			return nil, fmt.Errorf("%w: %s ran only once", errBenches, name)
		}
		if c.instructions <= first.instructions {
			return nil, fmt.Errorf("%s: %w: %d, %d", name, errUneven, first.instructions, c.instructions)
		}
		steps = append(steps, newStep(dir+"."+name, c.without(first)))
	}
	slices.SortFunc(steps, func(a, b step) int { return strings.Compare(a.Name, b.Name) })
	return steps, nil
}

// errBenches says that benchmarks did not run as they should.
var errBenches = errors.New("benchmarks")

// countLoops runs benchmarks for n iterations each and counts all of these, by name.
func countLoops(bin, dir, bench string, n int, sym *symbols) (map[string]counted, error) {
	log, err := os.CreateTemp(filepath.Dir(bin), "log") // a file: nobody has to copy while the process stands still
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(log.Name()) }()
	defer log.Close()
	cmd := exec.Command(bin, "-test.run", "^$", "-test.bench", bench, "-test.benchtime", fmt.Sprint(n, "x"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), childEnv...)
	loops, err := trace(cmd, sym)
	out, readErr := os.ReadFile(log.Name())
	if err = errors.Join(err, readErr); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	names := benchNames(string(out))
	if len(names) != len(loops) || len(names) == 0 {
		return nil, fmt.Errorf("%w: %d ended, %d loops were counted (some need root):\n%s", errBenches, len(names), len(loops), out)
	}
	byName := make(map[string]counted, len(names))
	for i, name := range names {
		byName[name] = loops[i]
	}
	return byName, nil
}

var benchLine = regexp.MustCompile(`(?m)^Benchmark(\S+)\s+\d+\s+\S+ ns/op`)

// benchNames are the names of the benchmarks that ended, in their order.
func benchNames(out string) (names []string) {
	for _, m := range benchLine.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	return names
}
