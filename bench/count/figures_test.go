package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var here = environment{Go: "go1.26", GOARCH: "amd64", AVX2: true}

func one(name string, n uint64, functions map[string]uint64) *figures {
	return &figures{Environment: here, Steps: []step{{Name: name, Instructions: n, Functions: functions}}}
}

func TestCompare(t *testing.T) {
	other := one("a", 1000, nil)
	other.Environment.AVX2 = false
	for _, tt := range []struct {
		name     string
		base, is *figures
		want     string // of the result or of the error
		grown    bool
	}{
		{"same", one("a", 1000, nil), one("a", 1000, nil), "1 steps, 0 differ", false},
		{"grown by what is allowed", one("a", 1000, nil), one("a", 1050, nil), "1 steps, 0 differ", false},
		{"grown by more", one("a", 1000, nil), one("a", 1051, nil), "a grew by 5.1 %", true},
		{"short and grown by one", one("a", 10, nil), one("a", 11, nil), "0 differ", false},
		{"shrunk", one("a", 1000, nil), one("a", 900, nil), "1 take fewer instructions", false},
		{"new", one("b", 1000, nil), one("a", 1000, nil), "a is not in it; b was not counted", true},
		{"another CPU", other, one("a", 9000, nil), "not compared: the baseline is of go1.26 amd64 without AVX2", false},
		{
			"names the function", one("a", 100, map[string]uint64{"x": 50, "y": 50}), one("a", 200, map[string]uint64{"x": 40, "y": 150, "z": 10}),
			"grew by 100.0 % (y +100, z +10)", true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := tt.is.compare(tt.base, 5)
			if errors.Is(err, errGrown) != tt.grown {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, tt.want) {
				t.Errorf("%q does not say %q", text, tt.want)
			}
		})
	}
}

func TestLeast(t *testing.T) {
	f := one("a", 1000, nil)
	f.least(one("a", 1100, nil))
	f.least(one("b", 1, nil))
	f.least(one("a", 900, nil))
	if f.Steps[0].Instructions != 900 || len(f.Steps) != 1 {
		t.Errorf("%+v", f.Steps)
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a", "b.json")
	want := one("a", 7, map[string]uint64{"f": 7})
	if err := want.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var out bytes.Buffer
	got.print(&out, want)
	if !strings.Contains(out.String(), "+0.0 %") {
		t.Error(out.String())
	}
}

func TestWithout(t *testing.T) {
	two := counted{instructions: 300, functions: map[string]uint64{"p/a.f": 200, "p/b.f": 98, "g": 2}}
	first := counted{instructions: 180, functions: map[string]uint64{"p/a.f": 100, "p/b.f": 20, "h": 60}}
	got := newStep("s", two.without(first))
	want := step{Name: "s", Instructions: 120, Functions: map[string]uint64{"a.f": 100, "b.f": 78, "g": 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBenchNames(t *testing.T) {
	out := "goos: linux\nBenchmarkA/x     \t       1\t  17533965 ns/op\t 0 B/op\nBenchmarkB \t 2\t 12.5 ns/op\nPASS\n"
	if diff := cmp.Diff([]string{"A/x", "B"}, benchNames(out)); diff != "" {
		t.Error(diff)
	}
}

// TestBaseline: what is kept must be readable, and of the steps that are counted.
func TestBaseline(t *testing.T) {
	base, err := read("baseline.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		found := false
		for _, b := range base.Steps {
			found = found || strings.HasPrefix(b.Name, s.pkg+".")
		}
		if !found {
			t.Errorf("no step of %s", s.pkg)
		}
	}
	for _, b := range base.Steps {
		sum := uint64(0)
		for _, n := range b.Functions {
			sum += n
		}
		if b.Instructions == 0 || sum > b.Instructions || sum*2 < b.Instructions {
			t.Errorf("%s: %d instructions, %d of them in functions", b.Name, b.Instructions, sum)
		}
	}
}

// TestUneven: a first iteration in which the runtime was busy makes no figure.
func TestUneven(t *testing.T) {
	run := func(n uint64) map[string]counted { return map[string]counted{"A": {instructions: n}} }
	if steps, err := secondIterations("p", run(100), run(150)); err != nil || len(steps) != 1 || steps[0].Instructions != 50 {
		t.Errorf("%+v, %v", steps, err)
	}
	if _, err := secondIterations("p", run(200), run(150)); !errors.Is(err, errUneven) {
		t.Errorf("%v", err)
	}
	if _, err := secondIterations("p", run(100), map[string]counted{"B": {}}); !errors.Is(err, errBenches) {
		t.Errorf("%v", err)
	}
}
