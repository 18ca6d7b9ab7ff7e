package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpread(t *testing.T) {
	tests := []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3, 1}},
		{[]float64{9, 1}, spread{5, 1, 9, 2}},
		{[]float64{5, 1, 100}, spread{5, 1, 100, 3}},
		{[]float64{4, 3, 2, 1}, spread{2.5, 1, 4, 4}},
	}
	for _, tt := range tests {
		if got := newSpread(tt.in); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "0.000", 0.1234: "0.123", 1.005: "1.00", 12.34: "12.3", 123.4: "123", 21893.4: "21893"} {
		if got := figure(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// example is a report with everything in it: ratios that pair rounds, an infinite figure, failures, awkward names.
func example(t *testing.T) report {
	t.Helper()
	o, err := parseOptions([]string{"-loads", "tcp1,rr-idle", "-comparators", "veth,vxlan,culvert-ppp-udp,fastd"})
	if err != nil {
		t.Fatal(err)
	}
	o.comparators[0].title = `<veth> & "co"`
	bulk := func(round int, who string, rate, cpu float64) sample {
		return sample{Round: round, Load: "tcp1", Comparator: who, Values: values{bitRate.Key: rate, hostGB.Key: cpu}}
	}
	samples := []sample{
		bulk(1, "vxlan", 10e9, 1), bulk(1, "culvert-ppp-udp", 5e9, 2), bulk(1, "veth", 12e9, math.Inf(1)),
		bulk(2, "vxlan", 4e9, 1), bulk(2, "culvert-ppp-udp", 2e9, 4), bulk(2, "veth", 12e9, 1),
		bulk(3, "culvert-ppp-udp", 1e9, 3), // VXLAN failed in this round: no ratio
		{Round: 3, Load: "tcp1", Comparator: "vxlan", Error: "broke\n`badly`"},
		{Round: 1, Load: "tcp1", Comparator: "fastd", Error: "not installed"},
		{Round: 2, Load: "tcp1", Comparator: "fastd", Error: "not installed"},
		{Round: 1, Load: "rr-idle", Comparator: "vxlan", Values: values{median.Key: 20e-6, tail99.Key: 50e-6}},
	}
	for i := range samples { // as one() does: JSON has no infinity
		samples[i].Values = samples[i].Values.finite()
	}
	m := machine{Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "abc", CPU: "A|B", CPUs: 2, Arguments: []string{"-quick"}}
	m.Ended = m.Began.Add(time.Minute)
	return summarize(m, o, samples)
}

func TestSummary(t *testing.T) {
	rep := example(t)
	if rep.Rounds != 3 || rep.Failures != 3 || len(rep.Tables) != 2 {
		t.Fatalf("%+v", rep)
	}
	culvert := rep.Tables[0].Rows[2]
	if culvert.Ratio == nil || *culvert.Ratio != (spread{0.5, 0.5, 0.5, 2}) {
		t.Errorf("ratio %+v", culvert.Ratio)
	}
	if got := culvert.Values[bitRate.Key]; got != (spread{2e9, 1e9, 5e9, 3}) {
		t.Errorf("rate %+v", got)
	}
	veth := rep.Tables[0].Rows[0]
	if got := veth.Values[hostGB.Key]; got.N != 1 {
		t.Errorf("infinity counted: %+v", got)
	}
	fastd := rep.Tables[0].Rows[3]
	if fastd.Ratio != nil || !cmp.Equal(fastd.Errors, []string{"not installed"}) {
		t.Errorf("%+v", fastd)
	}
}

func TestText(t *testing.T) {
	text := example(t).text()
	for _, want := range []string{
		"culvert PPP/UDP  2.00    1.00..5.00  0.500    3.00",
		"fastd null       -       -           -        -",
		"kernel VXLAN            20.0    20.0..20.0  1.00     50.0",
		"Medians of 3 rounds.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	rep := example(t)
	if err := rep.write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Samples) != len(rep.Samples) || !cmp.Equal(back.Tables[0].Rows, rep.Tables[0].Rows) {
		t.Error("the JSON is not the report")
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| culvert PPP/UDP | 2.00 | 1.00..5.00 | 0.500 | 3.00 | - | - |", `| CPU | 2 x A\|B |`,
		"kernel VXLAN failed: `broke 'badly'`", "](chart.svg)",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

func TestChart(t *testing.T) {
	chart := example(t).chart()
	rects, texts := 0, 0
	for d := xml.NewDecoder(strings.NewReader(chart)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, chart)
		}
		if e, ok := token.(xml.StartElement); ok {
			switch e.Name.Local {
			case "rect":
				rects++
			case "text":
				texts++
			}
		}
	}
	if rects != 1+3+1 { // paper, three measured under tcp1, one under rr-idle
		t.Errorf("%d rectangles", rects)
	}
	if texts != 2+2*8 {
		t.Errorf("%d texts", texts)
	}
	if strings.Contains(chart, "NaN") || strings.Contains(chart, "Inf") {
		t.Errorf("not finite:\n%s", chart)
	}
	empty := report{Tables: []table{{Title: "x", Rows: []row{{Title: "y"}}}}}
	if c := empty.chart(); strings.Contains(c, "NaN") {
		t.Errorf("nothing measured:\n%s", c)
	}
}
